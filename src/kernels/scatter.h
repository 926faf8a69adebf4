// Scatter and gather by element: GatherElements, ScatterElements, GatherND and ScatterND.
#pragma once

#include <cstdint>

#include "base/half.h"
#include "kernels/strided.h"

namespace sdx::kernels {

/// What a scatter does with the value that is there.
enum class ScatterOp : uint8_t { kSet, kAdd, kMul, kMin, kMax };

/// The elements that an index tensor names along one axis of a data tensor. `loop` runs over the index tensor; its one
/// operand is the data, with the data's strides in elements but 0 along the axis. An index is in [-limit, limit),
/// except where gather_elements tells of others.
template <class Index>
struct AxisIndex {
  StridedLoop<1> loop;
  int64_t axis_stride;  ///< of the data, in elements
  int64_t limit;        ///< extent of the data along the axis
  const Index* index;   ///< contiguous, in the order of the loop; check with first_bad_index (copy.h)
};

/// to[i] = the element that index[i] names in `from`, for elements of `bytes` (1, 2, 4, 8 or 16) bytes and i in
/// [begin, end). False where one is outside [-limit, limit); then `to` holds anything.
template <class Index>
bool gather_elements(const AxisIndex<Index>& at, void* to, const void* from, int bytes, int64_t begin, int64_t end);

/// Combines updates[i] into the element of `to` that index[i] names, in order, for i in [begin, end). Only ranges that
/// name distinct elements may run at the same time. T is float, double, Half, BFloat16, (u)int8 … (u)int64 or bool;
/// kSet looks at the width alone, so any type of that width will do. bool adds by or, and multiplies by and.
template <class T, class Index>
void scatter_elements(ScatterOp op, const AxisIndex<Index>& at, T* to, const T* updates, int64_t begin, int64_t end);

/// Rows named by tuples of indices into the leading `width` dimensions of a data tensor.
struct TupleIndex {
  const int64_t* index;                  ///< [tuples, width]
  int width;                             ///< 0 … kMaxRank
  std::array<int64_t, kMaxRank> extent;  ///< of the leading dimensions; an index is in [-extent, extent)
  std::array<int64_t, kMaxRank> stride;  ///< of the leading dimensions, in elements

  /// Offset in elements of the row that tuple i names.
  int64_t offset(int64_t i) const {
    int64_t sum = 0;
    for (int d = 0; d < width; ++d) {
      const int64_t k = index[i * width + d];
      sum += (k < 0 ? k + extent[d] : k) * stride[d];
    }
    return sum;
  }
};

/// Position in `index` of the first value out of its range, or -1.
int64_t first_bad_tuple(const TupleIndex& at, int64_t tuples);

/// to[i][:] = the row of `row` elements that tuple i names, for i in [begin, end).
void gather_tuples(const TupleIndex& at, void* to, const void* from, int64_t row, int bytes, int64_t begin,
                   int64_t end);

/// Combines updates[i][:] into the row of `to` that tuple i names, in order, for i in [begin, end); as
/// scatter_elements.
template <class T>
void scatter_tuples(ScatterOp op, const TupleIndex& at, T* to, const T* updates, int64_t row, int64_t begin,
                    int64_t end);

}  // namespace sdx::kernels
