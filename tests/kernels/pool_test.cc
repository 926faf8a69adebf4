// Tests of kernels/pool.h against naive windows in double precision.
#include "kernels/pool.h"

#include <gtest/gtest.h>

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
    shape.pad_end[axis] = pad_end;
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
};

// Visits the window of output `o`: inside(flat row-major index, flat column-major index), and counts padding.
template <class Inside>
int64_t visit_window(const PoolShape& s, int64_t o, const Inside& inside) {
  const int64_t at[3] = {o / (s.out[1] * s.out[2]), o / s.out[2] % s.out[1], o % s.out[2]};
  int64_t padded = 0;
  for (int64_t e = 0; e < s.kernel[0] * s.kernel[1] * s.kernel[2]; ++e) {
    const int64_t k[3] = {e / (s.kernel[1] * s.kernel[2]), e / s.kernel[2] % s.kernel[1], e % s.kernel[2]};
    int64_t in[3];
    bool in_input = true, in_padding = true;
    for (int i = 0; i < 3; ++i) {
      in[i] = at[i] * s.stride[i] - s.pad_begin[i] + k[i] * s.dilation[i];
      in_input = in_input && in[i] >= 0 && in[i] < s.in[i];
      in_padding = in_padding && in[i] >= -s.pad_begin[i] && in[i] < s.in[i] + s.pad_end[i];
    }
    padded += in_padding;
    if (in_input) inside((in[0] * s.in[1] + in[1]) * s.in[2] + in[2], in[0] + s.in[0] * (in[1] + s.in[1] * in[2]));
  }
  return padded;
}

TEST(Pool, MaxWithIndices) {
  for (const PoolShape& s : kShapes) {
    const int64_t in_plane = s.in[0] * s.in[1] * s.in[2];
    const int64_t out_plane = s.out[0] * s.out[1] * s.out[2];
    std::vector<float> x = random_floats(s.planes * in_plane, 1);
    for (float& value : x) value = std::round(value * 4);  // ties
    for (bool column_major : {false, true}) {
      std::vector<float> y(static_cast<size_t>(s.planes * out_plane)), plain(y.size());
      std::vector<int64_t> indices(y.size());
      max_pool(MaxPool<float>{s, x.data(), y.data(), indices.data(), column_major}, 0, 1);
      max_pool(MaxPool<float>{s, x.data(), y.data(), indices.data(), column_major}, 1, s.planes);
      max_pool(MaxPool<float>{s, x.data(), plain.data()}, 0, s.planes);
      EXPECT_EQ(y, plain);
      for (int64_t i = 0; i < s.planes * out_plane; ++i) {
        const int64_t base = i / out_plane * in_plane;
        float expected = -HUGE_VALF;
        int64_t index = -1;
        visit_window(s, i % out_plane, [&](int64_t row_major, int64_t column) {
          if (x[base + row_major] <= expected) return;
          expected = x[base + row_major];
          index = base + (column_major ? column : row_major);
        });
        ASSERT_EQ(y[i], expected) << i;
        ASSERT_EQ(indices[i], index) << i;
      }
    }
  }
}

TEST(Pool, MaxOfIntegers) {
  const PoolShape s = make({4}, {2}, {2}, {1}, 0, 0, false);
  const std::vector<int8_t> x = {-5, -7, -128, -128, 1, 2, 3, 4, 9, 8, 7, 6};
  std::vector<int8_t> y(6);
  max_pool(MaxPool<int8_t>{s, x.data(), y.data()}, 0, 3);
  EXPECT_EQ(y, (std::vector<int8_t>{-5, -128, 2, 4, 9, 7}));
}

TEST(Pool, NanNeverWins) {
  const PoolShape s = make({3}, {3}, {1}, {1}, 0, 0, false);
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const std::vector<float> x = {1, nan, 2, nan, 5, 4, 3, 2, nan};
  std::vector<float> y(3);
  max_pool(MaxPool<float>{s, x.data(), y.data()}, 0, 3);
  EXPECT_EQ(y, (std::vector<float>{2, 5, 3}));
}

template <class T>
void check_sums(double tolerance) {
  for (const PoolShape& s : kShapes) {
    const int64_t in_plane = s.in[0] * s.in[1] * s.in[2];
    const int64_t out_plane = s.out[0] * s.out[1] * s.out[2];
    const std::vector<float> floats = random_floats(s.planes * in_plane, 2);
    const std::vector<T> x(floats.begin(), floats.end());
    for (PoolSum kind : {PoolSum::kMean, PoolSum::kMeanPadded, PoolSum::kNorm}) {
      for (int64_t p : {1, 2, 3}) {
        std::vector<T> y(static_cast<size_t>(s.planes * out_plane));
        sum_pool(SumPool<T>{s, kind, p, x.data(), y.data()}, 0, s.planes);
        for (int64_t i = 0; i < s.planes * out_plane; ++i) {
          double sum = 0, norm = 0, count = 0;
          const double padded = static_cast<double>(visit_window(s, i % out_plane, [&](int64_t at, int64_t) {
            const double value = x[i / out_plane * in_plane + at];
            sum += value;
            norm += std::pow(std::abs(value), static_cast<double>(p));
            count += 1;
          }));
          const double expected = kind == PoolSum::kNorm ? std::pow(norm, 1.0 / static_cast<double>(p))
                                                         : sum / (kind == PoolSum::kMean ? count : padded);
          if (std::isnan(expected)) {
            ASSERT_TRUE(std::isnan(y[i]));
          } else {
            ASSERT_NEAR(y[i], expected, tolerance * std::max(1.0, std::abs(expected)))
                << i << " kind " << static_cast<int>(kind);
          }
        }
      }
    }
  }
}

TEST(Pool, MeansAndNorms) {
  check_sums<float>(2e-6);
  check_sums<double>(1e-13);
}

}  // namespace
}  // namespace sdx::kernels
