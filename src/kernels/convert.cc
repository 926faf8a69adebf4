// to_floats, from_floats and to_bools: F16C or AVX-512 where there is one, integer arithmetic elsewhere.
#include "kernels/convert.h"

#include "hwy/foreach_target.h"
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace sdx::kernels::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

using F32 = hn::ScalableTag<float>;
using U32 = hn::RebindToUnsigned<F32>;
using U16 = hn::Rebind<uint16_t, F32>;
using F16 = hn::Rebind<hwy::float16_t, F32>;
using VU = hn::Vec<U32>;

HWY_INLINE VU word(uint32_t x) { return hn::Set(U32(), x); }

/// The low halves of the lanes.
HWY_INLINE hn::Vec<U16> low_halves(VU x) {
  // Saturating narrowing is exact for values below 2^15 only; it sees the halves as signed words of 32 bits.
  const hn::RebindToSigned<U32> di;
  const hn::Rebind<int16_t, F32> d16;
  const auto extended = hn::ShiftRight<16>(hn::ShiftLeft<16>(hn::BitCast(di, x)));
  return hn::BitCast(U16(), hn::DemoteTo(d16, extended));
}

HWY_INLINE VU widen_bfloat16(const uint16_t* x) { return hn::ShiftLeft<16>(hn::PromoteTo(U32(), hn::LoadU(U16(), x))); }

HWY_INLINE hn::Vec<U16> narrow_bfloat16(VU bits) {
  const VU rounded = hn::Add(hn::Add(bits, word(0x7FFF)), hn::And(hn::ShiftRight<16>(bits), word(1)));
  const VU quiet = hn::Or(bits, word(0x400000));
  const auto nan = hn::Gt(hn::BitCast(hn::RebindToSigned<U32>(), hn::And(bits, word(0x7FFFFFFF))),
                          hn::Set(hn::RebindToSigned<U32>(), 0x7F800000));
  return low_halves(hn::ShiftRight<16>(hn::IfThenElse(hn::RebindMask(U32(), nan), quiet, rounded)));
}

HWY_INLINE hn::Vec<F32> widen_half(const uint16_t* x) {
#if HWY_TARGET <= HWY_AVX2 || HWY_TARGET == HWY_NEON
  return hn::PromoteTo(F32(), hn::BitCast(F16(), hn::LoadU(U16(), x)));
#else
  // Exponent and fraction in place and scaled by 2^112; infinities and NaN get the largest exponent.
  const VU h = hn::PromoteTo(U32(), hn::LoadU(U16(), x));
  const VU magnitude = hn::And(h, word(0x7FFF));
  const VU sign = hn::ShiftLeft<16>(hn::And(h, word(0x8000)));
  const auto scaled = hn::Mul(hn::BitCast(F32(), hn::ShiftLeft<13>(magnitude)), hn::Set(F32(), 0x1p112f));
  const hn::RebindToSigned<U32> di;
  const auto special = hn::Gt(hn::BitCast(di, magnitude), hn::Set(di, 0x7BFF));
  const VU exponent = hn::IfThenElseZero(hn::RebindMask(U32(), special), word(0x7F800000));
  const VU nan = hn::IfThenElseZero(hn::RebindMask(U32(), hn::Gt(hn::BitCast(di, magnitude), hn::Set(di, 0x7C00))),
                                    word(0x400000));
  return hn::BitCast(F32(), hn::Or(hn::Or(hn::BitCast(U32(), scaled), hn::Or(exponent, nan)), sign));
#endif
}

HWY_INLINE hn::Vec<U16> narrow_half(hn::Vec<F32> x) {
#if HWY_TARGET <= HWY_AVX2
  return hn::BitCast(U16(), hn::DemoteTo(F16(), x));
#else
  // Normal halves: subtract the difference of the biases and round in integers. Subnormal ones: adding 1/2 aligns the
  // fraction with that of 1/2, whose last bit is 2^-24, and the addition rounds.
  const hn::RebindToSigned<U32> di;
  const VU bits = hn::BitCast(U32(), x);
  const VU magnitude = hn::And(bits, word(0x7FFFFFFF));
  const VU sign = hn::And(hn::ShiftRight<16>(bits), word(0x8000));
  const VU odd = hn::And(hn::ShiftRight<13>(magnitude), word(1));
  const VU normal = hn::ShiftRight<13>(hn::Add(hn::Add(hn::Sub(magnitude, word(112u << 23)), word(0xFFF)), odd));
  const auto aligned = hn::Add(hn::BitCast(F32(), magnitude), hn::Set(F32(), 0.5f));
  const VU subnormal = hn::Sub(hn::BitCast(U32(), aligned), word(0x3F000000));
  const auto m = hn::BitCast(di, magnitude);
  const auto is = [&](auto mask) { return hn::RebindMask(U32(), mask); };
  VU y = hn::IfThenElse(is(hn::Lt(m, hn::Set(di, 0x38800000))), subnormal, normal);
  y = hn::IfThenElse(is(hn::Gt(m, hn::Set(di, 0x477FEFFF))), word(0x7C00), y);
  const VU nan = hn::Or(word(0x7E00), hn::And(hn::ShiftRight<13>(magnitude), word(0x3FF)));
  y = hn::IfThenElse(is(hn::Gt(m, hn::Set(di, 0x7F800000))), nan, y);
  return low_halves(hn::Or(y, sign));
#endif
}

