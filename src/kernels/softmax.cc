// Softmax: one pass for the maximum, one for the exponentials and their sum, one for the division.
#include "kernels/softmax.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "hwy/foreach_target.h"
#include "hwy/highway.h"
#include "kernels/math-inl.h"
#include "kernels/partial-inl.h"

HWY_BEFORE_NAMESPACE();
namespace sdx::kernels::HWY_NAMESPACE {

constexpr float kInf = std::numeric_limits<float>::infinity();

HWY_INLINE float sum_lanes(VF v) { return hn::GetLane(hn::SumOfLanes(F32(), v)); }

/// The arguments of the exponentials: x, or scale x + mask.
struct Plain {
  HWY_INLINE VF operator()(VF x, int64_t) const { return x; }
  HWY_INLINE VF partial(VF x, int64_t, size_t) const { return x; }
};
struct Masked {
  const float* mask;
  float scale;
  HWY_INLINE VF operator()(VF x, int64_t i) const { return hn::MulAdd(constant(scale), x, hn::LoadU(F32(), mask + i)); }
  HWY_INLINE VF partial(VF x, int64_t i, size_t n) const {
    return hn::MulAdd(constant(scale), x, load_partial(F32(), mask + i, n));
  }
};

/// Two accumulators hide the latency of Max; NaN need not survive here, because it does in the sum.
template <class Argument>
HWY_INLINE float row_max(const float* x, int64_t n, const Argument& f) {
  const F32 d;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(d));
  VF a = constant(-kInf), b = a;
  int64_t i = 0;
  for (; i + 2 * lanes <= n; i += 2 * lanes) {
    a = hn::Max(f(hn::LoadU(d, x + i), i), a);
    b = hn::Max(f(hn::LoadU(d, x + i + lanes), i + lanes), b);
  }
  if (i + lanes <= n) {
    a = hn::Max(f(hn::LoadU(d, x + i), i), a);
    i += lanes;
  }
  if (i < n) {
    const size_t rest = static_cast<size_t>(n - i);
    const VF v = f.partial(load_partial(d, x + i, rest), i, rest);
    b = hn::Max(hn::IfThenElse(hn::FirstN(d, rest), v, b), b);
  }
  return hn::GetLane(hn::MaxOfLanes(d, hn::Max(a, b)));
}

/// Σ e^(argument - max), the terms stored to y unless it is null.
template <class Argument>
HWY_INLINE float row_exponentials(const float* x, float* y, int64_t n, float max, const Argument& f) {
  const F32 d;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(d));
  const VF shift = constant(max);
  VF a = hn::Zero(d), b = a;
  const auto term = [&](int64_t i) {
    const VF e = exp_non_positive(hn::Sub(f(hn::LoadU(d, x + i), i), shift));
    if (y != nullptr) hn::StoreU(e, d, y + i);
    return e;
  };
  int64_t i = 0;
  for (; i + 2 * lanes <= n; i += 2 * lanes) {
    a = hn::Add(a, term(i));
    b = hn::Add(b, term(i + lanes));
  }
  if (i + lanes <= n) {
    a = hn::Add(a, term(i));
    i += lanes;
  }
  if (i < n) {
    const size_t rest = static_cast<size_t>(n - i);
    const VF e = exp_non_positive(hn::Sub(f.partial(load_partial(d, x + i, rest), i, rest), shift));
    if (y != nullptr) store_partial(e, d, y + i, rest);
    b = hn::Add(b, hn::IfThenElseZero(hn::FirstN(d, rest), e));
  }
  return sum_lanes(hn::Add(a, b));
}

template <class Argument>
HWY_INLINE void softmax_row(const float* x, float* y, int64_t n, const Argument& f) {
  const float max = row_max(x, n, f);
  const VF inverse = constant(1.0f / row_exponentials(x, y, n, max, f));
  map_floats(y, y, n, [&](VF v) { return hn::Mul(v, inverse); });
}

/// A vector of lines that lie side by side, `stride` floats from step to step.
struct Lines {
  const float* x;
  float* y;
  int64_t reduce;
  int64_t stride;
};

template <bool kLog, class Load, class Store>
HWY_INLINE void softmax_lines(const Lines& s, const Load& load, const Store& store) {
  VF max = constant(-kInf);
  for (int64_t k = 0; k < s.reduce; ++k) max = hn::Max(load(s.x + k * s.stride), max);
  VF sum = hn::Zero(F32());
  for (int64_t k = 0; k < s.reduce; ++k) {
    const VF e = exp_non_positive(hn::Sub(load(s.x + k * s.stride), max));
    if (!kLog) store(e, s.y + k * s.stride);
    sum = hn::Add(sum, e);
  }
  const VF last = kLog ? log(sum) : hn::Div(constant(1.0f), sum);
  for (int64_t k = 0; k < s.reduce; ++k) {
    float* y = s.y + k * s.stride;
    store(kLog ? hn::Sub(hn::Sub(load(s.x + k * s.stride), max), last) : hn::Mul(load(y), last), y);
  }
}

/// Rows shorter than a vector, a vector of rows at a time: each row is a lane.
constexpr int64_t kFewColumns = 8;
template <bool kLog>
void few_columns(const float* x, float* y, int64_t cols, int64_t begin, int64_t end) {
  const F32 d;
  constexpr int64_t kLanes = static_cast<int64_t>(hn::MaxLanes(F32()));
  HWY_ALIGN float turned[kFewColumns * kLanes] = {};
  for (int64_t r = begin; r < end; r += kLanes) {
    const int64_t rows = std::min(end - r, kLanes);
    for (int64_t i = 0; i < rows; ++i) {
      for (int64_t k = 0; k < cols; ++k) turned[k * kLanes + i] = x[(r + i) * cols + k];
    }
    softmax_lines<kLog>(
        {turned, turned, cols, kLanes}, [&](const float* p) { return hn::Load(d, p); },
        [&](VF v, float* p) { hn::Store(v, d, p); });
    for (int64_t i = 0; i < rows; ++i) {
      for (int64_t k = 0; k < cols; ++k) y[(r + i) * cols + k] = turned[k * kLanes + i];
    }
  }
}

