// Elements narrower than a byte: float4e2m1, (u)int4 and (u)int2, packed from the low bits of each byte upwards.
#pragma once

#include "base/half.h"

namespace sdx {

/// Value of a 4-bit code: 1 sign, 2 exponent (bias 1) and 1 fraction bit; ±{0, 0.5, 1, 1.5, 2, 3, 4, 6}.
constexpr float float4_value(uint8_t code) {
  const uint32_t sign = static_cast<uint32_t>(code & 8) << 28;
  return std::bit_cast<float>(sign | std::bit_cast<uint32_t>(detail::magnitude_value(code & 7, 1, 1)));
}

/// 4-bit code nearest to `x`, ties to even; saturates at ±6. NaN has no code and becomes -0 (0x8), as in the
/// standard's test data.
constexpr uint8_t float4_code(float x) {
  const uint32_t bits = std::bit_cast<uint32_t>(x);
  const uint32_t magnitude = bits & 0x7FFFFFFF;
  if (magnitude > 0x7F800000) return 0x8;
  const uint32_t code = magnitude == 0x7F800000 ? 7 : std::min<uint32_t>(detail::round_magnitude(magnitude, 1, 1), 7);
  return static_cast<uint8_t>(((bits >> 28) & 8) | code);
}

/// Bytes that `count` elements of `bits` (2 or 4) bits take.
constexpr int64_t packed_bytes(int64_t count, int bits) { return (count * bits + 7) / 8; }

/// Code of element `index`, with the upper bits zero.
constexpr uint8_t packed_get(const uint8_t* data, int64_t index, int bits) {
  const int per_byte = 8 / bits;
  return static_cast<uint8_t>((data[index / per_byte] >> (index % per_byte * bits)) & ((1 << bits) - 1));
}

/// Stores the low `bits` bits of `code` as element `index`; the other elements of the byte keep their values.
constexpr void packed_set(uint8_t* data, int64_t index, int bits, uint8_t code) {
  const int per_byte = 8 / bits;
  const int shift = static_cast<int>(index % per_byte) * bits;
  const int mask = ((1 << bits) - 1) << shift;
  uint8_t& byte = data[index / per_byte];
  byte = static_cast<uint8_t>((byte & ~mask) | ((code << shift) & mask));
}

/// The two's complement value of a code of `bits` bits.
constexpr int8_t sign_extend(uint8_t code, int bits) {
  const int sign = 1 << (bits - 1);
  return static_cast<int8_t>(((code & ((1 << bits) - 1)) ^ sign) - sign);
}

}  // namespace sdx
