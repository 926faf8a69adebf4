// Pairs of neighbouring outputs of a convolution with three taps in steps of two, by five products for six: the even
// inputs meet two taps, for which Winograd's F(2, 2) needs three products for two outputs. With inputs x0 to x4
//   y0 = w0 (x0 - x2) + w1 x1 + (w0 + w2) x2
//   y1 = w2 (x4 - x2) + w1 x3 + (w0 + w2) x2
#pragma once

#include <cstdint>

namespace sdx::kernels {

/// What the inputs of a pair become: x0 - x2, x1, x2, x4 - x2, x3.
inline constexpr int kPairParts = 5;

/// Transforms the inputs of `count` neighbouring pairs of one channel: to[part * part_stride + pair]. x0 of the first
/// pair is row[first]; `first` may lie outside [0, width) as those after it may, and zeros stand outside.
struct PairInput {
  const float* row;  ///< null: zeros
  int64_t first;
  int64_t width;
  int64_t count;
  float* to;
  int64_t part_stride;
};
void pair_input(const PairInput& input);

/// sum[i] = a[i] + b[i].
void pair_weights(const float* a, const float* b, int64_t count, float* sum);

/// Output rows [rows][2 width] from three sums [rows][width]: y0 = first + common, y1 = second + common.
void pair_output(const float* first, const float* common, const float* second, int64_t rows, int64_t width, float* to);

}  // namespace sdx::kernels
