// Copying runs of floats, short ones too, with no byte read or written beyond them.
#if defined(SDX_KERNELS_RUN_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef SDX_KERNELS_RUN_INL_H_
#undef SDX_KERNELS_RUN_INL_H_
#else
#define SDX_KERNELS_RUN_INL_H_
#endif

#include <cstdint>

#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace sdx::kernels::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// Copies n floats by vectors of D, the last of which overlaps the one before; n >= lanes of D.
template <class D>
HWY_INLINE void copy_vectors(D d, const float* from, int64_t n, float* to) {
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(d));
  int64_t j = 0;
  for (; j + lanes <= n; j += lanes) hn::StoreU(hn::LoadU(d, from + j), d, to + j);
  if (j < n) hn::StoreU(hn::LoadU(d, from + n - lanes), d, to + n - lanes);
}

HWY_INLINE void copy_run(const float* from, int64_t n, float* to) {
  const hn::ScalableTag<float> d;
  const hn::CappedTag<float, 8> d8;
  const hn::CappedTag<float, 4> d4;
  if (n >= static_cast<int64_t>(hn::Lanes(d))) return copy_vectors(d, from, n, to);
  if (n >= static_cast<int64_t>(hn::Lanes(d8))) return copy_vectors(d8, from, n, to);
  if (n >= 4) return copy_vectors(d4, from, n, to);
  for (int64_t j = 0; j < n; ++j) to[j] = from[j];
}

// Splits as many of the floats from `at` on as fit vectors of D, and moves `at` behind them.
template <class D>
HWY_INLINE void split_vectors(D d, const float* from, int64_t& at, int64_t n, float* even, float* odd) {
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(d));
  for (; at + 2 * lanes <= n; at += 2 * lanes) {
    const auto low = hn::LoadU(d, from + at), high = hn::LoadU(d, from + at + lanes);
    hn::StoreU(hn::ConcatEven(d, high, low), d, even + at / 2);
    hn::StoreU(hn::ConcatOdd(d, high, low), d, odd + at / 2);
  }
}

/// even[j] = from[2 j] and odd[j] = from[2 j + 1] of a run of n floats.
HWY_INLINE void split_run(const float* from, int64_t n, float* even, float* odd) {
  int64_t at = 0;
  split_vectors(hn::ScalableTag<float>(), from, at, n, even, odd);
  split_vectors(hn::CappedTag<float, 8>(), from, at, n, even, odd);
  split_vectors(hn::CappedTag<float, 4>(), from, at, n, even, odd);
  for (; at < n; ++at) (at % 2 == 0 ? even : odd)[at / 2] = from[at];
}

}  // namespace sdx::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
