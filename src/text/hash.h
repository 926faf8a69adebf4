// A fast hash of short byte strings.
#pragma once

#include <cstdint>
#include <cstring>
#include <string_view>

namespace sdx::text {

inline uint64_t load_bytes(const char* p, size_t n) {
  uint64_t a = 0, b = 0;
  if (n >= 4) {
    uint32_t low, high;
    std::memcpy(&low, p, 4);
    std::memcpy(&high, p + n - 4, 4);
    a = low;
    b = high;
  } else if (n > 0) {
    a = static_cast<uint8_t>(p[0]) | static_cast<uint64_t>(static_cast<uint8_t>(p[n / 2])) << 8 |
        static_cast<uint64_t>(static_cast<uint8_t>(p[n - 1])) << 16;
  }
  return a | b << 32;
}

/// 64-bit hash; equal strings hash equally within one process.
inline uint64_t hash_bytes(std::string_view text) {
  constexpr uint64_t kMultiplier = 0x9E3779B97F4A7C15u;
  const char* p = text.data();
  size_t n = text.size();
  uint64_t h = n * kMultiplier;
  for (; n > 8; p += 8, n -= 8) {
    uint64_t word;
    std::memcpy(&word, p, 8);
    h = (h ^ word) * kMultiplier;
    h ^= h >> 29;
  }
  h = (h ^ load_bytes(p, n)) * kMultiplier;
  h ^= h >> 32;
  h *= kMultiplier;
  return h ^ h >> 29;
}

}  // namespace sdx::text
