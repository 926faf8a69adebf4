// reduce, arg_reduce: the element types other than float, one output after another.
#include "kernels/reduce.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <type_traits>

namespace sdx::kernels {
namespace {

template <class T>
double wide(T x) {
  return to_float(x);
}
double wide(double x) { return x; }

void store(double x, double& y) { y = x; }
void store(double x, Half& y) { y = to_half(x); }
void store(double x, BFloat16& y) { y = to_bfloat16(x); }

/// The elements that one output is made of.
template <class T>
struct Line {
  const T* x;
  int64_t n;
  int64_t stride;
  T operator[](int64_t i) const { return x[i * stride]; }
};

template <class T>
Line<T> line_of(const T* x, ReduceShape s, int64_t i) {
  return {x + (i / s.inner) * s.reduce * s.inner + i % s.inner, s.reduce, s.inner};
}

template <class T>
double extremum(const Line<T>& x, bool max) {
  constexpr double kInf = std::numeric_limits<double>::infinity();
  double y = max ? -kInf : kInf;
  for (int64_t i = 0; i < x.n; ++i) {
    const double v = wide(x[i]);
    if (std::isnan(v)) return v;
    if (max ? v > y : v < y) y = v;
  }
  return y;
}

template <class T, class F>
double sum_of(const Line<T>& x, const F& f) {
  double sum = 0;
  for (int64_t i = 0; i < x.n; ++i) sum += f(wide(x[i]));
  return sum;
}

template <class T>
double reduce_floating(ReduceOp op, const Line<T>& x) {
  const auto same = [](double v) { return v; };
  const auto square = [](double v) { return v * v; };
  switch (op) {
    case ReduceOp::kSum: return sum_of(x, same);
    case ReduceOp::kMean: return sum_of(x, same) / static_cast<double>(x.n);
    case ReduceOp::kMax: return extremum(x, true);
    case ReduceOp::kMin: return extremum(x, false);
    case ReduceOp::kL1: return sum_of(x, [](double v) { return std::fabs(v); });
    case ReduceOp::kL2: return std::sqrt(sum_of(x, square));
    case ReduceOp::kSumSquare: return sum_of(x, square);
    case ReduceOp::kLogSum: return std::log(sum_of(x, same));
    case ReduceOp::kLogSumExp: {
      const double max = extremum(x, true);
      const double shift = std::isfinite(max) ? max : 0;
      return std::log(sum_of(x, [shift](double v) { return std::exp(v - shift); })) + shift;
    }
    case ReduceOp::kProd: break;
  }
  double product = 1;
  for (int64_t i = 0; i < x.n; ++i) product *= wide(x[i]);
  return product;
}

/// Truncated and limited to the range of T; NaN gives 0.
template <class T>
T integer_of(double x) {
  if (std::isnan(x)) return 0;
  if (x <= static_cast<double>(std::numeric_limits<T>::min())) return std::numeric_limits<T>::min();
  if (x >= static_cast<double>(std::numeric_limits<T>::max())) return std::numeric_limits<T>::max();
  return static_cast<T>(x);
}

template <class T>
T integer_extremum(const Line<T>& x, bool max) {
  T y = max ? std::numeric_limits<T>::min() : std::numeric_limits<T>::max();
  for (int64_t i = 0; i < x.n; ++i) {
    const T v = x[i];
    if (max ? v > y : v < y) y = v;
  }
  return y;
}

/// Σ f(x) modulo 2^64.
template <class T, class F>
uint64_t integer_sum(const Line<T>& x, const F& f) {
  uint64_t sum = 0;
  for (int64_t i = 0; i < x.n; ++i) sum += f(static_cast<uint64_t>(x[i]));
  return sum;
}

template <class T>
T mean(const Line<T>& x) {
  if (x.n == 0) return 0;
  const uint64_t sum = integer_sum(x, [](uint64_t v) { return v; });
  if constexpr (std::is_signed_v<T>) return static_cast<T>(static_cast<int64_t>(sum) / x.n);
  return static_cast<T>(sum / static_cast<uint64_t>(x.n));
}

template <class T>
T reduce_integer(ReduceOp op, const Line<T>& x) {
  const auto as_double = [](T v) { return static_cast<double>(v); };
  const auto square = [](uint64_t v) { return v * v; };
  switch (op) {
    case ReduceOp::kSum: return static_cast<T>(integer_sum(x, [](uint64_t v) { return v; }));
    case ReduceOp::kMean: return mean(x);
    case ReduceOp::kMax: return integer_extremum(x, true);
    case ReduceOp::kMin: return integer_extremum(x, false);
    case ReduceOp::kL1:
      return static_cast<T>(
          integer_sum(x, [](uint64_t v) { return std::is_signed_v<T> && v >> 63 ? uint64_t{0} - v : v; }));
    case ReduceOp::kSumSquare: return static_cast<T>(integer_sum(x, square));
    case ReduceOp::kL2: {
      double sum = 0;
      for (int64_t i = 0; i < x.n; ++i) sum += as_double(x[i]) * as_double(x[i]);
      return integer_of<T>(std::sqrt(sum));
    }
    case ReduceOp::kLogSum: {
      double sum = 0;
      for (int64_t i = 0; i < x.n; ++i) sum += as_double(x[i]);
      return integer_of<T>(std::log(sum));
    }
    case ReduceOp::kLogSumExp: {
      const double shift = x.n > 0 ? as_double(integer_extremum(x, true)) : 0;
      double sum = 0;
      for (int64_t i = 0; i < x.n; ++i) sum += std::exp(as_double(x[i]) - shift);
      return integer_of<T>(std::log(sum) + shift);
    }
    case ReduceOp::kProd: break;
  }
  uint64_t product = 1;
  for (int64_t i = 0; i < x.n; ++i) product *= static_cast<uint64_t>(x[i]);
  return static_cast<T>(product);
}

/// Whether `a` is more extreme than `b`; NaN is more extreme than any number.
template <class T>
bool beats(T a, T b, bool max) {
  if constexpr (std::is_arithmetic_v<T>) {
    // Without a branch, so that loops become vectors.
    return (max ? a > b : a < b) | ((a != a) & (b == b));
  } else {
    return beats(wide(a), wide(b), max);
  }
}

template <class T>
int64_t arg_of(ArgMode mode, const Line<T>& x) {
  int64_t best = 0;
  for (int64_t i = 1; i < x.n; ++i) {
    if (mode.last ? !beats(x[best], x[i], mode.max) : beats(x[i], x[best], mode.max)) best = i;
  }
  return best;
}

/// The same of up to kColumns neighbouring columns of a matrix [n, stride], n below 2^31, row by row.
constexpr int64_t kColumns = 128;

template <bool kMax, bool kLast, class T>
void arg_of_columns(const Line<T>& x, int64_t columns, int64_t* y) {
  T best[kColumns] = {};
  int32_t at[kColumns] = {};
  std::copy_n(x.x, columns, best);
  for (int32_t i = 1; i < x.n; ++i) {
    const T* const row = x.x + i * x.stride;
    for (int64_t j = 0; j < columns; ++j) {
      const T value = row[j], held = best[j];
      const bool wins = kLast ? !beats(held, value, kMax) : beats(value, held, kMax);
      best[j] = wins ? value : held;
      at[j] = wins ? i : at[j];
    }
  }
  std::copy_n(at, columns, y);
}

template <class T>
void arg_of_columns(ArgMode mode, const Line<T>& x, int64_t columns, int64_t* y) {
  if (mode.max) {
    mode.last ? arg_of_columns<true, true>(x, columns, y) : arg_of_columns<true, false>(x, columns, y);
  } else {
    mode.last ? arg_of_columns<false, true>(x, columns, y) : arg_of_columns<false, false>(x, columns, y);
  }
}

}  // namespace

template <class T>
void reduce(ReduceOp op, const T* x, T* y, ReduceShape shape, int64_t begin, int64_t end) {
  if constexpr (std::is_same_v<T, float>) {
    reduce_f32(op, x, y, shape, begin, end);
  } else {
    for (int64_t i = begin; i < end; ++i) {
      const Line<T> line = line_of(x, shape, i);
      if constexpr (std::is_integral_v<T>) {
        y[i] = reduce_integer(op, line);
      } else {
        store(reduce_floating(op, line), y[i]);
      }
    }
  }
}

template <class T>
void arg_reduce(ArgMode mode, const T* x, int64_t* y, ReduceShape shape, int64_t begin, int64_t end) {
  if constexpr (std::is_same_v<T, float>) {
    if (shape.inner == 1) {
      for (int64_t i = begin; i < end; ++i) {
        const float* row = x + i * shape.reduce;
        float best;
        reduce_f32(mode.max ? ReduceOp::kMax : ReduceOp::kMin, row, &best, {shape.reduce, 1}, 0, 1);
        y[i] = find_f32(row, shape.reduce, best, mode.last);
      }
      return;
    }
  }
  const bool many = shape.inner > 1 && shape.reduce <= std::numeric_limits<int32_t>::max();
  for (int64_t i = begin, count; i < end; i += count) {
    count = many ? std::min({kColumns, shape.inner - i % shape.inner, end - i}) : 1;
    if (count > 1) {
      arg_of_columns(mode, line_of(x, shape, i), count, y + i);
    } else {
      y[i] = arg_of(mode, line_of(x, shape, i));
    }
  }
}

#define SDX_ARG(T) template void arg_reduce<T>(ArgMode, const T*, int64_t*, ReduceShape, int64_t, int64_t);
#define SDX_REDUCE(T) \
  SDX_ARG(T)          \
  template void reduce<T>(ReduceOp, const T*, T*, ReduceShape, int64_t, int64_t);
SDX_REDUCE(float)
SDX_REDUCE(double)
SDX_REDUCE(Half)
SDX_REDUCE(BFloat16)
SDX_REDUCE(int8_t)
SDX_REDUCE(int16_t)
SDX_REDUCE(int32_t)
SDX_REDUCE(int64_t)
SDX_REDUCE(uint8_t)
SDX_REDUCE(uint16_t)
SDX_REDUCE(uint32_t)
SDX_REDUCE(uint64_t)
SDX_ARG(bool)
#undef SDX_REDUCE
#undef SDX_ARG

}  // namespace sdx::kernels
