// LpNormalization, MeanVarianceNormalization and LRN: norms along chosen axes and over neighbouring channels.
#include <algorithm>
#include <cmath>

#include "ops/family.h"

namespace sdx::ops {
namespace {

struct LpNormAttrs {
  int64_t axis = -1, p = 2;
  bool operator==(const LpNormAttrs&) const = default;
  static constexpr auto fields() { return std::tuple{field("axis", &LpNormAttrs::axis), field("p", &LpNormAttrs::p)}; }
};

struct MeanVarianceAttrs {
  std::vector<int64_t> axes = {0, 2, 3};
  bool operator==(const MeanVarianceAttrs&) const = default;
  static constexpr auto fields() { return std::tuple{field("axes", &MeanVarianceAttrs::axes)}; }
};

struct LrnAttrs {
  float alpha = 0.0001f, beta = 0.75f, bias = 1;
  int64_t size = 1;
  bool operator==(const LrnAttrs&) const = default;
  static constexpr auto fields() {
    return std::tuple{field("alpha", &LrnAttrs::alpha), field("beta", &LrnAttrs::beta), field("bias", &LrnAttrs::bias),
                      required("size", &LrnAttrs::size)};
  }
};

void infer_lp(InferContext& c) {
  const auto& a = c.attrs<LpNormAttrs>();
  c.require_dtype(0, kFloats);
  if (a.p != 1 && a.p != 2) c.invalid("attribute 'p' is ", a.p, " but must be 1 or 2");
  if (c.input(0).shape.has_rank()) c.axis(a.axis, c.input(0).shape.rank());
  infer_same_as_input(c);
}

template <class T>
void run_lp_typed(RunContext& c) {
  const auto& a = c.attrs<LpNormAttrs>();
  const ConstView x = c.input(0);
  const int axis = static_cast<int>(a.axis < 0 ? a.axis + x.rank() : a.axis);
  const int64_t n = x.extents[axis], inner = x.extents.product(axis + 1, x.rank());
  c.parallel().run(x.extents.product(0, axis) * inner, grain_for(n * 4), [&](int64_t begin, int64_t end, int) {
    for (int64_t i = begin; i < end; ++i) {
      const int64_t at = i / inner * n * inner + i % inner;
      const T* from = x.as<T>() + at;
      double total = 0;
      for (int64_t j = 0; j < n; ++j) {
        const auto v = static_cast<double>(from[j * inner]);
        total += a.p == 1 ? std::abs(v) : v * v;
      }
      const double norm = a.p == 1 ? total : std::sqrt(total);
      T* to = c.output(0).as<T>() + at;
      for (int64_t j = 0; j < n; ++j) {
        to[j * inner] = norm == 0 ? T{} : static_cast<T>(static_cast<double>(from[j * inner]) / norm);
      }
    }
  });
}

void infer_mean_variance(InferContext& c) {
  c.require_dtype(0, kFloats);
  if (c.input(0).shape.has_rank()) {
    for (int64_t axis : c.attrs<MeanVarianceAttrs>().axes) c.axis(axis, c.input(0).shape.rank(), "axes");
  }
  infer_same_as_input(c);
}

/// Positions of a tensor split in those that are averaged together and those that tell groups apart.
struct AxisSplit {
  std::vector<std::pair<int64_t, int64_t>> kept, averaged;  ///< size and stride, outermost first
  int64_t kept_count = 1, averaged_count = 1;

