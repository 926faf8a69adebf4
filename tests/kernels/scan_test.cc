// Tests of scan.h and top_k.h against twins written by the definition.
#include "kernels/scan.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "kernels/top_k.h"
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

/// Expects what a stable sort gives, in which NaN is larger than any number.
template <class T>
void expect_top_k(bool largest, int64_t k, const std::vector<T>& x, LineShape shape) {
  const int64_t lines = static_cast<int64_t>(x.size()) / shape.length;
  std::vector<T> values(static_cast<size_t>(lines * k));
  std::vector<int64_t> indices(values.size());
  std::vector<TopKEntry> scratch(static_cast<size_t>(k));
  top_k(largest, k, x.data(), shape, values.data(), indices.data(), scratch.data(), 0, lines);
  for (int64_t line = 0; line < lines; ++line) {
    const int64_t block = line / shape.inner, at = line % shape.inner;
    const auto value = [&](int64_t i) {
      const T element = x[static_cast<size_t>((block * shape.length + i) * shape.inner + at)];
      if constexpr (std::is_arithmetic_v<T>) {
        return element;
      } else {
        return to_float(element);
      }
    };
    const auto less = [&](auto u, auto v) { return u < v || (u == u && v != v); };
    std::vector<int64_t> order;
    for (int64_t i = 0; i < shape.length; ++i) order.push_back(i);
    std::stable_sort(order.begin(), order.end(), [&](int64_t a, int64_t b) {
      return largest ? less(value(b), value(a)) : less(value(a), value(b));
    });
    for (int64_t i = 0; i < k; ++i) {
      const auto to = static_cast<size_t>((block * k + i) * shape.inner + at);
      const auto from = static_cast<size_t>((block * shape.length + order[i]) * shape.inner + at);
      ASSERT_EQ(indices[to], order[i]) << k << " of " << shape.length;
      ASSERT_EQ(std::memcmp(&values[to], &x[from], sizeof(T)), 0);
    }
  }
}

template <class T, class Make>
void expect_top_k_of(const Make& make) {
  std::mt19937 generator(7);
  for (int64_t inner : {1, 2}) {
    for (int64_t length : {1, 2, 9, 100, 400}) {
      std::vector<T> x(static_cast<size_t>(2 * length * inner));
      for (T& v : x) v = make(generator());
      for (int64_t k : {int64_t{1}, int64_t{2}, length / 2, length}) {
        if (k < 1 || k > length) continue;
        expect_top_k(true, k, x, {length, inner});
        expect_top_k(false, k, x, {length, inner});
      }
    }
  }
}

/// Few different values, both zeros, infinities and NaN of both signs.
float special_float(uint32_t bits) {
  if (bits % 11 == 0) return std::copysign(std::numeric_limits<float>::quiet_NaN(), bits % 2 ? 1.0f : -1.0f);
  if (bits % 11 == 1) return bits % 2 ? HUGE_VALF : -HUGE_VALF;
  return std::copysign(static_cast<float>(bits / 16 % 20), bits % 2 ? 1.0f : -1.0f);
}

TEST(TopK, AgreesWithAStableSort) {
  expect_top_k_of<float>(special_float);
  expect_top_k_of<float>([](uint32_t bits) { return static_cast<float>(bits) - 2e9f; });
  expect_top_k_of<double>([](uint32_t bits) { return static_cast<double>(special_float(bits)); });
  expect_top_k_of<Half>([](uint32_t bits) { return to_half(special_float(bits)); });
  expect_top_k_of<BFloat16>([](uint32_t bits) { return to_bfloat16(special_float(bits)); });
  expect_top_k_of<int8_t>([](uint32_t bits) { return static_cast<int8_t>(bits); });
  expect_top_k_of<uint8_t>([](uint32_t bits) { return static_cast<uint8_t>(bits); });
  expect_top_k_of<int16_t>([](uint32_t bits) { return static_cast<int16_t>(bits); });
  expect_top_k_of<uint16_t>([](uint32_t bits) { return static_cast<uint16_t>(bits); });
  expect_top_k_of<int32_t>([](uint32_t bits) { return static_cast<int32_t>(bits); });
  expect_top_k_of<uint32_t>([](uint32_t bits) { return bits; });
  expect_top_k_of<int64_t>([](uint32_t bits) { return static_cast<int64_t>(uint64_t{bits} * bits << (bits & 31)); });
  expect_top_k_of<uint64_t>([](uint32_t bits) { return uint64_t{bits} * bits << (bits & 31); });
}

}  // namespace
}  // namespace sdx::kernels
