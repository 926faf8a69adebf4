// Elementary functions on float vectors. The bounds hold for every instruction set; math_test.cc checks them on a dense
// walk over all floats, and on every float when built with -DSDX_MATH_STEP=1. "ulp" is the spacing of floats at the
// true result. NaN gives NaN unless said otherwise.
#if defined(SDX_KERNELS_MATH_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef SDX_KERNELS_MATH_INL_H_
#undef SDX_KERNELS_MATH_INL_H_
#else
#define SDX_KERNELS_MATH_INL_H_
#endif

#include <cmath>

#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace sdx::kernels::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

using F32 = hn::ScalableTag<float>;
using VF = hn::Vec<F32>;
using I32 = hn::RebindToSigned<F32>;

HWY_INLINE VF constant(float x) { return hn::Set(F32(), x); }

/// c[0] + c[1] x + … by Horner's rule.
template <class... Rest>
HWY_INLINE VF polynomial(VF x, float c0, Rest... rest) {
  if constexpr (sizeof...(rest) == 0) {
    return constant(c0);
  } else {
    return hn::MulAdd(polynomial(x, rest...), x, constant(c0));
  }
}

/// c[0] + c[2] x + c[4] x² + … by Horner's rule.
template <class... Rest>
HWY_INLINE VF every_other_term(VF x, float c0, float, Rest... rest) {
  if constexpr (sizeof...(rest) == 0) {
    return constant(c0);
  } else {
    return hn::MulAdd(every_other_term(x, rest...), x, constant(c0));
  }
}

/// The same as polynomial() of an even number of terms in half the time where nothing else keeps the units busy: even
/// and odd terms side by side.
template <class... Rest>
HWY_INLINE VF polynomial_by_halves(VF x, float c0, Rest... rest) {
  static_assert(sizeof...(rest) % 2 == 1);
  const VF w = hn::Mul(x, x);
  return hn::MulAdd(every_other_term(w, rest..., 0.0f), x, every_other_term(w, c0, rest...));
}

/// x limited to [low, high]; NaN stays NaN, because x86 returns the second operand where one is NaN.
HWY_INLINE VF clamp_keep_nan(VF x, float low, float high) { return hn::Min(constant(high), hn::Max(constant(low), x)); }

/// 1.5 · 2^23: adding it to |x| < 2^22 leaves the integer nearest to x in the low bits of the sum.
inline constexpr float kRounder = 12582912.0f;
inline constexpr int32_t kRounderBits = 0x4B400000;

/// 2^n for integral n in [-126, 127]; only the low 9 bits of n count.
HWY_INLINE VF power_of_two(hn::Vec<I32> n) {
  return hn::BitCast(F32(), hn::ShiftLeft<23>(hn::Add(n, hn::Set(I32(), 127))));
}

struct Reduced {
  VF r;            ///< x - n ln 2, within ±0.3466
  hn::Vec<I32> n;  ///< nearest integer to x / ln 2, plus kRounderBits
  VF q;            ///< (exp(r) - 1 - r) / r²
  VF tail;         ///< exp(r) - 1 - r

  /// exp(r)
  HWY_INLINE VF exp_r() const { return hn::MulAdd(hn::MulAdd(q, r, constant(1.0f)), r, constant(1.0f)); }
};

/// Cody-Waite reduction by ln 2 (the high part has 10 bits, so that n times it is exact without FMA) and a polynomial
/// whose relative error is below 4e-9.
HWY_INLINE Reduced reduce_exp(VF x) {
  const VF shifted = hn::MulAdd(x, constant(1.44269504f), constant(kRounder));
  const VF n = hn::Sub(shifted, constant(kRounder));
  VF r = hn::NegMulAdd(n, constant(0.693359375f), x);
  r = hn::NegMulAdd(n, constant(-2.12194440e-4f), r);
  const VF q = polynomial(r, 0.49999994f, 0.166665152f, 0.0416680835f, 0.00836934894f, 0.00138403988f);
  return {r, hn::BitCast(I32(), shifted), q, hn::Mul(hn::Mul(r, r), q)};
}

