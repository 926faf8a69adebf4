// Norms: the mean in one pass, the squared distances from it in a second, the map in a third.
#include "kernels/norm.h"

#include <algorithm>
#include <cmath>

#include "hwy/foreach_target.h"
#include "hwy/highway.h"
#include "kernels/activation-inl.h"
#include "kernels/partial-inl.h"

HWY_BEFORE_NAMESPACE();
namespace sdx::kernels::HWY_NAMESPACE {

/// Σ f(x) over a row, in blocks of at most 4096 floats whose sums are added in double.
template <class F>
HWY_INLINE double sum_of(const float* x, int64_t n, const F& f) {
  constexpr int64_t kBlock = 4096;
  const F32 d;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(d));
  double total = 0;
  for (int64_t start = 0; start < n; start += kBlock) {
    const int64_t stop = std::min(n, start + kBlock);
    VF a = hn::Zero(d), b = a, c = a, e = a;
    int64_t i = start;
    for (; i + 4 * lanes <= stop; i += 4 * lanes) {
      a = hn::Add(a, f(hn::LoadU(d, x + i)));
      b = hn::Add(b, f(hn::LoadU(d, x + i + lanes)));
      c = hn::Add(c, f(hn::LoadU(d, x + i + 2 * lanes)));
      e = hn::Add(e, f(hn::LoadU(d, x + i + 3 * lanes)));
    }
    for (; i + lanes <= stop; i += lanes) a = hn::Add(a, f(hn::LoadU(d, x + i)));
    if (i < stop) {
      const size_t rest = static_cast<size_t>(stop - i);
      b = hn::Add(b, hn::IfThenElseZero(hn::FirstN(d, rest), f(load_partial(d, x + i, rest))));
    }
    total += static_cast<double>(hn::GetLane(hn::SumOfLanes(d, hn::Add(hn::Add(a, b), hn::Add(c, e)))));
  }
  return total;
}

HWY_INLINE double sum(const float* x, int64_t n) {
  return sum_of(x, n, [](VF v) { return v; });
}

HWY_INLINE double squares_around(const float* x, int64_t n, float center) {
  const VF c = constant(center);
  return sum_of(x, n, [&](VF v) {
    const VF distance = hn::Sub(v, c);
    return hn::Mul(distance, distance);
  });
}

struct Statistics {
  float mean;
  float inverse;
};

HWY_INLINE Statistics statistics(const float* x, int64_t n, float epsilon) {
  const double count = static_cast<double>(n);
  const double mean = sum(x, n) / count;
  const float center = static_cast<float>(mean);
  // The float mean is off by up to half an ulp, which the second term takes out of the variance.
  const double off = mean - static_cast<double>(center);
  const double variance = std::max(0.0, squares_around(x, n, center) / count - off * off);
  return {center, static_cast<float>(1.0 / std::sqrt(variance + static_cast<double>(epsilon)))};
}

/// Calls step(i, load, store) for each vector of a row, with loads and stores that stay inside it.
template <class Step>
HWY_INLINE void for_row(int64_t n, const Step& step) {
  const F32 d;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(d));
  int64_t i = 0;
  for (; i + lanes <= n; i += lanes) {
    step([&](const float* p) { return hn::LoadU(d, p + i); }, [&](VF v, float* p) { hn::StoreU(v, d, p + i); });
  }
  if (i == n) return;
  const size_t rest = static_cast<size_t>(n - i);
  step([&](const float* p) { return load_partial(d, p + i, rest); },
       [&](VF v, float* p) { store_partial(v, d, p + i, rest); });
}

/// x + residual + bias into `to`.
HWY_INLINE void add_row(const float* x, const float* residual, const float* bias, float* to, int64_t n) {
  for_row(n, [&](const auto& load, const auto& store) {
    VF v = load(x);
    if (residual != nullptr) v = hn::Add(v, load(residual));
    if (bias != nullptr) v = hn::Add(v, load(bias));
    store(v, to);
  });
}

/// y = (x - mean) inverse scale + shift.
HWY_INLINE void map_row(const float* x, float* y, int64_t n, Statistics s, const NormRows& norm) {
  const VF mean = constant(s.mean), inverse = constant(s.inverse);
  for_row(n, [&](const auto& load, const auto& store) {
    VF v = hn::Mul(hn::Sub(load(x), mean), inverse);
    if (norm.scale != nullptr && norm.shift != nullptr) {
      v = hn::MulAdd(v, load(norm.scale), load(norm.shift));
    } else if (norm.scale != nullptr) {
      v = hn::Mul(v, load(norm.scale));
    } else if (norm.shift != nullptr) {
      v = hn::Add(v, load(norm.shift));
    }
    store(v, y);
  });
}

/// The row to normalise: x itself, or its sum with the residual and the bias in norm.sum or, failing that, in y.
HWY_INLINE const float* summed_row(const float* x, float* y, int64_t r, int64_t cols, const NormRows& norm) {
  const float* row = x + r * cols;
  if (norm.residual == nullptr && norm.bias == nullptr && norm.sum == nullptr) return row;
  float* to = (norm.sum != nullptr ? norm.sum : y) + r * cols;
  add_row(row, norm.residual == nullptr ? nullptr : norm.residual + r * cols, norm.bias, to, cols);
  return to;
}

