// StridedLoop: the iteration space of a broadcasting or strided operation over N operands, merged to few dimensions.
#pragma once

#include <array>
#include <cstdint>
#include <span>

#include "base/limits.h"

namespace sdx::kernels {

/// Extents, outermost first, and per operand a stride in elements for each of them. Any stride may be 0 or negative.
/// `rank` is at least 1.
template <int N>
struct StridedLoop {
  int rank = 1;
  std::array<int64_t, kMaxRank> extent = {1};
  std::array<std::array<int64_t, kMaxRank>, N> stride = {};

  /// Product of the extents.
  int64_t count() const {
    int64_t n = 1;
    for (int d = 0; d < rank; ++d) n *= extent[d];
    return n;
  }
  /// Stride of operand k in the innermost dimension.
  int64_t inner(int k) const { return stride[k][rank - 1]; }
};

/// The loop over `extents` (at most kMaxRank of them) with the given strides; dimensions of extent 1 are dropped and
/// neighbours that every operand walks as one are merged.
template <int N>
StridedLoop<N> make_loop(std::span<const int64_t> extents, const std::array<std::span<const int64_t>, N>& strides) {
  StridedLoop<N> loop;
  int rank = 0;
  for (size_t d = 0; d < extents.size(); ++d) {
    if (extents[d] == 1) continue;
    bool merges = rank > 0;
    for (int k = 0; k < N && merges; ++k) merges = loop.stride[k][rank - 1] == strides[k][d] * extents[d];
    if (!merges) ++rank;
    loop.extent[rank - 1] = merges ? loop.extent[rank - 1] * extents[d] : extents[d];
    for (int k = 0; k < N; ++k) loop.stride[k][rank - 1] = strides[k][d];
  }
  if (rank > 0) loop.rank = rank;
  return loop;
}

/// Strides of a contiguous operand of shape `shape`.
inline std::array<int64_t, kMaxRank> contiguous_strides(std::span<const int64_t> shape) {
  std::array<int64_t, kMaxRank> strides = {};
  int64_t stride = 1;
  for (size_t d = shape.size(); d-- > 0; stride *= shape[d]) strides[d] = stride;
  return strides;
}

/// The loop that permutes a contiguous operand of shape `shape`: dimension d of the contiguous result (operand 0) is
/// dimension permutation[d] of the source (operand 1).
inline StridedLoop<2> make_transpose_loop(std::span<const int64_t> shape, std::span<const int64_t> permutation) {
  const size_t rank = shape.size();
  const std::array<int64_t, kMaxRank> source = contiguous_strides(shape);
  std::array<int64_t, kMaxRank> extents = {}, from = {};
  for (size_t d = 0; d < rank; ++d) {
    extents[d] = shape[static_cast<size_t>(permutation[d])];
    from[d] = source[static_cast<size_t>(permutation[d])];
  }
  const std::span<const int64_t> result(extents.data(), rank);
  const std::array<int64_t, kMaxRank> to = contiguous_strides(result);
  return make_loop<2>(result, {std::span<const int64_t>(to.data(), rank), std::span<const int64_t>(from.data(), rank)});
}

/// Strides of a contiguous operand of shape `shape` that is broadcast to a shape of `rank` dimensions: right-aligned,
/// 0 where its extent is 1 or absent.
inline std::array<int64_t, kMaxRank> broadcast_strides(std::span<const int64_t> shape, int rank) {
  std::array<int64_t, kMaxRank> strides = {};
  int64_t stride = 1;
  for (int d = static_cast<int>(shape.size()) - 1, to = rank - 1; d >= 0; --d, --to) {
    strides[to] = shape[d] == 1 ? 0 : stride;
    stride *= shape[d];
  }
  return strides;
}

/// The loop of N contiguous operands broadcast to `shape`, in the manner of NumPy. The caller has checked that they
/// are compatible.
template <int N>
StridedLoop<N> make_broadcast_loop(std::span<const int64_t> shape,
                                   const std::array<std::span<const int64_t>, N>& operands) {
  const int rank = static_cast<int>(shape.size());
  std::array<std::array<int64_t, kMaxRank>, N> strides;
  std::array<std::span<const int64_t>, N> views;
  for (int k = 0; k < N; ++k) {
    strides[k] = broadcast_strides(operands[k], rank);
    views[k] = std::span<const int64_t>(strides[k].data(), shape.size());
  }
  return make_loop<N>(shape, views);
}

/// Calls body(index, offsets, count) for the runs of the innermost dimension that cover elements [begin, end) of the
/// loop in row-major order: `index` is the number of the run's first element, offsets[k] its offset in operand k.
template <int N, class Body>
void for_runs(const StridedLoop<N>& loop, int64_t begin, int64_t end, const Body& body) {
  if (begin >= end) return;
  const int last = loop.rank - 1;
  std::array<int64_t, kMaxRank> at = {};
  std::array<int64_t, N> offset = {};
  int64_t rest = begin;
  for (int d = last; d >= 0; --d) {
    at[d] = rest % loop.extent[d];
    rest /= loop.extent[d];
    for (int k = 0; k < N; ++k) offset[k] += at[d] * loop.stride[k][d];
  }
  for (int64_t index = begin;;) {
    const int64_t count = end - index < loop.extent[last] - at[last] ? end - index : loop.extent[last] - at[last];
    body(index, offset, count);
    index += count;
    if (index >= end) return;
    for (int k = 0; k < N; ++k) offset[k] -= at[last] * loop.stride[k][last];
    at[last] = 0;
    for (int d = last - 1; d >= 0; --d) {
      for (int k = 0; k < N; ++k) offset[k] += loop.stride[k][d];
      if (++at[d] < loop.extent[d]) break;
      for (int k = 0; k < N; ++k) offset[k] -= loop.extent[d] * loop.stride[k][d];
      at[d] = 0;
    }
  }
}

}  // namespace sdx::kernels
