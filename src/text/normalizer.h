// Normalizer: one step that rewrites a text before it is cut into words.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "text/buffer.h"
#include "text/pattern.h"

namespace sdx::text {

class Normalizer {
 public:
  virtual ~Normalizer() = default;
  /// Rewrites the text and its alignment. Safe to call from several threads.
  virtual void apply(Buffer& buffer) const = 0;
};

using NormalizerPtr = std::unique_ptr<const Normalizer>;

struct BertNormalizerOptions {
  bool clean_text = true;
  bool chinese = true;
  bool strip_accents = true;
  bool lowercase = true;
};

enum class UnicodeForm { kNfc, kNfd, kNfkc, kNfkd };

NormalizerPtr make_bert_normalizer(BertNormalizerOptions options);
NormalizerPtr make_unicode_normalizer(UnicodeForm form);
NormalizerPtr make_lowercase();
NormalizerPtr make_strip(bool left, bool right);
NormalizerPtr make_strip_accents();
NormalizerPtr make_nmt();
NormalizerPtr make_replace(Pattern pattern, std::string content);
NormalizerPtr make_prepend(std::string text);
NormalizerPtr make_append(std::string text);
NormalizerPtr make_byte_level_normalizer();
/// `charsmap`: SentencePiece's blob, the bytes of a Darts double array and of the replacements.
/// Throws InvalidModel where it is not well formed.
NormalizerPtr make_precompiled(std::string_view charsmap);
NormalizerPtr make_normalizer_sequence(std::vector<NormalizerPtr> steps);

/// Rewrites the text from `begin` to `end` bytes in the byte-level alphabet, appending to `text` and `align`.
/// `source` is the alignment of each byte, or null where it is implicit from `base`.
void append_byte_level(std::string_view input, const Align* source, uint32_t base, std::string& text,
                       std::vector<Align>& align);

}  // namespace sdx::text
