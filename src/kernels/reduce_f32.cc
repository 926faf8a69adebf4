// reduce_f32: rows in four vector accumulators, columns in vectors of columns. The order of the additions depends on
// the shape alone.
#include <algorithm>
#include <cmath>
#include <limits>

#include "kernels/reduce.h"

#include "hwy/foreach_target.h"
#include "hwy/highway.h"
#include "kernels/math-inl.h"
#include "kernels/partial-inl.h"

HWY_BEFORE_NAMESPACE();
namespace sdx::kernels::HWY_NAMESPACE {

constexpr float kInf = std::numeric_limits<float>::infinity();

/// Each reduction: the neutral element, how a vector of elements enters, how two partial results merge.
struct Sum {
  static constexpr float kNeutral = 0;
  static HWY_INLINE VF enter(VF acc, VF x) { return hn::Add(acc, x); }
  static HWY_INLINE VF merge(VF a, VF b) { return hn::Add(a, b); }
};
struct SumAbs : Sum {
  static HWY_INLINE VF enter(VF acc, VF x) { return hn::Add(acc, hn::Abs(x)); }
};
struct SumSquares : Sum {
  static HWY_INLINE VF enter(VF acc, VF x) { return hn::MulAdd(x, x, acc); }
};
struct Product {
  static constexpr float kNeutral = 1;
  static HWY_INLINE VF enter(VF acc, VF x) { return hn::Mul(acc, x); }
  static HWY_INLINE VF merge(VF a, VF b) { return hn::Mul(a, b); }
};
/// The second operand of Max and Min survives on x86 where either is NaN; x enters by itself where it is NaN.
struct Largest {
  static constexpr float kNeutral = -kInf;
  static HWY_INLINE VF enter(VF acc, VF x) { return hn::IfThenElse(hn::Eq(x, x), hn::Max(x, acc), x); }
  static HWY_INLINE VF merge(VF a, VF b) { return enter(a, b); }
};
struct Smallest {
  static constexpr float kNeutral = kInf;
  static HWY_INLINE VF enter(VF acc, VF x) { return hn::IfThenElse(hn::Eq(x, x), hn::Min(x, acc), x); }
  static HWY_INLINE VF merge(VF a, VF b) { return enter(a, b); }
};

/// All lanes of a vector merged: lane i with lane i + n / 2 of n, and so on.
template <class Op>
HWY_INLINE float merge_lanes(VF v) {
  const F32 d;
  constexpr size_t kLanes = hn::MaxLanes(F32());
  static_assert(kLanes <= 16);
  if constexpr (kLanes >= 8) v = Op::merge(v, hn::ConcatUpperUpper(d, v, v));
  if constexpr (kLanes >= 16) v = Op::merge(v, hn::SwapAdjacentBlocks(v));
  v = Op::merge(v, hn::Shuffle1032(v));
  return hn::GetLane(Op::merge(v, hn::Shuffle2301(v)));
}

/// Partial results in three tiers, each emptied into the next after kFold entries, so that long sums keep their digits.
constexpr int64_t kFold = 64;
template <class Op>
class Tiers {
 public:
  // Written out, because an implicit constructor lacks the attributes of the instruction set.
  HWY_INLINE Tiers() : middle_(constant(Op::kNeutral)), top_(middle_) {}
  HWY_INLINE void add(VF v) {
    middle_ = Op::merge(middle_, v);
    if (++count_ % kFold != 0) return;
    top_ = Op::merge(top_, middle_);
    middle_ = constant(Op::kNeutral);
  }
  HWY_INLINE VF total() const { return Op::merge(top_, middle_); }

 private:
  VF middle_;
  VF top_;
  int64_t count_ = 0;
};

/// Vectors enter four accumulators in turn. `map` is applied to each vector first.
template <class Op, class Map>
HWY_INLINE float fold_row(const float* x, int64_t n, const Map& map) {
  const F32 d;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(d));
  const VF neutral = constant(Op::kNeutral);
  Tiers<Op> tiers;
  int64_t i = 0;
  while (i + 4 * lanes <= n) {
    VF a = neutral, b = neutral, c = neutral, e = neutral;
    const int64_t stop = std::min(n, i + 4 * lanes * kFold);
    for (; i + 4 * lanes <= stop; i += 4 * lanes) {
      a = Op::enter(a, map(hn::LoadU(d, x + i)));
      b = Op::enter(b, map(hn::LoadU(d, x + i + lanes)));
      c = Op::enter(c, map(hn::LoadU(d, x + i + 2 * lanes)));
      e = Op::enter(e, map(hn::LoadU(d, x + i + 3 * lanes)));
    }
    tiers.add(Op::merge(Op::merge(a, b), Op::merge(c, e)));
  }
  VF rest = neutral;
  for (; i + lanes <= n; i += lanes) rest = Op::enter(rest, map(hn::LoadU(d, x + i)));
  if (i < n) {
    const size_t count = static_cast<size_t>(n - i);
    const VF entered = Op::enter(rest, map(load_partial(d, x + i, count)));
    rest = hn::IfThenElse(hn::FirstN(d, count), entered, rest);
  }
  return merge_lanes<Op>(Op::merge(tiers.total(), rest));
}

