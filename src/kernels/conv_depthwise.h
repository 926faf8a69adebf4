// Depthwise convolutions: channels side by side in the lanes of vectors.
#pragma once

#include <algorithm>
#include <bit>

#include "kernels/conv_routes.h"

namespace sdx::kernels {

/// What of a depthwise convolution is computed at once: some output rows of some columns, from the input rows that they
/// meet. Of each depth of the kernel a ring of input rows is kept, so that every row is read once.
struct DepthwiseExtents {
  static constexpr int64_t kColumns = 64, kPositions = 128;  ///< of the output at once, about
  static constexpr int64_t kCount = 8;                       ///< of one row in registers

  int64_t columns, rows;  ///< output columns and rows at once
  int64_t need;           ///< input columns that they meet
  int64_t ring, pitch;    ///< input rows kept, and columns of each; some more than are met can be read
  int64_t ring_mask;      ///< what of an input row's number is its place

  explicit DepthwiseExtents(const ConvShape& shape) {
    const auto extent = [&](int i, int64_t out) {
      return (out - 1) * shape.stride[i] + (shape.kernel[i] - 1) * shape.dilation[i] + 1;
    };
    // Parts about as wide as that, of whole vectors.
    const int64_t parts = std::max<int64_t>((shape.out[2] + kColumns / 2) / kColumns, 1);
    columns = std::min(shape.out[2], (shape.out[2] + 16 * parts - 1) / (16 * parts) * 16);
    rows = columns < shape.out[2] ? 1 : std::clamp<int64_t>(kPositions / columns, 1, shape.out[1]);
    need = extent(2, columns);
    const int64_t met = std::min(extent(1, rows), shape.in[1]);
    ring = std::min(static_cast<int64_t>(std::bit_ceil(static_cast<uint64_t>(met))), shape.in[1]);
    ring_mask = ring < shape.in[1] ? ring - 1 : ~int64_t{0};
    pitch = need + kCount * shape.stride[2];
  }

  int64_t positions() const { return rows * columns; }
  /// Floats of the rings and a row of zeros, of the sums, of the sums by channels, and of a pointer for each kernel
  /// row.
  int64_t copy_floats(const ConvShape& shape, int64_t lanes) const {
    return (shape.kernel[0] * ring + 1) * pitch * lanes;
  }
  int64_t sum_floats(int64_t lanes) const { return (positions() + std::max(lanes, kCount)) * lanes; }
  int64_t sum_stride(int64_t lanes) const { return (positions() + lanes - 1) / lanes * lanes; }
  static int64_t pointer_floats(const ConvShape& shape) { return (shape.kernel[0] * shape.kernel[1] + 7) / 8 * 16; }
  int64_t floats(const ConvShape& shape, int64_t lanes) const {
    return pointer_floats(shape) + copy_floats(shape, lanes) + sum_floats(lanes) + lanes * sum_stride(lanes);
  }
};

/// Rows [first, last) of every output depth of the channels [channel, channel + count) of one image; count is at most
/// the lanes of a vector, and `weights` are [taps][lanes].
struct DepthwiseTile {
  const Conv& conv;
  const DepthwiseExtents& extents;
  int64_t image, channel, count;
  int64_t first, last;
  const float* weights;
  float* scratch;
};

}  // namespace sdx::kernels
