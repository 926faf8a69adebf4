// TokenizerParts: what the loaders put together and a tokenizer runs.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "text/added_tokens.h"
#include "text/decoder.h"
#include "text/encoding.h"
#include "text/model.h"
#include "text/normalizer.h"
#include "text/post_processor.h"
#include "text/pretokenizer.h"

namespace sdx::text {

struct TokenizerParts {
  NormalizerPtr normalizer;
  PreTokenizerPtr pretokenizer;
  std::unique_ptr<const Model> model;
  PostProcessorPtr post_processor;
  DecoderPtr decoder;
  std::vector<AddedToken> added_tokens;
  std::optional<Truncation> truncation;
  std::optional<Padding> padding;
  std::map<std::string, std::string> special_tokens;  ///< by role
  std::optional<uint64_t> model_max_length;
  /// Texts may begin with a language code, as Marian's do; the token for those that the vocabulary lacks.
  std::optional<uint32_t> unknown_language_code;
};

}  // namespace sdx::text
