// Binary: elementwise arithmetic, bit operations and comparisons of two arguments, for every element type.
#pragma once

#include <cstdint>

#include "base/half.h"
#include "kernels/strided.h"

namespace sdx::kernels {

enum class BinaryOp : uint8_t {
  // Any arithmetic type. Integers wrap; division by 0 gives 0, and the smallest integer divided by -1 is itself.
  kAdd,
  kSub,
  kMul,
  kDiv,
  kMin,                ///< NaN if either is
  kMax,                ///< NaN if either is
  kMod,                ///< sign of the divisor, as in Python; x mod 0 is 0 for integers and NaN for floats
  kFmod,               ///< sign of the dividend, as in C; likewise
  kPow,                ///< integers: exact modulo 2^bits; a negative exponent gives 0 unless the base is ±1
  kPRelu,              ///< a < 0 ? a b : a
  kSquaredDifference,  ///< (a - b)²
  kMulSigmoid,         ///< a sigmoid(b), floating types only
  // Integers only.
  kBitAnd,
  kBitOr,
  kBitXor,
  kShiftLeft,   ///< unsigned types; by the width or more: 0
  kShiftRight,  ///< likewise
};

/// Comparisons, and logic on bool.
enum class CompareOp : uint8_t { kEqual, kNotEqual, kLess, kLessOrEqual, kGreater, kGreaterOrEqual, kAnd, kOr, kXor };

/// y[i] = a[i a_stride] op b[i b_stride] for i in [0, n). Strides of 0 and 1 are fast. y may be a or b where that one's
/// stride is 1. T is float, double, Half, BFloat16 (computed in float, rounded once) or (u)int8 … (u)int64; kAdd … kDiv
/// are rounded correctly, kPow, kMulSigmoid within 4 ulp.
template <class T>
void binary(BinaryOp op, const T* a, int64_t a_stride, const T* b, int64_t b_stride, T* y, int64_t n);

/// Power with an exponent of another type: y[i] = a[i a_stride]^b[i b_stride], computed in double for floating types
/// and exactly for integral ones. T and E as above.
template <class T, class E>
void power(const T* a, int64_t a_stride, const E* b, int64_t b_stride, T* y, int64_t n);

/// As binary, for comparisons; any comparison with NaN but kNotEqual is false. bool takes kEqual, kNotEqual and the
/// logic, the other types all but the logic.
template <class T>
void compare(CompareOp op, const T* a, int64_t a_stride, const T* b, int64_t b_stride, bool* y, int64_t n);

/// y[i] = c[i c_stride] ? a[i a_stride] : b[i b_stride] for elements of `bytes` (1, 2, 4, 8 or 16) bytes. y may be a or
/// b where that one's stride is 1.
void select(const bool* c, int64_t c_stride, const void* a, int64_t a_stride, const void* b, int64_t b_stride, void* y,
            int64_t n, int bytes);

/// Elements [begin, end) of a broadcast operation; y is contiguous.
template <class T>
void binary(BinaryOp op, const StridedLoop<2>& loop, const T* a, const T* b, T* y, int64_t begin, int64_t end) {
  for_runs(loop, begin, end, [&](int64_t i, const std::array<int64_t, 2>& o, int64_t n) {
    binary(op, a + o[0], loop.inner(0), b + o[1], loop.inner(1), y + i, n);
  });
}

template <class T, class E>
void power(const StridedLoop<2>& loop, const T* a, const E* b, T* y, int64_t begin, int64_t end) {
  for_runs(loop, begin, end, [&](int64_t i, const std::array<int64_t, 2>& o, int64_t n) {
    power(a + o[0], loop.inner(0), b + o[1], loop.inner(1), y + i, n);
  });
}

template <class T>
void compare(CompareOp op, const StridedLoop<2>& loop, const T* a, const T* b, bool* y, int64_t begin, int64_t end) {
  for_runs(loop, begin, end, [&](int64_t i, const std::array<int64_t, 2>& o, int64_t n) {
    compare(op, a + o[0], loop.inner(0), b + o[1], loop.inner(1), y + i, n);
  });
}

/// Operands in the order condition, a, b.
inline void select(const StridedLoop<3>& loop, const bool* c, const void* a, const void* b, void* y, int bytes,
                   int64_t begin, int64_t end) {
  const auto at = [bytes](const void* p, int64_t i) { return static_cast<const char*>(p) + i * bytes; };
  for_runs(loop, begin, end, [&](int64_t i, const std::array<int64_t, 3>& o, int64_t n) {
    select(c + o[0], loop.inner(0), at(a, o[1]), loop.inner(1), at(b, o[2]), loop.inner(2),
           static_cast<char*>(y) + i * bytes, n, bytes);
  });
}

/// The float case of binary, vectorised for strides of 0 and 1.
void binary_f32(BinaryOp op, const float* a, int64_t a_stride, const float* b, int64_t b_stride, float* y, int64_t n);

}  // namespace sdx::kernels
