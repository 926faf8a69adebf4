// Softmax, LogSoftmax and Hardmax along one axis.
#include "kernels/softmax.h"

#include <algorithm>
#include <cmath>

#include "kernels/reduce.h"
#include "ops/dispatch.h"
#include "ops/family.h"

namespace sdx::ops {
namespace {

struct SoftmaxAttrs {
  int64_t axis = -1;
  bool flatten = false;  ///< below opset 13: all axes from `axis` on are one
  bool operator==(const SoftmaxAttrs&) const = default;
  static constexpr auto fields() {
    return std::tuple{field("axis", &SoftmaxAttrs::axis), field("flatten", &SoftmaxAttrs::flatten)};
  }
};

void upgrade(Call& c) {
  if (c.version >= 13) return;
  c.default_attr("axis", int64_t{1});
  // Along the last axis both meanings are the same, and a file can say only the newer one.
  const auto* axis = std::get_if<int64_t>(&c.attrs["axis"]);
  const bool ranked = !c.inputs.empty() && c.inputs[0] != ir::kNone && c.graph.fact(c.inputs[0]).shape.has_rank();
  const int64_t last = ranked ? c.graph.fact(c.inputs[0]).rank() - 1 : -1;
  if (axis && (*axis == -1 || (ranked && *axis == last))) return;
  c.attrs["flatten"] = int64_t{1};
}

void infer(InferContext& c) {
  c.require_dtype(0, kFloats);
  const Shape& shape = c.input(0).shape;
  if (shape.has_rank() && shape.rank() > 0) c.axis(c.attrs<SoftmaxAttrs>().axis, shape.rank());
  infer_same_as_input(c);
}

/// One line of `n` elements `stride` apart.
void normalise(const double* x, double* y, int64_t n, int64_t stride, bool logarithm) {
  double largest = -std::numeric_limits<double>::infinity();
  for (int64_t i = 0; i < n; ++i) largest = std::max(largest, x[i * stride]);
  double total = 0;
  for (int64_t i = 0; i < n; ++i) total += std::exp(x[i * stride] - largest);
  for (int64_t i = 0; i < n; ++i) {
    const double shifted = x[i * stride] - largest;
    y[i * stride] = logarithm ? shifted - std::log(total) : std::exp(shifted) / total;
  }
}

/// The input as [outer, size, inner] with the lines in the middle.
struct Lines {
  int64_t outer = 1, size = 1, inner = 1;
  int64_t count() const { return outer * inner; }
};

Lines lines_of(RunContext& c) {
  const auto& a = c.attrs<SoftmaxAttrs>();
  const Extents& x = c.input(0).extents;
  if (x.rank() == 0) return {};
  const int axis = static_cast<int>(a.axis < 0 ? a.axis + x.rank() : a.axis);
  if (a.flatten) return {x.product(0, axis), x.product(axis, x.rank()), 1};
  return {x.product(0, axis), x[axis], x.product(axis + 1, x.rank())};
}

void run_double(RunContext& c, bool logarithm) {
  const Lines l = lines_of(c);
  const double* x = c.input(0).as<double>();
  double* y = c.output(0).as<double>();
  c.parallel().run(l.count(), grain_for(l.size * 16), [&](int64_t begin, int64_t end, int) {
    for (int64_t i = begin; i < end; ++i) {
      const int64_t at = i / l.inner * l.size * l.inner + i % l.inner;
      normalise(x + at, y + at, l.size, l.inner, logarithm);
    }
  });
}

template <bool kLogarithm>
void run(RunContext& c) {
  if (widened(c, run<kLogarithm>)) return;
  if (c.output(0).count() == 0) return;
  if (c.input(0).dtype == DType::kF64) return run_double(c, kLogarithm);
  const Lines l = lines_of(c);
  const float* x = c.input(0).as<float>();
  float* y = c.output(0).as<float>();
  c.parallel().run(l.count(), grain_for(l.size * 8), [&](int64_t begin, int64_t end, int) {
    if (l.inner == 1)
      (kLogarithm ? kernels::log_softmax_rows : kernels::softmax_rows)(x, y, l.size, begin, end);
    else
      (kLogarithm ? kernels::log_softmax_columns : kernels::softmax_columns)(x, y, l.size, l.inner, begin, end);
  });
}

void set_one(Half& y) { y = to_half(1.0f); }
void set_one(BFloat16& y) { y = to_bfloat16(1.0f); }
void set_one(float& y) { y = 1; }
void set_one(double& y) { y = 1; }

/// 1 at the first largest element of each line, 0 elsewhere.
void run_hardmax(RunContext& c) {
  const View& y = c.output(0);
  if (y.count() == 0) return;
  const Lines l = lines_of(c);
  auto* largest = c.scratch<int64_t>(l.count());
  with_float(y.dtype, [&](auto* tag) {
    using T = Pointee<decltype(tag)>;
    const T* x = c.input(0).as<T>();
    const kernels::ReduceShape shape{l.size, l.inner};
    c.parallel().run(l.count(), grain_for(l.size), [&](int64_t begin, int64_t end, int) {
      kernels::arg_reduce(kernels::ArgMode{true, false}, x, largest, shape, begin, end);
    });
    std::fill_n(y.as<T>(), y.count(), T{});
    for (int64_t i = 0; i < l.count(); ++i) {
      set_one(y.as<T>()[(i / l.inner * l.size + largest[i]) * l.inner + i % l.inner]);
    }
  });
}

constexpr Traits kTraits = {.row_local = true, .in_place = 1};

const Op kFamily[] = {
    {.domain = "",
     .name = "Softmax",
     .inputs = {1, 1},
     .outputs = {1, 1},
     .parse = Attrs::parse<SoftmaxAttrs>,
     .infer = infer,
     .run = run<false>,
     .traits = kTraits,
     .accuracy = Accuracy::kFunction,
     .upgrade = upgrade},
    {.domain = "",
     .name = "LogSoftmax",
     .inputs = {1, 1},
     .outputs = {1, 1},
     .parse = Attrs::parse<SoftmaxAttrs>,
     .infer = infer,
     .run = run<true>,
     .traits = kTraits,
     .accuracy = Accuracy::kFunction,
     .upgrade = upgrade},
    {.domain = "",
     .name = "Hardmax",
     .inputs = {1, 1},
     .outputs = {1, 1},
     .parse = Attrs::parse<SoftmaxAttrs>,
     .infer = infer,
     .run = run_hardmax,
     .upgrade = upgrade},
};

}  // namespace

std::span<const Op> softmax_family() { return kFamily; }

}  // namespace sdx::ops
