// PreTokenizer: cuts a normalised text into words.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "text/buffer.h"
#include "text/pattern.h"

namespace sdx::text {

/// A stretch of the work text: a word, or an added token that was found in it.
struct Split {
  uint32_t begin, end;
  int32_t token = -1;  ///< id of an added token, or -1
};

/// A normalised text on its way to becoming words. Without an alignment its bytes are those of the original.
struct Work {
  std::string_view text;
  const Align* align = nullptr;  ///< of each byte of `text`, or null where text and original coincide
  std::vector<Split> splits;

  /// Replaces text and alignment by the given ones, which the work then owns.
  void adopt(std::string new_text, std::vector<Align> new_align);
  /// Replaces the text by one of the same character boundaries as the original.
  void adopt(std::string new_text);

  std::vector<Span> spans;   ///< scratch
  std::vector<Split> spare;  ///< scratch

 private:
  std::string owned_text_;
  std::vector<Align> owned_align_;
};

class PreTokenizer {
 public:
  virtual ~PreTokenizer() = default;
  /// Cuts each split that is not a token into smaller ones. Safe to call from several threads.
  virtual void apply(Work& work) const = 0;
};

using PreTokenizerPtr = std::unique_ptr<const PreTokenizer>;

enum class PrependScheme : uint8_t { kAlways, kFirst, kNever };

struct ByteLevelOptions {
  bool add_prefix_space = true;
  bool use_regex = true;
  bool keep_bytes = false;  ///< leave the bytes as they are, for a model that takes them raw
};

PreTokenizerPtr make_bert_pretokenizer();
PreTokenizerPtr make_byte_level(ByteLevelOptions options);
PreTokenizerPtr make_char_delimiter(char32_t delimiter);
PreTokenizerPtr make_digits(bool individual);
PreTokenizerPtr make_metaspace(char32_t replacement, PrependScheme scheme, bool split);
PreTokenizerPtr make_punctuation(SplitBehavior behavior);
PreTokenizerPtr make_split(Pattern pattern, SplitBehavior behavior, bool invert);
PreTokenizerPtr make_unicode_scripts();
PreTokenizerPtr make_whitespace();
PreTokenizerPtr make_whitespace_split();
PreTokenizerPtr make_fixed_length(uint64_t characters);
PreTokenizerPtr make_pretokenizer_sequence(std::vector<PreTokenizerPtr> steps);

}  // namespace sdx::text
