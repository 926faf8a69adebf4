// Softmax and LogSoftmax along one axis.
#include <cmath>

#include "kernels/softmax.h"
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

void normalise_lines(const double* x, double* y, int64_t n, int64_t inner, bool logarithm, int64_t begin, int64_t end) {
  for (int64_t i = begin; i < end; ++i) {
    const int64_t at = (i / inner) * n * inner + i % inner;
    normalise(x + at, y + at, n, inner, logarithm);
  }
}

void normalise_lines(const float* x, float* y, int64_t n, int64_t inner, bool logarithm, int64_t begin, int64_t end) {
  if (inner == 1) {
    const auto rows = logarithm ? kernels::log_softmax_rows : kernels::softmax_rows;
    return rows(x, y, n, begin, end);
  }
  const auto columns = logarithm ? kernels::log_softmax_columns : kernels::softmax_columns;
  columns(x, y, n, inner, begin, end);
}

template <class T>
void run_typed(RunContext& c, bool logarithm) {
  const auto& a = c.attrs<SoftmaxAttrs>();
  const ConstView x = c.input(0);
  const int rank = x.rank();
  const int axis = static_cast<int>(a.axis < 0 ? a.axis + rank : a.axis);
  const int64_t outer = x.extents.product(0, axis);
  const int64_t n = rank == 0 ? 1 : a.flatten ? x.extents.product(axis, rank) : x.extents[axis];
  const int64_t inner = rank == 0 || a.flatten ? 1 : x.extents.product(axis + 1, rank);
  c.parallel().run(outer * inner, grain_for(n * 8), [&](int64_t begin, int64_t end, int) {
    normalise_lines(x.as<T>(), c.output(0).as<T>(), n, inner, logarithm, begin, end);
  });
}

template <bool kLogarithm>
void run(RunContext& c) {
  if (widened(c, run<kLogarithm>)) return;
  if (c.input(0).dtype == DType::kF64) return run_typed<double>(c, kLogarithm);
  run_typed<float>(c, kLogarithm);
}

constexpr Traits kTraits = {.row_local = true, .in_place = 1};

const Op kFamily[] = {
    {.domain = "", .name = "Softmax", .inputs = {1, 1}, .outputs = {1, 1}, .parse = Attrs::parse<SoftmaxAttrs>,
     .infer = infer, .run = run<false>, .traits = kTraits, .accuracy = Accuracy::kFunction, .upgrade = upgrade},
    {.domain = "", .name = "LogSoftmax", .inputs = {1, 1}, .outputs = {1, 1}, .parse = Attrs::parse<SoftmaxAttrs>,
     .infer = infer, .run = run<true>, .traits = kTraits, .accuracy = Accuracy::kFunction, .upgrade = upgrade},
};

}  // namespace

std::span<const Op> softmax_family() { return kFamily; }

}  // namespace sdx::ops
