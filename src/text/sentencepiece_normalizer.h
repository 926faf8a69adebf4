// SentencePiece's normaliser: longest matches of a precompiled character map, and its handling of white space.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "text/byte_trie.h"
#include "text/sentencepiece_proto.h"

namespace sdx::text {

/// A normalised text and, for each of its bytes and one past the end, the byte of the original that it came from.
struct SpmNormalized {
  std::string text;
  std::vector<uint32_t> origin;
};

class SpmNormalizer {
 public:
  SpmNormalizer() = default;
  /// Throws InvalidModel where the character map breaks its format.
  SpmNormalizer(SpmNormalizerSpec spec, bool whitespace_is_suffix);

  /// Normalises `text`; user-defined symbols in `protect` pass unchanged.
  SpmNormalized normalize(std::string_view text, const ByteTrie& protect) const;

  bool has_map() const { return !units_.empty(); }

 private:
  /// The replacement of a prefix of a non-empty text, and how many bytes that prefix has.
  std::pair<std::string_view, size_t> next(std::string_view text, const ByteTrie& protect) const;
  std::pair<std::string_view, size_t> mapped_prefix(std::string_view text) const;

  SpmNormalizerSpec spec_;
  bool whitespace_is_suffix_ = false;
  std::vector<uint32_t> units_;  ///< the double array
  size_t replacements_ = 0;      ///< where in spec_.charsmap the replacements begin
};

/// The character U+2581 that stands for a space in pieces.
inline constexpr std::string_view kSpmSpace = "\xE2\x96\x81";
/// U+FFFD, for bytes that are no UTF-8.
inline constexpr std::string_view kSpmReplacement = "\xEF\xBF\xBD";

/// Length of the character at the head of a non-empty text by its first byte alone, at most the text's length.
size_t spm_character_length(std::string_view text);

/// Whether a non-empty text begins with a valid character; its length is stored, 1 where it doesn't.
bool spm_valid_character(std::string_view text, size_t& length);

}  // namespace sdx::text
