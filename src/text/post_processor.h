// PostProcessor: special tokens around the texts, and trimmed offsets.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "text/encoding.h"

namespace sdx::text {

/// Counts of space characters at the ends of a token's string.
struct SpaceCounts {
  uint32_t leading, trailing;
};

/// What post-processors need to know about tokens.
class TokenStrings {
 public:
  virtual ~TokenStrings() = default;
  /// Whether the vocabulary's string for `id` is `token`.
  virtual bool is(uint32_t id, std::string_view token) const = 0;
  virtual SpaceCounts spaces(uint32_t id) const = 0;
};

/// Spaces and byte-level spaces at the ends of `token`.
SpaceCounts count_spaces(std::string_view token);

class PostProcessor {
 public:
  virtual ~PostProcessor() = default;
  /// How many special tokens it adds to a text or a pair.
  virtual size_t added(bool pair) const = 0;
  /// Whether apply() asks for the spaces of many tokens.
  virtual bool counts_spaces() const { return false; }
  /// Rewrites one or two encodings into the parts of the result.
  virtual void apply(std::vector<Encoding>& parts, bool add_special, const TokenStrings& strings) const = 0;
};

using PostProcessorPtr = std::unique_ptr<const PostProcessor>;

struct SpecialToken {
  std::string token;
  uint32_t id;
};

/// One element of a template: a text, or the special tokens `tokens`.
struct TemplatePiece {
  int sequence = -1;  ///< 0 or 1 for the first or second text, -1 for special tokens
  uint32_t type_id = 0;
  std::vector<SpecialToken> tokens;
};

PostProcessorPtr make_bert_processing(SpecialToken separator, SpecialToken classifier);
PostProcessorPtr make_byte_level_processing(bool trim_offsets, bool add_prefix_space);
PostProcessorPtr make_roberta_processing(SpecialToken separator, SpecialToken classifier, bool trim_offsets,
                                         bool add_prefix_space);
/// Throws InvalidModel where the template of a single text names the second one.
PostProcessorPtr make_template_processing(std::vector<TemplatePiece> single, std::vector<TemplatePiece> pair);
PostProcessorPtr make_processor_sequence(std::vector<PostProcessorPtr> steps);

}  // namespace sdx::text
