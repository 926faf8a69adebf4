// Tests of reduce.h against double twins, with every split of the range giving the same bits.
#include "kernels/reduce.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <limits>

#include "lanes.h"

namespace sdx::kernels {
namespace {

constexpr float kInf = std::numeric_limits<float>::infinity();
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

const ReduceOp kOps[] = {ReduceOp::kSum,    ReduceOp::kMean,     ReduceOp::kMax, ReduceOp::kMin,
                         ReduceOp::kProd,   ReduceOp::kL1,       ReduceOp::kL2,  ReduceOp::kSumSquare,
                         ReduceOp::kLogSum, ReduceOp::kLogSumExp};

double twin(ReduceOp op, const std::vector<double>& x) {
  double sum = 0, absolute = 0, square = 0, product = 1, exponential = 0;
  double max = -kInf, min = kInf;
  bool nan = false;
  for (double v : x) {
    sum += v;
    absolute += std::fabs(v);
    square += v * v;
    product *= v;
    exponential += std::exp(v);
    max = std::max(max, v);
    min = std::min(min, v);
    nan |= std::isnan(v);
  }
  switch (op) {
    case ReduceOp::kSum: return sum;
    case ReduceOp::kMean: return sum / static_cast<double>(x.size());
    case ReduceOp::kMax: return nan ? kNan : max;
    case ReduceOp::kMin: return nan ? kNan : min;
    case ReduceOp::kProd: return product;
    case ReduceOp::kL1: return absolute;
    case ReduceOp::kL2: return std::sqrt(square);
    case ReduceOp::kSumSquare: return square;
    case ReduceOp::kLogSum: return std::log(sum);
    default: return std::log(exponential);
  }
}

template <class T, class Wide>
void check(const std::vector<T>& x, int64_t outer, ReduceShape s, double tolerance, const Wide& wide) {
  for (ReduceOp op : kOps) {
    const int64_t n = outer * s.inner;
    std::vector<T> y(static_cast<size_t>(n)), split(static_cast<size_t>(n));
    reduce(op, x.data(), y.data(), s, 0, n);
    for (int64_t i = 0; i < n; i += 3) reduce(op, x.data(), split.data(), s, i, std::min(n, i + 3));
    for (int64_t i = 0; i < n; ++i) {
      std::vector<double> line;
      double scale = 0;
      for (int64_t r = 0; r < s.reduce; ++r) {
        line.push_back(wide(x[(i / s.inner * s.reduce + r) * s.inner + i % s.inner]));
        scale += std::fabs(line.back());
      }
      const double expected = twin(op, line);
      const double actual = wide(y[i]);
      if (op == ReduceOp::kMean) scale /= static_cast<double>(s.reduce);
      if (op == ReduceOp::kLogSum) scale /= std::fabs(std::exp(expected));
      if (std::isnan(expected)) {
        EXPECT_TRUE(std::isnan(actual)) << static_cast<int>(op);
      } else if (std::isinf(expected)) {
        EXPECT_EQ(actual, expected) << static_cast<int>(op);
      } else {
        EXPECT_NEAR(actual, expected, tolerance * (std::fabs(expected) + scale) + 1e-22)
            << static_cast<int>(op) << " over " << s.reduce << " inner " << s.inner;
      }
      EXPECT_TRUE(wide(split[i]) == actual || std::isnan(actual)) << "depends on the range";
    }
  }
}

TEST(Reduce, FloatsOfEveryShape) {
  for_each_isa([&] {
    for (int64_t reduce : {1, 2, 3, 7, 16, 31, 64, 65, 1000, 4500}) {
      for (int64_t inner : {1, 2, 5, 16, 19, 67}) {
        if (reduce * inner > 70000) continue;
        const std::vector<float> x = random_floats(3 * reduce * inner, 4, 0.2f, 1.5f);
        check(x, 3, {reduce, inner}, 4e-7, [](float v) { return static_cast<double>(v); });
      }
    }
  });
}

TEST(Reduce, LongSumsKeepTheirDigits) {
  const int64_t n = 3000000;
  const std::vector<float> x(static_cast<size_t>(n), 0.1f);
  for_each_isa([&] {
    float y;
    reduce(ReduceOp::kSum, x.data(), &y, {n, 1}, 0, 1);
    EXPECT_NEAR(y, 0.1f * static_cast<double>(n), 0.5);
    float columns[2];
    reduce(ReduceOp::kMean, x.data(), columns, {n / 2, 2}, 0, 2);
    EXPECT_NEAR(columns[1], 0.1, 1e-5);
  });
}

TEST(Reduce, SpecialValues) {
  for_each_isa([&] {
    for (int64_t n : {1, 5, 40, 200}) {
      for (int64_t inner : {1, 3}) {
        for (float special : {kInf, -kInf, kNan, -0.0f, 1e-40f}) {
          for (int64_t at : {int64_t{0}, n / 2, n - 1}) {
            std::vector<float> x = random_floats(n * inner, 8, 0.8f, 1.2f);
            x[at * inner] = special;
            check(x, 1, {n, inner}, 1e-6, [](float v) { return static_cast<double>(v); });
          }
        }
      }
    }
  });
}

TEST(Reduce, LogSumExpDoesNotOverflow) {
  const float x[] = {1000.0f, 1000.0f, -1000.0f, -1000.0f, -kInf, -kInf, -kInf, 3.0f};
  for_each_isa([&] {
    float y[4];
    reduce(ReduceOp::kLogSumExp, x, y, {2, 1}, 0, 4);
    EXPECT_FLOAT_EQ(y[0], 1000.6931f);
    EXPECT_FLOAT_EQ(y[1], -999.30685f);
    EXPECT_EQ(y[2], -kInf);
    EXPECT_FLOAT_EQ(y[3], 3.0f);
  });
}

TEST(Reduce, OverNothing) {
  float y;
  const struct {
    ReduceOp op;
    float expected;
  } list[] = {{ReduceOp::kSum, 0},    {ReduceOp::kProd, 1},       {ReduceOp::kMax, -kInf},
              {ReduceOp::kMin, kInf}, {ReduceOp::kLogSum, -kInf}, {ReduceOp::kLogSumExp, -kInf},
              {ReduceOp::kL2, 0}};
  for (const auto& c : list) {
    reduce<float>(c.op, nullptr, &y, {0, 1}, 0, 1);
    EXPECT_EQ(y, c.expected) << static_cast<int>(c.op);
  }
  reduce<float>(ReduceOp::kMean, nullptr, &y, {0, 1}, 0, 1);
  EXPECT_TRUE(std::isnan(y));
  int32_t i;
  reduce<int32_t>(ReduceOp::kMax, nullptr, &i, {0, 1}, 0, 1);
  EXPECT_EQ(i, INT32_MIN);
}

TEST(Reduce, OtherFloatingTypes) {
  const std::vector<float> source = random_floats(2 * 37 * 3, 4, 0.2f, 1.5f);
  std::vector<double> d(source.begin(), source.end());
  check(d, 2, {37, 3}, 1e-14, [](double v) { return v; });
  std::vector<Half> h;
  std::vector<BFloat16> b;
  for (float v : source) {
    h.push_back(to_half(v));
    b.push_back(to_bfloat16(v));
  }
  check(h, 2, {37, 3}, 5e-4, [](Half v) { return static_cast<double>(to_float(v)); });
  check(b, 2, {37, 3}, 4e-3, [](BFloat16 v) { return static_cast<double>(to_float(v)); });
}

TEST(Reduce, Integers) {
  const int32_t x[] = {3, -4, 5, INT32_MAX, 1, 1};
  int32_t y[2];
  reduce(ReduceOp::kSum, x, y, {3, 1}, 0, 2);
  EXPECT_EQ(y[0], 4);
  EXPECT_EQ(y[1], INT32_MIN + 1);
  reduce(ReduceOp::kMean, x, y, {3, 1}, 0, 1);
  EXPECT_EQ(y[0], 1);
  reduce(ReduceOp::kL1, x, y, {3, 1}, 0, 1);
  EXPECT_EQ(y[0], 12);
  reduce(ReduceOp::kL2, x, y, {2, 1}, 0, 1);
  EXPECT_EQ(y[0], 5);
  reduce(ReduceOp::kProd, x, y, {3, 1}, 0, 1);
  EXPECT_EQ(y[0], -60);
  reduce(ReduceOp::kMax, x, y, {3, 1}, 0, 2);
  EXPECT_EQ(y[1], INT32_MAX);
  const uint8_t u[] = {200, 100};
  uint8_t v;
  reduce(ReduceOp::kMean, u, &v, {2, 1}, 0, 1);
  EXPECT_EQ(v, 150);
}

TEST(ArgReduce, FirstAndLastOfEqualElements) {
  for_each_isa([&] {
    for (int64_t n : {1, 5, 16, 33, 100}) {
      for (int64_t inner : {1, 3, 19, 300}) {
        std::vector<float> x(static_cast<size_t>(2 * n * inner));
        for (size_t i = 0; i < x.size(); ++i) x[i] = static_cast<float>(i * 7 % 5);
        if (n == 33) x[40] = kNan;
        for (bool max : {true, false}) {
          for (bool last : {true, false}) {
            std::vector<int64_t> y(static_cast<size_t>(2 * inner));
            arg_reduce({max, last}, x.data(), y.data(), {n, inner}, 0, 2 * inner);
            for (int64_t i = 0; i < 2 * inner; ++i) {
              int64_t best = -1;
              double value = 0;
              for (int64_t r = 0; r < n; ++r) {
                double v = x[(i / inner * n + r) * inner + i % inner];
                if (std::isnan(v)) v = max ? kInf : -kInf;
                if (best < 0 || (max ? v > value : v < value) || (last && v == value)) {
                  best = r;
                  value = v;
                }
              }
              EXPECT_EQ(y[i], best) << n << " " << inner << " " << max << last;
            }
          }
        }
      }
    }
  });
  const int64_t big[] = {INT64_MAX - 1, INT64_MAX, 5};
  int64_t y;
  arg_reduce({true, false}, big, &y, {3, 1}, 0, 1);
  EXPECT_EQ(y, 1);
}

TEST(MinMax, SkipsNan) {
  for_each_isa([&] {
    for (int64_t n : {1, 3, 17, 64, 100}) {
      std::vector<float> x = random_floats(n, 3, 2.0f, 5.0f);
      if (n > 3) x[n / 2] = kNan;
      if (n > 3) x[n - 1] = kNan;
      float low = kInf, high = -kInf;
      for (float v : x) {
        if (v < low) low = v;
        if (v > high) high = v;
      }
      const MinMax m = min_max(x.data(), n);
      EXPECT_EQ(m.min, low);
      EXPECT_EQ(m.max, high);
    }
  });
}

}  // namespace
}  // namespace sdx::kernels
