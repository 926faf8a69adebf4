// Half and BFloat16: 16-bit floats as bit wrappers, with conversions that round once, to nearest even.
#pragma once

#include <algorithm>
#include <bit>
#include <cstdint>

namespace sdx {

/// IEEE 754 binary16: 1 sign, 5 exponent and 10 fraction bits.
struct Half {
  uint16_t bits;
};

/// The upper half of a binary32: 1 sign, 8 exponent and 7 fraction bits.
struct BFloat16 {
  uint16_t bits;
};

namespace detail {

/// Magnitude code (no sign) of the float with `magnitude` bits, which is neither infinite nor NaN, in a format of `man`
/// fraction bits and exponent bias `bias`; rounds to nearest even. The code is not limited: one beyond the largest
/// finite code of the format means overflow.
constexpr uint32_t round_magnitude(uint32_t magnitude, int man, int bias) {
  const int field = static_cast<int>(magnitude >> 23);
  const uint32_t significand = field == 0 ? magnitude : (magnitude & 0x7FFFFF) | 0x800000;
  const int exponent = std::max(field, 1) - 127;
  const int floor = 1 - bias;
  const int shift = 23 - man + std::max(0, floor - exponent);
  if (shift > 24) return 0;
  const uint32_t kept = significand >> shift;
  const uint32_t rest = significand & ((uint32_t{1} << shift) - 1);
  const uint32_t half = (uint32_t{1} << shift) >> 1;
  const uint32_t up = rest > half || (rest == half && shift > 0 && (kept & 1)) ? 1 : 0;
  return kept + up + (static_cast<uint32_t>(std::max(0, exponent - floor)) << man);
}

/// Value of magnitude code `code` with `man` fraction bits and exponent bias `bias`, special codes not regarded.
constexpr float magnitude_value(uint32_t code, int man, int bias) {
  const uint32_t field = code >> man;
  const uint32_t fraction = code & ((uint32_t{1} << man) - 1);
  const uint32_t significand = field == 0 ? fraction : fraction | (uint32_t{1} << man);
  const int exponent = std::max<int>(static_cast<int>(field), 1) - bias - man;
  // Two exact factors, because 2^exponent alone may lie below the normal range.
  const auto power = [](int e) { return std::bit_cast<float>(static_cast<uint32_t>(e + 127) << 23); };
  return static_cast<float>(significand) * power(exponent / 2) * power(exponent - exponent / 2);
}

}  // namespace detail

/// The float nearest to `x` by rounding to odd: rounding it again to a format of at most 22 significant bits gives what
/// rounding `x` once would give.
constexpr float to_float_odd(double x) {
  // A cast beyond the float range is undefined, and everything there rounds like the largest finite float.
  if (x > 3.4028234663852886e38 || x < -3.4028234663852886e38) {
    const bool infinite = x - x != 0;
    const uint32_t sign = x < 0 ? 0x80000000u : 0u;
    return std::bit_cast<float>(sign | (infinite ? 0x7F800000u : 0x7F7FFFFFu));
  }
  const float f = static_cast<float>(x);
  const double back = f;
  if (back == x || x != x) return f;
  uint32_t bits = std::bit_cast<uint32_t>(f);
  const bool away = x < 0 ? back < x : back > x;
  return std::bit_cast<float>((away ? bits - 1 : bits) | 1);
}

constexpr float to_float(Half h) {
  const uint32_t magnitude = h.bits & 0x7FFF;
  const uint32_t sign = static_cast<uint32_t>(h.bits & 0x8000) << 16;
  if (magnitude >= 0x7C00) return std::bit_cast<float>(sign | 0x7F800000 | ((magnitude & 0x3FF) << 13));
  return std::bit_cast<float>(sign | std::bit_cast<uint32_t>(detail::magnitude_value(magnitude, 10, 15)));
}

/// Rounds to nearest even; beyond 65504 + 16 is infinity. A NaN becomes a quiet NaN of the same sign.
constexpr Half to_half(float x) {
  const uint32_t bits = std::bit_cast<uint32_t>(x);
  const uint32_t magnitude = bits & 0x7FFFFFFF;
  const uint32_t sign = (bits >> 16) & 0x8000;
  if (magnitude > 0x7F800000) return {static_cast<uint16_t>(sign | 0x7E00 | ((magnitude >> 13) & 0x3FF))};
  if (magnitude == 0x7F800000) return {static_cast<uint16_t>(sign | 0x7C00)};
  return {static_cast<uint16_t>(sign | std::min<uint32_t>(detail::round_magnitude(magnitude, 10, 15), 0x7C00))};
}
constexpr Half to_half(double x) { return to_half(to_float_odd(x)); }

constexpr float to_float(BFloat16 b) { return std::bit_cast<float>(static_cast<uint32_t>(b.bits) << 16); }

/// Rounds to nearest even; overflow is infinity. A NaN becomes a quiet NaN of the same sign.
constexpr BFloat16 to_bfloat16(float x) {
  const uint32_t bits = std::bit_cast<uint32_t>(x);
  if ((bits & 0x7FFFFFFF) > 0x7F800000) return {static_cast<uint16_t>((bits >> 16) | 0x40)};
  return {static_cast<uint16_t>((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16)};
}
constexpr BFloat16 to_bfloat16(double x) { return to_bfloat16(to_float_odd(x)); }

/// What arithmetic works on: x itself, or the float that a 16-bit number is.
template <class T>
constexpr auto value_of(T x) {
  if constexpr (requires { x.bits; }) {
    return to_float(x);
  } else {
    return x;
  }
}

}  // namespace sdx
