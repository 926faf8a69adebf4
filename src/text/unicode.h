// Unicode: the character classes, case mapping and decompositions that the tokenizers of the Hub were made with.
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

namespace sdx::text {

/// Classes of a character. Each follows the Unicode version of the library that the reference implementation takes it
/// from, so that for example `kBertMark` knows fewer characters than `kMark`.
enum CharClass : uint16_t {
  kLetter = 1,      ///< \p{L} of regular expressions
  kNumber = 2,      ///< \p{N} of regular expressions
  kMark = 4,        ///< \p{M} of regular expressions
  kSpace = 8,       ///< White_Space
  kPunct = 16,      ///< punctuation of the BERT and Punctuation pre-tokenizers
  kNumeric = 32,    ///< digits of the Digits pre-tokenizer
  kWord = 64,       ///< \w of the Whitespace pre-tokenizer and of single-word added tokens
  kBertMark = 128,  ///< non-spacing marks that BertNormalizer strips
  kOldMark = 256,   ///< marks that StripAccents strips; the only ones that normalisation reorders
  kDrop = 512,      ///< controls that BertNormalizer's clean_text removes
};

struct ClassRange {
  uint32_t first, last;
};

/// Two-level table of CharClass flags, built once per process.
class CharTable {
 public:
  static const CharTable& instance();

  uint16_t operator[](char32_t c) const {
    return c < 0x110000 ? blocks_[static_cast<size_t>(index_[c >> 8]) << 8 | (c & 0xFF)] : 0;
  }

 private:
  CharTable();
  std::vector<uint16_t> index_;
  std::vector<uint16_t> blocks_;
};

/// Classes of one character.
inline uint16_t char_classes(char32_t c) { return CharTable::instance()[c]; }

inline bool is_space(char32_t c) {
  if (c < 0x80) return c == ' ' || (c >= 9 && c <= 13);
  return c == 0x85 || c == 0xA0 || c == 0x1680 || (c >= 0x2000 && c <= 0x200A) || c == 0x2028 || c == 0x2029 ||
         c == 0x202F || c == 0x205F || c == 0x3000;
}

/// Characters that regular expressions know as `flag` but utf8proc's data (Unicode 15) does not.
std::vector<ClassRange> class_additions(CharClass flag);

/// Full lower-case mapping of one character: one or two characters, the second 0 where there is none.
std::pair<char32_t, char32_t> to_lower(char32_t c);

/// Canonical combining class in the Unicode version of the reference's normaliser.
uint8_t combining_class(char32_t c);

/// Full canonical (or compatibility) decomposition into `out` (room for 32); returns its length, 1 for no change.
int decompose(char32_t c, bool compatibility, char32_t* out);

/// Canonical composition of a pair, 0 where there is none.
char32_t compose(char32_t a, char32_t b);

}  // namespace sdx::text
