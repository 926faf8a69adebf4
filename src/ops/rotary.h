// rotate: rotary position embedding over attention operands in any layout.
#pragma once

#include "ops/attention_core.h"

namespace sdx::ops {

/// The angles: rows of `half` cosines and sines, one for each position of a table, or (no positions) for each row.
struct Rotation {
  const float *cos, *sin;
  int64_t half;
  bool interleaved = false;  ///< pairs are neighbours; otherwise element j and j + half
  int64_t table_rows = 0;
  const int64_t* positions = nullptr;  ///< [batch, rows], or the first position of every batch item
  bool one_position = false;
};

/// Turns the first 2 * half elements of every row of every head and copies the others. `to.data` is not read: the
/// result goes to `out` with the strides of `to`; `out` may be the input. Positions outside the table take its nearest
/// row.
void rotate(const Parallel& parallel, const Rotation& rotation, const HeadsShape& shape, const HeadsView& from,
            const HeadsView& to, float* out);

}  // namespace sdx::ops