HWY_INLINE void put_statistics(const NormRows& norm, int64_t r, Statistics s) {
  if (norm.mean != nullptr) norm.mean[r] = s.mean;
  if (norm.inverse != nullptr) norm.inverse[r] = s.inverse;
}

void layer_norm_rows(const float* x, float* y, int64_t cols, const NormRows& norm, int64_t begin, int64_t end) {
  for (int64_t r = begin; r < end; ++r) {
    const float* row = summed_row(x, y, r, cols, norm);
    const Statistics s = statistics(row, cols, norm.epsilon);
    put_statistics(norm, r, s);
    map_row(row, y + r * cols, cols, s, norm);
  }
}

void rms_norm_rows(const float* x, float* y, int64_t cols, const NormRows& norm, int64_t begin, int64_t end) {
  for (int64_t r = begin; r < end; ++r) {
    const float* row = summed_row(x, y, r, cols, norm);
    const double square = squares_around(row, cols, 0.0f) / static_cast<double>(cols);
    const Statistics s{0.0f, static_cast<float>(1.0 / std::sqrt(square + static_cast<double>(norm.epsilon)))};
    put_statistics(norm, r, s);
    map_row(row, y + r * cols, cols, s, norm);
  }
}

HWY_INLINE void affine_plane(const float* x, float* y, int64_t n, float scale, float shift) {
  const VF a = constant(scale), b = constant(shift);
  map_floats(x, y, n, [&](VF v) { return hn::MulAdd(v, a, b); });
}

template <Activation kActivation>
HWY_NOINLINE void normalise_groups(const float* x, float* y, const NormGroups& norm, int64_t begin, int64_t end) {
  const int64_t size = norm.per_group * norm.plane, groups = norm.channels / norm.per_group;
  for (int64_t g = begin; g < end; ++g) {
    const Statistics s = statistics(x + g * size, size, norm.epsilon);
    for (int64_t k = 0; k < norm.per_group; ++k) {
      const int64_t channel = g % groups * norm.per_group + k, offset = g * size + k * norm.plane;
      const VF scale = constant(norm.scale != nullptr ? s.inverse * norm.scale[channel] : s.inverse);
      const VF shift = constant(norm.shift != nullptr ? norm.shift[channel] : 0.0f), mean = constant(s.mean);
      map_floats(x + offset, y + offset, norm.plane,
                 [&](VF v) { return activate<kActivation>(hn::MulAdd(hn::Sub(v, mean), scale, shift)); });
    }
  }
}

void group_norm(const float* x, float* y, const NormGroups& norm, int64_t begin, int64_t end) {
  with_activation(norm.activation, [&](auto of) { normalise_groups<of>(x, y, norm, begin, end); });
}

void affine_planes(const float* x, float* y, int64_t channels, int64_t plane, const float* scale, const float* shift,
                   int64_t begin, int64_t end) {
  for (int64_t p = begin; p < end; ++p) {
    affine_plane(x + p * plane, y + p * plane, plane, scale[p % channels], shift[p % channels]);
  }
}

}  // namespace sdx::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace sdx::kernels {
HWY_EXPORT(layer_norm_rows);
HWY_EXPORT(rms_norm_rows);
HWY_EXPORT(group_norm);
HWY_EXPORT(affine_planes);

void layer_norm_rows(const float* x, float* y, int64_t cols, const NormRows& norm, int64_t begin, int64_t end) {
  HWY_DYNAMIC_DISPATCH(layer_norm_rows)(x, y, cols, norm, begin, end);
}
void rms_norm_rows(const float* x, float* y, int64_t cols, const NormRows& norm, int64_t begin, int64_t end) {
  HWY_DYNAMIC_DISPATCH(rms_norm_rows)(x, y, cols, norm, begin, end);
}
void group_norm(const float* x, float* y, const NormGroups& norm, int64_t begin, int64_t end) {
  HWY_DYNAMIC_DISPATCH(group_norm)(x, y, norm, begin, end);
}
void affine_planes(const float* x, float* y, int64_t channels, int64_t plane, const float* scale, const float* shift,
                   int64_t begin, int64_t end) {
  HWY_DYNAMIC_DISPATCH(affine_planes)(x, y, channels, plane, scale, shift, begin, end);
}

void fold_batch_norm(const BatchNorm& norm, float* scale, float* shift, int64_t channels) {
  for (int64_t c = 0; c < channels; ++c) {
    const double factor = norm.scale[c] / std::sqrt(static_cast<double>(norm.variance[c]) + norm.epsilon);
    const double offset = norm.shift[c] - norm.mean[c] * factor;
    scale[c] = static_cast<float>(factor);
    shift[c] = static_cast<float>(offset);
  }
}

}  // namespace sdx::kernels
#endif
