// Resize: where each result element comes from along one axis, and the interpolation of one axis after another.
#pragma once

#include <cstdint>

namespace sdx::kernels {

/// coordinate_transformation_mode of Resize.
enum class ResizeCoordinates : uint8_t {
  kHalfPixel,
  kHalfPixelSymmetric,
  kPytorchHalfPixel,
  kAlignCorners,
  kAsymmetric,
  kTfCropAndResize,
  kTfHalfPixelForNearest,  ///< of opset 11 alone
};

/// nearest_mode of Resize; kSimple is that of Upsample and Resize-10: down where the scale is at least 1, else up.
enum class ResizeNearest : uint8_t { kRoundPreferFloor, kRoundPreferCeil, kFloor, kCeil, kSimple };

enum class ResizeFilter : uint8_t { kLinear, kCubic };

/// One axis of a resize.
struct ResizeAxis {
  int64_t in = 1;
  int64_t out = 1;
  double scale = 1;  ///< as the model gives it, or out / in
  ResizeCoordinates coordinates = ResizeCoordinates::kHalfPixel;
  double roi_begin = 0;  ///< normalised, for kTfCropAndResize
  double roi_end = 1;
};

/// Coordinate on the source axis of element i of the result (the standard's formulas for Resize, in double).
double source_coordinate(const ResizeAxis& axis, int64_t i);

/// Source index of each element of the result: index[out], limited to the axis. Where `outside` and the coordinate lies
/// beyond the source, -1: the extrapolation value stands there (kTfCropAndResize).
void nearest_indices(const ResizeAxis& axis, ResizeNearest mode, bool outside, int64_t* index);

struct ResizeKernel {
  ResizeFilter filter = ResizeFilter::kLinear;
  double cubic_a = -0.75;
  bool exclude_outside = false;  ///< weights beyond the source are 0 and the others are scaled to sum 1
  bool antialias = false;        ///< widens the filter where the axis shrinks
  bool extrapolate = false;      ///< results whose coordinate lies outside get index -1 at their first tap
};

/// Taps that each result element has: 2 or 4, more where antialiasing widens the filter.
int64_t resize_taps(const ResizeAxis& axis, const ResizeKernel& kernel);

/// Source indices and weights: index[out, taps], weight[out, taps]; indices are limited to the axis. Weights sum to 1.
void resize_weights(const ResizeAxis& axis, const ResizeKernel& kernel, int64_t* index, float* weight);

/// The tables of one axis, as resize_weights writes them.
struct ResizeTable {
  int64_t in, out, taps;
  const int64_t* index;
  const float* weight;
  float extrapolation = 0;
};

/// Interpolates the middle axis: y[o][j][i] = Σ_t weight[j][t] x[o][index[j][t]][i], x being [outer, in, inner] and y
/// [outer, out, inner], for the rows o * out + j in [begin, end). A full resize applies this to each axis that changes,
/// the innermost first. Rows of inner 1 form one line per o; they are split alike.
void resize_axis(const float* x, float* y, const ResizeTable& table, int64_t inner, int64_t begin, int64_t end);

/// Nearest along the two innermost axes at once, for elements of `bytes` (1, 2, 4 or 8) bytes: y[o][r][c] =
/// x[o][row[r]][col[c]], for the rows o * out_rows + r in [begin, end); -1 in either table gives `value`.
struct ResizeNearest2 {
  int64_t in_rows, in_cols, out_rows, out_cols;
  const int64_t* row;
  const int64_t* col;
  const void* value = nullptr;
};
void resize_nearest(const ResizeNearest2& table, const void* x, void* y, int bytes, int64_t begin, int64_t end);

}  // namespace sdx::kernels
