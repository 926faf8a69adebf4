// Tests of binary.h, strided.h and the types of unary.h other than float.
#include "kernels/binary.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstring>
#include <functional>
#include <limits>

#include "kernels/unary.h"
#include "lanes.h"

namespace sdx::kernels {
namespace {

constexpr float kInf = std::numeric_limits<float>::infinity();
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

/// Floats with everything special among them.
std::vector<float> awkward(int64_t n, uint32_t seed) {
  std::vector<float> x = random_floats(n, seed, -4.0f, 4.0f);
  const float special[] = {0.0f, -0.0f, kInf, -kInf, kNan, 1e-40f, -1e-40f, 3e38f, 2.0f, -1.0f};
  for (size_t i = 0; i < x.size(); i += 3) x[i] = special[(i / 3 + seed) % 10];
  return x;
}

void expect_same(float actual, float expected, const std::string& what) {
  if (std::isnan(expected)) {
    EXPECT_TRUE(std::isnan(actual)) << what << " is " << actual;
  } else {
    EXPECT_EQ(actual, expected) << what;
  }
}

struct FloatCase {
  BinaryOp op;
  std::function<float(float, float)> twin;
};

float either_nan(float a, float b, float y) { return std::isnan(a) || std::isnan(b) ? kNan : y; }

const std::vector<FloatCase>& float_cases() {
  static const std::vector<FloatCase> list = {
      {BinaryOp::kAdd, [](float a, float b) { return a + b; }},
      {BinaryOp::kSub, [](float a, float b) { return a - b; }},
      {BinaryOp::kMul, [](float a, float b) { return a * b; }},
      {BinaryOp::kDiv, [](float a, float b) { return a / b; }},
      {BinaryOp::kMin, [](float a, float b) { return either_nan(a, b, std::min(a, b)); }},
      {BinaryOp::kMax, [](float a, float b) { return either_nan(a, b, std::max(a, b)); }},
      {BinaryOp::kFmod, [](float a, float b) { return std::fmod(a, b); }},
      {BinaryOp::kMod,
       [](float a, float b) {
         const float r = std::fmod(a, b);
         return r != 0 && std::signbit(r) != std::signbit(b) ? r + b : r;
       }},
      {BinaryOp::kPow, [](float a, float b) { return static_cast<float>(std::pow(double{a}, double{b})); }},
      {BinaryOp::kPRelu, [](float a, float b) { return a < 0 ? a * b : a; }},
      {BinaryOp::kSquaredDifference, [](float a, float b) { return (a - b) * (a - b); }},
  };
  return list;
}

TEST(Binary, FloatsAtEveryLengthAndStride) {
  const std::vector<float> a = awkward(600, 1), b = awkward(600, 2);
  for_each_isa([&] {
    for (const FloatCase& c : float_cases()) {
      for (int64_t n : {0, 1, 3, 4, 7, 8, 15, 16, 17, 31, 33, 64, 257}) {
        for (auto [sa, sb] : {std::pair{1, 1}, {1, 0}, {0, 1}, {0, 0}, {2, 1}, {1, 2}}) {
          std::vector<float> y(static_cast<size_t>(n) + 1, 77.0f);
          binary(c.op, a.data() + 5, sa, b.data() + 5, sb, y.data(), n);
          for (int64_t i = 0; i < n; ++i) {
            const float u = a[5 + i * sa], v = b[5 + i * sb];
            const float expected = c.twin(u, v);
            const std::string what = "op " + std::to_string(static_cast<int>(c.op)) + " of " + std::to_string(u) +
                                     " and " + std::to_string(v);
            if (c.op == BinaryOp::kPow && std::isfinite(expected)) {
              EXPECT_NEAR(y[i], expected, std::fabs(expected) * 1.2e-7) << what;
            } else {
              expect_same(y[i], expected, what);
            }
          }
          EXPECT_EQ(y[n], 77.0f);
        }
      }
    }
  });
}

TEST(Binary, PowersByAConstantKeepTheSpecialCases) {
  const std::vector<float> a = awkward(100, 3);
  for_each_isa([&] {
    for (float e : {2.0f, 3.0f, 1.0f, 0.0f, -1.0f, 0.5f, -0.5f, 1.7f}) {
      std::vector<float> y(100);
      binary(BinaryOp::kPow, a.data(), 1, &e, 0, y.data(), 100);
      for (int i = 0; i < 100; ++i) {
        const float expected = static_cast<float>(std::pow(double{a[i]}, double{e}));
        if (std::isfinite(expected)) {
          EXPECT_NEAR(y[i], expected, std::fabs(expected) * 2.4e-7) << a[i] << "^" << e;
          EXPECT_EQ(std::signbit(y[i]), std::signbit(expected)) << a[i] << "^" << e;
        } else {
          expect_same(y[i], expected, std::to_string(a[i]) + "^" + std::to_string(e));
        }
      }
    }
  });
}

template <class T>
T one(BinaryOp op, T a, T b) {
  T y;
  binary(op, &a, 1, &b, 1, &y, 1);
  return y;
}

TEST(Binary, IntegersWrapAndNeverTrap) {
  EXPECT_EQ(one<int32_t>(BinaryOp::kAdd, INT32_MAX, 1), INT32_MIN);
  EXPECT_EQ(one<int32_t>(BinaryOp::kMul, 65536, 65537), 65536);
  EXPECT_EQ(one<uint16_t>(BinaryOp::kMul, 65535, 65535), 1);
  EXPECT_EQ(one<int64_t>(BinaryOp::kDiv, INT64_MIN, -1), INT64_MIN);
  EXPECT_EQ(one<int64_t>(BinaryOp::kDiv, 7, 0), 0);
  EXPECT_EQ(one<int32_t>(BinaryOp::kDiv, -7, 2), -3);
  EXPECT_EQ(one<int8_t>(BinaryOp::kDiv, -128, -1), -128);
  EXPECT_EQ(one<int64_t>(BinaryOp::kMod, INT64_MIN, -1), 0);
  EXPECT_EQ(one<int64_t>(BinaryOp::kMod, 5, 0), 0);
  EXPECT_EQ(one<int32_t>(BinaryOp::kMod, -7, 3), 2);
  EXPECT_EQ(one<int32_t>(BinaryOp::kMod, 7, -3), -2);
  EXPECT_EQ(one<int32_t>(BinaryOp::kFmod, -7, 3), -1);
  EXPECT_EQ(one<int32_t>(BinaryOp::kPow, -3, 3), -27);
  EXPECT_EQ(one<int32_t>(BinaryOp::kPow, 2, -1), 0);
  EXPECT_EQ(one<int32_t>(BinaryOp::kPow, -1, -3), -1);
  EXPECT_EQ(one<int64_t>(BinaryOp::kPow, 3, 39), 4052555153018976267);
  EXPECT_EQ(one<uint8_t>(BinaryOp::kShiftLeft, 0x81, 1), 2);
  EXPECT_EQ(one<uint8_t>(BinaryOp::kShiftLeft, 0x81, 8), 0);
  EXPECT_EQ(one<uint64_t>(BinaryOp::kShiftRight, uint64_t{1} << 63, 63), 1u);
  EXPECT_EQ(one<uint32_t>(BinaryOp::kShiftRight, 1, 32), 0u);
  EXPECT_EQ(one<int16_t>(BinaryOp::kBitXor, 0x0FF0, -1), static_cast<int16_t>(0xF00F));
}

TEST(Binary, PowersOfMixedTypes) {
  const int64_t base[] = {2, 3, -2};
  const float exponent[] = {3.0f, 0.5f, -1.0f};
  int64_t y[3];
  power(base, 1, exponent, 1, y, 3);
  EXPECT_EQ(std::vector<int64_t>(y, y + 3), (std::vector<int64_t>{8, 1, 0}));
  const float x[] = {1.5f, -2.0f};
  const int64_t n[] = {3, 2};
  float z[2];
  power(x, 1, n, 1, z, 2);
  EXPECT_EQ(z[0], 3.375f);
  EXPECT_EQ(z[1], 4.0f);
}

TEST(Binary, HalvesRoundOnce) {
  std::vector<Half> a, b;
  for (int i = 0; i < 300; ++i) {
    a.push_back(to_half(static_cast<float>(i) * 0.37f));
    b.push_back(to_half(static_cast<float>(i % 17) - 3.3f));
  }
  for_each_isa([&] {
    std::vector<Half> y(300);
    binary(BinaryOp::kMul, a.data(), 1, b.data(), 1, y.data(), 300);
    for (int i = 0; i < 300; ++i) EXPECT_EQ(y[i].bits, to_half(to_float(a[i]) * to_float(b[i])).bits);
    binary(BinaryOp::kAdd, a.data(), 1, b.data() + 4, 0, y.data(), 300);
    for (int i = 0; i < 300; ++i) EXPECT_EQ(y[i].bits, to_half(to_float(a[i]) + to_float(b[4])).bits);
  });
}

/// Element of a contiguous operand at a broadcast position, by the definition.
int64_t broadcast_offset(const std::vector<int64_t>& shape, const std::vector<int64_t>& at) {
  int64_t offset = 0;
  const size_t skip = at.size() - shape.size();
  for (size_t d = 0; d < shape.size(); ++d) offset = offset * shape[d] + (shape[d] == 1 ? 0 : at[skip + d]);
  return offset;
}

TEST(Binary, BroadcastsHoweverTheRangeIsSplit) {
  const std::vector<std::array<std::vector<int64_t>, 3>> shapes = {
      {{{2, 3, 4}, {4}, {2, 3, 4}}},
      {{{2, 3, 4}, {3, 1}, {2, 3, 4}}},
      {{{5, 1, 7}, {1, 6, 1}, {5, 6, 7}}},
      {{{}, {3}, {3}}},
      {{{}, {}, {}}},
      {{{2, 1, 3, 1, 2}, {4, 1, 5, 1}, {2, 4, 3, 5, 2}}},
      {{{1, 1}, {3, 3}, {3, 3}}},
      {{{0, 3}, {3}, {0, 3}}},
  };
  for (const auto& [sa, sb, sy] : shapes) {
    int64_t na = 1, nb = 1, ny = 1;
    for (int64_t d : sa) na *= d;
    for (int64_t d : sb) nb *= d;
    for (int64_t d : sy) ny *= d;
    const std::vector<float> a = random_floats(na, 1), b = random_floats(nb, 2);
    const auto loop = make_broadcast_loop<2>(sy, {std::span<const int64_t>(sa), std::span<const int64_t>(sb)});
    EXPECT_EQ(loop.count(), ny);
    for (int64_t step : {int64_t{1}, int64_t{5}, int64_t{1000}}) {
      std::vector<float> y(static_cast<size_t>(ny));
      for (int64_t i = 0; i < ny; i += step) {
        binary(BinaryOp::kSub, loop, a.data(), b.data(), y.data(), i, std::min(ny, i + step));
      }
      std::vector<int64_t> at(sy.size(), 0);
      for (int64_t i = 0; i < ny; ++i) {
        EXPECT_EQ(y[i], a[broadcast_offset(sa, at)] - b[broadcast_offset(sb, at)]);
        for (size_t d = sy.size(); d-- > 0 && ++at[d] == sy[d];) at[d] = 0;
      }
    }
  }
}

TEST(Strided, NeighboursMerge) {
  const std::vector<int64_t> shape = {2, 3, 4, 5}, row = {4, 5}, channel = {3, 1, 1};
  const auto same = make_broadcast_loop<2>(shape, {std::span<const int64_t>(shape), std::span<const int64_t>(shape)});
  EXPECT_EQ(same.rank, 1);
  const auto rows = make_broadcast_loop<2>(shape, {std::span<const int64_t>(shape), std::span<const int64_t>(row)});
  EXPECT_EQ(rows.rank, 2);
  EXPECT_EQ(rows.extent[1], 20);
  const auto bias = make_broadcast_loop<2>(shape, {std::span<const int64_t>(shape), std::span<const int64_t>(channel)});
  EXPECT_EQ(bias.rank, 3);
  EXPECT_EQ(bias.inner(1), 0);
}

TEST(Compare, EveryRelationWithNan) {
  const float a[] = {1, 2, 3, kNan, kNan, -0.0f}, b[] = {2, 2, 2, 1, kNan, 0.0f};
  const struct {
    CompareOp op;
    std::vector<int> expected;
  } list[] = {{CompareOp::kEqual, {0, 1, 0, 0, 0, 1}},   {CompareOp::kNotEqual, {1, 0, 1, 1, 1, 0}},
              {CompareOp::kLess, {1, 0, 0, 0, 0, 0}},    {CompareOp::kLessOrEqual, {1, 1, 0, 0, 0, 1}},
              {CompareOp::kGreater, {0, 0, 1, 0, 0, 0}}, {CompareOp::kGreaterOrEqual, {0, 1, 1, 0, 0, 1}}};
  for (const auto& c : list) {
    bool y[6];
    compare(c.op, a, 1, b, 1, y, 6);
    for (int i = 0; i < 6; ++i) EXPECT_EQ(y[i], c.expected[i] != 0) << static_cast<int>(c.op) << " " << i;
  }
  const bool u[] = {false, false, true, true}, v[] = {false, true, false, true};
  bool y[4];
  compare(CompareOp::kAnd, u, 1, v, 1, y, 4);
  EXPECT_EQ(std::vector<bool>(y, y + 4), (std::vector<bool>{false, false, false, true}));
  compare(CompareOp::kOr, u, 1, v, 1, y, 4);
  EXPECT_EQ(std::vector<bool>(y, y + 4), (std::vector<bool>{false, true, true, true}));
  compare(CompareOp::kXor, u, 1, v, 1, y, 4);
  EXPECT_EQ(std::vector<bool>(y, y + 4), (std::vector<bool>{false, true, true, false}));
  const uint64_t big[] = {UINT64_MAX}, small[] = {1};
  compare(CompareOp::kGreater, big, 1, small, 1, y, 1);
  EXPECT_TRUE(y[0]);
}

TEST(Select, EveryWidthAndStride) {
  const int64_t n = 37;
  for_each_isa([&] {
    for (int bytes : {1, 2, 4, 8, 16}) {
      for (int strides = 0; strides < 27; ++strides) {
        const int64_t sc = strides % 3, sa = strides / 3 % 3, sb = strides / 9;
        std::vector<uint8_t> a(2 * n * bytes), b(2 * n * bytes), y(n * bytes), c(2 * n);
        for (size_t i = 0; i < a.size(); ++i) {
          a[i] = static_cast<uint8_t>(i);
          b[i] = static_cast<uint8_t>(~i);
        }
        for (size_t i = 0; i < c.size(); ++i) c[i] = i % 3 == 0 ? static_cast<uint8_t>(i + 1) : 0;
        select(reinterpret_cast<const bool*>(c.data()), sc, a.data(), sa, b.data(), sb, y.data(), n, bytes);
        for (int64_t i = 0; i < n; ++i) {
          const uint8_t* expected = c[i * sc] != 0 ? &a[i * sa * bytes] : &b[i * sb * bytes];
          EXPECT_EQ(std::memcmp(&y[i * bytes], expected, bytes), 0) << bytes << " " << i;
        }
      }
    }
  });
}

TEST(Unary, OtherTypes) {
  const int32_t x[] = {-5, 0, 7, INT32_MIN};
  int32_t y[4];
  unary(UnaryOp::kAbs, {}, x, y, 4);
  EXPECT_EQ(std::vector<int32_t>(y, y + 4), (std::vector<int32_t>{5, 0, 7, INT32_MIN}));
  unary(UnaryOp::kSign, {}, x, y, 4);
  EXPECT_EQ(std::vector<int32_t>(y, y + 4), (std::vector<int32_t>{-1, 0, 1, -1}));
  unary(UnaryOp::kNeg, {}, x, y, 4);
  EXPECT_EQ(y[3], INT32_MIN);
  unary(UnaryOp::kBitwiseNot, {}, x, y, 4);
  EXPECT_EQ(y[0], 4);
  const int64_t wide[] = {INT64_MAX, 3};
  int64_t clipped[2];
  clip<int64_t>(5, INT64_MAX - 1, wide, clipped, 2);
  EXPECT_EQ(clipped[0], INT64_MAX - 1);
  EXPECT_EQ(clipped[1], 5);
  const double d[] = {0.3, -1.5};
  double e[2];
  unary(UnaryOp::kGelu, {}, d, e, 2);
  EXPECT_NEAR(e[0], 0.5 * 0.3 * (1 + std::erf(0.3 / std::sqrt(2.0))), 1e-15);
  const bool b[] = {true, false};
  bool not_b[2];
  unary(UnaryOp::kNot, {}, b, not_b, 2);
  EXPECT_FALSE(not_b[0]);
  EXPECT_TRUE(not_b[1]);
}

TEST(Unary, FloatsWithSimpleTwins) {
  const std::vector<float> x = awkward(200, 9);
  const struct {
    UnaryOp op;
    UnaryParams params;
    std::function<float(float)> twin;
  } list[] = {
      {UnaryOp::kAbs, {}, [](float v) { return std::fabs(v); }},
      {UnaryOp::kNeg, {}, [](float v) { return -v; }},
      {UnaryOp::kSign, {}, [](float v) { return v > 0   ? 1.0f
                                                : v < 0 ? -1.0f
                                                        : v; }},
      {UnaryOp::kFloor, {}, [](float v) { return std::floor(v); }},
      {UnaryOp::kCeil, {}, [](float v) { return std::ceil(v); }},
      {UnaryOp::kRound, {}, [](float v) { return std::nearbyint(v); }},
      {UnaryOp::kReciprocal, {}, [](float v) { return 1 / v; }},
      {UnaryOp::kRelu, {}, [](float v) { return v < 0 ? 0.0f : v; }},
      {UnaryOp::kClip, {-1.5, 2.0}, [](float v) { return v < -1.5f  ? -1.5f
                                                         : v > 2.0f ? 2.0f
                                                                    : v; }},
      {UnaryOp::kSqrt, {}, [](float v) { return std::sqrt(v); }},
      {UnaryOp::kSoftsign, {}, [](float v) { return v / (1 + std::fabs(v)); }},
      {UnaryOp::kLeakyRelu, {0.1f}, [](float v) { return v < 0 ? 0.1f * v : v; }},
      {UnaryOp::kThresholdedRelu, {1.0}, [](float v) { return v <= 1 ? 0.0f : v; }},
      {UnaryOp::kShrink, {1.0, 0.5}, [](float v) { return v < -1  ? v + 0.5f
                                                          : v > 1 ? v - 0.5f
                                                                  : 0.0f; }},
  };
  for_each_isa([&] {
    for (const auto& c : list) {
      std::vector<float> y(x.size());
      unary(c.op, c.params, x.data(), y.data(), static_cast<int64_t>(x.size()));
      for (size_t i = 0; i < x.size(); ++i) {
        expect_same(y[i], c.twin(x[i]), std::to_string(static_cast<int>(c.op)) + " of " + std::to_string(x[i]));
      }
    }
  });
}

TEST(Unary, NanAndInfinity) {
  const float x[] = {kNan, kInf, -kInf, 1.0f};
  bool y[4];
  is_nan(x, y, 4);
  EXPECT_EQ(std::vector<bool>(y, y + 4), (std::vector<bool>{true, false, false, false}));
  is_inf(true, false, x, y, 4);
  EXPECT_EQ(std::vector<bool>(y, y + 4), (std::vector<bool>{false, true, false, false}));
}

}  // namespace
}  // namespace sdx::kernels
