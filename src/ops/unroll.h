// Unroll: the windows of an image as columns of a matrix ("im2col") and the sum back ("col2im").
#pragma once

#include "ops/window.h"

namespace sdx::ops {

struct Range {
  int64_t begin, end;
};

/// Writes rows [channel][kernel tap] `rows` of the unrolled image x [channels, in...] for the output positions
/// `columns` into `out` [rows, columns], zero where a window hangs over the edge.
void unroll(const Geometry& g, const float* x, Range rows, Range columns, float* out);

/// Adds the rows of the unrolled matrix `in` [kernel taps, out positions] of one channel to its image y [in...].
void roll(const Geometry& g, const float* in, float* y);

}  // namespace sdx::ops
