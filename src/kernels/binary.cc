// binary, power: the element types other than float.
#include "kernels/binary.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <type_traits>

#include "kernels/convert.h"

namespace sdx::kernels {
namespace {

template <class T>
using Unsigned = std::conditional_t<(sizeof(T) < 4), uint32_t, std::make_unsigned_t<T>>;

template <class T>
T wrapped_power(T base, int64_t exponent) {
  if (exponent < 0) {
    if (base == T(1)) return T(1);
    if (std::is_signed_v<T> && base == static_cast<T>(-1)) return exponent % 2 ? base : T(1);
    return T(0);
  }
  uint64_t result = 1, factor = static_cast<uint64_t>(base);
  for (; exponent != 0; exponent >>= 1, factor *= factor) {
    if (exponent & 1) result *= factor;
  }
  return static_cast<T>(result);
}

template <class T>
struct Integer {
  using U = Unsigned<T>;
  static T add(T a, T b) { return static_cast<T>(static_cast<U>(a) + static_cast<U>(b)); }
  static T sub(T a, T b) { return static_cast<T>(static_cast<U>(a) - static_cast<U>(b)); }
  static T mul(T a, T b) { return static_cast<T>(static_cast<U>(a) * static_cast<U>(b)); }
  static bool minus_one(T b) { return std::is_signed_v<T> && b == static_cast<T>(-1); }
  static T div(T a, T b) {
    if (b == 0) return 0;
    return minus_one(b) ? sub(0, a) : static_cast<T>(a / b);
  }
  static T fmod(T a, T b) { return b == 0 || minus_one(b) ? T(0) : static_cast<T>(a % b); }
  static T mod(T a, T b) {
    const T r = fmod(a, b);
    return r != 0 && (r < 0) != (b < 0) ? static_cast<T>(r + b) : r;
  }
  static T pow(T a, T b) {
    constexpr uint64_t kLimit = static_cast<uint64_t>(std::numeric_limits<int64_t>::max());
    // Beyond the limit only the parity of the exponent and a base of 0 or ±1 can be meant.
    const bool huge = std::is_unsigned_v<T> && static_cast<uint64_t>(b) > kLimit;
    return wrapped_power(a, huge ? static_cast<int64_t>(kLimit - (b % 2 == 0)) : static_cast<int64_t>(b));
  }
  static T shift_left(T a, T b) {
    return static_cast<uint64_t>(b) >= sizeof(T) * 8 ? T(0) : static_cast<T>(static_cast<U>(a) << b);
  }
  static T shift_right(T a, T b) {
    return static_cast<uint64_t>(b) >= sizeof(T) * 8 ? T(0)
                                                     : static_cast<T>(static_cast<std::make_unsigned_t<T>>(a) >> b);
  }
};

struct Floating {
  static double min(double a, double b) { return std::isnan(a) || std::isnan(b) ? a + b : std::min(a, b); }
  static double max(double a, double b) { return std::isnan(a) || std::isnan(b) ? a + b : std::max(a, b); }
  static double mod(double a, double b) {
    const double r = std::fmod(a, b);
    return r != 0 && (r < 0) != (b < 0) ? r + b : r;
  }
};

template <class T>
struct Pair {
  const T* a;
  int64_t a_stride;
  const T* b;
  int64_t b_stride;
  T* y;
  int64_t n;
};

/// The three common pairs of strides get loops of their own. `f` is inlined, which a pointer to a function is not.
template <class T, class F>
void map_pair(const Pair<T>& p, const F& f) {
  if (p.a_stride == 1 && p.b_stride == 1) {
    for (int64_t i = 0; i < p.n; ++i) p.y[i] = f(p.a[i], p.b[i]);
  } else if (p.a_stride == 1 && p.b_stride == 0) {
    const T b = p.n > 0 ? *p.b : T();
    for (int64_t i = 0; i < p.n; ++i) p.y[i] = f(p.a[i], b);
  } else {
    for (int64_t i = 0; i < p.n; ++i) p.y[i] = f(p.a[i * p.a_stride], p.b[i * p.b_stride]);
  }
}

template <class T>
void binary_integer(BinaryOp op, const Pair<T>& p) {
  using I = Integer<T>;
  switch (op) {
    case BinaryOp::kAdd: return map_pair(p, [](T a, T b) { return I::add(a, b); });
    case BinaryOp::kSub: return map_pair(p, [](T a, T b) { return I::sub(a, b); });
    case BinaryOp::kMul: return map_pair(p, [](T a, T b) { return I::mul(a, b); });
    case BinaryOp::kDiv: return map_pair(p, [](T a, T b) { return I::div(a, b); });
    case BinaryOp::kMin: return map_pair(p, [](T a, T b) { return std::min(a, b); });
    case BinaryOp::kMax: return map_pair(p, [](T a, T b) { return std::max(a, b); });
    case BinaryOp::kMod: return map_pair(p, [](T a, T b) { return I::mod(a, b); });
    case BinaryOp::kFmod: return map_pair(p, [](T a, T b) { return I::fmod(a, b); });
    case BinaryOp::kPow: return map_pair(p, [](T a, T b) { return I::pow(a, b); });
    case BinaryOp::kPRelu: return map_pair(p, [](T a, T b) { return a < 0 ? I::mul(a, b) : a; });
    case BinaryOp::kSquaredDifference: return map_pair(p, [](T a, T b) { return I::mul(I::sub(a, b), I::sub(a, b)); });
    case BinaryOp::kBitAnd: return map_pair(p, [](T a, T b) { return static_cast<T>(a & b); });
    case BinaryOp::kBitOr: return map_pair(p, [](T a, T b) { return static_cast<T>(a | b); });
    case BinaryOp::kBitXor: return map_pair(p, [](T a, T b) { return static_cast<T>(a ^ b); });
    case BinaryOp::kShiftLeft: return map_pair(p, [](T a, T b) { return I::shift_left(a, b); });
    case BinaryOp::kShiftRight: return map_pair(p, [](T a, T b) { return I::shift_right(a, b); });
    case BinaryOp::kMulSigmoid: return;
  }
}

void binary_double(BinaryOp op, const Pair<double>& p) {
  switch (op) {
    case BinaryOp::kAdd: return map_pair(p, [](double a, double b) { return a + b; });
    case BinaryOp::kSub: return map_pair(p, [](double a, double b) { return a - b; });
    case BinaryOp::kMul: return map_pair(p, [](double a, double b) { return a * b; });
    case BinaryOp::kDiv: return map_pair(p, [](double a, double b) { return a / b; });
    case BinaryOp::kMin: return map_pair(p, [](double a, double b) { return Floating::min(a, b); });
    case BinaryOp::kMax: return map_pair(p, [](double a, double b) { return Floating::max(a, b); });
    case BinaryOp::kMod: return map_pair(p, [](double a, double b) { return Floating::mod(a, b); });
    case BinaryOp::kFmod: return map_pair(p, [](double a, double b) { return std::fmod(a, b); });
    case BinaryOp::kPow: return map_pair(p, [](double a, double b) { return std::pow(a, b); });
    case BinaryOp::kPRelu: return map_pair(p, [](double a, double b) { return a < 0 ? a * b : a; });
    case BinaryOp::kSquaredDifference: return map_pair(p, [](double a, double b) { return (a - b) * (a - b); });
    case BinaryOp::kMulSigmoid: return map_pair(p, [](double a, double b) { return a / (1 + std::exp(-b)); });
    default: return;
  }
}

constexpr int64_t kBlock = 256;

/// Widens `n` elements of a strided operand; the result's stride is 1, or 0 for a single value.
template <class T>
int64_t widen_block(const T* x, int64_t stride, int64_t n, float* block) {
  if (stride == 1) {
    to_floats(x, block, n);
    return 1;
  }
  if (stride == 0) {
    block[0] = to_float(*x);
    return 0;
  }
  for (int64_t i = 0; i < n; ++i) block[i] = to_float(x[i * stride]);
  return 1;
}

template <class T>
void binary_narrow(BinaryOp op, const Pair<T>& p) {
  float a[kBlock], b[kBlock];
  for (int64_t i = 0; i < p.n; i += kBlock) {
    const int64_t count = std::min(kBlock, p.n - i);
    const int64_t a_stride = widen_block(p.a + i * p.a_stride, p.a_stride, count, a);
    const int64_t b_stride = widen_block(p.b + i * p.b_stride, p.b_stride, count, b);
    float y[kBlock];
    binary_f32(op, a, a_stride, b, b_stride, y, count);
    from_floats(y, p.y + i, count);
  }
}

template <class T>
T from_double(double x) {
  if constexpr (std::is_same_v<T, Half>) {
    return to_half(x);
  } else if constexpr (std::is_same_v<T, BFloat16>) {
    return to_bfloat16(x);
  } else {
    return static_cast<T>(x);
  }
}

/// Integral powers of floating exponents: exact where the exponent is a whole number, else truncated and limited.
template <class T>
T integer_power(T base, double exponent) {
  if (exponent == std::trunc(exponent) && std::fabs(exponent) < 0x1p62) {
    return wrapped_power(base, static_cast<int64_t>(exponent));
  }
  const double y = std::trunc(std::pow(static_cast<double>(base), exponent));
  if (!(y > static_cast<double>(std::numeric_limits<T>::min()))) return std::numeric_limits<T>::min();
  if (y >= static_cast<double>(std::numeric_limits<T>::max())) return std::numeric_limits<T>::max();
  return static_cast<T>(y);
}

}  // namespace

template <class T>
void binary(BinaryOp op, const T* a, int64_t a_stride, const T* b, int64_t b_stride, T* y, int64_t n) {
  const Pair<T> p{a, a_stride, b, b_stride, y, n};
  if constexpr (std::is_same_v<T, float>) {
    binary_f32(op, a, a_stride, b, b_stride, y, n);
  } else if constexpr (std::is_same_v<T, double>) {
    binary_double(op, p);
  } else if constexpr (std::is_integral_v<T>) {
    binary_integer(op, p);
  } else {
    binary_narrow(op, p);
  }
}

template <class T, class E>
void power(const T* a, int64_t a_stride, const E* b, int64_t b_stride, T* y, int64_t n) {
  if constexpr (std::is_same_v<T, float>) {
    // One exponent for all, as almost every model has it.
    if (b_stride == 0 && n > 0) {
      const float exponent = static_cast<float>(value_of(*b));
      if (static_cast<double>(exponent) == static_cast<double>(value_of(*b))) {
        return binary_f32(BinaryOp::kPow, a, a_stride, &exponent, 0, y, n);
      }
    }
  }
  for (int64_t i = 0; i < n; ++i) {
    const auto exponent = value_of(b[i * b_stride]);
    if constexpr (!std::is_integral_v<T>) {
      y[i] = from_double<T>(std::pow(static_cast<double>(value_of(a[i * a_stride])), static_cast<double>(exponent)));
    } else if constexpr (std::is_integral_v<E>) {
      const bool huge = std::is_unsigned_v<E> && static_cast<uint64_t>(exponent) >> 63;
      y[i] = wrapped_power(a[i * a_stride], huge ? std::numeric_limits<int64_t>::max() - (exponent % 2 == 0)
                                                 : static_cast<int64_t>(exponent));
    } else {
      y[i] = integer_power(a[i * a_stride], exponent);
    }
  }
}

#define SDX_POWER(T, E) template void power<T, E>(const T*, int64_t, const E*, int64_t, T*, int64_t);
#define SDX_BINARY(T)                                                                   \
  template void binary<T>(BinaryOp, const T*, int64_t, const T*, int64_t, T*, int64_t); \
  SDX_POWER(T, float)                                                                   \
  SDX_POWER(T, double)                                                                  \
  SDX_POWER(T, Half)                                                                    \
  SDX_POWER(T, BFloat16)                                                                \
  SDX_POWER(T, int8_t)                                                                  \
  SDX_POWER(T, int16_t)                                                                 \
  SDX_POWER(T, int32_t)                                                                 \
  SDX_POWER(T, int64_t)                                                                 \
  SDX_POWER(T, uint8_t)                                                                 \
  SDX_POWER(T, uint16_t)                                                                \
  SDX_POWER(T, uint32_t)                                                                \
  SDX_POWER(T, uint64_t)
SDX_BINARY(float)
SDX_BINARY(double)
SDX_BINARY(Half)
SDX_BINARY(BFloat16)
SDX_BINARY(int8_t)
SDX_BINARY(int16_t)
SDX_BINARY(int32_t)
SDX_BINARY(int64_t)
SDX_BINARY(uint8_t)
SDX_BINARY(uint16_t)
SDX_BINARY(uint32_t)
SDX_BINARY(uint64_t)
#undef SDX_BINARY
#undef SDX_POWER

}  // namespace sdx::kernels
