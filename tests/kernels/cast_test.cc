// Tests of cast.h, convert.h: every pair of types against scalar twins, and every 16-bit float on every lane.
#include "kernels/cast.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>

#include "base/packed.h"
#include "kernels/convert.h"
#include "lanes.h"

namespace sdx::kernels {
namespace {

constexpr float kInf = std::numeric_limits<float>::infinity();
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

template <class T>
std::vector<T> cast_to(Element from, const void* x, Element to, int64_t n, CastMode mode = {}) {
  std::vector<T> y(static_cast<size_t>(n), T());
  cast(from, x, to, y.data(), 0, n, mode);
  return y;
}

TEST(Convert, EveryHalf) {
  std::vector<Half> all(65536 + 5);
  for (size_t i = 0; i < all.size(); ++i) all[i] = {static_cast<uint16_t>(i)};
  std::vector<float> wide(all.size());
  std::vector<Half> back(all.size());
  for_each_isa([&] {
    to_floats(all.data(), wide.data(), static_cast<int64_t>(all.size()));
    from_floats(wide.data(), back.data(), static_cast<int64_t>(all.size()));
    for (size_t i = 0; i < all.size(); ++i) {
      const float expected = to_float(all[i]);
      if (std::isnan(expected)) {
        EXPECT_TRUE(std::isnan(wide[i])) << i;
        EXPECT_TRUE(std::isnan(to_float(back[i]))) << i;
      } else {
        EXPECT_EQ(std::bit_cast<uint32_t>(wide[i]), std::bit_cast<uint32_t>(expected)) << i;
        EXPECT_EQ(back[i].bits, all[i].bits) << i;
      }
    }
  });
}

/// Floats whose rounding to 16 bits is delicate: ties, their neighbours, subnormals, the limits, random patterns.
std::vector<float> delicate_floats() {
  std::vector<float> x = {0.0f,
                          65504.0f,
                          65519.99f,
                          65520.0f,
                          65536.0f,
                          3e38f,
                          1e-45f,
                          5.9604645e-8f,
                          2.9802322e-8f,
                          2.9802326e-8f,
                          kInf,
                          kNan,
                          std::bit_cast<float>(0x7F800001u),
                          6.097555e-5f,
                          6.1035156e-5f,
                          std::bit_cast<float>(0x7F7FFFFFu),
                          std::bit_cast<float>(0x7F7F8000u)};
  std::mt19937 generator(3);
  for (uint32_t code = 0; code < 0x7C00; code += 7) {
    const float low = to_float(Half{static_cast<uint16_t>(code)});
    const float tie = (low + to_float(Half{static_cast<uint16_t>(code + 1)})) / 2;
    if (!std::isfinite(tie)) continue;
    x.insert(x.end(), {tie, std::nextafter(tie, 0.0f), std::nextafter(tie, kInf)});
  }
  for (int i = 0; i < 20000; ++i) x.push_back(std::bit_cast<float>(static_cast<uint32_t>(generator()) & 0x7FFFFFFF));
  for (int i = 0; i < 5000; ++i)
    x.push_back(std::bit_cast<float>((static_cast<uint32_t>(generator()) & 0x7FFF) << 16 | 0x8000));
  const size_t n = x.size();
  for (size_t i = 0; i < n; ++i) x.push_back(-x[i]);
  return x;
}

TEST(Convert, DelicateFloatsRoundAsTheScalarTwins) {
  const std::vector<float> x = delicate_floats();
  const int64_t n = static_cast<int64_t>(x.size());
  std::vector<Half> half(x.size());
  std::vector<BFloat16> brain(x.size());
  std::vector<float> wide(x.size());
  for_each_isa([&] {
    from_floats(x.data(), half.data(), n);
    from_floats(x.data(), brain.data(), n);
    to_floats(brain.data(), wide.data(), n);
    for (size_t i = 0; i < x.size(); ++i) {
      EXPECT_EQ(half[i].bits, to_half(x[i]).bits) << x[i] << " " << std::hexfloat << x[i];
      EXPECT_EQ(brain[i].bits, to_bfloat16(x[i]).bits) << x[i];
      EXPECT_EQ(std::bit_cast<uint32_t>(wide[i]), uint32_t{brain[i].bits} << 16);
    }
  });
}

TEST(Convert, OddLengthsTouchNothingElse) {
  for_each_isa([&] {
    for (int64_t n = 0; n < 40; ++n) {
      const std::vector<float> x = random_floats(n, 1);
      std::vector<Half> y(static_cast<size_t>(n) + 1, Half{0xABCD});
      from_floats(x.data(), y.data(), n);
      for (int64_t i = 0; i < n; ++i) EXPECT_EQ(y[i].bits, to_half(x[i]).bits);
      EXPECT_EQ(y[n].bits, 0xABCD);
    }
  });
}

TEST(Convert, BoolsOfOddLengths) {
  const float special[] = {0.0f, -0.0f, 1e-45f, kNan, -kInf, 2.0f, 0.0f};
  for_each_isa([&] {
    for (int64_t n = 0; n < 70; ++n) {
      std::vector<float> x(static_cast<size_t>(n));
      for (int64_t i = 0; i < n; ++i) x[i] = special[i % 7];
      std::vector<uint8_t> y(static_cast<size_t>(n) + 1, 0xAB);
      cast(Element::kFloat, x.data(), Element::kBool, y.data(), 0, n);
      for (int64_t i = 0; i < n; ++i) EXPECT_EQ(y[i], x[i] != 0.0f ? 1 : 0);
      EXPECT_EQ(y[n], 0xAB);
    }
  });
}

TEST(Cast, FloatsTruncateAndWrap) {
  const float x[] = {1.9f, -1.9f, 300.0f, -1.0f, 3e9f, kNan, kInf, -kInf, -0.0f};
  const int64_t n = 9;
  EXPECT_EQ(cast_to<int32_t>(Element::kFloat, x, Element::kInt32, n),
            (std::vector<int32_t>{1, -1, 300, -1, INT32_MIN, INT32_MIN, INT32_MIN, INT32_MIN, 0}));
  EXPECT_EQ(cast_to<uint8_t>(Element::kFloat, x, Element::kUint8, n),
            (std::vector<uint8_t>{1, 255, 44, 255, 0, 0, 0, 0, 0}));
  EXPECT_EQ(cast_to<int8_t>(Element::kFloat, x, Element::kInt8, n),
            (std::vector<int8_t>{1, -1, 44, -1, 0, 0, 0, 0, 0}));
  EXPECT_EQ(cast_to<int64_t>(Element::kFloat, x, Element::kInt64, n),
            (std::vector<int64_t>{1, -1, 300, -1, 3000000000, INT64_MIN, INT64_MIN, INT64_MIN, 0}));
  EXPECT_EQ(cast_to<uint32_t>(Element::kFloat, x, Element::kUint32, n),
            (std::vector<uint32_t>{1, UINT32_MAX, 300, UINT32_MAX, 3000000000u, 0, 0, 0, 0}));
  EXPECT_EQ(cast_to<uint8_t>(Element::kFloat, x, Element::kBool, n), (std::vector<uint8_t>{1, 1, 1, 1, 1, 1, 1, 1, 0}));
  const double d[] = {-2147483648.5, -2147483649.0, 2147483647.9, 1e19, 1.9e19, 9.3e18};
  EXPECT_EQ(cast_to<int32_t>(Element::kDouble, d, Element::kInt32, 3),
            (std::vector<int32_t>{INT32_MIN, INT32_MIN, INT32_MAX}));
  EXPECT_EQ(cast_to<uint64_t>(Element::kDouble, d + 3, Element::kUint64, 3),
            (std::vector<uint64_t>{10000000000000000000u, uint64_t{1} << 63, 9300000000000000000u}));
}

TEST(Cast, IntegersRoundOnceToNarrowFloats) {
  // 2^60 + 2^52 is a tie between two bfloat16 values; one more must round up, though its double is the tie.
  const int64_t tie = (int64_t{1} << 60) + (int64_t{1} << 52);
  const int64_t x[] = {tie, tie + 1, -tie, -tie - 1, 2049, 2051, INT64_MIN};
  const auto y = cast_to<uint16_t>(Element::kInt64, x, Element::kBFloat16, 4);
  const uint16_t even = to_bfloat16(0x1p60f).bits;
  EXPECT_EQ(y, (std::vector<uint16_t>{even, static_cast<uint16_t>(even + 1), static_cast<uint16_t>(even | 0x8000),
                                      static_cast<uint16_t>((even + 1) | 0x8000)}));
  const auto h = cast_to<uint16_t>(Element::kInt64, x + 4, Element::kHalf, 3);
  EXPECT_EQ(h, (std::vector<uint16_t>{to_half(2048.0f).bits, to_half(2052.0f).bits, 0xFC00}));
  const uint64_t u[] = {UINT64_MAX};
  EXPECT_EQ(cast_to<uint16_t>(Element::kUint64, u, Element::kBFloat16, 1)[0], to_bfloat16(0x1p64f).bits);
}

// The input and the bytes of the standard's test of FLOAT to INT4 and to FLOAT4E2M1.
TEST(Cast, PackedTypesFollowTheStandardsTestData) {
  std::vector<float> x;
  for (int i = -9; i < 16; ++i) x.push_back(static_cast<float>(i));
  const std::vector<uint8_t> bytes = {0x87, 0xA9, 0xCB, 0xED, 0x0F, 0x21, 0x43, 0x65, 0x87, 0xA9, 0xCB, 0xED, 0x0F};
  std::vector<uint8_t> y(13, 0xFF);
  cast(Element::kFloat, x.data(), Element::kInt4, y.data(), 0, 25);
  EXPECT_EQ(y, bytes);
  cast(Element::kFloat, x.data(), Element::kUint4, y.data(), 0, 25);
  EXPECT_EQ(y, bytes);
  const float f[] = {0.48f, 0.25f, 1.05f, -3.5f, -8.0f, 9.0f,  1e6f, 1e-7f,
                     kNan,  kInf,  kInf,  -kInf, -4.0f, 0.01f, -0.0f};
  std::vector<uint8_t> z(8, 0xFF);
  cast(Element::kFloat, f, Element::kFloat4E2M1, z.data(), 0, 15);
  EXPECT_EQ(z, (std::vector<uint8_t>{0x01, 0xE2, 0x7F, 0x07, 0x78, 0xF7, 0x0E, 0x08}));
}

const Element kAll[] = {
    Element::kFloat,          Element::kUint8,        Element::kInt8,           Element::kUint16,
    Element::kInt16,          Element::kInt32,        Element::kInt64,          Element::kBool,
    Element::kHalf,           Element::kDouble,       Element::kUint32,         Element::kUint64,
    Element::kBFloat16,       Element::kFloat8E4M3FN, Element::kFloat8E4M3FNUZ, Element::kFloat8E5M2,
    Element::kFloat8E5M2FNUZ, Element::kUint4,        Element::kInt4,           Element::kFloat4E2M1,
    Element::kUint2,          Element::kInt2};

/// 0 and 1 exist in every type, so every pair must carry them over, at every length and however the range is split.
TEST(Cast, EveryPairKeepsZeroAndOne) {
  const int64_t n = 601;
  std::vector<int64_t> pattern(n);
  for (int64_t i = 0; i < n; ++i) pattern[i] = (i * i / 3) % 2;
  for (Element from : kAll) {
    std::vector<uint8_t> x(n * 8);
    cast(Element::kInt64, pattern.data(), from, x.data(), 0, n);
    for (Element to : kAll) {
      std::vector<uint8_t> whole(n * 8), split(n * 8);
      cast(from, x.data(), to, whole.data(), 0, n);
      cast(from, x.data(), to, split.data(), 0, 8);
      cast(from, x.data(), to, split.data(), 8, 400);
      cast(from, x.data(), to, split.data(), 400, n);
      EXPECT_EQ(whole, split);
      std::vector<int64_t> back(n);
      cast(to, whole.data(), Element::kInt64, back.data(), 0, n);
      EXPECT_EQ(back, pattern) << static_cast<int>(from) << " to " << static_cast<int>(to);
    }
  }
}

TEST(Cast, AnyByteOfABoolTensorIsATruthValue) {
  const uint8_t x[] = {0, 1, 2, 255};
  EXPECT_EQ(cast_to<float>(Element::kBool, x, Element::kFloat, 4), (std::vector<float>{0, 1, 1, 1}));
  EXPECT_EQ(cast_to<int64_t>(Element::kBool, x, Element::kInt64, 4), (std::vector<int64_t>{0, 1, 1, 1}));
  EXPECT_EQ(cast_to<uint16_t>(Element::kBool, x, Element::kHalf, 4),
            (std::vector<uint16_t>{0, 0x3C00, 0x3C00, 0x3C00}));
}

TEST(Cast, Float8HonoursTheMode) {
  const float x[] = {1e6f, -1e6f};
  EXPECT_EQ(cast_to<uint8_t>(Element::kFloat, x, Element::kFloat8E4M3FN, 2), (std::vector<uint8_t>{0x7E, 0xFE}));
  EXPECT_EQ(cast_to<uint8_t>(Element::kFloat, x, Element::kFloat8E4M3FN, 2, {Overflow::kSpecial}),
            (std::vector<uint8_t>{0x7F, 0xFF}));
  const float p[] = {5.0f};
  EXPECT_EQ(cast_to<uint8_t>(Element::kFloat, p, Element::kFloat8E8M0, 1, {Overflow::kSaturate, PowerRounding::kDown}),
            (std::vector<uint8_t>{129}));
}

}  // namespace
}  // namespace sdx::kernels
