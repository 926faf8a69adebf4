// Buffer: the alignment arithmetic of transformations.
#include "text/buffer.h"

#include <algorithm>
#include <utility>

#include "base/error.h"

namespace sdx::text {

void append_identity(std::string_view text, uint32_t base, std::vector<Align>& out) {
  for (uint32_t i = 0; i < text.size();) {
    const uint32_t length = utf8_length(static_cast<uint8_t>(text[i]));
    for (uint32_t k = 0; k < length; ++k) out.push_back({base + i, base + i + length});
    i += length;
  }
}

void Buffer::materialize() {
  if (!identity_) return;
  identity_ = false;
  align_.clear();
  align_.reserve(text_.size());
  append_identity(text_, base_, align_);
}

void Buffer::assign(std::string text, std::vector<Align> align) {
  text_ = std::move(text);
  align_ = std::move(align);
  identity_ = false;
}

void Buffer::require_room(size_t bytes) const {
  if (bytes <= limit_) return;
  fail(ErrorKind::kResource, "normalisation makes a text of ", bytes, " bytes out of one of ",
       (limit_ - kRoom) / kMaxGrowth, ", more than the ", limit_, " accepted; correct the normalizer");
}

/// Bytes with an empty range at the beginning are out of reach of a transformation of the whole.
size_t Buffer::first_aligned() const {
  size_t i = 0;
  while (i < align_.size() && align_[i].begin == align_[i].end) ++i;
  return i;
}

void Buffer::transform(const std::vector<Change>& changes, size_t removed) {
  if (text_.empty()) return;
  materialize();
  const size_t begin = first_aligned(), size = text_.size();
  std::string text(text_, 0, begin);
  std::vector<Align> align(align_.begin(), align_.begin() + static_cast<std::ptrdiff_t>(begin));
  text.reserve(size + size / 8);
  align.reserve(size + size / 8);
  size_t at = begin;
  const auto skip = [&](size_t characters) {
    for (; characters > 0 && at < size; --characters) at += utf8_length(static_cast<uint8_t>(text_[at]));
  };
  skip(removed);
  for (const Change& change : changes) {
    Align source{base_, base_};
    if (change.change <= 0) {
      source = align_[std::min(at, size - 1)];
      skip(static_cast<size_t>(1 - static_cast<int64_t>(change.change)));
    } else if (at > 0) {
      source = align_[at - 1];
    }
    char bytes[4];
    const uint32_t length = encode_utf8(change.c, bytes);
    text.append(bytes, length);
    align.insert(align.end(), length, source);
  }
  assign(std::move(text), std::move(align));
}

void Buffer::prepend(std::string_view prefix) {
  if (text_.empty() || prefix.empty()) return;
  require_room(text_.size() + prefix.size());
  materialize();
  const Align first = align_.front();
  text_.insert(0, prefix);
  align_.insert(align_.begin(), prefix.size(), first);
}

void Buffer::append(std::string_view suffix) {
  if (text_.empty() || suffix.empty()) return;
  require_room(text_.size() + suffix.size());
  materialize();
  const Align last = align_.back();
  text_.append(suffix);
  align_.insert(align_.end(), suffix.size(), last);
}

}  // namespace sdx::text
