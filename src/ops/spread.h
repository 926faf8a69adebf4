// Broadcast operands whose innermost run is short: written out block by block, so that kernels see long runs.
#pragma once

#include <algorithm>

#include "kernels/strided.h"

namespace sdx::ops {

/// Elements that are written out at a time.
inline constexpr int64_t kSpreadBlock = 1024;

/// Whether the runs of the loop are so short that calling a kernel for each costs more than writing operands out.
template <int N>
bool has_short_runs(const kernels::StridedLoop<N>& loop) {
  constexpr int64_t kShort = 32;
  return loop.rank > 1 && loop.extent[static_cast<size_t>(loop.rank - 1)] < kShort;
}

/// Whether operand k is read one element after the other over the whole loop.
template <int N>
bool is_contiguous(const kernels::StridedLoop<N>& loop, int k) {
  int64_t step = 1;
  for (int d = loop.rank; d-- > 0; step *= loop.extent[static_cast<size_t>(d)]) {
    if (loop.stride[static_cast<size_t>(k)][static_cast<size_t>(d)] != step) return false;
  }
  return true;
}

/// Elements [begin, end) of operand k as a contiguous range: its own memory, or `block`, which they are written to.
template <int N, class T>
const T* spread(const kernels::StridedLoop<N>& loop, int k, const T* from, T* block, int64_t begin, int64_t end) {
  if (is_contiguous(loop, k)) return from + begin;
  const int64_t step = loop.inner(k);
  kernels::for_runs(loop, begin, end, [&](int64_t i, const std::array<int64_t, N>& offset, int64_t n) {
    const T* x = from + offset[static_cast<size_t>(k)];
    T* y = block + (i - begin);
    for (int64_t j = 0; j < n; ++j) y[j] = x[j * step];
  });
  return block;
}

/// Calls body(a, b, i, n) with the contiguous elements [i, i + n) of both operands, for ranges that cover [begin, end).
template <class T, class Body>
void for_spread_blocks(const kernels::StridedLoop<2>& loop, const T* a, const T* b, int64_t begin, int64_t end,
                       const Body& body) {
  T block_a[kSpreadBlock], block_b[kSpreadBlock];
  for (int64_t i = begin; i < end; i += kSpreadBlock) {
    const int64_t stop = std::min(i + kSpreadBlock, end);
    body(spread(loop, 0, a, block_a, i, stop), spread(loop, 1, b, block_b, i, stop), i, stop - i);
  }
}

}  // namespace sdx::ops
