// transpose_block: the transposition of one strided matrix, in register tiles.
#pragma once

#include <cstdint>

namespace sdx::kernels {

struct Extent2 {
  int64_t rows, cols;
};

/// to[r * to_stride + c] = from[c * from_stride + r] for r < extent.rows, c < extent.cols; strides in elements of
/// `bytes` (1, 2, 4, 8 or 16) bytes. No alignment needed, no overlap.
void transpose_block(void* to, int64_t to_stride, const void* from, int64_t from_stride, Extent2 extent, int bytes);

}  // namespace sdx::kernels
