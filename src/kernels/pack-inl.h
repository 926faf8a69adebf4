// Transposing narrow strips of floats: what packing an operand and unpacking a result come down to.
#if defined(SDX_KERNELS_PACK_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef SDX_KERNELS_PACK_INL_H_
#undef SDX_KERNELS_PACK_INL_H_
#else
#define SDX_KERNELS_PACK_INL_H_
#endif

#include <algorithm>
#include <cstdint>

#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace sdx::kernels::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

/// Rows of floats that lie `stride` apart, with one pointer for each four.
template <int kRows>
struct StridedRows {
  static_assert(kRows <= 16);
  HWY_INLINE StridedRows(const float* x, int64_t apart)
      : first{x, x + std::min(4, kRows - 1) * apart, x + std::min(8, kRows - 1) * apart,
              x + std::min(12, kRows - 1) * apart},
        stride(apart) {}
  HWY_INLINE const float* operator[](int r) const { return first[r / 4] + r % 4 * stride; }
  const float* first[4];
  int64_t stride;
};

/// Four floats of each of rows r, r + 4, r + 8, … in the 128-bit blocks of a vector; row[r] is the start of row r.
template <class D, class Rows>
HWY_INLINE hn::Vec<D> load_blocks(D d, const Rows& row, int r, int64_t p) {
  constexpr size_t kLanes = hn::MaxLanes(D());
  if constexpr (kLanes == 4) {
    return hn::LoadU(d, row[r] + p);
  } else {
    const hn::Half<D> half;
    constexpr int kStep = static_cast<int>(kLanes) / 2;
    return hn::Combine(d, load_blocks(half, row, r + kStep, p), load_blocks(half, row, r, p));
  }
}

/// out[i * out_stride + r] = row[r][p + i] for r below the lanes of D and i below 4.
template <class D, class Rows>
HWY_INLINE void transpose_four(D d, const Rows& row, int64_t p, float* out, int64_t out_stride) {
  const hn::RepartitionToWide<D> dw;
  const auto v0 = load_blocks(d, row, 0, p);
  const auto v1 = load_blocks(d, row, 1, p);
  const auto v2 = load_blocks(d, row, 2, p);
  const auto v3 = load_blocks(d, row, 3, p);
  const auto a = hn::BitCast(dw, hn::InterleaveLower(d, v0, v1));
  const auto b = hn::BitCast(dw, hn::InterleaveUpper(d, v0, v1));
  const auto e = hn::BitCast(dw, hn::InterleaveLower(d, v2, v3));
  const auto f = hn::BitCast(dw, hn::InterleaveUpper(d, v2, v3));
  hn::StoreU(hn::BitCast(d, hn::InterleaveLower(dw, a, e)), d, out);
  hn::StoreU(hn::BitCast(d, hn::InterleaveUpper(dw, a, e)), d, out + out_stride);
  hn::StoreU(hn::BitCast(d, hn::InterleaveLower(dw, b, f)), d, out + 2 * out_stride);
  hn::StoreU(hn::BitCast(d, hn::InterleaveUpper(dw, b, f)), d, out + 3 * out_stride);
}

#if HWY_TARGET <= HWY_AVX3
/// The same of 16 floats in each of 16 rows, which are read a whole vector at a time.
template <class D, class Rows>
HWY_INLINE void transpose_sixteen(D d, const Rows& row, int64_t p, float* out, int64_t out_stride) {
  static_assert(hn::MaxLanes(D()) == 16);
  const hn::RepartitionToWide<D> dw;
  // four[r / 4][i]: of each four columns, column i of rows r to r + 3.
  hn::Vec<D> four[4][4];
#pragma GCC unroll 4
  for (int q = 0; q < 4; ++q) {
    const auto v0 = hn::LoadU(d, row[4 * q] + p), v1 = hn::LoadU(d, row[4 * q + 1] + p);
    const auto v2 = hn::LoadU(d, row[4 * q + 2] + p), v3 = hn::LoadU(d, row[4 * q + 3] + p);
    const auto a = hn::BitCast(dw, hn::InterleaveLower(d, v0, v1)), b = hn::BitCast(dw, hn::InterleaveUpper(d, v0, v1));
    const auto e = hn::BitCast(dw, hn::InterleaveLower(d, v2, v3)), f = hn::BitCast(dw, hn::InterleaveUpper(d, v2, v3));
    four[q][0] = hn::BitCast(d, hn::InterleaveLower(dw, a, e));
    four[q][1] = hn::BitCast(d, hn::InterleaveUpper(dw, a, e));
    four[q][2] = hn::BitCast(d, hn::InterleaveLower(dw, b, f));
    four[q][3] = hn::BitCast(d, hn::InterleaveUpper(dw, b, f));
  }
#pragma GCC unroll 4
  for (int i = 0; i < 4; ++i) {
    const auto low02 = hn::ConcatLowerLower(d, four[2][i], four[0][i]);
    const auto low13 = hn::ConcatLowerLower(d, four[3][i], four[1][i]);
    const auto high02 = hn::ConcatUpperUpper(d, four[2][i], four[0][i]);
    const auto high13 = hn::ConcatUpperUpper(d, four[3][i], four[1][i]);
    four[0][i] = hn::OddEvenBlocks(hn::SwapAdjacentBlocks(low13), low02);
    four[1][i] = hn::OddEvenBlocks(low13, hn::SwapAdjacentBlocks(low02));
    four[2][i] = hn::OddEvenBlocks(hn::SwapAdjacentBlocks(high13), high02);
    four[3][i] = hn::OddEvenBlocks(high13, hn::SwapAdjacentBlocks(high02));
  }
#pragma GCC unroll 16
  for (int i = 0; i < 16; ++i) hn::StoreU(four[i / 4][i % 4], d, out + i * out_stride);
}
#endif

/// out[p * out_stride + r] = x[r * stride + p] for r below the lanes of D and p in [0, depth); rows at and beyond
/// `rows` repeat the last one. Depths are written in rising order.
template <class D>
HWY_INLINE void transpose_strip(D d, const float* x, int64_t stride, int64_t rows, int64_t depth, float* out,
                                int64_t out_stride) {
  constexpr int kRows = static_cast<int>(hn::MaxLanes(D()));
  const float* row[kRows];
  for (int r = 0; r < kRows; ++r) row[r] = x + std::min<int64_t>(r, rows - 1) * stride;
  int64_t p = 0;
#if HWY_TARGET <= HWY_AVX3
  if constexpr (kRows == 16) {
    for (; p + 16 <= depth; p += 16) transpose_sixteen(d, row, p, out + p * out_stride, out_stride);
  }
#endif
  for (; p + 4 <= depth; p += 4) transpose_four(d, row, p, out + p * out_stride, out_stride);
  for (; p < depth; ++p) {
    for (int r = 0; r < kRows; ++r) out[p * out_stride + r] = row[r][p];
  }
}

}  // namespace sdx::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
