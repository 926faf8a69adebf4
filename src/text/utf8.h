// UTF-8: decoding and encoding of single characters, counting, and repair of invalid bytes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace sdx::text {

/// Length of the character whose first byte is `lead`, for valid UTF-8.
inline uint32_t utf8_length(uint8_t lead) { return lead < 0x80 ? 1 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4; }

/// Number of bytes that `c` takes.
inline uint32_t utf8_size(char32_t c) { return c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4; }

inline bool is_continuation(char byte) { return (static_cast<uint8_t>(byte) & 0xC0) == 0x80; }

/// Decodes the character at `p` and stores its length. The text must be valid and not end inside a character.
inline char32_t decode_utf8(const char* p, uint32_t& length) {
  const auto* b = reinterpret_cast<const uint8_t*>(p);
  if (b[0] < 0x80) {
    length = 1;
    return b[0];
  }
  if (b[0] < 0xE0) {
    length = 2;
    return static_cast<char32_t>((b[0] & 0x1F) << 6 | (b[1] & 0x3F));
  }
  if (b[0] < 0xF0) {
    length = 3;
    return static_cast<char32_t>((b[0] & 0x0F) << 12 | (b[1] & 0x3F) << 6 | (b[2] & 0x3F));
  }
  length = 4;
  return static_cast<char32_t>((b[0] & 0x07) << 18 | (b[1] & 0x3F) << 12 | (b[2] & 0x3F) << 6 | (b[3] & 0x3F));
}

/// Decodes the last character of a non-empty valid text and stores its length.
inline char32_t decode_last_utf8(std::string_view text, uint32_t& length) {
  size_t i = text.size() - 1;
  while (i > 0 && is_continuation(text[i])) --i;
  return decode_utf8(text.data() + i, length);
}

/// Writes `c` to `out` (room for 4 bytes) and returns how many bytes it took.
inline uint32_t encode_utf8(char32_t c, char* out) {
  if (c < 0x80) {
    out[0] = static_cast<char>(c);
    return 1;
  }
  if (c < 0x800) {
    out[0] = static_cast<char>(0xC0 | c >> 6);
    out[1] = static_cast<char>(0x80 | (c & 0x3F));
    return 2;
  }
  if (c < 0x10000) {
    out[0] = static_cast<char>(0xE0 | c >> 12);
    out[1] = static_cast<char>(0x80 | (c >> 6 & 0x3F));
    out[2] = static_cast<char>(0x80 | (c & 0x3F));
    return 3;
  }
  out[0] = static_cast<char>(0xF0 | c >> 18);
  out[1] = static_cast<char>(0x80 | (c >> 12 & 0x3F));
  out[2] = static_cast<char>(0x80 | (c >> 6 & 0x3F));
  out[3] = static_cast<char>(0x80 | (c & 0x3F));
  return 4;
}

inline void append_utf8(std::string& out, char32_t c) {
  char bytes[4];
  out.append(bytes, encode_utf8(c, bytes));
}

/// Number of characters in valid UTF-8.
inline size_t count_characters(std::string_view text) {
  size_t n = 0;
  for (char c : text) n += !is_continuation(c);
  return n;
}

bool is_valid_utf8(std::string_view text);

bool is_ascii(std::string_view text);

/// `text` with each maximal invalid subpart replaced by U+FFFD, as the WHATWG decoder does.
std::string repair_utf8(std::string_view text);

/// Bytes at the end of `text` that may be the beginning of a character (0 to 3).
size_t incomplete_tail(std::string_view text);

}  // namespace sdx::text
