// GlobalAveragePool, GlobalMaxPool and GlobalLpPool: one number for each channel of an image.
#include <cmath>

#include "kernels/reduce.h"
#include "ops/family.h"

namespace sdx::ops {
namespace {

using kernels::ReduceOp;

struct GlobalPoolAttrs {
  int64_t p = 2;
  bool operator==(const GlobalPoolAttrs&) const = default;
  static constexpr auto fields() { return std::tuple{field("p", &GlobalPoolAttrs::p)}; }
};

void infer(InferContext& c) {
  c.require_dtype(0, kFloats);
  c.require_rank(0, 2);
  if (c.attrs<GlobalPoolAttrs>().p < 1)
    c.invalid("attribute 'p' is ", c.attrs<GlobalPoolAttrs>().p, " but must be at least 1");
  Shape out = c.input(0).shape;
  for (int i = 2; out.has_rank() && i < out.rank(); ++i) out[i] = 1;
  c.set(0, c.input(0).dtype, std::move(out));
}

template <class T>
void reduce_planes(RunContext& c, ReduceOp op) {
  const ConstView x = c.input(0);
  const int64_t plane = x.extents.product(2, x.rank());
  c.parallel().run(c.output(0).count(), grain_for(plane * 2), [&](int64_t begin, int64_t end, int) {
    kernels::reduce(op, x.as<T>(), c.output(0).as<T>(), {plane, 1}, begin, end);
  });
}

void reduce_any(RunContext& c, ReduceOp op) {
  switch (c.input(0).dtype) {
    case DType::kF64: return reduce_planes<double>(c, op);
    case DType::kF16: return reduce_planes<Half>(c, op);
    case DType::kBF16: return reduce_planes<BFloat16>(c, op);
    default: return reduce_planes<float>(c, op);
  }
}

void run_average(RunContext& c) { reduce_any(c, ReduceOp::kMean); }
void run_max(RunContext& c) { reduce_any(c, ReduceOp::kMax); }

template <class T>
void run_power(RunContext& c, int64_t p) {
  const ConstView x = c.input(0);
  const int64_t plane = x.extents.product(2, x.rank());
  const auto power = static_cast<double>(p);
  c.parallel().run(c.output(0).count(), grain_for(plane * 20), [&](int64_t begin, int64_t end, int) {
    for (int64_t i = begin; i < end; ++i) {
      double sum = 0;
      for (int64_t j = 0; j < plane; ++j)
        sum += std::pow(std::abs(static_cast<double>(x.as<T>()[i * plane + j])), power);
      c.output(0).as<T>()[i] = static_cast<T>(std::pow(sum, 1 / power));
    }
  });
}

void run_lp(RunContext& c) {
  const int64_t p = c.attrs<GlobalPoolAttrs>().p;
  if (p <= 2) return reduce_any(c, p == 1 ? ReduceOp::kL1 : ReduceOp::kL2);
  if (widened(c, run_lp)) return;
  c.input(0).dtype == DType::kF64 ? run_power<double>(c, p) : run_power<float>(c, p);
}

const Op kFamily[] = {
    {.domain = "",
     .name = "GlobalAveragePool",
     .inputs = {1, 1},
     .outputs = {1, 1},
     .parse = Attrs::parse<GlobalPoolAttrs>,
     .infer = infer,
     .run = run_average,
     .accuracy = Accuracy::kAccumulated},
    {.domain = "",
     .name = "GlobalMaxPool",
     .inputs = {1, 1},
     .outputs = {1, 1},
     .parse = Attrs::parse<GlobalPoolAttrs>,
     .infer = infer,
     .run = run_max},
    {.domain = "",
     .name = "GlobalLpPool",
     .inputs = {1, 1},
     .outputs = {1, 1},
     .parse = Attrs::parse<GlobalPoolAttrs>,
     .infer = infer,
     .run = run_lp,
     .accuracy = Accuracy::kAccumulated},
};

}  // namespace

std::span<const Op> global_pool_family() { return kFamily; }

}  // namespace sdx::ops
