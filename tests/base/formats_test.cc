// Tests of half.h, float8.h and packed.h against a search for the nearest value in a table of all codes.
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <random>
#include <vector>

#include "base/float8.h"
#include "base/packed.h"

namespace sdx {
namespace {

constexpr float kInf = std::numeric_limits<float>::infinity();
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

/// The finite magnitudes of a format, by code, from the definition of its fields.
std::vector<double> magnitudes(int man, int bias, int largest) {
  std::vector<double> values;
  for (int code = 0; code <= largest; ++code) {
    const int field = code >> man;
    const double fraction = std::ldexp(code & ((1 << man) - 1), -man);
    values.push_back(field == 0 ? std::ldexp(fraction, 1 - bias) : std::ldexp(1 + fraction, field - bias));
  }
  return values;
}

/// Code of the value nearest to |x|, ties to the even code; table.size() where |x| rounds beyond the table.
int nearest_code(const std::vector<double>& table, double x) {
  x = std::fabs(x);
  const size_t n = table.size();
  const double beyond = table[n - 1] + (table[n - 1] - table[n - 2]);
  const auto value = [&](size_t i) { return i < n ? table[i] : beyond; };
  size_t low = 0;
  while (low < n && value(low + 1) <= x) ++low;
  if (low >= n) return static_cast<int>(n);
  const double below = x - value(low), above = value(low + 1) - x;
  if (below < above) return static_cast<int>(low);
  if (above < below) return static_cast<int>(low + 1);
  return static_cast<int>(low + (low & 1));
}

/// Every value of the table, every midpoint, their neighbours, and random bit patterns around the range.
std::vector<float> probes(const std::vector<double>& table) {
  std::vector<float> out = {0.0f, 1e-45f, 1e30f, std::numeric_limits<float>::max(), std::numeric_limits<float>::min()};
  for (size_t i = 0; i < table.size(); ++i) {
    const double next = i + 1 < table.size() ? table[i + 1] : 2 * table[i] - table[i - 1];
    for (double x : {table[i], (table[i] + next) / 2}) {
      const float f = static_cast<float>(x);
      out.insert(out.end(), {f, std::nextafter(f, kInf), std::nextafter(f, 0.0f)});
    }
  }
  std::mt19937 generator(7);
  std::uniform_real_distribution<float> exponent(-30.0f, 20.0f);
  for (int i = 0; i < 2000; ++i) out.push_back(std::exp2(exponent(generator)));
  const size_t positive = out.size();
  for (size_t i = 0; i < positive; ++i) out.push_back(-out[i]);
  return out;
}

uint32_t float_bits(float x) { return std::bit_cast<uint32_t>(x); }

TEST(Half, DecodesEveryCode) {
  const std::vector<double> table = magnitudes(10, 15, 0x7BFF);
  for (int code = 0; code <= 0x7BFF; ++code) {
    EXPECT_EQ(float_bits(to_float(Half{static_cast<uint16_t>(code)})), float_bits(static_cast<float>(table[code])));
    EXPECT_EQ(float_bits(to_float(Half{static_cast<uint16_t>(code | 0x8000)})),
              float_bits(-static_cast<float>(table[code])));
  }
  EXPECT_EQ(to_float(Half{0x7C00}), kInf);
  EXPECT_EQ(to_float(Half{0xFC00}), -kInf);
  for (int code = 0x7C01; code <= 0x7FFF; ++code) EXPECT_TRUE(std::isnan(to_float(Half{static_cast<uint16_t>(code)})));
}

TEST(Half, RoundsToNearestEven) {
  // Around each code the nearest one is known, so no search is needed.
  const std::vector<double> table = magnitudes(10, 15, 0x7BFF);
  for (int code = 0; code < 0x7BFF; ++code) {
    const double middle = (table[code] + table[code + 1]) / 2;
    const float m = static_cast<float>(middle);
    ASSERT_EQ(static_cast<double>(m), middle);
    EXPECT_EQ(to_half(static_cast<float>(table[code])).bits, code);
    EXPECT_EQ(to_half(m).bits, code + (code & 1)) << code;
    EXPECT_EQ(to_half(std::nextafter(m, 0.0f)).bits, code) << code;
    EXPECT_EQ(to_half(std::nextafter(m, kInf)).bits, code + 1) << code;
    EXPECT_EQ(to_half(-m).bits, (code + (code & 1)) | 0x8000) << code;
    // A double so close to the tie that its float is the tie: it must not be rounded twice.
    EXPECT_EQ(to_half(std::nextafter(middle, 0.0)).bits, code) << code;
    EXPECT_EQ(to_half(std::nextafter(middle, 1e9)).bits, code + 1) << code;
  }
  EXPECT_EQ(to_half(65519.996f).bits, 0x7BFF);
  EXPECT_EQ(to_half(65520.0f).bits, 0x7C00);
  EXPECT_EQ(to_half(-kInf).bits, 0xFC00);
  EXPECT_EQ(to_half(1e300).bits, 0x7C00);
  EXPECT_EQ(to_half(-1e300).bits, 0xFC00);
  EXPECT_EQ(to_half(std::numeric_limits<double>::infinity()).bits, 0x7C00);
  EXPECT_TRUE(std::isnan(to_float(to_half(kNan))));
  EXPECT_TRUE(std::isnan(to_float(to_half(std::bit_cast<float>(0x7F800001u)))));
}

TEST(BFloat16, RoundsToNearestEven) {
  for (uint32_t code = 0; code < 0x7F80; ++code) {
    const uint32_t bits = code << 16;
    EXPECT_EQ(float_bits(to_float(BFloat16{static_cast<uint16_t>(code)})), bits);
    EXPECT_EQ(to_bfloat16(std::bit_cast<float>(bits)).bits, code);
    EXPECT_EQ(to_bfloat16(std::bit_cast<float>(bits | 0x7FFF)).bits, code);
    EXPECT_EQ(to_bfloat16(std::bit_cast<float>(bits | 0x8000)).bits, code + (code & 1));
    EXPECT_EQ(to_bfloat16(std::bit_cast<float>(bits | 0x8001)).bits, code + 1);
    EXPECT_EQ(to_bfloat16(std::bit_cast<float>(0x80000000 | bits | 0x8001)).bits, 0x8000 | (code + 1));
  }
  EXPECT_EQ(to_bfloat16(kInf).bits, 0x7F80);
  EXPECT_EQ(to_bfloat16(1.0 + 0x1p-8 + 0x1p-40).bits, 0x3F81);
  EXPECT_EQ(to_bfloat16(1.0 + 0x1p-8).bits, 0x3F80);
  EXPECT_EQ(to_bfloat16(std::numeric_limits<double>::max()).bits, 0x7F80);
  EXPECT_TRUE(std::isnan(to_float(to_bfloat16(std::bit_cast<float>(0x7F800001u)))));
  EXPECT_TRUE(std::isnan(to_float(to_bfloat16(std::bit_cast<float>(0xFFFFFFFFu)))));
}

struct Float8Case {
  const char* name;
  int man, bias, largest;
  bool fnuz, has_infinity;
  uint8_t (*encode)(float, Overflow);
  float (*decode)(uint8_t);
};

const Float8Case kFloat8Cases[] = {
    {"e4m3fn", 3, 7, 0x7E, false, false, [](float x, Overflow o) { return to_float8_e4m3fn(x, o).bits; },
     [](uint8_t b) { return to_float(Float8E4M3FN{b}); }},
    {"e4m3fnuz", 3, 8, 0x7F, true, false, [](float x, Overflow o) { return to_float8_e4m3fnuz(x, o).bits; },
     [](uint8_t b) { return to_float(Float8E4M3FNUZ{b}); }},
    {"e5m2", 2, 15, 0x7B, false, true, [](float x, Overflow o) { return to_float8_e5m2(x, o).bits; },
     [](uint8_t b) { return to_float(Float8E5M2{b}); }},
    {"e5m2fnuz", 2, 16, 0x7F, true, false, [](float x, Overflow o) { return to_float8_e5m2fnuz(x, o).bits; },
     [](uint8_t b) { return to_float(Float8E5M2FNUZ{b}); }},
};

TEST(Float8, DecodesEveryCode) {
  for (const Float8Case& f : kFloat8Cases) {
    SCOPED_TRACE(f.name);
    const std::vector<double> table = magnitudes(f.man, f.bias, f.largest);
    for (int code = 0; code < 256; ++code) {
      const int magnitude = code & 0x7F;
      const float value = f.decode(static_cast<uint8_t>(code));
      if (f.fnuz && code == 0x80) {
        EXPECT_TRUE(std::isnan(value));
      } else if (magnitude <= f.largest) {
        const float expected = static_cast<float>(code & 0x80 ? -table[magnitude] : table[magnitude]);
        EXPECT_EQ(float_bits(value), float_bits(expected)) << code;
      } else if (f.has_infinity && magnitude == f.largest + 1) {
        EXPECT_EQ(value, code & 0x80 ? -kInf : kInf);
      } else {
        EXPECT_TRUE(std::isnan(value)) << code;
      }
    }
  }
}

TEST(Float8, RoundsToNearestEvenAndSaturates) {
  for (const Float8Case& f : kFloat8Cases) {
    SCOPED_TRACE(f.name);
    const std::vector<double> table = magnitudes(f.man, f.bias, f.largest);
    for (float x : probes(table)) {
      const int code = nearest_code(table, x);
      const int sign = std::signbit(x) && !(f.fnuz && code == 0) ? 0x80 : 0;
      const bool over = code > f.largest;
      EXPECT_EQ(f.encode(x, Overflow::kSaturate), (over ? f.largest : code) | sign) << x;
      const int special = f.fnuz ? 0x80 : (f.largest + 1) | sign;
      EXPECT_EQ(f.encode(x, Overflow::kSpecial), over ? special : code | sign) << x;
    }
  }
}

// The codes are those of the standard's test data for Cast.
TEST(Float8, SpecialValues) {
  const uint8_t inf_saturated[] = {0x7E, 0x7F, 0x7B, 0x7F};
  const uint8_t inf_special[] = {0x7F, 0x80, 0x7C, 0x80};
  const uint8_t minus_inf_special[] = {0xFF, 0x80, 0xFC, 0x80};
  const uint8_t nan[] = {0x7F, 0x80, 0x7E, 0x80};
  const uint8_t minus_zero[] = {0x80, 0x00, 0x80, 0x00};
  for (int i = 0; i < 4; ++i) {
    const Float8Case& f = kFloat8Cases[i];
    EXPECT_EQ(f.encode(kInf, Overflow::kSaturate), inf_saturated[i]) << f.name;
    EXPECT_EQ(f.encode(-kInf, Overflow::kSaturate), inf_saturated[i] | 0x80) << f.name;
    EXPECT_EQ(f.encode(kInf, Overflow::kSpecial), inf_special[i]) << f.name;
    EXPECT_EQ(f.encode(-kInf, Overflow::kSpecial), minus_inf_special[i]) << f.name;
    EXPECT_EQ(f.encode(kNan, Overflow::kSaturate), nan[i]) << f.name;
    EXPECT_EQ(f.encode(-0.0f, Overflow::kSaturate), minus_zero[i]) << f.name;
    EXPECT_EQ(f.encode(-1e-7f, Overflow::kSaturate), minus_zero[i]) << f.name;
  }
}

TEST(Float8E8M0, PowersOfTwo) {
  for (int code = 0; code < 255; ++code) {
    const float value = to_float(Float8E8M0{static_cast<uint8_t>(code)});
    EXPECT_EQ(static_cast<double>(value), std::ldexp(1.0, code - 127));
    EXPECT_EQ(to_float8_e8m0(value, PowerRounding::kNearest).bits, code);
    EXPECT_EQ(to_float8_e8m0(-value, PowerRounding::kUp).bits, std::max(code, 1));
  }
  EXPECT_TRUE(std::isnan(to_float(Float8E8M0{0xFF})));
  EXPECT_EQ(to_float8_e8m0(kNan).bits, 0xFF);
  EXPECT_EQ(to_float8_e8m0(5.0f, PowerRounding::kUp).bits, 130);
  EXPECT_EQ(to_float8_e8m0(5.0f, PowerRounding::kDown).bits, 129);
  EXPECT_EQ(to_float8_e8m0(5.0f, PowerRounding::kNearest).bits, 129);
  EXPECT_EQ(to_float8_e8m0(6.0f, PowerRounding::kNearest).bits, 130);
  EXPECT_EQ(to_float8_e8m0(3e38f, PowerRounding::kUp, Overflow::kSaturate).bits, 254);
  EXPECT_EQ(to_float8_e8m0(3e38f, PowerRounding::kUp, Overflow::kSpecial).bits, 255);
}

TEST(Float4, RoundsToNearestEvenAndSaturates) {
  const std::vector<double> table = {0, 0.5, 1, 1.5, 2, 3, 4, 6};
  for (int code = 0; code < 16; ++code) {
    EXPECT_EQ(float_bits(float4_value(static_cast<uint8_t>(code))),
              float_bits(static_cast<float>(code & 8 ? -table[code & 7] : table[code & 7])));
  }
  for (float x : probes(table)) {
    EXPECT_EQ(float4_code(x), std::min(nearest_code(table, x), 7) | (std::signbit(x) ? 8 : 0)) << x;
  }
  EXPECT_EQ(float4_code(-kInf), 0xF);
  EXPECT_EQ(float4_code(kNan), 0x8);
}

TEST(Packed, ElementsDoNotDisturbEachOther) {
  for (int bits : {2, 4}) {
    std::vector<uint8_t> data(static_cast<size_t>(packed_bytes(13, bits)), 0xFF);
    for (int i = 0; i < 13; ++i) packed_set(data.data(), i, bits, static_cast<uint8_t>(i * 7));
    for (int i = 0; i < 13; ++i) EXPECT_EQ(packed_get(data.data(), i, bits), i * 7 & ((1 << bits) - 1));
  }
  EXPECT_EQ(packed_bytes(0, 4), 0);
  EXPECT_EQ(packed_bytes(3, 4), 2);
  EXPECT_EQ(packed_bytes(5, 2), 2);
  const uint8_t byte[] = {0xE4};
  EXPECT_EQ(packed_get(byte, 0, 4), 4);
  EXPECT_EQ(packed_get(byte, 3, 2), 3);
  EXPECT_EQ(sign_extend(0xF, 4), -1);
  EXPECT_EQ(sign_extend(0x8, 4), -8);
  EXPECT_EQ(sign_extend(0x7, 4), 7);
  EXPECT_EQ(sign_extend(0x2, 2), -2);
  EXPECT_EQ(sign_extend(0x1, 2), 1);
}

}  // namespace
}  // namespace sdx
