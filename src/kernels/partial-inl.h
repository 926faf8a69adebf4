// Loads and stores of the first `count` lanes of a vector that touch no other memory.
#if defined(SDX_KERNELS_PARTIAL_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef SDX_KERNELS_PARTIAL_INL_H_
#undef SDX_KERNELS_PARTIAL_INL_H_
#else
#define SDX_KERNELS_PARTIAL_INL_H_
#endif

#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace sdx::kernels::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

/// Lanes [0, count) from `from`, the others `fill`; 0 < count < Lanes(d).
template <class D, class T = hn::TFromD<D>>
HWY_INLINE hn::Vec<D> load_partial(D d, const T* from, size_t count, T fill = T(0)) {
#if HWY_TARGET <= HWY_AVX3
  if constexpr (sizeof(T) >= 4) {
    const auto mask = hn::FirstN(d, count);
    return hn::IfThenElse(mask, hn::MaskedLoad(mask, d, from), hn::Set(d, fill));
  }
#endif
  HWY_ALIGN T lanes[HWY_MAX_BYTES / sizeof(T)];
  for (size_t i = 0; i < hn::Lanes(d); ++i) lanes[i] = i < count ? from[i] : fill;
  return hn::Load(d, lanes);
}

template <class D, class T = hn::TFromD<D>>
HWY_INLINE void store_partial(hn::Vec<D> v, D d, T* to, size_t count) {
#if HWY_TARGET <= HWY_AVX3
  if constexpr (sizeof(T) >= 4) {
    hn::BlendedStore(v, hn::FirstN(d, count), d, to);
    return;
  }
#endif
  HWY_ALIGN T lanes[HWY_MAX_BYTES / sizeof(T)];
  hn::Store(v, d, lanes);
  for (size_t i = 0; i < count; ++i) to[i] = lanes[i];
}

/// Calls map(vector) on x[0, n) and stores to y, which may be x; every element goes through the same vector code.
template <class Map>
HWY_INLINE void map_floats(const float* x, float* y, int64_t n, const Map& map) {
  const hn::ScalableTag<float> d;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(d));
  int64_t i = 0;
  for (; i + 2 * lanes <= n; i += 2 * lanes) {
    const auto a = map(hn::LoadU(d, x + i));
    const auto b = map(hn::LoadU(d, x + i + lanes));
    hn::StoreU(a, d, y + i);
    hn::StoreU(b, d, y + i + lanes);
  }
  if (i + lanes <= n) {
    hn::StoreU(map(hn::LoadU(d, x + i)), d, y + i);
    i += lanes;
  }
  if (i < n) {
    const size_t rest = static_cast<size_t>(n - i);
    store_partial(map(load_partial(d, x + i, rest)), d, y + i, rest);
  }
}

}  // namespace sdx::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
