// Conv of one input channel a group: sums of shifted rows, without gathering.
#include <algorithm>
#include <cstring>

#include "kernels/conv_routes.h"
#include "kernels/gemm_tiles.h"

#include "hwy/foreach_target.h"
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace sdx::kernels::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// One row of output positions: acc[x] += weight in[x * stride + start] where that lies in [0, width).
struct Tap {
  const float* in;
  int64_t width;
  int64_t start;
  int64_t stride;
  float weight;
};

void add_tap(const Tap& tap, float* acc, int64_t count) {
  const hn::ScalableTag<float> d;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(d));
  // The first x inside, and the first beyond.
  const int64_t begin = tap.start >= 0 ? 0 : HWY_MIN(count, (-tap.start + tap.stride - 1) / tap.stride);
  const int64_t room = tap.width - tap.start;
  const int64_t end = room <= 0 ? begin : HWY_MAX(begin, HWY_MIN(count, (room + tap.stride - 1) / tap.stride));
  int64_t x = begin;
  if (tap.stride == 1) {
    const auto weight = hn::Set(d, tap.weight);
    const float* in = tap.in + tap.start;
    for (; x + lanes <= end; x += lanes) {
      hn::StoreU(hn::MulAdd(weight, hn::LoadU(d, in + x), hn::LoadU(d, acc + x)), d, acc + x);
    }
    if (x < end && end - lanes >= begin && count >= lanes) {
      // The last lanes inside, with those done already left as they are.
      const auto done = hn::FirstN(d, static_cast<size_t>(x - (end - lanes)));
      x = end - lanes;
      const auto old = hn::LoadU(d, acc + x);
      hn::StoreU(hn::IfThenElse(done, old, hn::MulAdd(weight, hn::LoadU(d, in + x), old)), d, acc + x);
      return;
    }
  }
  for (; x < end; ++x) {
    // The same rounding as in the vectors.
    acc[x] = hn::GetLane(hn::MulAdd(hn::Set(hn::CappedTag<float, 1>(), tap.weight),
                                    hn::Set(hn::CappedTag<float, 1>(), tap.in[tap.start + x * tap.stride]),
                                    hn::Set(hn::CappedTag<float, 1>(), acc[x])));
  }
}

// The output row (z, y) of one channel; x is the input plane, w the kernel.
void depthwise_row(const ConvShape& shape, const float* x, const float* w, int64_t row, float* acc) {
  const int64_t z = row / shape.out[1];
  const int64_t y = row % shape.out[1];
  std::fill(acc, acc + shape.out[2], 0.0f);
  for (int64_t i = 0; i < shape.kernel[0]; ++i) {
    const int64_t in_z = z * shape.stride[0] - shape.pad_begin[0] + i * shape.dilation[0];
    if (in_z < 0 || in_z >= shape.in[0]) continue;
    for (int64_t j = 0; j < shape.kernel[1]; ++j) {
      const int64_t in_y = y * shape.stride[1] - shape.pad_begin[1] + j * shape.dilation[1];
      if (in_y < 0 || in_y >= shape.in[1]) continue;
      Tap tap = {x + (in_z * shape.in[1] + in_y) * shape.in[2], shape.in[2], 0, shape.stride[2], 0};
      const float* weights = w + (i * shape.kernel[1] + j) * shape.kernel[2];
      for (int64_t l = 0; l < shape.kernel[2]; ++l) {
        tap.start = l * shape.dilation[2] - shape.pad_begin[2];
        tap.weight = weights[l];
        add_tap(tap, acc, shape.out[2]);
      }
    }
  }
}

}  // namespace sdx::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace sdx::kernels {
namespace {
HWY_EXPORT(depthwise_row);
}

size_t conv_depthwise_packed_floats(const ConvShape& shape) {
  return static_cast<size_t>(shape.out_channels * shape.kernel_volume());
}

void conv_depthwise_pack(const ConvShape& shape, const void* weights, float* packed) {
  std::memcpy(packed, weights, conv_depthwise_packed_floats(shape) * sizeof(float));
}

// A tile is a block of output rows of one channel of one image.
ConvPlan conv_depthwise_plan(const ConvShape& shape, int) {
  ConvPlan plan;
  const int64_t rows = shape.out[0] * shape.out[1];
  const int64_t work = std::max<int64_t>(shape.out[2] * shape.kernel_volume(), 1);
  plan.channel_block = 1;
  plan.pixel_block = std::clamp<int64_t>(64 * 1024 / work, 1, rows);
  plan.tiles = shape.batch * shape.out_channels * ((rows + plan.pixel_block - 1) / plan.pixel_block);
  plan.scratch_bytes = static_cast<size_t>(shape.out[2] + 16) * sizeof(float);
  return plan;
}

void conv_depthwise_run(const Conv& conv, const ConvPlan& plan, int64_t tile_begin, int64_t tile_end, float* scratch) {
  const ConvShape& shape = conv.shape;
  const int64_t rows = shape.out[0] * shape.out[1];
  const int64_t blocks = (rows + plan.pixel_block - 1) / plan.pixel_block;
  const int64_t multiplier = shape.out_channels / shape.groups;
  for (int64_t tile = tile_begin; tile < tile_end; ++tile) {
    const int64_t plane = tile / blocks;  // image * out_channels + channel
    const int64_t channel = plane % shape.out_channels;
    const int64_t image = plane / shape.out_channels;
    const float* x = conv.x + (image * shape.in_channels + channel / multiplier) * shape.in_plane();
    const float* w = static_cast<const float*>(conv.packed) + channel * shape.kernel_volume();
    const int64_t first = tile % blocks * plan.pixel_block;
    for (int64_t row = first; row < std::min(rows, first + plan.pixel_block); ++row) {
      HWY_DYNAMIC_DISPATCH(depthwise_row)(shape, x, w, row, scratch);
      const int64_t at = plane * shape.out_plane() + row * shape.out[2];
      Gemm output;
      output.c = conv.y + at;
      output.epilogue.row_bias = conv.bias == nullptr ? nullptr : conv.bias + channel;
      output.epilogue.activation = conv.activation;
      output.epilogue.residual = conv.residual == nullptr ? nullptr : conv.residual + at;
      gemm_finish(output, {scratch, shape.out[2], 0, 0, 1, shape.out[2]});
    }
  }
}

}  // namespace sdx::kernels
#endif
