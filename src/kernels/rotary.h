// Rotary: rotating pairs of elements of attention heads by the angles of their position.
#pragma once

#include <cstdint>

namespace sdx::kernels {

/// Rows of `width` elements of which the first `rotary` (even, at most width) are rotated and the rest is copied. Pair
/// j is (x[2j], x[2j + 1]) where interleaved, else (x[j], x[j + rotary/2]). Strides are in floats, from row to row; an
/// angle stride of 0 rotates all rows alike, as the heads of one position.
struct RotaryRows {
  int64_t width;
  int64_t rotary;
  bool interleaved = false;
  int64_t x_stride;
  int64_t y_stride;
  int64_t angle_stride;
};

/// y = (a cos - b sin, a sin + b cos) for each pair (a, b) of the rows in [begin, end), with cosines and sines [rows,
/// rotary/2]. y may be x where the strides are equal.
void rotate_rows(const RotaryRows& rows, const float* x, float* y, const float* cosines, const float* sines,
                 int64_t begin, int64_t end);

}  // namespace sdx::kernels
