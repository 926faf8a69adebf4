// Reduce: sums, norms, extrema and their positions along one axis of [outer, reduce, inner].
#pragma once

#include <cstdint>

#include "base/half.h"

namespace sdx::kernels {

enum class ReduceOp : uint8_t {
  kSum,
  kMean,
  kMax,  ///< NaN if any element is
  kMin,  ///< NaN if any element is
  kProd,
  kL1,         ///< Σ|x|
  kL2,         ///< √Σx²
  kSumSquare,  ///< Σx²
  kLogSum,     ///< ln Σx
  kLogSumExp,  ///< ln Σe^x, without overflow
};

/// x is [outer, reduce, inner]; several neighbouring axes count as one.
struct ReduceShape {
  int64_t reduce;
  int64_t inner;
};

/// Reduces x to y, which is [outer, inner], for the elements of y in [begin, end); x and y point to their starts. T is
/// float, double, Half, BFloat16 or (u)int8 … (u)int64. Over no elements kSum … give 0, kProd 1, kMax and kMin the
/// lowest and the highest value (∓infinity), kMean NaN (0 for integers), kLogSum and kLogSumExp -infinity.
/// float sums up to 2^24 terms with an error below 220 · 2^-24 Σ|x|;
/// Half and BFloat16 sum in double; integers wrap, divide towards 0 and go through double for roots and logarithms.
template <class T>
void reduce(ReduceOp op, const T* x, T* y, ReduceShape shape, int64_t begin, int64_t end);

/// How ArgMax and ArgMin choose.
struct ArgMode {
  bool max;   ///< else the minimum
  bool last;  ///< the last of equal elements, else the first
};

/// The position along `reduce` (at least 1) of the extremum, for the elements of y in [begin, end). A NaN counts as
/// more extreme than any number. T as above, or bool.
template <class T>
void arg_reduce(ArgMode mode, const T* x, int64_t* y, ReduceShape shape, int64_t begin, int64_t end);

/// The float case of reduce.
void reduce_f32(ReduceOp op, const float* x, float* y, ReduceShape shape, int64_t begin, int64_t end);

/// Smallest and largest of x[0, n), n at least 1; NaN is skipped.
struct MinMax {
  float min, max;
};
MinMax min_max(const float* x, int64_t n);

/// Position of the first (or last) element of x[0, n) that equals `value`, or that is NaN where `value` is; n if none.
int64_t find_f32(const float* x, int64_t n, float value, bool last);

}  // namespace sdx::kernels