void softmax_rows(const float* x, float* y, int64_t cols, int64_t begin, int64_t end) {
  if (cols <= kFewColumns) return few_columns<false>(x, y, cols, begin, end);
  for (int64_t r = begin; r < end; ++r) softmax_row(x + r * cols, y + r * cols, cols, Plain());
}

void softmax_masked_rows(const float* x, float* y, int64_t cols, float scale, const MaskRows& mask, int64_t begin,
                         int64_t end) {
  for (int64_t r = begin; r < end; ++r) softmax_row(x + r * cols, y + r * cols, cols, Masked{mask.row(r), scale});
}

void log_sum_rows(const float* x, float* max, float* log_sum, int64_t cols, int64_t begin, int64_t end) {
  for (int64_t r = begin; r < end; ++r) {
    max[r] = row_max(x + r * cols, cols, Plain());
    log_sum[r] = std::log(row_exponentials(x + r * cols, nullptr, cols, max[r], Plain()));
  }
}

void subtract_log_sum(const float* x, float* y, int64_t n, float max, float log_sum) {
  const VF shift = constant(max), rest = constant(log_sum);
  map_floats(x, y, n, [&](VF v) { return hn::Sub(hn::Sub(v, shift), rest); });
}

void log_softmax_rows(const float* x, float* y, int64_t cols, int64_t begin, int64_t end) {
  if (cols <= kFewColumns) return few_columns<true>(x, y, cols, begin, end);
  for (int64_t r = begin; r < end; ++r) {
    float max = 0, log_sum = 0;
    log_sum_rows(x + r * cols, &max, &log_sum, cols, 0, 1);
    subtract_log_sum(x + r * cols, y + r * cols, cols, max, log_sum);
  }
}

template <bool kLog>
void columns(const float* x, float* y, int64_t reduce, int64_t inner, int64_t begin, int64_t end) {
  const F32 d;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(d));
  for (int64_t i = begin; i < end;) {
    const int64_t column = i % inner;
    const int64_t n = std::min({end - i, inner - column, lanes});
    const int64_t offset = i / inner * reduce * inner + column;
    const Lines s{x + offset, y + offset, reduce, inner};
    if (n == lanes) {
      softmax_lines<kLog>(
          s, [&](const float* p) { return hn::LoadU(d, p); }, [&](VF v, float* p) { hn::StoreU(v, d, p); });
    } else {
      const size_t rest = static_cast<size_t>(n);
      softmax_lines<kLog>(
          s, [&](const float* p) { return load_partial(d, p, rest); },
          [&](VF v, float* p) { store_partial(v, d, p, rest); });
    }
    i += n;
  }
}

void softmax_columns(const float* x, float* y, int64_t reduce, int64_t inner, int64_t begin, int64_t end) {
  columns<false>(x, y, reduce, inner, begin, end);
}
void log_softmax_columns(const float* x, float* y, int64_t reduce, int64_t inner, int64_t begin, int64_t end) {
  columns<true>(x, y, reduce, inner, begin, end);
}

}  // namespace sdx::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace sdx::kernels {
HWY_EXPORT(softmax_rows);
HWY_EXPORT(softmax_masked_rows);
HWY_EXPORT(log_softmax_rows);
HWY_EXPORT(log_sum_rows);
HWY_EXPORT(subtract_log_sum);
HWY_EXPORT(softmax_columns);
HWY_EXPORT(log_softmax_columns);

void softmax_rows(const float* x, float* y, int64_t cols, int64_t begin, int64_t end) {
  HWY_DYNAMIC_DISPATCH(softmax_rows)(x, y, cols, begin, end);
}
void log_softmax_rows(const float* x, float* y, int64_t cols, int64_t begin, int64_t end) {
  HWY_DYNAMIC_DISPATCH(log_softmax_rows)(x, y, cols, begin, end);
}
void log_sum_rows(const float* x, float* max, float* log_sum, int64_t cols, int64_t begin, int64_t end) {
  HWY_DYNAMIC_DISPATCH(log_sum_rows)(x, max, log_sum, cols, begin, end);
}
void subtract_log_sum(const float* x, float* y, int64_t n, float max, float log_sum) {
  HWY_DYNAMIC_DISPATCH(subtract_log_sum)(x, y, n, max, log_sum);
}
void softmax_masked_rows(const float* x, float* y, int64_t cols, float scale, const MaskRows& mask, int64_t begin,
                         int64_t end) {
  HWY_DYNAMIC_DISPATCH(softmax_masked_rows)(x, y, cols, scale, mask, begin, end);
}
void softmax_columns(const float* x, float* y, int64_t reduce, int64_t inner, int64_t begin, int64_t end) {
  HWY_DYNAMIC_DISPATCH(softmax_columns)(x, y, reduce, inner, begin, end);
}
void log_softmax_columns(const float* x, float* y, int64_t reduce, int64_t inner, int64_t begin, int64_t end) {
  HWY_DYNAMIC_DISPATCH(log_softmax_columns)(x, y, reduce, inner, begin, end);
}
}  // namespace sdx::kernels
#endif
