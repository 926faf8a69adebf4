// unary_f32: the float functions, vectorised except for the rarely used trigonometric and hyperbolic ones.
#include <cmath>

#include "kernels/unary.h"

#include "hwy/foreach_target.h"
#include "hwy/highway.h"
#include "kernels/math-inl.h"
#include "kernels/partial-inl.h"

HWY_BEFORE_NAMESPACE();
namespace sdx::kernels::HWY_NAMESPACE {

struct Span {
  const float* x;
  float* y;
  int64_t n;
};

template <class Map>
void map(const Span& s, const Map& f) {
  map_floats(s.x, s.y, s.n, f);
}

template <class Function>
void map_scalar(const Span& s, Function f) {
  for (int64_t i = 0; i < s.n; ++i) s.y[i] = f(s.x[i]);
}

HWY_INLINE VF hard_sigmoid(VF x, VF alpha, VF beta) { return clamp_keep_nan(hn::MulAdd(alpha, x, beta), 0.0f, 1.0f); }

HWY_INLINE VF select_sign(VF x) {
  const VF one = hn::Or(constant(1.0f), hn::And(x, constant(-0.0f)));
  const auto keep = hn::Not(hn::Gt(hn::Abs(x), hn::Zero(F32())));
  return hn::IfThenElse(keep, x, one);
}

HWY_INLINE VF elu(VF x, VF alpha) { return hn::IfThenElse(hn::Gt(x, hn::Zero(F32())), x, hn::Mul(alpha, expm1(x))); }

/// x tanh(ln(1 + e^x)) = x u/(u + 2) with u = e^x (e^x + 2), which does not cancel.
HWY_INLINE VF mish(VF x) {
  const VF e = exp_clamped(hn::Min(constant(20.0f), x));
  const VF u = hn::Mul(e, hn::Add(e, constant(2.0f)));
  const VF y = hn::Div(hn::Mul(x, u), hn::Add(u, constant(2.0f)));
  const VF large = hn::IfThenElse(hn::Gt(x, constant(20.0f)), x, y);
  return hn::IfThenZeroElse(hn::Lt(x, constant(-87.0f)), large);
}

void arithmetic(UnaryOp op, UnaryParams params, const Span& s) {
  const VF zero = hn::Zero(F32());
  const VF one = constant(1.0f);
  const float low = static_cast<float>(params.alpha), high = static_cast<float>(params.beta);
  switch (op) {
    case UnaryOp::kAbs: return map(s, [](VF x) { return hn::Abs(x); });
    case UnaryOp::kNeg: return map(s, [](VF x) { return hn::Neg(x); });
    case UnaryOp::kSign: return map(s, [](VF x) { return select_sign(x); });
    case UnaryOp::kFloor: return map(s, [](VF x) { return hn::Floor(x); });
    case UnaryOp::kCeil: return map(s, [](VF x) { return hn::Ceil(x); });
    case UnaryOp::kRound: return map(s, [](VF x) { return hn::Round(x); });
    case UnaryOp::kSquare: return map(s, [](VF x) { return hn::Mul(x, x); });
    case UnaryOp::kReciprocal: return map(s, [=](VF x) { return hn::Div(one, x); });
    case UnaryOp::kRelu: return map(s, [=](VF x) { return hn::Max(zero, x); });
    case UnaryOp::kClip: return map(s, [=](VF x) { return clamp_keep_nan(x, low, high); });
    case UnaryOp::kSqrt: return map(s, [](VF x) { return hn::Sqrt(x); });
    case UnaryOp::kRsqrt: return map(s, [=](VF x) { return hn::Div(one, hn::Sqrt(x)); });
    default: return map(s, [](VF x) { return x; });
  }
}

void transcendental(UnaryOp op, UnaryParams params, const Span& s) {
  const VF alpha = constant(static_cast<float>(params.alpha));
  switch (op) {
    case UnaryOp::kExp: return map(s, [](VF x) { return exp(x); });
    case UnaryOp::kLog: return map(s, [](VF x) { return log(x); });
    case UnaryOp::kErf: return map(s, [](VF x) { return erf(x); });
    case UnaryOp::kSin: return map(s, [](VF x) { return sin(x); });
    case UnaryOp::kCos: return map(s, [](VF x) { return cos(x); });
    case UnaryOp::kTanh: return map(s, [](VF x) { return tanh(x); });
    case UnaryOp::kSigmoid: return map(s, [](VF x) { return sigmoid(x); });
    case UnaryOp::kSilu: return map(s, [](VF x) { return silu(x, constant(1.0f)); });
    case UnaryOp::kSwish: return map(s, [=](VF x) { return silu(x, alpha); });
    case UnaryOp::kGelu: return map(s, [](VF x) { return gelu(x); });
    case UnaryOp::kGeluTanh: return map(s, [](VF x) { return gelu_tanh(x); });
    case UnaryOp::kSoftplus: return map(s, [](VF x) { return softplus(x); });
    default: return map(s, [](VF x) { return mish(x); });
  }
}

void piecewise(UnaryOp op, UnaryParams params, const Span& s) {
  const VF alpha = constant(static_cast<float>(params.alpha));
  const VF beta = constant(static_cast<float>(params.beta));
  const VF inverse = constant(static_cast<float>(1.0 / params.alpha));
  const VF zero = hn::Zero(F32());
  const VF one = constant(1.0f), half = constant(0.5f), sixth = constant(1.0f / 6.0f);
  switch (op) {
    case UnaryOp::kElu: return map(s, [=](VF x) { return elu(x, alpha); });
    case UnaryOp::kSelu: return map(s, [=](VF x) { return hn::Mul(beta, elu(x, alpha)); });
    case UnaryOp::kCelu:
      return map(s,
                 [=](VF x) { return hn::IfThenElse(hn::Gt(x, zero), x, hn::Mul(alpha, expm1(hn::Mul(x, inverse)))); });
    case UnaryOp::kSoftsign: return map(s, [=](VF x) { return hn::Div(x, hn::Add(one, hn::Abs(x))); });
    case UnaryOp::kLeakyRelu:
      return map(s, [=](VF x) { return hn::IfThenElse(hn::Lt(x, zero), hn::Mul(alpha, x), x); });
    case UnaryOp::kThresholdedRelu: return map(s, [=](VF x) { return hn::IfThenZeroElse(hn::Le(x, alpha), x); });
    case UnaryOp::kHardSigmoid: return map(s, [=](VF x) { return hard_sigmoid(x, alpha, beta); });
    case UnaryOp::kHardSwish: return map(s, [=](VF x) { return hn::Mul(x, hard_sigmoid(x, sixth, half)); });
    default:
      return map(s, [=](VF x) {
        const VF negative = hn::IfThenElseZero(hn::Lt(x, hn::Neg(alpha)), hn::Add(x, beta));
        return hn::IfThenElse(hn::Gt(x, alpha), hn::Sub(x, beta), negative);
      });
  }
}

void by_library(UnaryOp op, const Span& s) {
  switch (op) {
    case UnaryOp::kTan: return map_scalar(s, [](float x) { return std::tan(x); });
    case UnaryOp::kAsin: return map_scalar(s, [](float x) { return std::asin(x); });
    case UnaryOp::kAcos: return map_scalar(s, [](float x) { return std::acos(x); });
    case UnaryOp::kAtan: return map_scalar(s, [](float x) { return std::atan(x); });
    case UnaryOp::kSinh: return map_scalar(s, [](float x) { return std::sinh(x); });
    case UnaryOp::kCosh: return map_scalar(s, [](float x) { return std::cosh(x); });
    case UnaryOp::kAsinh: return map_scalar(s, [](float x) { return std::asinh(x); });
    case UnaryOp::kAcosh: return map_scalar(s, [](float x) { return std::acosh(x); });
    default: return map_scalar(s, [](float x) { return std::atanh(x); });
  }
}

void unary_f32(UnaryOp op, UnaryParams params, const float* x, float* y, int64_t n) {
  const Span s{x, y, n};
  switch (op) {
    case UnaryOp::kTan:
    case UnaryOp::kAsin:
    case UnaryOp::kAcos:
    case UnaryOp::kAtan:
    case UnaryOp::kSinh:
    case UnaryOp::kCosh:
    case UnaryOp::kAsinh:
    case UnaryOp::kAcosh:
    case UnaryOp::kAtanh: return by_library(op, s);
    case UnaryOp::kExp:
    case UnaryOp::kLog:
    case UnaryOp::kErf:
    case UnaryOp::kSin:
    case UnaryOp::kCos:
    case UnaryOp::kTanh:
    case UnaryOp::kSigmoid:
    case UnaryOp::kSilu:
    case UnaryOp::kSwish:
    case UnaryOp::kGelu:
    case UnaryOp::kGeluTanh:
    case UnaryOp::kSoftplus:
    case UnaryOp::kMish: return transcendental(op, params, s);
    default: return op < UnaryOp::kExp ? arithmetic(op, params, s) : piecewise(op, params, s);
  }
}

}  // namespace sdx::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace sdx::kernels {
HWY_EXPORT(unary_f32);
void unary_f32(UnaryOp op, UnaryParams params, const float* x, float* y, int64_t n) {
  HWY_DYNAMIC_DISPATCH(unary_f32)(op, params, x, y, n);
}
}  // namespace sdx::kernels
#endif
