// The 8-bit floats of ONNX as bit wrappers, with the conversions of its Cast operator.
#pragma once

#include "base/half.h"

namespace sdx {

/// What a conversion does with a value beyond the largest finite one: the `saturate` attribute of Cast.
enum class Overflow : uint8_t { kSpecial, kSaturate };

/// 1 sign, 4 exponent (bias 7) and 3 fraction bits; no infinity; NaN is S.1111.111; largest 448.
struct Float8E4M3FN {
  uint8_t bits;
};
/// Bias 8; no infinity, no negative zero; NaN is 0x80; largest 240.
struct Float8E4M3FNUZ {
  uint8_t bits;
};
/// 1 sign, 5 exponent (bias 15) and 2 fraction bits, with infinities and NaN as in IEEE 754; largest 57344.
struct Float8E5M2 {
  uint8_t bits;
};
/// Bias 16; no infinity, no negative zero; NaN is 0x80; largest 57344.
struct Float8E5M2FNUZ {
  uint8_t bits;
};
/// A power of two from 2^-127 to 2^127, biased by 127, without sign or zero; NaN is 0xFF.
struct Float8E8M0 {
  uint8_t bits;
};

namespace detail {

struct Float8Format {
  int man;             ///< fraction bits
  int bias;            ///< exponent bias
  uint8_t largest;     ///< magnitude code of the largest finite value
  uint8_t overflow;    ///< magnitude code of a value beyond it where it does not saturate
  uint8_t nan;         ///< code of NaN
  bool unsigned_zero;  ///< no negative zero; NaN is 0x80 whatever its sign
};

inline constexpr Float8Format kE4M3FN{3, 7, 0x7E, 0x7F, 0x7F, false};
inline constexpr Float8Format kE4M3FNUZ{3, 8, 0x7F, 0x80, 0x80, true};
inline constexpr Float8Format kE5M2{2, 15, 0x7B, 0x7C, 0x7E, false};
inline constexpr Float8Format kE5M2FNUZ{2, 16, 0x7F, 0x80, 0x80, true};

constexpr uint8_t encode_float8(float x, const Float8Format& format, Overflow overflow) {
  const uint32_t bits = std::bit_cast<uint32_t>(x);
  const uint32_t magnitude = bits & 0x7FFFFFFF;
  const uint8_t sign = static_cast<uint8_t>((bits >> 24) & 0x80);
  if (magnitude > 0x7F800000) return format.unsigned_zero ? format.nan : static_cast<uint8_t>(format.nan | sign);
  const uint32_t code = magnitude == 0x7F800000 ? 0x100 : round_magnitude(magnitude, format.man, format.bias);
  if (code > format.largest) {
    return static_cast<uint8_t>(sign | (overflow == Overflow::kSaturate ? format.largest : format.overflow));
  }
  if (code == 0 && format.unsigned_zero) return 0;
  return static_cast<uint8_t>(sign | code);
}

constexpr float decode_float8(uint8_t bits, const Float8Format& format) {
  const uint32_t sign = static_cast<uint32_t>(bits & 0x80) << 24;
  const uint32_t code = bits & 0x7F;
  if (format.unsigned_zero ? bits == 0x80 : code > format.overflow || code == 0x7F) {
    return std::bit_cast<float>(sign | 0x7FC00000);
  }
  if (code > format.largest) return std::bit_cast<float>(sign | 0x7F800000);
  return std::bit_cast<float>(sign | std::bit_cast<uint32_t>(magnitude_value(code, format.man, format.bias)));
}

}  // namespace detail

constexpr float to_float(Float8E4M3FN x) { return detail::decode_float8(x.bits, detail::kE4M3FN); }
constexpr float to_float(Float8E4M3FNUZ x) { return detail::decode_float8(x.bits, detail::kE4M3FNUZ); }
constexpr float to_float(Float8E5M2 x) { return detail::decode_float8(x.bits, detail::kE5M2); }
constexpr float to_float(Float8E5M2FNUZ x) { return detail::decode_float8(x.bits, detail::kE5M2FNUZ); }

constexpr Float8E4M3FN to_float8_e4m3fn(float x, Overflow overflow = Overflow::kSaturate) {
  return {detail::encode_float8(x, detail::kE4M3FN, overflow)};
}
constexpr Float8E4M3FNUZ to_float8_e4m3fnuz(float x, Overflow overflow = Overflow::kSaturate) {
  return {detail::encode_float8(x, detail::kE4M3FNUZ, overflow)};
}
constexpr Float8E5M2 to_float8_e5m2(float x, Overflow overflow = Overflow::kSaturate) {
  return {detail::encode_float8(x, detail::kE5M2, overflow)};
}
constexpr Float8E5M2FNUZ to_float8_e5m2fnuz(float x, Overflow overflow = Overflow::kSaturate) {
  return {detail::encode_float8(x, detail::kE5M2FNUZ, overflow)};
}

/// How a value between two powers of two becomes one: the `round_mode` attribute of Cast.
enum class PowerRounding : uint8_t { kUp, kDown, kNearest };

constexpr float to_float(Float8E8M0 x) {
  if (x.bits == 0xFF) return std::bit_cast<float>(0x7FC00000u);
  return std::bit_cast<float>(x.bits == 0 ? 0x00400000u : static_cast<uint32_t>(x.bits) << 23);
}

/// The sign is dropped; infinity and NaN become NaN. What lies beyond 2^127 saturates, or becomes NaN. Works on the
/// exponent field as the reference implementation of the standard does: a subnormal counts as a fraction above 2^-127.
constexpr Float8E8M0 to_float8_e8m0(float x, PowerRounding rounding = PowerRounding::kUp,
                                    Overflow overflow = Overflow::kSaturate) {
  const uint32_t bits = std::bit_cast<uint32_t>(x) & 0x7FFFFFFF;
  uint32_t field = bits >> 23;
  if (field == 0xFF) return {0xFF};
  const uint32_t fraction = bits & 0x7FFFFF;
  const bool nearest_up = fraction > 0x400000 || (fraction == 0x400000 && field > 0);
  const bool up = rounding == PowerRounding::kUp ? fraction != 0 : rounding == PowerRounding::kNearest && nearest_up;
  if (up && !(field == 0xFE && overflow == Overflow::kSaturate)) ++field;
  return {static_cast<uint8_t>(field)};
}

}  // namespace sdx
