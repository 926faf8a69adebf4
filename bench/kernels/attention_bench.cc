// Benchmarks of kernels/attention.h: the shapes of encoders, image models and decoding steps.
#include "kernels/attention.h"

#include <algorithm>

#include "ceiling.h"

namespace sdx::kernels {
namespace {

// state.range: sq, skv, d
void attention(benchmark::State& state) {
  AttentionShape shape;
  shape.sq = state.range(0);
  shape.skv = state.range(1);
  shape.d = shape.dv = state.range(2);
  shape.scale = 0.125f;
  const Floats q = random_block(shape.sq * shape.d);
  const Floats k = random_block(shape.skv * shape.d);
  const Floats v = random_block(shape.skv * shape.dv);
  const Floats out = random_block(shape.sq * shape.dv);
  AttentionHead head;
  head.q = {q.get(), shape.d, 1};
  head.k = {k.get(), shape.d, 1};
  head.v = {v.get(), shape.dv, 1};
  head.out = out.get();
  head.out_stride = shape.dv;
  const Floats scratch = random_block(static_cast<int64_t>(attention_scratch_bytes(shape) / sizeof(float)));
  const int64_t block = attention_row_block(shape);
  for (auto _ : state) {
    for (int64_t row = 0; row < shape.sq; row += block) {
      attention_run(shape, head, row, std::min(shape.sq, row + block), scratch.get());
    }
  }
  report(state, 2.0 * static_cast<double>(shape.sq * shape.skv * (shape.d + shape.dv)));
}
BENCHMARK(attention)
    ->ArgNames({"sq", "skv", "d"})
    ->Args({128, 128, 64})
    ->Args({512, 512, 64})
    ->Args({1500, 1500, 64})
    ->Args({4096, 4096, 40})
    ->Args({4096, 77, 40})
    ->Args({1024, 1024, 512})
    ->Args({4, 128, 64})
    ->Args({1, 500, 64});

}  // namespace
}  // namespace sdx::kernels
