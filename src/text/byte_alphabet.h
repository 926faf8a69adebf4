// The byte-level alphabet of GPT-2: one printable character for each byte.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

namespace sdx::text {

/// Character of each byte: printable Latin-1 bytes stand for themselves, the others for U+0100 and up, in order.
constexpr std::array<char32_t, 256> make_byte_alphabet() {
  std::array<char32_t, 256> table{};
  char32_t next = 0x100;
  for (uint32_t b = 0; b < 256; ++b) {
    const bool plain = (b >= 0x21 && b <= 0x7E) || (b >= 0xA1 && b <= 0xAC) || b >= 0xAE;
    table[b] = plain ? static_cast<char32_t>(b) : next++;
  }
  return table;
}
inline constexpr std::array<char32_t, 256> kByteAlphabet = make_byte_alphabet();

/// Byte of each character below U+0144, or -1.
constexpr std::array<int16_t, 0x144> make_byte_of() {
  std::array<int16_t, 0x144> table{};
  for (auto& b : table) b = -1;
  for (int b = 0; b < 256; ++b) table[kByteAlphabet[static_cast<size_t>(b)]] = static_cast<int16_t>(b);
  return table;
}
inline constexpr std::array<int16_t, 0x144> kByteOf = make_byte_of();

inline int byte_of(char32_t c) { return c < kByteOf.size() ? kByteOf[c] : -1; }

/// The bytes that `token` spells in the alphabet; false where it contains another character.
bool spell_bytes(std::string_view token, std::string& out);

}  // namespace sdx::text
