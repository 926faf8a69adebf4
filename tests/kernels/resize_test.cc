// Tests of resize.h against twins written by the definition.
#include "kernels/resize.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>

#include "lanes.h"

namespace sdx::kernels {
namespace {

struct Axis {
  int64_t in, out;
  bool backwards = false;
};
const std::vector<Axis> kAxes = {{1, 1},   {1, 40},  {3, 7},          {7, 3},   {16, 32},         {33, 66},
                                 {35, 61}, {64, 32}, {100, 61, true}, {200, 9}, {1000, 37, true}, {40, 200}};

/// The source position, from 0 to in - 1, that result j takes.
int64_t source(const Axis& axis, int64_t j) {
  const int64_t at = j * axis.in / axis.out;
  return axis.backwards ? axis.in - 1 - at : at;
}

template <class V>
std::vector<V> padded(std::vector<V> row) {
  row.resize(static_cast<size_t>(resize_row(static_cast<int64_t>(row.size()))), row.back());
  return row;
}

/// A table with its storage; the taps of a result are neighbours, limited to the axis.
template <class T>
struct Table {
  Table(const Axis& axis, int64_t taps) {
    for (int64_t t = 0; t < taps; ++t) {
      std::vector<ResizeIndex<sizeof(T)>> from;
      for (int64_t j = 0; j < axis.out; ++j) {
        const int64_t at = std::clamp<int64_t>(source(axis, j) + t - taps / 2, 0, axis.in - 1);
        from.push_back(static_cast<ResizeIndex<sizeof(T)>>(at));
      }
      const std::vector<float> by = random_floats(axis.out, static_cast<uint32_t>(t));
      for (auto v : padded(from)) index.push_back(v);
      for (auto v : padded(by)) weight.push_back(static_cast<T>(v));
    }
    view = {axis.in, axis.out, taps, resize_row(axis.out), index.data(), weight.data()};
  }
  std::vector<ResizeIndex<sizeof(T)>> index;
  std::vector<T> weight;
  ResizeTable<T> view;
};

template <class T>
void check_axis(const Axis& axis, int64_t taps, int64_t inner) {
  const Table<T> table(axis, taps);
  const ResizeTable<T>& t = table.view;
  const std::vector<float> floats = random_floats(2 * axis.in * inner, 9);
  const std::vector<T> x(floats.begin(), floats.end());
  std::vector<T> y(2 * axis.out * inner);
  const int64_t rows = inner == 1 ? 2 : 2 * axis.out;
  resize_axis(x.data(), y.data(), t, inner, 0, 1);
  resize_axis(x.data(), y.data(), t, inner, 1, rows);
  for (int64_t o = 0; o < 2; ++o) {
    for (int64_t j = 0; j < axis.out; ++j) {
      for (int64_t i = 0; i < inner; ++i) {
        double sum = 0;
        for (int64_t k = 0; k < taps; ++k) {
          const int64_t from = t.index[k * t.row + j];
          sum +=
              static_cast<double>(t.weight[k * t.row + j]) * static_cast<double>(x[(o * axis.in + from) * inner + i]);
        }
        ASSERT_NEAR(static_cast<double>(y[(o * axis.out + j) * inner + i]), sum, 2e-6)
            << axis.in << " to " << axis.out << ", " << taps << " taps, inner " << inner;
      }
    }
  }
}

TEST(Resize, WeighsSources) {
  for_each_isa([] {
    for (const Axis& axis : kAxes) {
      for (int64_t taps : {2, 4, 10}) {
        if (axis.backwards && taps > 4) continue;
        for (int64_t inner : {1, 3, 35}) {
          check_axis<float>(axis, taps, inner);
          check_axis<double>(axis, taps, inner);
        }
      }
    }
  });
}

template <int kBytes>
void check_nearest(const Axis& axis) {
  using Index = ResizeIndex<kBytes>;
  std::vector<Index> column;
  for (int64_t j = 0; j < axis.out; ++j) column.push_back(static_cast<Index>(source(axis, j)));
  column = padded(column);
  const Index row[] = {0, 0, 1, 3, 3, 3, 2};
  std::vector<uint8_t> x(static_cast<size_t>(4 * axis.in * kBytes)), y(7 * axis.out * kBytes + 1, 0xCC);
  for (size_t i = 0; i < x.size(); ++i) x[i] = static_cast<uint8_t>(i * 37 % 251);
  const ResizeNearest<kBytes> maps{axis.in, axis.out, row, column.data()};
  resize_nearest(maps, x.data(), y.data(), 0, 4);
  resize_nearest(maps, x.data(), &y[4 * axis.out * kBytes], 4, 7);
  for (int64_t i = 0; i < 7 * axis.out; ++i) {
    const int64_t from = row[i / axis.out] * axis.in + source(axis, i % axis.out);
    ASSERT_EQ(std::memcmp(&y[i * kBytes], &x[from * kBytes], kBytes), 0)
        << axis.in << " to " << axis.out << ", " << kBytes << " bytes at " << i;
  }
  EXPECT_EQ(y.back(), 0xCC);
}

TEST(Resize, NearestCopiesElements) {
  for_each_isa([] {
    for (const Axis& axis : kAxes) {
      check_nearest<1>(axis);
      check_nearest<2>(axis);
      check_nearest<4>(axis);
      check_nearest<8>(axis);
    }
  });
}

}  // namespace
}  // namespace sdx::kernels
