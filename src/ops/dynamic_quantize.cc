// DynamicQuantizeLinear: quantization to uint8 by the range of the input itself.
#include <algorithm>

#include "kernels/quantize.h"
#include "kernels/reduce.h"
#include "ops/family.h"

namespace sdx::ops {
namespace {

void infer(InferContext& c) {
  c.require_dtype(0, {DType::kF32});
  c.set(0, DType::kU8, c.input(0).shape);
  c.set(1, DType::kF32, Shape(std::vector<Dim>{}));
  c.set(2, DType::kU8, Shape(std::vector<Dim>{}));
}

kernels::MinMax range_of(RunContext& c, const float* x, int64_t n) {
  constexpr int64_t kChunk = 32768;
  if (n == 0) return {0, 0};
  auto* parts = c.scratch<kernels::MinMax>((n + kChunk - 1) / kChunk);
  c.parallel().run(n, kChunk, [&](int64_t begin, int64_t end, int) {
    for (int64_t i = begin; i < end; i += kChunk)
      parts[i / kChunk] = kernels::min_max(x + i, std::min(kChunk, end - i));
  });
  kernels::MinMax all = parts[0];
  for (int64_t i = 1; i < (n + kChunk - 1) / kChunk; ++i) {
    all = {std::min(all.min, parts[i].min), std::max(all.max, parts[i].max)};
  }
  return all;
}

void run(RunContext& c) {
  const float* x = c.input(0).as<float>();
  const int64_t n = c.input(0).count();
  const auto range = range_of(c, x, n);
  const auto [scale, zero_point] = kernels::dynamic_scale(range.min, range.max);
  if (c.wants(1)) *c.output(1).as<float>() = scale;
  if (c.wants(2)) *c.output(2).as<uint8_t>() = zero_point;
  if (!c.wants(0)) return;
  uint8_t* y = c.output(0).as<uint8_t>();
  c.parallel().run(n, grain_for(1), [&, s = scale, z = zero_point](int64_t begin, int64_t end, int) {
    kernels::quantize_run(x + begin, y + begin, end - begin, s, z);
  });
}

const Op kFamily[] = {
    {.domain = "",
     .name = "DynamicQuantizeLinear",
     .inputs = {1, 1},
     .outputs = {3, 3},
     .parse = Attrs::parse<NoAttrs>,
     .infer = infer,
     .run = run,
     .since = 11},
};

}  // namespace

std::span<const Op> dynamic_quantize_family() { return kFamily; }

}  // namespace sdx::ops
