// Tests of scan.h against twins written by the definition.
#include "kernels/scan.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "lanes.h"

namespace sdx::kernels {
namespace {

TEST(Scan, EveryMode) {
  for (int64_t inner : {1, 3, 300}) {
    const int64_t outer = 2, length = 9;
    const std::vector<float> x = random_floats(outer * length * inner, 1, 0.5f, 1.5f);
    for (int bits = 0; bits < 8; ++bits) {
      const ScanMode mode{(bits & 1) != 0, (bits & 2) != 0, (bits & 4) != 0};
      std::vector<float> y(x.size()), in_place = x;
      scan(mode, x.data(), y.data(), {length, inner}, 0, 2);
      scan(mode, x.data(), y.data(), {length, inner}, 2, outer * inner);
      scan(mode, in_place.data(), in_place.data(), {length, inner}, 0, outer * inner);
      EXPECT_EQ(in_place, y);
      for (int64_t i = 0; i < outer * length * inner; ++i) {
        const int64_t o = i / inner / length, a = i / inner % length, k = i % inner;
        double expected = mode.product ? 1 : 0;
        for (int64_t j = 0; j < length; ++j) {
          const bool counts =
              mode.reverse ? j > a || (j == a && !mode.exclusive) : j < a || (j == a && !mode.exclusive);
          const double v = x[(o * length + j) * inner + k];
          if (counts) expected = mode.product ? expected * v : expected + v;
        }
        EXPECT_NEAR(y[i], expected, 1e-6 * expected);
      }
    }
  }
  const int32_t x[] = {INT32_MAX, 1, 1};
  int32_t y[3];
  scan({}, x, y, {3, 1}, 0, 1);
  EXPECT_EQ(y[1], INT32_MIN);
}

TEST(TopK, AgreesWithAStableSort) {
  for (int64_t inner : {1, 2}) {
    for (int64_t length : {1, 2, 9, 100}) {
      for (int64_t k : {int64_t{1}, int64_t{2}, length / 2, length}) {
        if (k < 1 || k > length) continue;
        for (bool largest : {true, false}) {
          std::vector<float> x = random_floats(2 * length * inner, 7);
          for (float& v : x) v = std::round(v * 4);
          std::vector<float> values(2 * k * inner);
          std::vector<int64_t> indices(2 * k * inner);
          top_k(largest, k, x.data(), {length, inner}, values.data(), indices.data(), 0, 2 * inner);
          for (int64_t line = 0; line < 2 * inner; ++line) {
            const auto value = [&](int64_t i) { return x[(line / inner * length + i) * inner + line % inner]; };
            std::vector<int64_t> order;
            for (int64_t i = 0; i < length; ++i) order.push_back(i);
            std::stable_sort(order.begin(), order.end(),
                             [&](int64_t a, int64_t b) { return largest ? value(a) > value(b) : value(a) < value(b); });
            for (int64_t i = 0; i < k; ++i) {
              const int64_t at = (line / inner * k + i) * inner + line % inner;
              EXPECT_EQ(indices[at], order[i]);
              EXPECT_EQ(values[at], value(order[i]));
            }
          }
        }
      }
    }
  }
}

TEST(TopK, NanIsLargest) {
  const float x[] = {1, std::numeric_limits<float>::quiet_NaN(), 3};
  float values[2];
  int64_t indices[2];
  top_k(true, 2, x, {3, 1}, values, indices, 0, 1);
  EXPECT_EQ(indices[0], 1);
  EXPECT_EQ(indices[1], 2);
  top_k(false, 2, x, {3, 1}, values, indices, 0, 1);
  EXPECT_EQ(indices[0], 0);
  EXPECT_EQ(indices[1], 2);
}

}  // namespace
}  // namespace sdx::kernels
