// Benchmarks of kernels/conv.h: the layers of image, audio and diffusion models.
#include "kernels/conv.h"

#include "ceiling.h"

namespace sdx::kernels {
namespace {

// state.range: in channels, out channels, height, width, kernel height, kernel width, stride, groups
void conv(benchmark::State& state) {
  ConvShape shape;
  shape.in_channels = state.range(0);
  shape.out_channels = state.range(1);
  shape.groups = state.range(7);
  for (int i = 1; i < 3; ++i) {
    shape.in[i] = state.range(1 + i);
    shape.kernel[i] = state.range(3 + i);
    shape.stride[i] = shape.kernel[i] == 1 ? 1 : state.range(6);
    shape.pad_begin[i] = shape.kernel[i] / 2;
    shape.out[i] = (shape.in[i] + 2 * shape.pad_begin[i] - shape.kernel[i]) / shape.stride[i] + 1;
  }
  const int64_t depth = shape.in_channels / shape.groups * shape.kernel_volume();
  const Floats x = random_block(shape.in_channels * shape.in_plane());
  const Floats w = random_block(shape.out_channels * depth);
  const Floats y = random_block(shape.out_channels * shape.out_plane());
  const Floats packed = random_block(static_cast<int64_t>(conv_packed_bytes(shape) / sizeof(float)));
  conv_pack(shape, w.get(), 0, conv_pack_parts(shape), packed.get());
  Conv call;
  call.shape = shape;
  call.x = x.get();
  call.packed = packed.get();
  call.y = y.get();
  const ConvPlan plan = conv_plan(shape, 1);
  const Floats scratch = random_block(static_cast<int64_t>(plan.scratch_bytes / sizeof(float)));
  for (auto _ : state) conv_run(call, plan, 0, plan.tiles, scratch.get());
  report(state, 2.0 * static_cast<double>(shape.out_channels * shape.out_plane() * depth));
  state.SetLabel(conv_route_name(conv_route(shape)));
}
BENCHMARK(conv)
    ->Args({320, 320, 64, 64, 3, 3, 1, 1})
    ->Args({1280, 1280, 16, 16, 3, 3, 1, 1})
    ->Args({1280, 1280, 8, 8, 3, 3, 1, 1})
    ->Args({320, 320, 64, 64, 3, 3, 2, 1})
    ->Args({640, 320, 64, 64, 1, 1, 1, 1})
    ->Args({3, 64, 224, 224, 7, 7, 2, 1})
    ->Args({80, 384, 1, 3000, 1, 3, 1, 1})
    ->Args({512, 512, 1, 8000, 1, 3, 2, 1})
    ->Args({768, 768, 1, 249, 1, 128, 1, 16})
    ->Args({96, 96, 112, 112, 3, 3, 1, 96})
    ->Args({512, 512, 1, 1000, 1, 31, 1, 512});

}  // namespace
}  // namespace sdx::kernels
