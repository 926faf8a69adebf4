// Resize: copying and interpolating the elements of an axis by tables.
#pragma once

#include <cstdint>
#include <type_traits>

namespace sdx::kernels {

/// Indices along an axis, as wide as the elements where those are wider than them.
template <int kBytes>
using ResizeIndex = std::conditional_t<kBytes == 8, int64_t, int32_t>;

/// Length of the rows of a table for an axis of `out` results; what follows the first `out` repeats the last of them.
int64_t resize_row(int64_t out);

/// The tables of one axis: result j mixes weight[t * row + j] of source index[t * row + j], 0 <= t < taps. index is
/// monotone in j and in t.
template <class T>
struct ResizeTable {
  int64_t in, out, taps, row;
  const ResizeIndex<sizeof(T)>* index;
  const T* weight;
};

/// Interpolates the middle axis: y[o][j][i] = Σ_t weight[j][t] x[o][index[j][t]][i], x being [outer, in, inner] and y
/// [outer, out, inner]. Where inner is 1, for the lines o in [begin, end); else for the rows o * out + j in it. T is
/// float or double.
template <class T>
void resize_axis(const T* x, T* y, const ResizeTable<T>& table, int64_t inner, int64_t begin, int64_t end);

/// The two innermost axes of a copy to the nearest: rows of `in` elements become rows of `out`. Both maps are monotone;
/// column is padded to resize_row(out). kBytes, the size of an element, is 1, 2, 4 or 8.
template <int kBytes>
struct ResizeNearest {
  int64_t in, out;
  const ResizeIndex<kBytes>* row;
  const ResizeIndex<kBytes>* column;
};

/// Rows [begin, end) of a plane, `to` being where the first of them goes: to[r - begin][j] = from[row[r]][column[j]].
template <int kBytes>
void resize_nearest(const ResizeNearest<kBytes>& maps, const void* from, void* to, int64_t begin, int64_t end);

}  // namespace sdx::kernels
