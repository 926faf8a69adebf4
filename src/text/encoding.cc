// Encoding: windows of truncation, joining with overflow, padding.
#include "text/encoding.h"

#include <algorithm>
#include <utility>

#include "base/error.h"

namespace sdx::text {
namespace {

constexpr size_t kMaxWindows = 1'000'000;
constexpr size_t kMaxCombinations = 10'000;
constexpr uint64_t kMaxPadded = uint64_t{1} << 26;

template <class T>
std::vector<T> cut(const std::vector<T>& v, size_t begin, size_t end) {
  return {v.begin() + static_cast<std::ptrdiff_t>(begin), v.begin() + static_cast<std::ptrdiff_t>(end)};
}

template <class T>
void extend(std::vector<T>& to, const std::vector<T>& from) {
  to.insert(to.end(), from.begin(), from.end());
}

std::vector<std::pair<size_t, size_t>> windows(size_t size, size_t length, size_t step, Direction direction) {
  std::vector<std::pair<size_t, size_t>> parts;
  if (direction == Direction::kRight) {
    for (size_t begin = 0; begin < size; begin += step) {
      const size_t end = std::min(begin + length, size);
      parts.emplace_back(begin, end);
      if (end == size) break;
    }
    return parts;
  }
  for (size_t end = size; end > 0;) {
    const size_t begin = end < length ? 0 : end - length;
    parts.emplace_back(begin, end);
    if (begin == 0 || end <= step) break;
    end -= step;
  }
  return parts;
}

}  // namespace

void Encoding::set_type_ids(uint32_t type_id) { type_ids.assign(size(), type_id); }

void Encoding::set_sequence_id(int8_t sequence) { sequence_ids.assign(size(), sequence); }

void Encoding::add_special(uint32_t id, uint32_t type_id, std::string token, bool surface) {
  if (surface) surfaces.push_back({static_cast<uint32_t>(size()), std::move(token)});
  ids.push_back(id);
  type_ids.push_back(type_id);
  attention_mask.push_back(1);
  special_tokens_mask.push_back(1);
  offsets.push_back({0, 0});
  word_ids.push_back(-1);
  sequence_ids.push_back(-1);
}

Encoding Encoding::slice(size_t begin, size_t end) const {
  Encoding e;
  e.ids = cut(ids, begin, end);
  e.type_ids = cut(type_ids, begin, end);
  e.attention_mask = cut(attention_mask, begin, end);
  e.special_tokens_mask = cut(special_tokens_mask, begin, end);
  e.offsets = cut(offsets, begin, end);
  e.word_ids = cut(word_ids, begin, end);
  e.sequence_ids = cut(sequence_ids, begin, end);
  const auto at = std::lower_bound(surfaces.begin(), surfaces.end(), begin,
                                   [](const Surface& s, size_t index) { return s.index < index; });
  for (auto it = at; it != surfaces.end() && it->index < end; ++it) {
    e.surfaces.push_back({static_cast<uint32_t>(it->index - begin), it->token});
  }
  return e;
}

void Encoding::truncate(size_t max_length, size_t stride, Direction direction) {
  if (max_length >= size()) return;
  if (max_length == 0) {
    Encoding whole = std::move(*this);
    *this = Encoding();
    overflowing.push_back(std::move(whole));
    return;
  }
  if (stride >= max_length) {
    fail(ErrorKind::kInvalidInput, "the stride is ", stride, " but the maximal length without special tokens is ",
         max_length, "; make the stride smaller");
  }
  const auto parts = windows(size(), max_length, max_length - stride, direction);
  if (parts.size() > kMaxWindows) {
    fail(ErrorKind::kResource, "truncation makes ", parts.size(), " windows but at most ", kMaxWindows,
         " are accepted; shorten the text or the stride");
  }
  Encoding first = slice(parts[0].first, parts[0].second);
  for (size_t i = 1; i < parts.size(); ++i) first.overflowing.push_back(slice(parts[i].first, parts[i].second));
  *this = std::move(first);
}

void Encoding::append_tokens(const Encoding& other) {
  const auto shift = static_cast<uint32_t>(size());
  extend(ids, other.ids);
  extend(type_ids, other.type_ids);
  extend(attention_mask, other.attention_mask);
  extend(special_tokens_mask, other.special_tokens_mask);
  extend(offsets, other.offsets);
  extend(word_ids, other.word_ids);
  extend(sequence_ids, other.sequence_ids);
  for (const Surface& s : other.surfaces) surfaces.push_back({s.index + shift, s.token});
}

void Encoding::append(const Encoding& other) {
  const size_t mine = overflowing.size(), theirs = other.overflowing.size();
  if (mine > 0 && theirs > 0 && mine * theirs > kMaxCombinations) {
    fail(ErrorKind::kResource, "joining ", mine, " and ", theirs, " windows makes more than ", kMaxCombinations,
         "; shorten the texts or the stride");
  }
  std::vector<Encoding> joined;
  joined.reserve(mine * (1 + theirs) + theirs);
  for (const Encoding& window : overflowing) {
    joined.push_back(window);
    joined.back().append(other);
    for (const Encoding& others : other.overflowing) {
      joined.push_back(window);
      joined.back().append(others);
    }
  }
  for (const Encoding& others : other.overflowing) {
    joined.push_back(*this);
    joined.back().append(others);
  }
  append_tokens(other);
  overflowing = std::move(joined);
}

void Encoding::pad(size_t length, uint32_t id, uint32_t type_id, const std::string& token, Direction direction) {
  for (Encoding& window : overflowing) window.pad(length, id, type_id, token, direction);
  if (size() >= length) return;
  const size_t count = length - size(), old = size();
  const auto fill = [&](auto& v, auto value) {
    v.insert(direction == Direction::kLeft ? v.begin() : v.end(), count, value);
  };
  fill(ids, id);
  fill(type_ids, type_id);
  fill(attention_mask, uint8_t{0});
  fill(special_tokens_mask, uint8_t{1});
  fill(offsets, Align{0, 0});
  fill(word_ids, int32_t{-1});
  fill(sequence_ids, int8_t{-1});
  if (direction == Direction::kLeft) {
    for (Surface& s : surfaces) s.index += static_cast<uint32_t>(count);
  }
  std::vector<Surface> padded;
  const size_t first = direction == Direction::kLeft ? 0 : old;
  for (size_t i = 0; i < count; ++i) padded.push_back({static_cast<uint32_t>(first + i), token});
  surfaces.insert(direction == Direction::kLeft ? surfaces.begin() : surfaces.end(), padded.begin(), padded.end());
}

void truncate(Encoding& first, Encoding* second, const Truncation& t) {
  const size_t n1 = first.size(), n2 = second != nullptr ? second->size() : 0;
  if (t.max_length == 0) {
    first.truncate(0, t.stride, t.direction);
    if (second != nullptr) second->truncate(0, t.stride, t.direction);
    return;
  }
  if (n1 + n2 <= t.max_length) return;
  if (t.strategy == TruncationStrategy::kLongestFirst) {
    if (second == nullptr) return first.truncate(t.max_length, t.stride, t.direction);
    size_t shorter = std::min(n1, n2), longer = std::max(n1, n2);
    longer = shorter > t.max_length ? shorter : std::max<size_t>(shorter, t.max_length - shorter);
    if (shorter + longer > t.max_length) {
      shorter = t.max_length / 2;
      longer = shorter + t.max_length % 2;
    }
    first.truncate(n1 > n2 ? longer : shorter, t.stride, t.direction);
    second->truncate(n1 > n2 ? shorter : longer, t.stride, t.direction);
    return;
  }
  const bool only_first = t.strategy == TruncationStrategy::kOnlyFirst;
  if (!only_first && second == nullptr) {
    fail(ErrorKind::kInvalidInput, "truncation of the second text is asked for but there is only one; give a pair");
  }
  Encoding& target = only_first ? first : *second;
  const size_t remove = n1 + n2 - t.max_length;
  if (target.size() <= remove) {
    fail(ErrorKind::kInvalidInput, "the text to truncate has ", target.size(), " tokens but ", remove,
         " would have to go; use another strategy or a greater length");
  }
  target.truncate(target.size() - remove, t.stride, t.direction);
}

void pad(std::vector<Encoding>& encodings, const Padding& padding) {
  uint64_t length = 0;
  for (const Encoding& e : encodings) length = std::max<uint64_t>(length, e.size());
  if (padding.length) length = *padding.length;
  if (padding.multiple_of > 0 && length % padding.multiple_of > 0) {
    length += padding.multiple_of - length % padding.multiple_of;
  }
  if (length > kMaxPadded) {
    fail(ErrorKind::kResource, "padding to ", length, " tokens is asked for but at most ", kMaxPadded,
         " are accepted; use a smaller length");
  }
  for (Encoding& e : encodings) e.pad(length, padding.id, padding.type_id, padding.token, padding.direction);
}

}  // namespace sdx::text
