// Copy: moving elements by their width alone: strided and permuted copies, filling, gathering and scattering rows.
#pragma once

#include <cstdint>

#include "kernels/strided.h"

namespace sdx::kernels {

/// Elements [begin, end), in row-major order of the loop, from operand 1 (the source) to operand 0 (the destination).
/// Strides are in elements of `bytes` (1, 2, 4, 8 or 16) bytes; pointers are to the element at index 0 … 0 and need no
/// alignment. Covers Transpose, Slice (any step), Concat, Split, Expand, Tile and reshapes of strided views. The
/// destination's elements are distinct and do not overlap the source.
void strided_copy(const StridedLoop<2>& loop, void* to, const void* from, int bytes, int64_t begin, int64_t end);

/// About `wanted` elements; a multiple of what strided_copy does fastest where the loop transposes.
int64_t copy_grain(const StridedLoop<2>& loop, int64_t wanted);

/// The transposition of `outer` matrices of rows x cols elements: to[o][c][r] = from[o][r][c], for the matrices and
/// columns c with o * cols + c in [begin, end). The two pointers do not overlap.
void transpose_2d(void* to, const void* from, int64_t rows, int64_t cols, int bytes, int64_t begin, int64_t end);

/// to[b][j][i][:] = from[b][i][j][:] with rows of `row_bytes`, for the [b][j] in [begin, end) of batch * m. With
/// n = sequence, m = heads this splits heads; with n = heads, m = sequence it merges them.
void swap_middle(void* to, const void* from, int64_t n, int64_t m, int64_t row_bytes, int64_t begin, int64_t end);

/// n copies of the `bytes` (any number) bytes at `value`.
void fill(void* to, const void* value, int bytes, int64_t n);

/// Rows [begin, end) of the result: to[i] = from[index[i]], rows being `row_bytes` long. Each index is in
/// [-limit, limit), negative ones counting from the end; check with first_bad_index.
template <class Index>
void gather_rows(void* to, const void* from, int64_t row_bytes, const Index* index, int64_t limit, int64_t begin,
                 int64_t end);

/// Position of the first index outside [-limit, limit), or -1.
template <class Index>
int64_t first_bad_index(const Index* index, int64_t n, int64_t limit);

}  // namespace sdx::kernels