/// exp() for any x: the power of two in two factors, which reach subnormal results and infinity.
HWY_INLINE VF exp_of_any(VF x) {
  const Reduced e = reduce_exp(clamp_keep_nan(x, -105.0f, 89.0f));
  const hn::Vec<I32> n = hn::Sub(e.n, hn::Set(I32(), kRounderBits));
  const hn::Vec<I32> half = hn::ShiftRight<1>(n);
  return hn::Mul(hn::Mul(e.exp_r(), power_of_two(half)), power_of_two(hn::Sub(n, half)));
}

/// e^x within 1.5 ulp, subnormal results within 1 unit of the last place; overflows to infinity above 88.7228.
HWY_INLINE VF exp(VF x) {
  if (HWY_UNLIKELY(!hn::AllTrue(F32(), hn::Lt(hn::Abs(x), constant(87.3f))))) return exp_of_any(x);
  const Reduced e = reduce_exp(x);
  // The result is normal, so that its exponent can be raised as an integer: the same bits as by factors.
  return hn::BitCast(F32(), hn::Add(hn::BitCast(I32(), e.exp_r()), hn::ShiftLeft<23>(e.n)));
}

/// e^x within 1.5 ulp for x in [-87.33, 88.37]; outside, the value at the nearer end of that range: never 0 or
/// infinite.
HWY_INLINE VF exp_clamped(VF x) {
  const Reduced e = reduce_exp(clamp_keep_nan(x, -87.33f, 88.37f));
  return hn::Mul(hn::Add(constant(1.0f), hn::Add(e.r, e.tail)), power_of_two(e.n));
}

/// e^x within 1 + |x|/8 ulp for x in [-86.5, 0]; 0 below. For softmax, where an error counts for as much as the weight:
/// without reduction in two parts and by powers of two, 2^r on |r| <= 1/2 within 2e-9.
HWY_INLINE VF exp_non_positive(VF x) {
  const VF low = constant(-86.5f), log2_e = constant(1.44269504f);
  const VF c = hn::Max(low, x);
  const VF shifted = hn::MulAdd(c, log2_e, constant(kRounder));
  const VF r = hn::MulSub(c, log2_e, hn::Sub(shifted, constant(kRounder)));
  const VF p =
      polynomial(r, 1.0f, 0.693147182f, 0.240226477f, 0.0555033237f, 0.00961843692f, 0.0013398875f, 0.00015353362f);
  // Only the low bits of the rounded exponent reach those of p.
  const VF y = hn::BitCast(F32(), hn::Add(hn::BitCast(I32(), p), hn::ShiftLeft<23>(hn::BitCast(I32(), shifted))));
  return hn::IfThenZeroElse(hn::Lt(x, low), y);
}

/// e^x - 1 within 3 ulp; overflows to infinity above 88.37 already.
HWY_INLINE VF expm1(VF x) {
  const Reduced e = reduce_exp(clamp_keep_nan(x, -87.33f, 88.37f));
  const VF power = power_of_two(e.n);
  const VF y = hn::MulAdd(power, hn::Add(e.r, e.tail), hn::Sub(power, constant(1.0f)));
  return hn::IfThenElse(hn::Gt(x, constant(88.37f)), constant(HUGE_VALF), y);
}

/// ln x within 1.5 ulp, subnormal arguments included; -infinity at ±0, NaN below.
HWY_INLINE VF log(VF x) {
  const I32 di;
  const auto tiny = hn::Lt(x, constant(1.17549435e-38f));
  const VF scaled = hn::IfThenElse(tiny, hn::Mul(x, constant(33554432.0f)), x);
  const hn::Vec<I32> root_half = hn::Set(di, 0x3F3504F3);
  const hn::Vec<I32> above = hn::Sub(hn::BitCast(di, scaled), root_half);
  const hn::Vec<I32> exponent = hn::ShiftRight<23>(above);
  const hn::Vec<I32> fraction = hn::And(above, hn::Set(di, 0x7FFFFF));
  const VF t = hn::Sub(hn::BitCast(F32(), hn::Add(fraction, root_half)), constant(1.0f));
  const VF e = hn::Sub(hn::ConvertTo(F32(), exponent), hn::IfThenElseZero(tiny, constant(25.0f)));
  const VF p = polynomial(t, 0.333333315f, -0.250008292f, 0.200012585f, -0.166230699f, 0.14200761f, -0.13162133f,
                          0.127700884f, -0.0764011925f);
  const VF t2 = hn::Mul(t, t);
  VF y = hn::Mul(hn::Mul(t2, t), p);
  y = hn::MulAdd(e, constant(-2.12194440e-4f), y);
  y = hn::NegMulAdd(constant(0.5f), t2, y);
  y = hn::MulAdd(e, constant(0.693359375f), hn::Add(t, y));
  y = hn::IfThenElse(hn::Eq(x, hn::Zero(F32())), constant(-HUGE_VALF), y);
  y = hn::IfThenElse(hn::Lt(x, hn::Zero(F32())), constant(NAN), y);
  return hn::IfThenElse(hn::Lt(x, constant(HUGE_VALF)), y, hn::Add(x, x));
}

