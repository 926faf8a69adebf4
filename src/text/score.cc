// twice_rounded: digits and exponent of a number, put together in two roundings.
#include "text/score.h"

#include <array>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <string>

namespace sdx::text {
namespace {

constexpr int kLargestPower = 308;

std::array<double, kLargestPower + 1> make_powers() {
  std::array<double, kLargestPower + 1> powers{};
  for (int i = 0; i <= kLargestPower; ++i)
    powers[static_cast<size_t>(i)] = std::strtod(("1e" + std::to_string(i)).c_str(), nullptr);
  return powers;
}

double power_of_ten(int exponent) {
  static const std::array<double, kLargestPower + 1> powers = make_powers();
  return powers[static_cast<size_t>(exponent)];
}

}  // namespace

double twice_rounded(double exact) {
  if (exact == 0 || !std::isfinite(exact)) return exact;
  char text[32];
  const char* const end = std::to_chars(text, text + sizeof text, std::fabs(exact), std::chars_format::scientific).ptr;
  uint64_t digits = 0;
  int exponent = 0;
  const char* at = text;
  for (bool fraction = false; at < end && *at != 'e'; ++at) {
    if (*at == '.') {
      fraction = true;
    } else {
      digits = digits * 10 + static_cast<uint64_t>(*at - '0');
      exponent -= fraction ? 1 : 0;
    }
  }
  int shift = 0;
  if (at < end) std::from_chars(at + (at[1] == '+' ? 2 : 1), end, shift);
  exponent += shift;
  auto value = static_cast<double>(digits);
  if (exponent > kLargestPower) return exact;
  if (exponent >= 0) {
    value *= power_of_ten(exponent);
  } else {
    for (; exponent < -kLargestPower; exponent += kLargestPower) value /= power_of_ten(kLargestPower);
    value /= power_of_ten(-exponent);
  }
  return std::copysign(value, exact);
}

}  // namespace sdx::text