/// One step per vector; the rest goes through padded copies, so that every element takes the same path.
template <class In, class Out, class Step>
HWY_INLINE void for_vectors(const In* x, Out* y, int64_t n, const Step& step) {
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(F32()));
  int64_t i = 0;
  for (; i + lanes <= n; i += lanes) step(x + i, y + i);
  if (i == n) return;
  HWY_ALIGN In in[HWY_MAX_BYTES / 4] = {};
  HWY_ALIGN Out out[HWY_MAX_BYTES / 4];
  for (int64_t k = i; k < n; ++k) in[k - i] = x[k];
  step(in, out);
  for (int64_t k = i; k < n; ++k) y[k] = out[k - i];
}

void halves_to_floats(const uint16_t* x, float* y, int64_t n) {
  for_vectors(x, y, n, [](const uint16_t* in, float* out) { hn::StoreU(widen_half(in), F32(), out); });
}
void bfloats_to_floats(const uint16_t* x, float* y, int64_t n) {
  for_vectors(x, y, n,
              [](const uint16_t* in, float* out) { hn::StoreU(hn::BitCast(F32(), widen_bfloat16(in)), F32(), out); });
}
void floats_to_halves(const float* x, uint16_t* y, int64_t n) {
  for_vectors(x, y, n,
              [](const float* in, uint16_t* out) { hn::StoreU(narrow_half(hn::LoadU(F32(), in)), U16(), out); });
}
void floats_to_bfloats(const float* x, uint16_t* y, int64_t n) {
  for_vectors(x, y, n, [](const float* in, uint16_t* out) {
    hn::StoreU(narrow_bfloat16(hn::BitCast(U32(), hn::LoadU(F32(), in))), U16(), out);
  });
}

void floats_to_bools(const float* x, uint8_t* y, int64_t n) {
  const hn::RebindToSigned<F32> di;
  const hn::Rebind<uint8_t, F32> bytes;
  for_vectors(x, y, n, [&](const float* in, uint8_t* out) {
    const auto is_zero = hn::RebindMask(di, hn::Eq(hn::LoadU(F32(), in), hn::Zero(F32())));
    hn::StoreU(hn::DemoteTo(bytes, hn::IfThenZeroElse(is_zero, hn::Set(di, 1))), bytes, out);
  });
}

}  // namespace sdx::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace sdx::kernels {
HWY_EXPORT(halves_to_floats);
HWY_EXPORT(bfloats_to_floats);
HWY_EXPORT(floats_to_halves);
HWY_EXPORT(floats_to_bfloats);
HWY_EXPORT(floats_to_bools);

static_assert(sizeof(Half) == 2 && sizeof(BFloat16) == 2 && sizeof(bool) == 1);

void to_floats(const Half* x, float* y, int64_t n) { HWY_DYNAMIC_DISPATCH(halves_to_floats)(&x->bits, y, n); }
void to_floats(const BFloat16* x, float* y, int64_t n) { HWY_DYNAMIC_DISPATCH(bfloats_to_floats)(&x->bits, y, n); }
void from_floats(const float* x, Half* y, int64_t n) { HWY_DYNAMIC_DISPATCH(floats_to_halves)(x, &y->bits, n); }
void from_floats(const float* x, BFloat16* y, int64_t n) { HWY_DYNAMIC_DISPATCH(floats_to_bfloats)(x, &y->bits, n); }
void to_bools(const float* x, bool* y, int64_t n) {
  HWY_DYNAMIC_DISPATCH(floats_to_bools)(x, reinterpret_cast<uint8_t*>(y), n);
}

}  // namespace sdx::kernels
#endif
