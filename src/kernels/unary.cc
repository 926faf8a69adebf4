// unary: the element types other than float, and the questions about NaN and infinity.
#include "kernels/unary.h"

#include <algorithm>
#include <cmath>
#include <type_traits>

#include "kernels/convert.h"

namespace sdx::kernels {
namespace {

constexpr int64_t kBlock = 512;

template <class T>
T negated(T x) {
  if constexpr (std::is_integral_v<T>) {
    return static_cast<T>(std::make_unsigned_t<T>(0) - static_cast<std::make_unsigned_t<T>>(x));
  } else {
    return -x;
  }
}

template <class T>
T reciprocal(T x) {
  if constexpr (std::is_integral_v<T>) {
    return x == 1 || (std::is_signed_v<T> && x == static_cast<T>(-1)) ? x : T(0);
  } else {
    return 1 / x;
  }
}

template <class T>
T square(T x) {
  if constexpr (std::is_integral_v<T>) {
    const uint64_t wide = static_cast<uint64_t>(x);
    return static_cast<T>(wide * wide);
  } else {
    return x * x;
  }
}

/// The functions that every arithmetic type has.
template <class T>
T common(UnaryOp op, T x) {
  switch (op) {
    case UnaryOp::kAbs:
      if constexpr (std::is_floating_point_v<T>) return std::fabs(x);
      return x < T(0) ? negated(x) : x;
    case UnaryOp::kNeg: return negated(x);
    case UnaryOp::kSign:
      if (x > T(0)) return T(1);
      return x < T(0) ? static_cast<T>(-1) : x;
    case UnaryOp::kSquare: return square(x);
    case UnaryOp::kReciprocal: return reciprocal(x);
    case UnaryOp::kRelu: return x < T(0) ? T(0) : x;
    default: break;
  }
  if constexpr (std::is_integral_v<T>) {
    return op == UnaryOp::kBitwiseNot ? static_cast<T>(~x) : x;
  } else {
    switch (op) {
      case UnaryOp::kFloor: return std::floor(x);
      case UnaryOp::kCeil: return std::ceil(x);
      case UnaryOp::kRound: return std::nearbyint(x);
      default: return x;
    }
  }
}

double sigmoid(double x) { return 1 / (1 + std::exp(-x)); }

double softplus(double x) { return std::max(x, 0.0) + std::log1p(std::exp(-std::fabs(x))); }

double elu(double x, double alpha) { return x > 0 ? x : alpha * std::expm1(x); }

/// The library's function of an op, or null.
double (*library_function(UnaryOp op))(double) {
  using F = double (*)(double);
  switch (op) {
    case UnaryOp::kSqrt: return static_cast<F>(std::sqrt);
    case UnaryOp::kExp: return static_cast<F>(std::exp);
    case UnaryOp::kLog: return static_cast<F>(std::log);
    case UnaryOp::kErf: return static_cast<F>(std::erf);
    case UnaryOp::kSin: return static_cast<F>(std::sin);
    case UnaryOp::kCos: return static_cast<F>(std::cos);
    case UnaryOp::kTan: return static_cast<F>(std::tan);
    case UnaryOp::kAsin: return static_cast<F>(std::asin);
    case UnaryOp::kAcos: return static_cast<F>(std::acos);
    case UnaryOp::kAtan: return static_cast<F>(std::atan);
    case UnaryOp::kSinh: return static_cast<F>(std::sinh);
    case UnaryOp::kCosh: return static_cast<F>(std::cosh);
    case UnaryOp::kTanh: return static_cast<F>(std::tanh);
    case UnaryOp::kAsinh: return static_cast<F>(std::asinh);
    case UnaryOp::kAcosh: return static_cast<F>(std::acosh);
    case UnaryOp::kAtanh: return static_cast<F>(std::atanh);
    case UnaryOp::kSigmoid: return sigmoid;
    case UnaryOp::kSoftplus: return softplus;
    default: return nullptr;
  }
}

double hard_sigmoid(double x, double alpha, double beta) {
  const double y = alpha * x + beta;
  return y < 0 ? 0 : y > 1 ? 1 : y;
}

/// x times a sigmoid-like weight, 0 where the weight is 0 even if x is infinite.
double gated(double x, double weight) { return weight == 0 ? 0 : x * weight; }

double activation(UnaryOp op, UnaryParams p, double x) {
  switch (op) {
    case UnaryOp::kRsqrt: return 1 / std::sqrt(x);
    case UnaryOp::kSilu: return gated(x, sigmoid(x));
    case UnaryOp::kSwish: return gated(x, sigmoid(p.alpha * x));
    case UnaryOp::kGelu: return gated(x, 0.5 * std::erfc(-x * 0.70710678118654752440));
    case UnaryOp::kGeluTanh: return gated(x, sigmoid(1.5957691216057307 * (x + 0.044715 * x * x * x)));
    case UnaryOp::kElu: return elu(x, p.alpha);
    case UnaryOp::kSelu: return p.beta * elu(x, p.alpha);
    case UnaryOp::kCelu: return x > 0 ? x : p.alpha * std::expm1(x / p.alpha);
    case UnaryOp::kSoftsign: return x / (1 + std::fabs(x));
    case UnaryOp::kMish: return gated(x, std::tanh(softplus(x)));
    case UnaryOp::kLeakyRelu: return x < 0 ? p.alpha * x : x;
    case UnaryOp::kThresholdedRelu: return x <= p.alpha ? 0 : x;
    case UnaryOp::kHardSigmoid: return hard_sigmoid(x, p.alpha, p.beta);
    case UnaryOp::kHardSwish: return x * hard_sigmoid(x, 1.0 / 6, 0.5);
    case UnaryOp::kShrink: return x < -p.alpha ? x + p.beta : x > p.alpha ? x - p.beta : 0;
    default: return common(op, x);
  }
}

void unary_double(UnaryOp op, UnaryParams params, const double* x, double* y, int64_t n) {
  if (op == UnaryOp::kClip) return clip(params.alpha, params.beta, x, y, n);
  if (double (*f)(double) = library_function(op)) {
    for (int64_t i = 0; i < n; ++i) y[i] = f(x[i]);
    return;
  }
  for (int64_t i = 0; i < n; ++i) y[i] = activation(op, params, x[i]);
}

/// Integer bound for a clip given as a double.
template <class T>
T bound(double x) {
  if (!(x > static_cast<double>(std::numeric_limits<T>::min()))) return std::numeric_limits<T>::min();
  if (x >= static_cast<double>(std::numeric_limits<T>::max())) return std::numeric_limits<T>::max();
  return static_cast<T>(x);
}

template <class T>
void unary_integer(UnaryOp op, UnaryParams params, const T* x, T* y, int64_t n) {
  if (op == UnaryOp::kClip) return clip(bound<T>(params.alpha), bound<T>(params.beta), x, y, n);
  for (int64_t i = 0; i < n; ++i) y[i] = common(op, x[i]);
}

template <class T>
float widen(T x) {
  return to_float(x);
}
double widen(double x) { return x; }
float widen(float x) { return x; }

template <class T>
bool less(T a, T b) {
  if constexpr (std::is_integral_v<T>) {
    return a < b;
  } else {
    return widen(a) < widen(b);
  }
}

}  // namespace

template <class T>
void unary(UnaryOp op, UnaryParams params, const T* x, T* y, int64_t n) {
  if constexpr (std::is_same_v<T, float>) {
    unary_f32(op, params, x, y, n);
  } else if constexpr (std::is_same_v<T, double>) {
    unary_double(op, params, x, y, n);
  } else if constexpr (std::is_same_v<T, bool>) {
    // Bytes, because those of a bool tensor may hold anything.
    const auto* bytes = reinterpret_cast<const uint8_t*>(x);
    for (int64_t i = 0; i < n; ++i) y[i] = (bytes[i] != 0) != (op == UnaryOp::kNot);
  } else if constexpr (std::is_integral_v<T>) {
    unary_integer(op, params, x, y, n);
  } else {
    float wide[kBlock];
    for (int64_t i = 0; i < n; i += kBlock) {
      const int64_t count = std::min(kBlock, n - i);
      to_floats(x + i, wide, count);
      unary_f32(op, params, wide, wide, count);
      from_floats(wide, y + i, count);
    }
  }
}

template <class T>
void clip(T low, T high, const T* x, T* y, int64_t n) {
  if constexpr (std::is_same_v<T, float>) {
    unary_f32(UnaryOp::kClip, {low, high}, x, y, n);
  } else {
    for (int64_t i = 0; i < n; ++i) {
      const T raised = less(x[i], low) ? low : x[i];
      y[i] = less(high, raised) ? high : raised;
    }
  }
}

template <class T>
void is_nan(const T* x, bool* y, int64_t n) {
  for (int64_t i = 0; i < n; ++i) y[i] = std::isnan(widen(x[i]));
}

template <class T>
void is_inf(bool positive, bool negative, const T* x, bool* y, int64_t n) {
  for (int64_t i = 0; i < n; ++i) {
    const auto v = widen(x[i]);
    y[i] = std::isinf(v) && (v > 0 ? positive : negative);
  }
}

#define SDX_UNARY(T) template void unary<T>(UnaryOp, UnaryParams, const T*, T*, int64_t);
#define SDX_CLIP(T) SDX_UNARY(T) template void clip<T>(T, T, const T*, T*, int64_t);
#define SDX_FLOATING(T)                              \
  SDX_CLIP(T)                                        \
  template void is_nan<T>(const T*, bool*, int64_t); \
  template void is_inf<T>(bool, bool, const T*, bool*, int64_t);
SDX_FLOATING(float)
SDX_FLOATING(double)
SDX_FLOATING(Half)
SDX_FLOATING(BFloat16)
SDX_CLIP(int8_t)
SDX_CLIP(int16_t)
SDX_CLIP(int32_t)
SDX_CLIP(int64_t)
SDX_CLIP(uint8_t)
SDX_CLIP(uint16_t)
SDX_CLIP(uint32_t)
SDX_CLIP(uint64_t)
SDX_UNARY(bool)
#undef SDX_FLOATING
#undef SDX_CLIP
#undef SDX_UNARY

}  // namespace sdx::kernels
