// Tests of quantize.h against scalar twins, for every type, layout and split of the range.
#include "kernels/quantize.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "base/packed.h"
#include "kernels/cast.h"
#include "lanes.h"

namespace sdx::kernels {
namespace {

struct Case {
  Element type;
  int low, high;
};

const Case kIntegers[] = {{Element::kUint8, 0, 255},        {Element::kInt8, -128, 127}, {Element::kUint16, 0, 65535},
                          {Element::kInt16, -32768, 32767}, {Element::kUint4, 0, 15},    {Element::kInt4, -8, 7},
                          {Element::kUint2, 0, 3},          {Element::kInt2, -2, 1}};

struct Layout {
  QuantLayout layout;
  int64_t scales;
};

// x is [2, 6, 5], or [2, 6, 1].
const Layout kLayouts[] = {{QuantLayout::per_tensor(), 1},
                           {QuantLayout::per_axis(6, 5), 6},
                           {QuantLayout::per_axis(5, 1), 5},
                           {QuantLayout::blocked(6, 5, 4), 20},
                           {QuantLayout::blocked(10, 1, 4), 18}};

int64_t scale_index(const QuantLayout& l, int64_t i) {
  const int64_t inner = i % l.inner, a = i / l.inner % l.axis, o = i / l.inner / l.axis;
  return o * l.outer_stride + a / l.block * l.axis_stride + inner * l.inner_stride;
}

std::vector<int64_t> as_integers(Element type, const void* data, int64_t n) {
  std::vector<int64_t> y(static_cast<size_t>(n));
  cast(type, data, Element::kInt64, y.data(), 0, n);
  return y;
}

TEST(Quantize, IntegersOfEveryLayout) {
  const int64_t n = 60;
  for_each_isa([&] {
    for (const Case& c : kIntegers) {
      for (const Layout& l : kLayouts) {
        const float reach = static_cast<float>(c.high - c.low) * 0.05f;
        std::vector<float> x = random_floats(n, 1, -reach, reach);
        x[7] = std::numeric_limits<float>::infinity();
        x[8] = -std::numeric_limits<float>::infinity();
        x[9] = std::numeric_limits<float>::quiet_NaN();
        const std::vector<float> scale = random_floats(l.scales, 2, 0.05f, 0.1f);
        std::vector<int64_t> zero;
        for (int64_t i = 0; i < l.scales; ++i) zero.push_back(c.low + i * 3 % (c.high - c.low + 1));
        std::vector<uint8_t> packed_zero(l.scales * 2), y(n * 2), split(n * 2);
        cast(Element::kInt64, zero.data(), c.type, packed_zero.data(), 0, l.scales);
        const Quantized q{c.type, scale.data(), packed_zero.data()};
        quantize(x.data(), y.data(), q, l.layout, 0, n);
        for (int64_t i = 0; i < n; i += 12) quantize(x.data(), split.data(), q, l.layout, i, std::min(n, i + 12));
        EXPECT_EQ(y, split);
        const std::vector<int64_t> codes = as_integers(c.type, y.data(), n);
        std::vector<float> back(n);
        dequantize(y.data(), back.data(), q, l.layout, 0, 7);
        dequantize(y.data(), back.data(), q, l.layout, 7, n);
        for (int64_t i = 0; i < n; ++i) {
          const int64_t s = scale_index(l.layout, i);
          const float v = std::nearbyint(x[i] / scale[s]) + static_cast<float>(zero[s]);
          const int64_t expected = std::isnan(v) ? c.low : static_cast<int64_t>(std::clamp<float>(v, c.low, c.high));
          EXPECT_EQ(codes[i], expected) << "type " << static_cast<int>(c.type) << " of " << x[i];
          EXPECT_EQ(back[i], static_cast<float>(codes[i] - zero[s]) * scale[s]);
        }
      }
    }
  });
}

TEST(Quantize, TiesGoToEven) {
  const float x[] = {0.5f, 1.5f, 2.5f, -0.5f, -1.5f, 127.5f, 128.5f};
  const float scale = 1.0f;
  for_each_isa([&] {
    int8_t y[7];
    quantize(x, y, {Element::kInt8, &scale}, QuantLayout::per_tensor(), 0, 7);
    EXPECT_EQ(std::vector<int>(y, y + 7), (std::vector<int>{0, 2, 2, 0, -2, 127, 127}));
  });
}

TEST(Quantize, LongRunsOfOneScale) {
  for_each_isa([&] {
    for (int64_t n : {1, 7, 15, 16, 31, 100, 1000}) {
      const std::vector<float> x = random_floats(n, 4, -2.0f, 2.0f);
      const float scale = 0.013f;
      const uint8_t zero = 119;
      std::vector<uint8_t> y(static_cast<size_t>(n) + 1, 0xEE);
      quantize(x.data(), y.data(), {Element::kUint8, &scale, &zero}, QuantLayout::per_tensor(), 0, n);
      for (int64_t i = 0; i < n; ++i) {
        EXPECT_EQ(y[i], static_cast<uint8_t>(std::clamp(std::nearbyint(x[i] / scale) + 119.0f, 0.0f, 255.0f)));
      }
      EXPECT_EQ(y[n], 0xEE);
    }
  });
}

TEST(Quantize, NarrowFloats) {
  const std::vector<float> x = random_floats(31, 5, -900.0f, 900.0f);
  const float scale = 1.7f;
  for (Element type : {Element::kFloat8E4M3FN, Element::kFloat8E4M3FNUZ, Element::kFloat8E5M2, Element::kFloat8E5M2FNUZ,
                       Element::kFloat4E2M1}) {
    std::vector<float> divided, back(31), expected(31);
    for (float v : x) divided.push_back(v / scale);
    std::vector<uint8_t> y(31), direct(31);
    const Quantized q{type, &scale};
    quantize(x.data(), y.data(), q, QuantLayout::per_tensor(), 0, 31);
    cast(Element::kFloat, divided.data(), type, direct.data(), 0, 31);
    EXPECT_EQ(y, direct);
    dequantize(y.data(), back.data(), q, QuantLayout::per_tensor(), 0, 31);
    cast(type, direct.data(), Element::kFloat, expected.data(), 0, 31);
    for (int i = 0; i < 31; ++i) EXPECT_EQ(back[i], expected[i] * scale);
  }
}

TEST(Quantize, Int32Biases) {
  const int32_t x[] = {1, -5, INT32_MAX, INT32_MIN};
  const float scale[] = {0.5f, 2.0f};
  const int32_t zero[] = {0, 3};
  float y[4];
  dequantize(x, y, {Element::kInt32, scale, zero}, QuantLayout::per_axis(2, 1), 0, 4);
  EXPECT_EQ(y[0], 0.5f);
  EXPECT_EQ(y[1], -16.0f);
  EXPECT_EQ(y[2], 1073741824.0f);
  EXPECT_EQ(y[3], static_cast<float>(int64_t{INT32_MIN} - 3) * 2.0f);
}

// The figures of the standard's example of DynamicQuantizeLinear.
TEST(Quantize, DynamicScale) {
  const DynamicScale s = dynamic_scale(-2.5f, 2.0f);
  EXPECT_FLOAT_EQ(s.scale, 0.0176470588f);
  EXPECT_EQ(s.zero_point, 142);
  EXPECT_EQ(dynamic_scale(1.0f, 3.0f).zero_point, 0);
  EXPECT_EQ(dynamic_scale(-4.0f, -1.0f).zero_point, 255);
  EXPECT_EQ(dynamic_scale(0.0f, 0.0f).scale, 1.0f);
}

}  // namespace
}  // namespace sdx::kernels
