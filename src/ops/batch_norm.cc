// BatchNormalization: channels normalised by given statistics or, in training mode, by those of the batch.
#include <cmath>

#include "kernels/norm.h"
#include "ops/family.h"
#include "ops/normalise.h"

namespace sdx::ops {
namespace {

struct BatchNormAttrs {
  float epsilon = 1e-5f, momentum = 0.9f;
  bool training_mode = false;
  bool operator==(const BatchNormAttrs&) const = default;
  static constexpr auto fields() {
    return std::tuple{field("epsilon", &BatchNormAttrs::epsilon), field("momentum", &BatchNormAttrs::momentum),
                      field("training_mode", &BatchNormAttrs::training_mode)};
  }
};

void upgrade(Call& c) {
  c.drop("consumed_inputs");
  if (c.version < 7 && c.int_attr("is_test").value_or(0) == 0) c.default_attr("training_mode", int64_t{0});
  c.drop("is_test");
  if (c.version < 9 && c.int_attr("spatial").value_or(1) == 0) {
    fail(ErrorKind::kUnsupportedModel, "attribute 'spatial' is 0; only statistics by channel are supported");
  }
  c.drop("spatial");
}

void infer(InferContext& c) {
  c.require_dtype(0, kFloats);
  c.require_rank(0, 1);
  const Shape& x = c.input(0).shape;
  const bool training = c.attrs<BatchNormAttrs>().training_mode;
  for (int i = 1; i <= 4; ++i) {
    c.require_dtype(i, kFloats);
    if ((c.input(i).dtype == DType::kF64) != (c.input(0).dtype == DType::kF64)) c.require_same_dtype(0, i);
    c.require_rank(i, 1, 1);
    if (!x.has_rank() || !c.input(i).shape.has_rank()) continue;
    c.require_equal(c.input(i).shape[0], x.rank() == 1 ? Dim(1) : x[1], "the sizes of a parameter and the channels");
  }
  infer_same_as_input(c);
  if (!training && c.output_count() > 1) c.unsupported("running statistics as outputs without training_mode");
  c.set(1, c.input(3).dtype, c.input(3).shape);
  c.set(2, c.input(4).dtype, c.input(4).shape);
  for (int i = 3; i < c.output_count(); ++i) c.unsupported("saved statistics as outputs of BatchNormalization");
}

struct Layout {
  int64_t batch, channels, plane;
};

Layout layout(const Extents& e) {
  if (e.rank() == 1) return {e[0], 1, 1};
  return {e[0], e[1], e.product(2, e.rank())};
}

void run_float(RunContext& c) {
  const Layout l = layout(c.input(0).extents);
  float* scale = c.scratch<float>(2 * l.channels);
  float* shift = scale + l.channels;
  auto vector = [&](int i) { return c.input(i).as<float>(); };
  kernels::fold_batch_norm({vector(1), vector(2), vector(3), vector(4), c.attrs<BatchNormAttrs>().epsilon}, scale,
                           shift, l.channels);
  c.parallel().run(l.batch * l.channels, grain_for(l.plane), [&](int64_t begin, int64_t end, int) {
    kernels::affine_planes(vector(0), c.output(0).as<float>(), l.channels, l.plane, scale, shift, begin, end);
  });
}

/// Mean and variance of channel `ch` over the batch.
template <class T>
void batch_moments(const T* x, const Layout& l, int64_t ch, double& mean, double& variance) {
  const auto count = static_cast<double>(l.batch * l.plane);
  double sum = 0, squares = 0;
  for (int64_t b = 0; b < l.batch; ++b) {
    sum += sum_of(x + (b * l.channels + ch) * l.plane, l.plane, [](double v) { return v; });
  }
  mean = sum / count;
  for (int64_t b = 0; b < l.batch; ++b) {
    const double m = mean;
    squares += sum_of(x + (b * l.channels + ch) * l.plane, l.plane, [m](double v) { return (v - m) * (v - m); });
  }
  variance = squares / count;
}

template <class T>
void run_typed(RunContext& c) {
  const auto& a = c.attrs<BatchNormAttrs>();
  const Layout l = layout(c.input(0).extents);
  const T* x = c.input(0).as<T>();
  c.parallel().run(l.channels, grain_for(l.batch * l.plane * 4), [&](int64_t begin, int64_t end, int) {
    for (int64_t ch = begin; ch < end; ++ch) {
      double mean = static_cast<double>(c.input(3).as<T>()[ch]), variance = static_cast<double>(c.input(4).as<T>()[ch]);
      if (a.training_mode) {
        const double before[] = {mean, variance};
        const auto momentum = static_cast<double>(a.momentum);
        batch_moments(x, l, ch, mean, variance);
        if (c.wants(1)) c.output(1).as<T>()[ch] = static_cast<T>(before[0] * momentum + mean * (1 - momentum));
        if (c.wants(2)) c.output(2).as<T>()[ch] = static_cast<T>(before[1] * momentum + variance * (1 - momentum));
      }
      const Moments m{mean, 1 / std::sqrt(variance + static_cast<double>(a.epsilon))};
      for (int64_t b = 0; b < l.batch; ++b) {
        const int64_t at = (b * l.channels + ch) * l.plane;
        scale_all(x + at, l.plane, m, c.input(1).as<T>()[ch], c.input(2).as<T>()[ch], c.output(0).as<T>() + at);
      }
    }
  });
}

void run(RunContext& c) {
  if (widened(c, run)) return;
  if (c.input(0).dtype == DType::kF64) return run_typed<double>(c);
  if (c.attrs<BatchNormAttrs>().training_mode) return run_typed<float>(c);
  if (c.output(0).count() > 0) run_float(c);
}

const Op kFamily[] = {
    {.domain = "",
     .name = "BatchNormalization",
     .inputs = {5, 5},
     .outputs = {1, 5},
     .parse = Attrs::parse<BatchNormAttrs>,
     .infer = infer,
     .run = run,
     .traits = {.in_place = 1},
     .accuracy = Accuracy::kAccumulated,
     .upgrade = upgrade},
};

}  // namespace

std::span<const Op> batch_norm_family() { return kFamily; }

}  // namespace sdx::ops
