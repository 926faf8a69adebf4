// Tests of kernels/pool.h against naive windows in double precision.
#include "kernels/pool.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "lanes.h"

namespace sdx::kernels {
namespace {

PoolShape make(std::vector<int64_t> in, std::vector<int64_t> kernel, std::vector<int64_t> stride,
               std::vector<int64_t> dilation, int64_t pad, int64_t pad_end, bool ceil_mode) {
  PoolShape shape;
  shape.planes = 3;
  for (size_t i = 0; i < in.size(); ++i) {
    const size_t axis = 3 - in.size() + i;
    shape.in[axis] = in[i];
    shape.kernel[axis] = kernel[i];
    shape.stride[axis] = stride[i];
    shape.dilation[axis] = dilation[i];
    shape.pad_begin[axis] = pad;
    const int64_t span = in[i] + pad + pad_end - (kernel[i] - 1) * dilation[i] - 1;
    shape.out[axis] = (span + (ceil_mode ? stride[i] - 1 : 0)) / stride[i] + 1;
  }
  return shape;
}

const std::vector<PoolShape> kShapes = {
    make({9, 11}, {3, 3}, {2, 2}, {1, 1}, 1, 1, false),
    make({10, 12}, {3, 3}, {2, 2}, {1, 1}, 0, 0, true),
    make({7, 40}, {2, 5}, {1, 1}, {1, 3}, 1, 0, false),
    make({31}, {4}, {3}, {2}, 2, 1, true),
    make({5, 6, 7}, {2, 3, 2}, {2, 1, 2}, {1, 2, 1}, 1, 1, true),
    make({8, 8}, {8, 8}, {1, 1}, {1, 1}, 0, 0, false),
    make({64}, {2}, {2}, {1}, 0, 0, false),
    make({4, 131}, {2, 3}, {2, 2}, {1, 1}, 1, 1, false),
    make({3, 150}, {1, 7}, {1, 1}, {1, 1}, 3, 3, false),
    make({3, 5}, {1, 40}, {1, 1}, {1, 3}, 70, 60, false),
    make({2, 3}, {2, 2}, {2, 2}, {1, 2}, 9, 9, false),
    make({6, 100}, {5, 5}, {5, 5}, {1, 1}, 2, 2, true),
    make({7, 300}, {3, 4}, {2, 3}, {1, 2}, 2, 1, true),
    make({301}, {6}, {4}, {1}, 2, 2, true),
};

// Calls inside(flat index) for the elements of the window of output `o`.
template <class Inside>
void visit_window(const PoolShape& s, int64_t o, const Inside& inside) {
  const int64_t at[3] = {o / (s.out[1] * s.out[2]), o / s.out[2] % s.out[1], o % s.out[2]};
  for (int64_t e = 0; e < s.kernel[0] * s.kernel[1] * s.kernel[2]; ++e) {
    const int64_t k[3] = {e / (s.kernel[1] * s.kernel[2]), e / s.kernel[2] % s.kernel[1], e % s.kernel[2]};
    int64_t in[3];
    bool in_input = true;
    for (int i = 0; i < 3; ++i) {
      in[i] = at[i] * s.stride[i] - s.pad_begin[i] + k[i] * s.dilation[i];
      in_input = in_input && in[i] >= 0 && in[i] < s.in[i];
    }
    if (in_input) inside((in[0] * s.in[1] + in[1]) * s.in[2] + in[2]);
  }
}

int64_t in_plane(const PoolShape& s) { return s.in[0] * s.in[1] * s.in[2]; }
int64_t out_plane(const PoolShape& s) { return s.out[0] * s.out[1] * s.out[2]; }

template <class T>
std::vector<T> some_values(int64_t count) {
  std::vector<T> x;
  for (float value : random_floats(count, 1)) x.push_back(static_cast<T>(std::round(value * 4) + 4));  // ties
  return x;
}

template <class T>
void check_max() {
  for (const PoolShape& s : kShapes) {
    std::vector<T> x = some_values<T>(s.planes * in_plane(s));
    if constexpr (std::numeric_limits<T>::has_quiet_NaN) x[x.size() / 2] = std::numeric_limits<T>::quiet_NaN();
    const int64_t rows = s.planes * s.out[0] * s.out[1];
    std::vector<T> y(rows * s.out[2]), scratch(pool_scratch(s, sizeof(T)));
    max_pool(s, x.data(), y.data(), scratch.data(), 0, 1);
    max_pool(s, x.data(), y.data(), scratch.data(), 1, rows);
    for (int64_t i = 0; i < s.planes * out_plane(s); ++i) {
      T expected =
          std::numeric_limits<T>::has_infinity ? -std::numeric_limits<T>::infinity() : std::numeric_limits<T>::lowest();
      visit_window(s, i % out_plane(s), [&](int64_t at) {
        const T value = x[i / out_plane(s) * in_plane(s) + at];
        if (value > expected || value != value) expected = value;
      });
      if (expected != expected) {
        ASSERT_NE(y[i], y[i]) << i;
      } else {
        ASSERT_EQ(y[i], expected) << i;
      }
    }
  }
}

TEST(Pool, Max) {
  for_each_isa([] {
    check_max<float>();
    check_max<double>();
    check_max<int8_t>();
    check_max<uint8_t>();
  });
}

template <class T>
void check_mean(double tolerance) {
  for (const PoolShape& s : kShapes) {
    const std::vector<T> x = some_values<T>(s.planes * in_plane(s));
    const int64_t rows = s.planes * s.out[0] * s.out[1];
    std::vector<T> y(rows * s.out[2]), scratch(pool_scratch(s, sizeof(T))), counts[3];
    PoolCounts<T> views;
    for (int axis = 0; axis < 3; ++axis) {
      for (int64_t i = 0; i < s.out[axis]; ++i) counts[axis].push_back(static_cast<T>(i % 3));
      views.axis[axis] = counts[axis].data();
    }
    mean_pool(s, views, x.data(), y.data(), scratch.data(), 0, 1);
    mean_pool(s, views, x.data(), y.data(), scratch.data(), 1, rows);
    for (int64_t i = 0; i < s.planes * out_plane(s); ++i) {
      double sum = 0;
      visit_window(s, i % out_plane(s), [&](int64_t at) { sum += x[i / out_plane(s) * in_plane(s) + at]; });
      const int64_t z = i % out_plane(s) / (s.out[1] * s.out[2]), row = i / s.out[2] % s.out[1], c = i % s.out[2];
      const double expected = sum / static_cast<double>(std::max<int64_t>(1, z % 3 * (row % 3) * (c % 3)));
      ASSERT_NEAR(y[i], expected, tolerance * std::max(1.0, std::abs(expected))) << i;
    }
  }
}

TEST(Pool, Mean) {
  for_each_isa([] {
    check_mean<float>(2e-6);
    check_mean<double>(1e-13);
  });
}

}  // namespace
}  // namespace sdx::kernels