/// One vector of columns: the rows enter in order, folded every kFold rows. `load` gives row r.
template <class Op, class Load>
HWY_INLINE VF fold_columns(int64_t rows, const Load& load) {
  Tiers<Op> tiers;
  for (int64_t r = 0; r < rows;) {
    const int64_t stop = std::min(rows, r + kFold);
    VF acc = constant(Op::kNeutral);
    for (; r < stop; ++r) acc = Op::enter(acc, load(r));
    tiers.add(acc);
  }
  return tiers.total();
}

struct Columns {
  const float* x;  ///< element of the first row and column
  int64_t rows;
  int64_t stride;  ///< between rows
};

/// Four vectors of columns side by side: a whole stretch of each row is used, and four chains of additions overlap.
/// Each column sees the order of fold_columns.
template <class Op>
HWY_INLINE void fold_four(const Columns& c, float* y) {
  const F32 d;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(d));
  Tiers<Op> t0, t1, t2, t3;
  for (int64_t r = 0; r < c.rows;) {
    const int64_t stop = std::min(c.rows, r + kFold);
    VF a0 = constant(Op::kNeutral), a1 = a0, a2 = a0, a3 = a0;
    for (; r < stop; ++r) {
      const float* row = c.x + r * c.stride;
      a0 = Op::enter(a0, hn::LoadU(d, row));
      a1 = Op::enter(a1, hn::LoadU(d, row + lanes));
      a2 = Op::enter(a2, hn::LoadU(d, row + 2 * lanes));
      a3 = Op::enter(a3, hn::LoadU(d, row + 3 * lanes));
    }
    t0.add(a0);
    t1.add(a1);
    t2.add(a2);
    t3.add(a3);
  }
  hn::StoreU(t0.total(), d, y);
  hn::StoreU(t1.total(), d, y + lanes);
  hn::StoreU(t2.total(), d, y + 2 * lanes);
  hn::StoreU(t3.total(), d, y + 3 * lanes);
}

template <class Op>
HWY_INLINE void reduce_columns(const Columns& c, float* y, int64_t n) {
  const F32 d;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(d));
  int64_t i = 0;
  for (; i + 4 * lanes <= n; i += 4 * lanes) fold_four<Op>({c.x + i, c.rows, c.stride}, y + i);
  for (; i + lanes <= n; i += lanes) {
    hn::StoreU(fold_columns<Op>(c.rows, [&](int64_t r) { return hn::LoadU(d, c.x + r * c.stride + i); }), d, y + i);
  }
  if (i < n) {
    const size_t count = static_cast<size_t>(n - i);
    const VF v = fold_columns<Op>(c.rows, [&](int64_t r) { return load_partial(d, c.x + r * c.stride + i, count); });
    store_partial(v, d, y + i, count);
  }
}

template <class Op>
HWY_NOINLINE void reduce_with(const float* x, float* y, ReduceShape s, int64_t begin, int64_t end) {
  if (s.inner == 1) {
    for (int64_t i = begin; i < end; ++i) y[i] = fold_row<Op>(x + i * s.reduce, s.reduce, [](VF v) { return v; });
    return;
  }
  for (int64_t i = begin; i < end;) {
    const int64_t column = i % s.inner;
    const int64_t n = std::min(end - i, s.inner - column);
    reduce_columns<Op>({x + (i / s.inner) * s.reduce * s.inner + column, s.reduce, s.inner}, y + i, n);
    i += n;
  }
}

/// A shift of 0 where the maximum is not finite, so that e^(x - shift) is right there as well.
HWY_INLINE VF shift_for(VF max) { return hn::IfThenElseZero(hn::Lt(hn::Abs(max), constant(kInf)), max); }

float log_sum_exp_row(const float* x, int64_t n) {
  const VF shift = shift_for(constant(fold_row<Largest>(x, n, [](VF v) { return v; })));
  const float sum = fold_row<Sum>(x, n, [&](VF v) { return exp(hn::Sub(v, shift)); });
  return std::log(sum) + hn::GetLane(shift);
}

template <class LoadRow>
HWY_INLINE VF log_sum_exp_columns(int64_t rows, const LoadRow& load) {
  const VF shift = shift_for(fold_columns<Largest>(rows, load));
  const VF sum = fold_columns<Sum>(rows, [&](int64_t r) { return exp(hn::Sub(load(r), shift)); });
  return hn::Add(log(sum), shift);
}

