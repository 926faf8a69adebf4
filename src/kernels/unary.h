// Unary: elementwise functions of one argument over a contiguous range, for every element type.
#pragma once

#include <cstdint>

#include "base/half.h"

namespace sdx::kernels {

enum class UnaryOp : uint8_t {
  // Any type; integers wrap, and the rounding functions leave them as they are.
  kAbs,
  kNeg,
  kSign,  ///< NaN stays NaN
  kFloor,
  kCeil,
  kRound,  ///< ties to even
  kSquare,
  kReciprocal,
  kRelu,
  kClip,        ///< min(max(x, alpha), beta)
  kBitwiseNot,  ///< integers only
  kNot,         ///< bool only
  // Floating types only.
  kSqrt,
  kRsqrt,
  kExp,
  kLog,
  kErf,
  kSin,
  kCos,
  kTan,
  kAsin,
  kAcos,
  kAtan,
  kSinh,
  kCosh,
  kTanh,
  kAsinh,
  kAcosh,
  kAtanh,
  kSigmoid,
  kSilu,      ///< x sigmoid(x)
  kSwish,     ///< x sigmoid(alpha x); quick-gelu with alpha = 1.702
  kGelu,      ///< x (1 + erf(x/√2))/2
  kGeluTanh,  ///< the tanh approximation of kGelu
  kElu,       ///< x > 0 ? x : alpha (e^x - 1)
  kSelu,      ///< beta kElu(x)
  kCelu,      ///< max(0, x) + min(0, alpha (e^(x/alpha) - 1))
  kSoftplus,
  kSoftsign,
  kMish,             ///< x tanh(softplus(x))
  kLeakyRelu,        ///< x >= 0 ? x : alpha x
  kThresholdedRelu,  ///< x > alpha ? x : 0
  kHardSigmoid,      ///< clip(alpha x + beta, 0, 1)
  kHardSwish,        ///< x clip(x/6 + 1/2, 0, 1)
  kShrink,           ///< x < -alpha ? x + beta : x > alpha ? x - beta : 0
};

/// Parameters of the functions that name them.
struct UnaryParams {
  double alpha = 0;
  double beta = 0;
};

/// y[i] = op(x[i]) for i in [0, n). y may be x, and may overlap it in no other way. T is float, double, Half, BFloat16,
/// (u)int8 … (u)int64 or bool. float: exp, log, erf, tanh, sigmoid, gelu, silu, sin, cos within the bounds of
/// math-inl.h, the others within 4 ulp. Half and BFloat16 are computed in float and rounded once. An op that is not
/// defined for T copies x.
template <class T>
void unary(UnaryOp op, UnaryParams params, const T* x, T* y, int64_t n);

/// Clip with bounds of the type itself, which a double could not hold for 64-bit integers. NaN stays NaN; where
/// low > high the result is high.
template <class T>
void clip(T low, T high, const T* x, T* y, int64_t n);

/// y[i] = whether x[i] is NaN.
template <class T>
void is_nan(const T* x, bool* y, int64_t n);

/// y[i] = whether x[i] is +infinity (where `positive`) or -infinity (where `negative`).
template <class T>
void is_inf(bool positive, bool negative, const T* x, bool* y, int64_t n);

/// The float case, as a function of its own for the callers that have floats only.
void unary_f32(UnaryOp op, UnaryParams params, const float* x, float* y, int64_t n);

}  // namespace sdx::kernels
