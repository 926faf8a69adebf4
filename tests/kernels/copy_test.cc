// Tests of copy.h, transpose.h and scatter.h against loops over all indices, at odd extents and unaligned addresses.
#include "kernels/copy.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>

#include "kernels/scatter.h"
#include "kernels/transpose.h"
#include "lanes.h"

namespace sdx::kernels {
namespace {

std::vector<uint8_t> random_bytes(int64_t n, uint32_t seed) {
  std::mt19937 generator(seed);
  std::vector<uint8_t> bytes(static_cast<size_t>(n));
  for (uint8_t& b : bytes) b = static_cast<uint8_t>(generator());
  return bytes;
}

int64_t product(const std::vector<int64_t>& shape) {
  int64_t n = 1;
  for (int64_t d : shape) n *= d;
  return n;
}

/// Calls body(position) for every position of `shape`, in row-major order.
template <class Body>
void for_positions(const std::vector<int64_t>& shape, const Body& body) {
  std::vector<int64_t> at(shape.size(), 0);
  for (int64_t i = product(shape); i > 0; --i) {
    body(at);
    for (size_t d = shape.size(); d-- > 0 && ++at[d] == shape[d];) at[d] = 0;
  }
}

TEST(Copy, EveryPermutation) {
  const std::vector<int64_t> shapes[] = {{3, 5, 2, 7}, {9, 17}, {33, 40}, {1, 6, 1, 5}, {4, 3, 37, 6}, {2, 3, 0, 4}};
  for_each_isa([&] {
    for (const auto& shape : shapes) {
      std::vector<int64_t> permutation;
      for (size_t d = 0; d < shape.size(); ++d) permutation.push_back(static_cast<int64_t>(d));
      do {
        for (int bytes : {1, 2, 4, 8, 16}) {
          const int64_t n = product(shape);
          // One byte off, so that nothing is aligned.
          const std::vector<uint8_t> from = random_bytes(n * bytes + 1, 5);
          std::vector<uint8_t> to(n * bytes + 1), expected(n * bytes + 1);
          const auto loop = make_transpose_loop(shape, permutation);
          ASSERT_EQ(loop.count(), n);
          for (int64_t i = 0; i < n; i += 101) {
            strided_copy(loop, to.data() + 1, from.data() + 1, bytes, i, std::min(n, i + 101));
          }
          std::vector<int64_t> result;
          for (int64_t p : permutation) result.push_back(shape[p]);
          const auto strides = contiguous_strides(shape);
          int64_t index = 0;
          for_positions(result, [&](const std::vector<int64_t>& at) {
            int64_t offset = 0;
            for (size_t d = 0; d < at.size(); ++d) offset += at[d] * strides[permutation[d]];
            std::memcpy(&expected[1 + index++ * bytes], &from[1 + offset * bytes], bytes);
          });
          EXPECT_EQ(to, expected) << bytes;
        }
      } while (std::next_permutation(permutation.begin(), permutation.end()));
    }
  });
}

TEST(Copy, BlocksOfEveryShapeAtAnyStride) {
  for_each_isa([&] {
    for (int bytes : {1, 2, 4, 8, 16}) {
      for (int64_t rows : {3, 4, 7, 16, 37, 130}) {
        for (int64_t cols : {2, 4, 5, 9, 33, 71}) {
          const int64_t to_stride = cols + 3, from_stride = rows + 5;
          const std::vector<uint8_t> from = random_bytes(cols * from_stride * bytes, 3);
          std::vector<uint8_t> to(rows * to_stride * bytes, 0xEE), expected = to;
          transpose_block(to.data(), to_stride, from.data(), from_stride, {rows, cols}, bytes);
          for (int64_t r = 0; r < rows; ++r) {
            for (int64_t c = 0; c < cols; ++c) {
              std::memcpy(&expected[(r * to_stride + c) * bytes], &from[(c * from_stride + r) * bytes], bytes);
            }
          }
          ASSERT_EQ(to, expected) << bytes << " bytes, " << rows << " x " << cols;
        }
      }
    }
  });
}

TEST(Copy, GrainOfTranspositionsIsOfWholeRows) {
  const int64_t matrix[] = {768, 3072}, swap[] = {1, 0}, same[] = {0, 1};
  EXPECT_EQ(copy_grain(make_transpose_loop(matrix, swap), 30000) % (16 * 768), 0);
  EXPECT_EQ(copy_grain(make_transpose_loop(matrix, same), 30000), 30000);
  const int64_t long_rows[] = {1000000, 8};
  EXPECT_EQ(copy_grain(make_transpose_loop(long_rows, swap), 30000), 30000);
}

TEST(Copy, SlicesWithSteps) {
  // to[i][j] = from[5 - 2 i][1 + 3 j] of a 6 x 11 source.
  const std::vector<uint8_t> from = random_bytes(66 * 4, 2);
  const int64_t extents[] = {3, 4}, to_strides[] = {4, 1}, from_strides[] = {-22, 3};
  const auto loop =
      make_loop<2>(extents, {std::span<const int64_t>(to_strides), std::span<const int64_t>(from_strides)});
  std::vector<uint8_t> to(12 * 4);
  strided_copy(loop, to.data(), from.data() + (5 * 11 + 1) * 4, 4, 0, 12);
  for (int i = 0; i < 3; ++i) {
    for (int j = 0; j < 4; ++j) {
      EXPECT_EQ(std::memcmp(&to[(i * 4 + j) * 4], &from[((5 - 2 * i) * 11 + 1 + 3 * j) * 4], 4), 0);
    }
  }
}

TEST(Copy, ExpandRepeats) {
  const float from[] = {1, 2, 3};
  const int64_t extents[] = {2, 3, 4}, to_strides[] = {12, 4, 1}, from_strides[] = {0, 1, 0};
  const auto loop =
      make_loop<2>(extents, {std::span<const int64_t>(to_strides), std::span<const int64_t>(from_strides)});
  float to[24];
  strided_copy(loop, to, from, 4, 0, 24);
  for (int i = 0; i < 24; ++i) EXPECT_EQ(to[i], from[i / 4 % 3]);
}

TEST(Copy, BlocksRepeatBehindThemselves) {
  // to[i][r][j] = from[i][j], in ranges that end anywhere.
  for (int bytes : {1, 4, 16}) {
    for (int64_t block : {2, 3, 700}) {
      const int64_t rows = 3, repeats = 9, n = rows * repeats * block;
      const int64_t extents[] = {rows, repeats, block}, to_strides[] = {repeats * block, block, 1},
                    from_strides[] = {block, 0, 1};
      const auto loop =
          make_loop<2>(extents, {std::span<const int64_t>(to_strides), std::span<const int64_t>(from_strides)});
      const std::vector<uint8_t> from = random_bytes(rows * block * bytes, 4);
      for (int64_t step : {1, 5, 64, 100000}) {
        std::vector<uint8_t> to(n * bytes);
        for (int64_t i = 0; i < n; i += step)
          strided_copy(loop, to.data(), from.data(), bytes, i, std::min(n, i + step));
        for (int64_t i = 0; i < n; ++i) {
          const int64_t source = i / (repeats * block) * block + i % block;
          ASSERT_EQ(std::memcmp(&to[i * bytes], &from[source * bytes], bytes), 0) << step;
        }
      }
    }
  }
}

TEST(Copy, TransposedMatrices) {
  for_each_isa([&] {
    for (int bytes : {1, 2, 4, 8, 16}) {
      for (auto [rows, cols] : {std::pair<int64_t, int64_t>{1, 7}, {5, 3}, {8, 8}, {65, 34}, {4, 129}}) {
        const int64_t outer = 3, n = outer * rows * cols;
        const std::vector<uint8_t> from = random_bytes(n * bytes, 8);
        std::vector<uint8_t> to(n * bytes);
        for (int64_t i = 0; i < outer * cols; i += 5) {
          transpose_2d(to.data(), from.data(), rows, cols, bytes, i, std::min(outer * cols, i + 5));
        }
        for (int64_t o = 0; o < outer; ++o) {
          for (int64_t r = 0; r < rows; ++r) {
            for (int64_t c = 0; c < cols; ++c) {
              ASSERT_EQ(std::memcmp(&to[(o * rows * cols + c * rows + r) * bytes],
                                    &from[(o * rows * cols + r * cols + c) * bytes], bytes),
                        0);
            }
          }
        }
      }
    }
  });
}

TEST(Copy, SwapsTheMiddle) {
  const int64_t batch = 2, n = 5, m = 3, row = 6;
  const std::vector<uint8_t> from = random_bytes(batch * n * m * row, 4);
  std::vector<uint8_t> to(from.size());
  for (int64_t i = 0; i < batch * m; ++i) swap_middle(to.data(), from.data(), n, m, row, i, i + 1);
  for (int64_t b = 0; b < batch; ++b) {
    for (int64_t i = 0; i < n; ++i) {
      for (int64_t j = 0; j < m; ++j) {
        EXPECT_EQ(std::memcmp(&to[((b * m + j) * n + i) * row], &from[((b * n + i) * m + j) * row], row), 0);
      }
    }
  }
}

TEST(Copy, Fills) {
  for (int bytes : {1, 3, 4, 16}) {
    for (int64_t n : {0, 1, 2, 5, 1000, 5001}) {
      const std::vector<uint8_t> value = random_bytes(bytes, 6);
      std::vector<uint8_t> to(n * bytes + 1, 0xEE);
      fill(to.data(), value.data(), bytes, n);
      for (int64_t i = 0; i < n * bytes; ++i) ASSERT_EQ(to[i], value[i % bytes]);
      EXPECT_EQ(to[n * bytes], 0xEE);
    }
  }
}

TEST(Gather, RowsWithNegativeIndices) {
  const std::vector<uint8_t> from = random_bytes(5 * 12, 3);
  const int64_t index[] = {0, -1, 4, 2, -5};
  EXPECT_EQ(first_bad_index(index, 5, 5), -1);
  EXPECT_EQ(first_bad_index(index, 5, 4), 2);
  for (int64_t row_bytes : {4, 8, 12}) {
    std::vector<uint8_t> to(5 * row_bytes);
    gather_rows(to.data(), from.data(), row_bytes, index, 5, 0, 3);
    gather_rows(to.data(), from.data(), row_bytes, index, 5, 3, 5);
    for (int i = 0; i < 5; ++i) {
      const int64_t row = index[i] < 0 ? index[i] + 5 : index[i];
      EXPECT_EQ(std::memcmp(&to[i * row_bytes], &from[row * row_bytes], row_bytes), 0);
    }
  }
}

TEST(Gather, ElementsAlongEachAxis) {
  const std::vector<int64_t> data_shape = {4, 5, 6}, index_shape = {3, 2, 5};
  const std::vector<float> data = random_floats(120, 1);
  for (int axis = 0; axis < 3; ++axis) {
    std::vector<int32_t> index(30);
    std::mt19937 generator(2);
    const int32_t limit = static_cast<int32_t>(data_shape[axis]);
    for (int32_t& i : index) i = static_cast<int32_t>(generator() % (2 * limit)) - limit;
    auto strides = contiguous_strides(data_shape);
    const int64_t axis_stride = strides[axis];
    auto walked = strides;
    walked[axis] = 0;
    const AxisIndex<int32_t> at{make_loop<1>(index_shape, {std::span<const int64_t>(walked.data(), 3)}), axis_stride,
                                limit, index.data()};
    std::vector<float> to(30), scattered = data, expected = data;
    EXPECT_TRUE(gather_elements(at, to.data(), data.data(), 4, 0, 11));
    EXPECT_TRUE(gather_elements(at, to.data(), data.data(), 4, 11, 30));
    for (int32_t bad : {limit, -limit - 1, std::numeric_limits<int32_t>::max(), std::numeric_limits<int32_t>::min()}) {
      const int32_t good = std::exchange(index[17], bad);
      EXPECT_FALSE(gather_elements(at, to.data(), data.data(), 4, 0, 30));
      index[17] = good;
    }
    EXPECT_TRUE(gather_elements(at, to.data(), data.data(), 4, 0, 30));
    scatter_elements(ScatterOp::kAdd, at, scattered.data(), to.data(), 0, 30);
    int64_t i = 0;
    for_positions(index_shape, [&](const std::vector<int64_t>& position) {
      int64_t offset = 0;
      for (int d = 0; d < 3; ++d) {
        const int64_t k = d == axis ? (index[i] + limit) % limit : position[d];
        offset += k * strides[d];
      }
      EXPECT_EQ(to[i], data[offset]);
      expected[offset] += data[offset];
      ++i;
    });
    EXPECT_EQ(scattered, expected);
  }
}

TEST(Scatter, CombinesInEveryWay) {
  const auto loop = make_loop<1>(std::span<const int64_t>({int64_t{3}}), {std::span<const int64_t>({int64_t{0}})});
  const int64_t index[] = {1, 1, -1};
  const AxisIndex<int64_t> at{loop, 1, 3, index};
  const float updates[] = {2, 3, std::numeric_limits<float>::quiet_NaN()};
  const struct {
    ScatterOp op;
    float middle;
  } list[] = {
      {ScatterOp::kSet, 3}, {ScatterOp::kAdd, 10}, {ScatterOp::kMul, 30}, {ScatterOp::kMin, 2}, {ScatterOp::kMax, 5}};
  for (const auto& c : list) {
    float to[] = {7, 5, 1};
    scatter_elements(c.op, at, to, updates, 0, 3);
    EXPECT_EQ(to[0], 7);
    EXPECT_EQ(to[1], c.middle);
    EXPECT_TRUE(std::isnan(to[2]));
  }
  Half to[] = {to_half(1.0f), to_half(2.0f), to_half(3.0f)};
  const Half half_updates[] = {to_half(0.5f), to_half(0.25f), to_half(4.0f)};
  scatter_elements(ScatterOp::kAdd, at, to, half_updates, 0, 3);
  EXPECT_EQ(to_float(to[1]), 2.75f);
}

TEST(Scatter, Tuples) {
  const int64_t index[] = {0, 2, -1, -2, 0, 2};
  const TupleIndex at{index, 2, {2, 3}, {12, 4}};
  EXPECT_EQ(first_bad_tuple(at, 3), -1);
  const TupleIndex tight{index, 2, {2, 2}, {12, 4}};
  EXPECT_EQ(first_bad_tuple(tight, 3), 1);
  std::vector<int32_t> data(24);
  for (int i = 0; i < 24; ++i) data[i] = i;
  std::vector<int32_t> rows(12);
  gather_tuples(at, rows.data(), data.data(), 4, 4, 0, 3);
  EXPECT_EQ(rows, (std::vector<int32_t>{8, 9, 10, 11, 16, 17, 18, 19, 8, 9, 10, 11}));
  scatter_tuples(ScatterOp::kAdd, at, data.data(), rows.data(), 4, 0, 3);
  EXPECT_EQ(data[8], 24);
  EXPECT_EQ(data[17], 34);
  EXPECT_EQ(data[7], 7);
}

}  // namespace
}  // namespace sdx::kernels
