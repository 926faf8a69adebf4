// Buffer: a text under normalisation, with the range of the original that each of its bytes came from.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "text/utf8.h"

namespace sdx::text {

/// A byte range of the original text.
struct Align {
  uint32_t begin, end;
};

/// One character of a transformation's result. `change` is 1 for an inserted character, 0 for one that replaces the
/// next old character, and -n for one that replaces the next old character and swallows the n after it.
struct Change {
  char32_t c;
  int32_t change;
};

/// Text and alignment. While nothing has moved, the alignment is implicit: byte i came from the character around
/// `base + i`, and `align` is empty.
class Buffer {
 public:
  Buffer() = default;
  /// `base`: where `text` begins in the original.
  Buffer(std::string_view text, uint32_t base) : text_(text), base_(base), limit_(kRoom + kMaxGrowth * text.size()) {}

  const std::string& text() const { return text_; }
  bool empty() const { return text_.empty(); }
  bool identity() const { return identity_; }
  const std::vector<Align>& align() const { return align_; }
  uint32_t base() const { return base_; }

  /// Replaces the text by one whose characters begin at the same bytes.
  std::string& edit_in_place() { return text_; }
  /// Makes the alignment explicit.
  void materialize();
  /// Takes over a new text and the alignment of each of its bytes.
  void assign(std::string text, std::vector<Align> align);

  /// Applies `changes`, made from the whole text, after skipping `removed` characters at its beginning.
  /// Follows the reference's alignment arithmetic to the letter, including where changes and text go out of step.
  void transform(const std::vector<Change>& changes, size_t removed);

  /// Keeps the characters for which `keep` holds.
  template <class Keep>
  void filter(Keep keep);
  /// Maps each character to another.
  template <class Map>
  void map(Map map);

  /// Throws Resource where the text is to have more bytes than a normalisation of the original may come to.
  void require_room(size_t bytes) const;

  void prepend(std::string_view prefix);
  void append(std::string_view suffix);

 private:
  static constexpr size_t kRoom = size_t{1} << 20, kMaxGrowth = 64;

  size_t first_aligned() const;

  std::string text_;
  std::vector<Align> align_;
  uint32_t base_ = 0;
  size_t limit_ = kRoom;
  bool identity_ = true;
};

template <class Keep>
void Buffer::filter(Keep keep) {
  size_t i = 0;
  uint32_t length = 0;
  for (; i < text_.size(); i += length) {
    if (!keep(decode_utf8(text_.data() + i, length))) break;
  }
  if (i == text_.size()) return;
  materialize();
  size_t out = i;
  for (i += length; i < text_.size(); i += length) {
    if (!keep(decode_utf8(text_.data() + i, length))) continue;
    for (uint32_t k = 0; k < length; ++k, ++out) {
      text_[out] = text_[i + k];
      align_[out] = align_[i + k];
    }
  }
  text_.resize(out);
  align_.resize(out);
}

template <class Map>
void Buffer::map(Map map) {
  std::vector<Change> changes;
  bool changed = false;
  for (size_t i = 0; i < text_.size();) {
    uint32_t length = 0;
    const char32_t c = decode_utf8(text_.data() + i, length);
    const char32_t mapped = map(c);
    changed |= mapped != c;
    changes.push_back({mapped, 0});
    i += length;
  }
  if (changed) transform(changes, 0);
}

/// Appends the alignment of `text`, whose bytes are unmoved and begin at `base`, to `out`.
void append_identity(std::string_view text, uint32_t base, std::vector<Align>& out);

}  // namespace sdx::text
