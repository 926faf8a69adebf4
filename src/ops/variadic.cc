// Min, Max, Sum and Mean of any number of broadcast operands.
#include "kernels/binary.h"
#include "kernels/unary.h"
#include "ops/dispatch.h"
#include "ops/elementwise.h"

namespace sdx::ops {
namespace {

using kernels::BinaryOp;

std::optional<Dim> smaller(const Dim& a, const Dim& b) { return min(a, b); }
std::optional<Dim> larger(const Dim& a, const Dim& b) { return max(a, b); }

void require_same_types(InferContext& c, std::span<const DType> allowed) {
  c.require_dtype(0, allowed);
  for (int i = 1; i < c.input_count(); ++i) c.require_same_dtype(0, i);
}

template <DimFunction kElement>
void infer_extreme(InferContext& c) {
  require_same_types(c, kNumbers);
  if (c.input_count() == 1) {
    c.set(0, Fact{c.input(0)});
  } else if (c.input_count() == 2) {
    c.set(0, broadcast_fact(c, 0, 1, c.input(0).dtype, kElement));
  } else {
    c.set(0, c.input(0).dtype, broadcast_inputs(c, 0, c.input_count()));
  }
}

void infer_sum(InferContext& c) {
  require_same_types(c, kFloats);
  c.set(0, c.input(0).dtype, broadcast_inputs(c, 0, c.input_count()));
}

/// y = op(op(input 0, input 1), input 2) …, a range of y at a time.
template <class T>
void fold(RunContext& c, BinaryOp op, bool mean) {
  const View& y = c.output(0);
  const int n = c.input_count();
  if (n == 1) return ir::copy_elements(c.input(0), y);
  const auto first = broadcast_loop<2>(c, {0, 1});
  auto* loops = c.scratch<kernels::StridedLoop<2>>(n);
  for (int i = 2; i < n; ++i) {
    const ConstView x = c.input(i);
    loops[i] = kernels::make_broadcast_loop<2>(y.extents.span(), {y.extents.span(), x.extents.span()});
  }
  T* const to = y.as<T>();
  c.parallel().run(y.count(), grain_for(n - 1), [&](int64_t begin, int64_t end, int) {
    kernels::binary(op, first, c.input(0).as<T>(), c.input(1).as<T>(), to, begin, end);
    for (int i = 2; i < n; ++i) kernels::binary<T>(op, loops[i], to, c.input(i).as<T>(), to, begin, end);
    if constexpr (std::is_floating_point_v<T>) {
      const T count = static_cast<T>(n);
      if (mean) kernels::binary<T>(BinaryOp::kDiv, to + begin, 1, &count, 0, to + begin, end - begin);
    }
  });
}

template <BinaryOp kOp>
void run_extreme(RunContext& c) {
  with_number(c.output(0).dtype, [&](auto* tag) { fold<Pointee<decltype(tag)>>(c, kOp, false); });
}

/// Narrow types are added in float32, so that many operands round once.
template <bool kMean>
void run_sum(RunContext& c) {
  if (widened(c, run_sum<kMean>)) return;
  if (c.output(0).dtype == DType::kF64) return fold<double>(c, BinaryOp::kAdd, kMean);
  fold<float>(c, BinaryOp::kAdd, kMean);
}

constexpr Op variadic(std::string_view name, void (*infer)(InferContext&), void (*run)(RunContext&)) {
  return {.domain = "",
          .name = name,
          .inputs = {1, ir::kVariadic},
          .outputs = {1, 1},
          .parse = Attrs::parse<NoAttrs>,
          .infer = infer,
          .run = run,
          .traits = {.commutative = true, .elementwise = true, .in_place = 0b11},
          .accuracy = Accuracy::kRounded,
          .upgrade = upgrade_unary};
}

const Op kFamily[] = {
    variadic("Min", infer_extreme<smaller>, run_extreme<BinaryOp::kMin>),
    variadic("Max", infer_extreme<larger>, run_extreme<BinaryOp::kMax>),
    variadic("Sum", infer_sum, run_sum<false>),
    variadic("Mean", infer_sum, run_sum<true>),
};

}  // namespace

std::span<const Op> variadic_family() { return kFamily; }

}  // namespace sdx::ops