  AxisSplit(const Extents& e, const std::vector<int64_t>& axes) {
    bool chosen[kMaxRank] = {};
    for (int64_t axis : axes) chosen[axis < 0 ? axis + e.rank() : axis] = true;
    for (int i = 0; i < e.rank(); ++i) {
      (chosen[i] ? averaged : kept).emplace_back(e[i], e.product(i + 1, e.rank()));
      (chosen[i] ? averaged_count : kept_count) *= e[i];
    }
  }
  static int64_t offset(const std::vector<std::pair<int64_t, int64_t>>& axes, int64_t index) {
    int64_t at = 0;
    for (size_t i = axes.size(); i-- > 0;) {
      at += index % axes[i].first * axes[i].second;
      index /= axes[i].first;
    }
    return at;
  }
};

template <class T>
void run_mean_variance_typed(RunContext& c) {
  constexpr double kEpsilon = 1e-9;  // of the operator's function body
  const AxisSplit split(c.input(0).extents, c.attrs<MeanVarianceAttrs>().axes);
  const T* x = c.input(0).as<T>();
  T* y = c.output(0).as<T>();
  c.parallel().run(split.kept_count, grain_for(split.averaged_count * 20), [&](int64_t begin, int64_t end, int) {
    for (int64_t i = begin; i < end; ++i) {
      const int64_t base = AxisSplit::offset(split.kept, i);
      double sum = 0, squares = 0;
      auto at = [&](int64_t j) { return base + AxisSplit::offset(split.averaged, j); };
      for (int64_t j = 0; j < split.averaged_count; ++j) sum += static_cast<double>(x[at(j)]);
      const double mean = sum / static_cast<double>(split.averaged_count);
      for (int64_t j = 0; j < split.averaged_count; ++j) {
        const double d = static_cast<double>(x[at(j)]) - mean;
        squares += d * d;
      }
      const double deviation = std::sqrt(squares / static_cast<double>(split.averaged_count)) + kEpsilon;
      for (int64_t j = 0; j < split.averaged_count; ++j) {
        y[at(j)] = static_cast<T>((static_cast<double>(x[at(j)]) - mean) / deviation);
      }
    }
  });
}

void infer_lrn(InferContext& c) {
  c.require_dtype(0, kFloats);
  c.require_rank(0, 2);
  if (c.attrs<LrnAttrs>().size < 1)
    c.invalid("attribute 'size' is ", c.attrs<LrnAttrs>().size, " but must be at least 1");
  infer_same_as_input(c);
}

/// x / (bias + alpha / size * sum of squares of the neighbouring channels)^beta
template <class T>
void run_lrn_typed(RunContext& c) {
  const auto& a = c.attrs<LrnAttrs>();
  const Extents& e = c.input(0).extents;
  const int64_t channels = e[1], plane = e.product(2, e.rank());
  const T* x = c.input(0).as<T>();
  const double factor = static_cast<double>(a.alpha) / static_cast<double>(a.size);
  c.parallel().run(e[0] * channels, grain_for(plane * 20), [&](int64_t begin, int64_t end, int) {
    for (int64_t i = begin; i < end; ++i) {
      const int64_t image = i / channels, ch = i % channels;
      const int64_t first = std::max<int64_t>(0, ch - (a.size - 1) / 2), last = std::min(channels - 1, ch + a.size / 2);
      for (int64_t p = 0; p < plane; ++p) {
        double squares = 0;
        for (int64_t j = first; j <= last; ++j) {
          const auto v = static_cast<double>(x[(image * channels + j) * plane + p]);
          squares += v * v;
        }
        const double scale = std::pow(static_cast<double>(a.bias) + factor * squares, static_cast<double>(a.beta));
        c.output(0).as<T>()[i * plane + p] = static_cast<T>(static_cast<double>(x[i * plane + p]) / scale);
      }
    }
  });
}

void run_lp(RunContext& c) {
  if (widened(c, run_lp)) return;
  c.input(0).dtype == DType::kF64 ? run_lp_typed<double>(c) : run_lp_typed<float>(c);
}
void run_mean_variance(RunContext& c) {
  if (widened(c, run_mean_variance)) return;
  c.input(0).dtype == DType::kF64 ? run_mean_variance_typed<double>(c) : run_mean_variance_typed<float>(c);
}
void run_lrn(RunContext& c) {
  if (widened(c, run_lrn)) return;
  c.input(0).dtype == DType::kF64 ? run_lrn_typed<double>(c) : run_lrn_typed<float>(c);
}

const Op kFamily[] = {
    {.domain = "",
     .name = "LpNormalization",
     .inputs = {1, 1},
     .outputs = {1, 1},
     .parse = Attrs::parse<LpNormAttrs>,
     .infer = infer_lp,
     .run = run_lp,
     .traits = {.in_place = 1},
     .accuracy = Accuracy::kFunction},
    {.domain = "",
     .name = "MeanVarianceNormalization",
     .inputs = {1, 1},
     .outputs = {1, 1},
     .parse = Attrs::parse<MeanVarianceAttrs>,
     .infer = infer_mean_variance,
     .run = run_mean_variance,
     .traits = {.in_place = 1},
     .accuracy = Accuracy::kAccumulated,
     .since = 9},
    {.domain = "",
     .name = "LRN",
     .inputs = {1, 1},
     .outputs = {1, 1},
     .parse = Attrs::parse<LrnAttrs>,
     .infer = infer_lrn,
     .run = run_lrn,
     .accuracy = Accuracy::kFunction},
};

}  // namespace

std::span<const Op> axis_norm_family() { return kFamily; }

}  // namespace sdx::ops
