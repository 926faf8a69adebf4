// com.microsoft's SkipLayerNormalization and SkipSimplifiedLayerNormalization: the norm of a sum.
#include "kernels/norm.h"
#include "ops/broadcast_copy.h"
#include "ops/family.h"

namespace sdx::ops {
namespace {

struct SkipNormAttrs {
  float epsilon = 1e-12f;
  bool operator==(const SkipNormAttrs&) const = default;
  static constexpr auto fields() { return std::tuple{field("epsilon", &SkipNormAttrs::epsilon)}; }
};

constexpr int kSkip = 1, kScale = 2;

/// Inputs x, skip, scale, then (centred) shift, then bias of x; outputs y, mean, 1 / deviation, x + skip + bias.
void infer(InferContext& c) {
  c.require_dtype(0, {DType::kF32, DType::kF16, DType::kBF16});
  const Shape& x = c.input(0).shape;
  c.require_rank(0, 2, 3);
  for (int i = 1; i < c.input_count(); ++i) {
    if (!c.has(i)) continue;
    c.require_dtype(i, {DType::kF32, DType::kF16, DType::kBF16});
    if (i >= kScale) c.require_rank(i, 1, 1);
    require_broadcasts_to(c, c.input(i).shape, x, i == kSkip ? "the skip of a norm" : "a parameter of a norm");
    if (i >= kScale && x.has_rank() && c.input(i).shape.has_rank()) {
      c.require_equal(c.input(i).shape[0], x[x.rank() - 1], "the sizes of a norm's parameter and of its rows");
    }
  }
  Shape rows = x;
  if (rows.has_rank()) rows[rows.rank() - 1] = 1;
  c.set(0, c.input(0).dtype, x);
  c.set(1, DType::kF32, rows);
  c.set(2, DType::kF32, rows);
  c.set(3, c.input(0).dtype, x);
}

template <bool kCentred>
void run(RunContext& c) {
  if (widened(c, run<kCentred>)) return;
  const ConstView x = c.input(0), skip = c.input(kSkip);
  if (x.count() == 0) return;
  const int64_t n = x.extents.back(), rows = x.count() / n;
  auto optional = [&](int i) { return c.has_input(i) ? c.input(i).as<float>() : nullptr; };
  auto wanted = [&](int i) { return c.wants(i) ? c.output(i).as<float>() : nullptr; };
  kernels::NormRows norm{.scale = optional(kScale), .epsilon = c.attrs<SkipNormAttrs>().epsilon};
  if (kCentred) norm.shift = optional(3);
  norm.bias = optional(kCentred ? 4 : 3);
  norm.mean = kCentred ? wanted(1) : nullptr;
  norm.inverse = wanted(2);
  norm.sum = wanted(3);
  norm.residual = skip.as<float>();
  if (skip.count() != x.count()) {
    float* full = c.scratch<float>(x.count());
    broadcast_copy(skip, x.extents, full);
    norm.residual = full;
  }
  c.parallel().run(rows, grain_for(n * 5), [&](int64_t begin, int64_t end, int) {
    const auto norm_rows = kCentred ? kernels::layer_norm_rows : kernels::rms_norm_rows;
    norm_rows(x.as<float>(), c.output(0).as<float>(), n, norm, begin, end);
  });
  if (!kCentred && c.wants(1)) std::fill_n(c.output(1).as<float>(), rows, 0.0f);
}

constexpr Traits kTraits = {.row_local = true, .in_place = 1};

const Op kFamily[] = {
    {.domain = kMicrosoft,
     .name = "SkipLayerNormalization",
     .inputs = {3, 5},
     .outputs = {1, 4},
     .parse = Attrs::parse<SkipNormAttrs>,
     .infer = infer,
     .run = run<true>,
     .traits = kTraits,
     .accuracy = Accuracy::kFunction},
    {.domain = kMicrosoft,
     .name = "SkipSimplifiedLayerNormalization",
     .inputs = {3, 4},
     .outputs = {1, 4},
     .parse = Attrs::parse<SkipNormAttrs>,
     .infer = infer,
     .run = run<false>,
     .traits = kTraits,
     .accuracy = Accuracy::kFunction},
};

}  // namespace

std::span<const Op> skip_layer_norm_family() { return kFamily; }

}  // namespace sdx::ops
