// AddedTokens: tokens beside the model's vocabulary, cut out of the text before anything else sees it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "text/matcher.h"
#include "text/model.h"
#include "text/normalizer.h"
#include "text/pretokenizer.h"

namespace sdx::text {

struct AddedToken {
  std::string content;
  bool single_word = false;  ///< only where no word character touches it
  bool lstrip = false;       ///< takes the spaces before it along
  bool rstrip = false;       ///< takes the spaces after it along
  bool normalized = true;    ///< is looked for, normalised, in the normalised text
  bool special = false;

  bool operator==(const AddedToken&) const = default;
};

class AddedTokens {
 public:
  /// Adds tokens in order. A token that the model knows keeps its id, the others count on from the model's size.
  /// Call once, with every token.
  void add(const std::vector<AddedToken>& tokens, const Model& model, const Normalizer* normalizer);

  /// From now on a language code that stands before a text is a token: the model's, or `unknown`.
  void cut_language_codes(const Model& model, uint32_t unknown);

  int32_t find(std::string_view token) const;
  /// The added token with an id, or null.
  const AddedToken* token(uint32_t id) const;
  bool is_special(std::string_view token) const { return special_.count(std::string(token)) > 0; }
  /// Special tokens by content, in the order given.
  const std::vector<AddedToken>& tokens() const { return tokens_; }
  const std::unordered_map<uint32_t, AddedToken>& by_id() const { return by_id_; }

  /// Cuts the added tokens out of `original`, normalises the rest and leaves both in `work`.
  void extract(std::string_view original, const Normalizer* normalizer, Work& work) const;

 private:
  /// Patterns of one kind, with their ids.
  struct Patterns {
    std::vector<std::string> texts;
    std::vector<uint32_t> ids;
    Matcher matcher;

    void add(std::string text, uint32_t id);
    /// To be called after the last pattern.
    void build();
  };

  void split_codes(std::string_view text, std::vector<Split>& pieces) const;
  void split(const Patterns& patterns, std::string_view text, std::vector<Split>& out) const;

  std::vector<AddedToken> tokens_;
  std::unordered_map<std::string, uint32_t> ids_;
  std::unordered_map<uint32_t, AddedToken> by_id_;
  std::unordered_set<std::string> special_;
  Patterns raw_, normalized_;
  const Model* codes_ = nullptr;
  uint32_t unknown_code_ = 0;
};

}  // namespace sdx::text