/// erf(x)/x is a polynomial in x² on |x| <= 3.93, where erf is 1 to float precision; fitted at Chebyshev nodes in
/// z = 2 x²/3.93² - 1, in which Horner's rule is well conditioned. Within 6 ulp.
HWY_INLINE VF erf(VF x) {
  const VF c = clamp_keep_nan(x, -3.93f, 3.93f);
  const VF z = hn::MulAdd(hn::Mul(c, c), constant(2.0f / (3.93f * 3.93f)), constant(-1.0f));
  const VF p =
      polynomial_by_halves(z, 0.359820202f, -0.179660325f, 0.133781903f, -0.109000141f, 0.0905551921f, -0.0741245611f,
                           0.0586352011f, -0.0437415483f, 0.0299744291f, -0.020275007f, 0.014533665f, -0.0078535306f,
                           0.0019231113f, -0.00142283111f, 0.00219232089f, -0.000885167872f);
  return clamp_keep_nan(hn::Mul(c, p), -1.0f, 1.0f);
}

/// tanh as x P(x²)/Q(x²), clamped where it is 1 to float precision. Within 7 ulp.
HWY_INLINE VF tanh(VF x) {
  const VF c = clamp_keep_nan(x, -9.02f, 9.02f);
  const VF w = hn::Mul(c, c);
  const VF p = polynomial(w, 0.9999999790131348f, 0.1337972012537319f, 0.003494037123333067f, 2.058352192269593e-05f,
                          1.3319125046060193e-08f);
  const VF q =
      polynomial(w, 1.0f, 0.46713035366136757f, 0.02587108303802117f, 0.000328309696883528f, 7.762041877884017e-07f);
  return clamp_keep_nan(hn::Div(hn::Mul(c, p), q), -1.0f, 1.0f);
}

/// 1/(1 + e^-x) within 3 ulp for x >= -87; below, within 1.2e-38.
HWY_INLINE VF sigmoid(VF x) { return hn::Div(constant(1.0f), hn::Add(constant(1.0f), exp_clamped(hn::Neg(x)))); }

/// x sigmoid(scale x) within 4 ulp where scale x >= -88.37, and what the rounding of scale x makes of it; 0 below.
HWY_INLINE VF silu(VF x, VF scale) {
  const VF scaled = hn::Mul(scale, x);
  const VF y = hn::Div(x, hn::Add(constant(1.0f), exp_clamped(hn::Neg(scaled))));
  return hn::IfThenZeroElse(hn::Lt(scaled, constant(-88.37f)), y);
}

/// x (1 + erf(x/√2))/2 within 2.5e-7 max(1, |x|).
HWY_INLINE VF gelu(VF x) {
  const VF h = hn::Mul(constant(0.5f), hn::Max(constant(-1e30f), x));
  return hn::MulAdd(h, erf(hn::Mul(x, constant(0.707106781f))), h);
}

/// x (1 + tanh(√(2/π) (x + 0.044715 x³)))/2, computed as x sigmoid(2 √(2/π) (…)). Within 2.5e-7 max(1, |x|).
HWY_INLINE VF gelu_tanh(VF x) {
  const VF c = clamp_keep_nan(x, -30.0f, 30.0f);
  const VF inner = hn::Mul(c, hn::MulAdd(hn::Mul(c, c), constant(0.0713548163f), constant(1.59576912f)));
  const VF e = exp_clamped(hn::Neg(inner));
  const VF y = hn::Div(x, hn::Add(constant(1.0f), e));
  return hn::IfThenZeroElse(hn::Lt(x, constant(-30.0f)), y);
}

