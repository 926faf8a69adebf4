// quantize_run: division, rounding and saturation of floats to bytes.
#include "kernels/quantize.h"

#include "hwy/foreach_target.h"
#include "hwy/highway.h"
#include "kernels/math-inl.h"
#include "kernels/partial-inl.h"

HWY_BEFORE_NAMESPACE();
namespace sdx::kernels::HWY_NAMESPACE {

/// The second operand of Max survives where the first is NaN, which sends NaN to the lowest value.
template <class T>
HWY_INLINE hn::Vec<hn::Rebind<T, F32>> quantized(VF x, VF scale, VF zero, float low, float high) {
  const VF rounded = hn::Add(hn::Round(hn::Div(x, scale)), zero);
  const VF limited = hn::Min(hn::Max(rounded, constant(low)), constant(high));
  return hn::DemoteTo(hn::Rebind<T, F32>(), hn::ConvertTo(I32(), limited));
}

template <class T>
HWY_INLINE void run(const float* x, T* y, int64_t n, float scale, int32_t zero_point) {
  constexpr float kLow = hwy::LimitsMin<T>(), kHigh = hwy::LimitsMax<T>();
  const F32 d;
  const hn::Rebind<T, F32> narrow;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(d));
  const VF s = constant(scale), z = constant(static_cast<float>(zero_point));
  int64_t i = 0;
  for (; i + lanes <= n; i += lanes) {
    hn::StoreU(quantized<T>(hn::LoadU(d, x + i), s, z, kLow, kHigh), narrow, y + i);
  }
  if (i == n) return;
  const size_t rest = static_cast<size_t>(n - i);
  HWY_ALIGN T bytes[HWY_MAX_BYTES];
  hn::StoreU(quantized<T>(load_partial(d, x + i, rest), s, z, kLow, kHigh), narrow, bytes);
  for (size_t k = 0; k < rest; ++k) y[i + static_cast<int64_t>(k)] = bytes[k];
}

void quantize_uint8(const float* x, uint8_t* y, int64_t n, float scale, int32_t zero_point) {
  run(x, y, n, scale, zero_point);
}
void quantize_int8(const float* x, int8_t* y, int64_t n, float scale, int32_t zero_point) {
  run(x, y, n, scale, zero_point);
}

}  // namespace sdx::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace sdx::kernels {
HWY_EXPORT(quantize_uint8);
HWY_EXPORT(quantize_int8);
void quantize_run(const float* x, uint8_t* y, int64_t n, float scale, int32_t zero_point) {
  HWY_DYNAMIC_DISPATCH(quantize_uint8)(x, y, n, scale, zero_point);
}
void quantize_run(const float* x, int8_t* y, int64_t n, float scale, int32_t zero_point) {
  HWY_DYNAMIC_DISPATCH(quantize_int8)(x, y, n, scale, zero_point);
}
}  // namespace sdx::kernels
#endif
