// Tests of resize.h: the figures of the standard's test data, and properties that hold for every filter.
#include "kernels/resize.h"

#include <gtest/gtest.h>

#include <cmath>

#include "lanes.h"

namespace sdx::kernels {
namespace {

/// A table with its storage.
struct Table {
  Table(const ResizeAxis& axis, const ResizeKernel& kernel, float extrapolation = 0) {
    const int64_t taps = resize_taps(axis, kernel);
    index.resize(static_cast<size_t>(axis.out * taps));
    weight.resize(index.size());
    resize_weights(axis, kernel, index.data(), weight.data());
    view = {axis.in, axis.out, taps, index.data(), weight.data(), extrapolation};
  }
  std::vector<int64_t> index;
  std::vector<float> weight;
  ResizeTable view;
};

/// Resizes a matrix by both axes.
std::vector<float> resize_matrix(const std::vector<float>& x, const Table& rows, const Table& cols) {
  std::vector<float> half(rows.view.in * cols.view.out), y(rows.view.out * cols.view.out);
  const int64_t n = rows.view.in * cols.view.out;
  for (int64_t i = 0; i < n; i += 3) resize_axis(x.data(), half.data(), cols.view, 1, i, std::min(n, i + 3));
  resize_axis(half.data(), y.data(), rows.view, cols.view.out, 0, 1);
  resize_axis(half.data(), y.data(), rows.view, cols.view.out, 1, rows.view.out);
  return y;
}

std::vector<float> counted(int n) {
  std::vector<float> x;
  for (int i = 1; i <= n; ++i) x.push_back(static_cast<float>(i));
  return x;
}

void expect_near(const std::vector<float>& actual, const std::vector<float>& expected) {
  ASSERT_EQ(actual.size(), expected.size());
  for (size_t i = 0; i < actual.size(); ++i) EXPECT_NEAR(actual[i], expected[i], 4e-6 * std::fabs(expected[i])) << i;
}

TEST(Resize, StandardsTestData) {
  const ResizeKernel linear{}, cubic{ResizeFilter::kCubic};
  ResizeKernel excluded = cubic, linear_smooth = linear, cubic_smooth = cubic, crop = linear;
  excluded.cubic_a = -0.5;
  excluded.exclude_outside = true;
  linear_smooth.antialias = cubic_smooth.antialias = true;
  crop.extrapolate = true;
  const double s08 = static_cast<double>(0.8f), s06 = static_cast<double>(0.6f);
  for_each_isa([&] {
    const Table down3({4, 3, s08}, excluded);
    expect_near(resize_matrix(counted(16), down3, down3),
                {1.3681267f, 2.6695013f, 4.0133367f, 6.573625f, 7.875f, 9.218835f, 11.948966f, 13.250341f, 14.594176f});
    const Table smooth2({4, 2, s06}, linear_smooth);
    expect_near(resize_matrix(counted(16), smooth2, smooth2), {2.875f, 4.5f, 9.375f, 11.0f});
    const Table cubic2({4, 2, s06}, cubic_smooth);
    expect_near(resize_matrix(counted(16), cubic2, cubic2), {2.5180721f, 4.2858863f, 9.589329f, 11.357142f});
    const Table cubic3({4, 3, 0.75}, cubic_smooth);
    expect_near(resize_matrix(counted(16), cubic3, cubic3),
                {1.7750092f, 3.1200073f, 4.4650054f, 7.1550016f, 8.5f, 9.844998f, 12.534994f, 13.8799925f, 15.224991f});
    const Table one({1, 1, 1}, linear), symmetric({4, 2, s06, ResizeCoordinates::kHalfPixelSymmetric}, linear);
    expect_near(resize_matrix(counted(4), one, symmetric), {1.6666667f, 3.3333333f});
    const auto tf = ResizeCoordinates::kTfCropAndResize;
    const Table rows({4, 3, 0.75, tf, static_cast<double>(0.4f), static_cast<double>(1.2f)}, crop, 10);
    const Table cols({4, 3, 0.75, tf, static_cast<double>(0.6f), static_cast<double>(1.7f)}, crop, 10);
    expect_near(resize_matrix(counted(16), rows, cols), {7.6f, 10, 10, 12.4f, 10, 10, 10, 10, 10});
    const Table corners({2, 4, 2, ResizeCoordinates::kAlignCorners}, linear);
    expect_near(resize_matrix(counted(4), corners, corners),
                {1, 1.3333334f, 1.6666666f, 2, 1.6666666f, 2, 2.3333333f, 2.6666667f, 2.3333333f, 2.6666667f, 3,
                 3.3333333f, 3, 3.3333333f, 3.6666667f, 4});
    const Table up({4, 8, 2}, cubic);
    const std::vector<float> y = resize_matrix(counted(16), up, up);
    EXPECT_NEAR(y[0], 0.47265625, 1e-6);
    EXPECT_NEAR(y[9], 1.9570312, 1e-6);
    EXPECT_NEAR(y[63], 16.527344, 1e-5);
  });
}

TEST(Resize, NearestIndicesOfTheStandardsTestData) {
  std::vector<int64_t> index(8);
  nearest_indices({4, 8, 2, ResizeCoordinates::kAlignCorners}, ResizeNearest::kFloor, false, index.data());
  EXPECT_EQ(index, (std::vector<int64_t>{0, 0, 0, 1, 1, 2, 2, 3}));
  nearest_indices({4, 8, 2, ResizeCoordinates::kAsymmetric}, ResizeNearest::kRoundPreferCeil, false, index.data());
  EXPECT_EQ(index, (std::vector<int64_t>{0, 1, 1, 2, 2, 3, 3, 3}));
  nearest_indices({4, 8, 2}, ResizeNearest::kRoundPreferFloor, false, index.data());
  EXPECT_EQ(index, (std::vector<int64_t>{0, 0, 1, 1, 2, 2, 3, 3}));
}

TEST(Resize, WeightsSumToOneAndConstantsStay) {
  for (ResizeFilter filter : {ResizeFilter::kLinear, ResizeFilter::kCubic}) {
    for (bool exclude : {false, true}) {
      for (bool smooth : {false, true}) {
        for (auto [in, out] : {std::pair<int64_t, int64_t>{7, 3}, {3, 7}, {1, 5}, {5, 1}, {9, 9}}) {
          const ResizeKernel kernel{filter, -0.75, exclude, smooth};
          const Table t({in, out, static_cast<double>(out) / static_cast<double>(in)}, kernel);
          for (int64_t j = 0; j < out; ++j) {
            double sum = 0;
            for (int64_t k = 0; k < t.view.taps; ++k) {
              sum += t.weight[j * t.view.taps + k];
              EXPECT_GE(t.index[j * t.view.taps + k], 0);
              EXPECT_LT(t.index[j * t.view.taps + k], in);
            }
            EXPECT_NEAR(sum, 1, 1e-6);
          }
        }
      }
    }
  }
}

TEST(Resize, RowsAndElementsAgree) {
  // The same axis as innermost and as an outer axis of 19 columns.
  const Table t({6, 11, 11.0 / 6}, {ResizeFilter::kCubic});
  const int64_t inner = 19;
  const std::vector<float> x = random_floats(2 * 6 * inner, 4);
  for_each_isa([&] {
    std::vector<float> y(2 * 11 * inner);
    resize_axis(x.data(), y.data(), t.view, inner, 0, 22);
    for (int64_t o = 0; o < 2; ++o) {
      for (int64_t i = 0; i < inner; ++i) {
        float line[6], result[11];
        for (int64_t k = 0; k < 6; ++k) line[k] = x[(o * 6 + k) * inner + i];
        resize_axis(line, result, t.view, 1, 0, 11);
        for (int64_t j = 0; j < 11; ++j) EXPECT_NEAR(y[(o * 11 + j) * inner + i], result[j], 1e-6);
      }
    }
  });
}

TEST(Resize, NearestCopiesElements) {
  const int64_t row[] = {0, 0, 1, -1, 2}, col[] = {1, 1, -1, 0};
  for (int bytes : {1, 2, 4, 8}) {
    std::vector<uint8_t> x(2 * 3 * 2 * bytes), y(2 * 5 * 4 * bytes);
    for (size_t i = 0; i < x.size(); ++i) x[i] = static_cast<uint8_t>(i);
    const std::vector<uint8_t> value(8, 0xCC);
    const ResizeNearest2 table{3, 2, 5, 4, row, col, value.data()};
    resize_nearest(table, x.data(), y.data(), bytes, 0, 4);
    resize_nearest(table, x.data(), y.data(), bytes, 4, 10);
    for (int64_t i = 0; i < 40; ++i) {
      const int64_t o = i / 20, r = row[i / 4 % 5], c = col[i % 4];
      const uint8_t* expected = r < 0 || c < 0 ? value.data() : &x[((o * 3 + r) * 2 + c) * bytes];
      for (int b = 0; b < bytes; ++b) EXPECT_EQ(y[i * bytes + b], expected[b]);
    }
  }
}

}  // namespace
}  // namespace sdx::kernels