void log_sum_exp(const float* x, float* y, ReduceShape s, int64_t begin, int64_t end) {
  if (s.inner == 1) {
    for (int64_t i = begin; i < end; ++i) y[i] = log_sum_exp_row(x + i * s.reduce, s.reduce);
    return;
  }
  const F32 d;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(d));
  for (int64_t i = begin; i < end;) {
    const int64_t column = i % s.inner;
    const int64_t n = std::min({end - i, s.inner - column, lanes});
    const float* first = x + (i / s.inner) * s.reduce * s.inner + column;
    if (n == lanes) {
      hn::StoreU(log_sum_exp_columns(s.reduce, [&](int64_t r) { return hn::LoadU(d, first + r * s.inner); }), d, y + i);
    } else {
      const size_t count = static_cast<size_t>(n);
      const auto load = [&](int64_t r) { return load_partial(d, first + r * s.inner, count); };
      store_partial(log_sum_exp_columns(s.reduce, load), d, y + i, count);
    }
    i += n;
  }
}

template <class F>
void finish(float* y, int64_t begin, int64_t end, const F& f) {
  for (int64_t i = begin; i < end; ++i) y[i] = f(y[i]);
}

void reduce_f32(ReduceOp op, const float* x, float* y, ReduceShape s, int64_t begin, int64_t end) {
  switch (op) {
    case ReduceOp::kMax: return reduce_with<Largest>(x, y, s, begin, end);
    case ReduceOp::kMin: return reduce_with<Smallest>(x, y, s, begin, end);
    case ReduceOp::kProd: return reduce_with<Product>(x, y, s, begin, end);
    case ReduceOp::kL1: return reduce_with<SumAbs>(x, y, s, begin, end);
    case ReduceOp::kLogSumExp: return log_sum_exp(x, y, s, begin, end);
    case ReduceOp::kSumSquare:
    case ReduceOp::kL2: reduce_with<SumSquares>(x, y, s, begin, end); break;
    default: reduce_with<Sum>(x, y, s, begin, end);
  }
  const float n = static_cast<float>(s.reduce);
  if (op == ReduceOp::kMean) finish(y, begin, end, [n](float v) { return v / n; });
  if (op == ReduceOp::kL2) finish(y, begin, end, [](float v) { return std::sqrt(v); });
  if (op == ReduceOp::kLogSum) finish(y, begin, end, [](float v) { return std::log(v); });
}

void min_max(const float* x, int64_t n, MinMax* result) {
  const F32 d;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(d));
  VF low = constant(kInf), high = constant(-kInf);
  // The second operand, the accumulator, survives where x is NaN.
  const auto enter = [&](VF v) {
    low = hn::Min(hn::IfThenElse(hn::Eq(v, v), v, low), low);
    high = hn::Max(hn::IfThenElse(hn::Eq(v, v), v, high), high);
  };
  int64_t i = 0;
  for (; i + lanes <= n; i += lanes) enter(hn::LoadU(d, x + i));
  if (i < n) enter(load_partial(d, x + i, static_cast<size_t>(n - i), x[i]));
  *result = {merge_lanes<Smallest>(low), merge_lanes<Largest>(high)};
}

int64_t find_f32(const float* x, int64_t n, float value, bool last) {
  const F32 d;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(d));
  const auto same = [value](float v) { return v == value || (v != v && value != value); };
  const VF wanted = constant(value);
  const auto absent = [&](const float* at) {
    const VF v = hn::LoadU(d, at);
    const auto both_nan = hn::And(hn::IsNaN(v), hn::IsNaN(wanted));
    return hn::AllFalse(d, hn::Or(hn::Eq(v, wanted), both_nan));
  };
  if (last) {
    int64_t end = n;
    while (end >= lanes && absent(x + end - lanes)) end -= lanes;
    for (int64_t i = end - 1; i >= 0; --i) {
      if (same(x[i])) return i;
    }
    return n;
  }
  int64_t i = 0;
  while (i + lanes <= n && absent(x + i)) i += lanes;
  while (i < n && !same(x[i])) ++i;
  return i;
}

}  // namespace sdx::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace sdx::kernels {
HWY_EXPORT(reduce_f32);
HWY_EXPORT(min_max);
HWY_EXPORT(find_f32);
void reduce_f32(ReduceOp op, const float* x, float* y, ReduceShape shape, int64_t begin, int64_t end) {
  HWY_DYNAMIC_DISPATCH(reduce_f32)(op, x, y, shape, begin, end);
}
MinMax min_max(const float* x, int64_t n) {
  MinMax result;
  HWY_DYNAMIC_DISPATCH(min_max)(x, n, &result);
  return result;
}
int64_t find_f32(const float* x, int64_t n, float value, bool last) {
  return HWY_DYNAMIC_DISPATCH(find_f32)(x, n, value, last);
}
}  // namespace sdx::kernels
#endif
