// Winograd tiles: the transforms of F(2x2, 3x3), Lavin and Gray, "Fast Algorithms for Convolutional Neural Networks".
//
// 2 x 2 outputs need 4 x 4 inputs d and cost 16 products instead of 36: Y = At [(G g Gt) . (Bt d B)] A with
//   Bt = 1  0 -1  0     G = 1    0    0      At = 1 1  1  0
//        0  1  1  0         1/2  1/2  1/2         0 1 -1 -1
//        0 -1  1  0         1/2 -1/2  1/2
//        0  1  0 -1         0    0    1
#pragma once

#include <cstdint>

namespace sdx::kernels {

inline constexpr int kWinogradPoints = 16;
inline constexpr int kWinogradTaps = 9;

/// Transforms `count` neighbouring tiles of one channel: to[point * point_stride + c] for c in [0, count).
/// rows[r] is input row r of the tiles, null where it lies outside; its column `first`, which may lie outside [0,
/// width) as those after it may, is the first one of the first tile. Zeros stand outside.
struct WinogradInput {
  const float* rows[4];
  int64_t first;
  int64_t width;
  int64_t count;
  float* to;
  int64_t point_stride;
};
void winograd_input(const WinogradInput& input);

/// G g Gt of the kernels g of `depths` input channels and `rows` output channels, from[(depth * 9 + 3 * i + j) * rows +
/// r] where g is halved once for i = 1 and once for j = 1: to[point * point_stride + depth * to_rows + r]. Whole
/// vectors are read and written: up to kWinogradSlack floats behind the kernels, and up to to_rows, rows in whole
/// vectors.
struct WinogradKernels {
  const float* from;
  int64_t rows;
  int64_t depths;
  float* to;
  int64_t to_rows;
  int64_t point_stride;
};
inline constexpr int64_t kWinogradSlack = 16;
void winograd_kernels(const WinogradKernels& kernels);

/// Output rows 0 and 1 of `width` tiles of one channel, 2 width floats each and room up to whole vectors, from its
/// products from[point * point_stride + c].
void winograd_output(const float* from, int64_t point_stride, int64_t width, float* row0, float* row1);

}  // namespace sdx::kernels