/// ln(1 + e^x) within 4 ulp.
HWY_INLINE VF softplus(VF x) {
  const VF one = constant(1.0f);
  const VF u = exp_clamped(hn::Neg(hn::Abs(x)));
  const VF w = hn::Add(one, u);
  // The rounding error of w, brought back to first order.
  const VF correction = hn::Div(hn::Sub(u, hn::Sub(w, one)), w);
  return hn::Add(hn::Max(hn::Zero(F32()), x), hn::Add(log(w), correction));
}

struct Quadrant {
  VF r;  ///< x - n π/2, within ±0.7854
  hn::Vec<I32> n;
};

/// The first two parts of π/2 have 11 and 12 bits, so that n times them is exact without FMA for |n| < 2^12.
HWY_INLINE Quadrant reduce_quadrant(VF x) {
  const VF shifted = hn::MulAdd(x, constant(0.636619772f), constant(kRounder));
  const VF n = hn::Sub(shifted, constant(kRounder));
  VF r = hn::NegMulAdd(n, constant(1.5703125f), x);
  r = hn::NegMulAdd(n, constant(4.837512969970703125e-4f), r);
  r = hn::NegMulAdd(n, constant(7.549790126404332e-08f), r);
  r = hn::NegMulAdd(n, constant(-1.71512451e-15f), r);
  return {r, hn::BitCast(I32(), shifted)};
}

/// sin (shift 0) or cos (shift 1) after the reduction.
HWY_INLINE VF sine_of(Quadrant q, int shift) {
  const I32 di;
  const VF w = hn::Mul(q.r, q.r);
  const VF s = hn::MulAdd(
      hn::Mul(hn::Mul(w, q.r), polynomial(w, -0.166666672f, 0.0083333794f, -0.000198530644f, 2.83251006e-06f)),
      constant(1.0f), q.r);
  const VF c = hn::MulAdd(hn::Mul(w, w), polynomial(w, 0.0416666679f, -0.001388898f, 2.48220022e-05f, -2.88774231e-07f),
                          hn::NegMulAdd(constant(0.5f), w, constant(1.0f)));
  const hn::Vec<I32> k = hn::Add(q.n, hn::Set(di, shift));
  const auto odd = hn::MaskFromVec(hn::BitCast(F32(), hn::Neg(hn::And(k, hn::Set(di, 1)))));
  const VF sign = hn::BitCast(F32(), hn::ShiftLeft<30>(hn::And(k, hn::Set(di, 2))));
  return hn::Xor(hn::IfThenElse(odd, c, s), sign);
}

/// Lanes of `y` where |x| exceeds the range of the reduction are replaced by the C library's value.
template <class Exact>
HWY_INLINE VF beyond_reduction(VF x, VF y, Exact exact) {
  const auto inside = hn::Le(hn::Abs(x), constant(6000.0f));
  if (HWY_LIKELY(hn::AllTrue(F32(), inside))) return y;
  HWY_ALIGN float in[HWY_MAX_BYTES / 4], out[HWY_MAX_BYTES / 4];
  hn::Store(x, F32(), in);
  hn::Store(y, F32(), out);
  for (size_t i = 0; i < hn::Lanes(F32()); ++i) {
    if (!(std::fabs(in[i]) <= 6000.0f)) out[i] = exact(in[i]);
  }
  return hn::Load(F32(), out);
}

/// Within 1.5 ulp; near the multiples of π within 6e-8 absolutely.
HWY_INLINE VF sin(VF x) {
  return beyond_reduction(x, sine_of(reduce_quadrant(x), 0),
                          [](float v) { return static_cast<float>(std::sin(static_cast<double>(v))); });
}

/// As sin.
HWY_INLINE VF cos(VF x) {
  return beyond_reduction(x, sine_of(reduce_quadrant(x), 1),
                          [](float v) { return static_cast<float>(std::cos(static_cast<double>(v))); });
}

}  // namespace sdx::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
