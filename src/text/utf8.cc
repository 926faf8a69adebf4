// UTF-8: validation and repair.
#include "text/utf8.h"

#include <simdjson.h>

#include <cstring>

namespace sdx::text {
namespace {

/// Length of the longest prefix of `p` that is a prefix of some character, and whether it is a whole one.
struct Sequence {
  size_t length;
  bool whole;
};

Sequence next_sequence(const uint8_t* p, size_t left) {
  const uint8_t lead = p[0];
  if (lead < 0x80) return {1, true};
  if (lead < 0xC2 || lead > 0xF4) return {1, false};
  const size_t need = utf8_length(lead);
  uint8_t low = 0x80, high = 0xBF;
  if (lead == 0xE0) low = 0xA0;
  if (lead == 0xED) high = 0x9F;
  if (lead == 0xF0) low = 0x90;
  if (lead == 0xF4) high = 0x8F;
  size_t n = 1;
  while (n < need && n < left && p[n] >= low && p[n] <= high) {
    low = 0x80;
    high = 0xBF;
    ++n;
  }
  return {n, n == need};
}

}  // namespace

bool is_valid_utf8(std::string_view text) { return simdjson::validate_utf8(text.data(), text.size()); }

bool is_ascii(std::string_view text) {
  const char* p = text.data();
  size_t left = text.size();
  uint64_t seen = 0;
  for (; left >= 8; p += 8, left -= 8) {
    uint64_t word;
    std::memcpy(&word, p, 8);
    seen |= word;
  }
  for (; left > 0; ++p, --left) seen |= static_cast<uint8_t>(*p);
  return (seen & 0x8080808080808080u) == 0;
}

std::string repair_utf8(std::string_view text) {
  std::string out;
  out.reserve(text.size() + 16);
  const auto* p = reinterpret_cast<const uint8_t*>(text.data());
  for (size_t i = 0; i < text.size();) {
    const Sequence s = next_sequence(p + i, text.size() - i);
    if (s.whole) {
      out.append(text.substr(i, s.length));
    } else {
      out += "\xEF\xBF\xBD";
    }
    i += s.length;
  }
  return out;
}

size_t incomplete_tail(std::string_view text) {
  const auto* p = reinterpret_cast<const uint8_t*>(text.data());
  for (size_t back = 1; back <= 3 && back <= text.size(); ++back) {
    const uint8_t byte = p[text.size() - back];
    if (byte < 0x80) return 0;
    if (byte < 0xC0) continue;
    const Sequence s = next_sequence(p + text.size() - back, back);
    return !s.whole && s.length == back && byte >= 0xC2 && byte <= 0xF4 ? back : 0;
  }
  return 0;
}

}  // namespace sdx::text
