// FolderConfig: the small JSON files of a Hub folder that bear on its tokenizer.
#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>

#include "text/added_tokens.h"

namespace sdx::text {

struct FolderConfig {
  nlohmann::json tokenizer;       ///< tokenizer_config.json, or an empty object
  nlohmann::json special_tokens;  ///< special_tokens_map.json, or an empty object
  nlohmann::json added_tokens;    ///< added_tokens.json, or an empty object
  nlohmann::json model;           ///< config.json, or an empty object

  static FolderConfig load(const std::string& folder);

  /// Boolean or string member of tokenizer_config.json.
  std::optional<bool> flag(const char* key) const;
  std::optional<std::string> text(const char* key) const;
  /// A special token such as "bos_token", from tokenizer_config.json or special_tokens_map.json.
  std::optional<AddedToken> special(const std::string& role) const;
  /// tokenizer_class of tokenizer_config.json or config.json without "Tokenizer" and "TokenizerFast", else model_type
  /// of config.json; lower case.
  std::string family() const;
};

/// A special token as those files write it: its string, or an object with its flags; else nothing.
std::optional<AddedToken> configured_token(const nlohmann::json& value);

}  // namespace sdx::text
