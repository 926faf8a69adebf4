// Pad: surrounding (or cropping) a tensor, row by row.
#pragma once

#include <array>
#include <cstdint>

#include "base/limits.h"

namespace sdx::kernels {

enum class PadMode : uint8_t { kConstant, kReflect, kEdge, kWrap };

/// Extents before and after, and how many elements are put in front of each axis (negative: taken away). What an axis
/// has behind follows from out. Rank at least 1. Reflect, edge and wrap need `in` extents of at least 1.
struct PadShape {
  int rank;
  std::array<int64_t, kMaxRank> in;
  std::array<int64_t, kMaxRank> out;
  std::array<int64_t, kMaxRank> before;

  /// Rows of the result: the product of all its extents but the last.
  int64_t rows() const {
    int64_t n = 1;
    for (int d = 0; d + 1 < rank; ++d) n *= out[d];
    return n;
  }
};

/// Rows [begin, end) of y, for elements of `bytes` (1, 2, 4, 8 or 16) bytes; `value` is read where the mode is
/// constant. Reflect bounces as often as needed, without repeating the edge.
void pad(PadMode mode, const PadShape& shape, const void* x, void* y, const void* value, int bytes, int64_t begin,
         int64_t end);

}  // namespace sdx::kernels
