// Conv of one input channel a group: sums of shifted rows of a padded copy of the channel.
//
// The copy is split by column phase: column c of the padded row is at [c % stride][c / stride], so that the inputs
// which neighbouring output positions meet at one kernel element are neighbours as well, whatever the stride.
#include <algorithm>
#include <cstring>

#include "kernels/conv_routes.h"
#include "kernels/gemm_tiles.h"

#include "hwy/foreach_target.h"
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace sdx::kernels::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// kCount vectors of one output row from position x on.
template <int kCount>
HWY_INLINE void sum_vectors(const DepthwiseRow& row, int64_t x, float* acc) {
  const hn::ScalableTag<float> d;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(d));
  hn::Vec<decltype(d)> sum[kCount];
  for (int i = 0; i < kCount; ++i) sum[i] = hn::Zero(d);
  for (int64_t t = 0; t < row.taps; ++t) {
    const float* from = row.in + row.offset[t] + x;
    const auto weight = hn::Set(d, row.weights[t]);
    for (int i = 0; i < kCount; ++i) sum[i] = hn::MulAdd(weight, hn::LoadU(d, from + i * lanes), sum[i]);
  }
  for (int i = 0; i < kCount; ++i) hn::StoreU(sum[i], d, acc + x + i * lanes);
}

void depthwise_row(const DepthwiseRow& row, int64_t count, float* acc) {
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(hn::ScalableTag<float>()));
  int64_t x = 0;
  for (; x + 3 * lanes < count; x += 4 * lanes) sum_vectors<4>(row, x, acc);
  for (; x < count; x += lanes) sum_vectors<1>(row, x, acc);
}

}  // namespace sdx::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace sdx::kernels {
namespace {
HWY_EXPORT(depthwise_row);

constexpr int64_t kSlack = 64;  // lanes that a row may be read or written past its end

int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }

// The padded copy: depths x heights x phases x pitch floats, of the input rows that a block of output rows needs.
struct Padded {
  int64_t depths, heights, phases, pitch;

  Padded(const ConvShape& shape, int64_t output_rows) {
    const auto extent = [&](int i, int64_t out) {
      return (out - 1) * shape.stride[i] + (shape.kernel[i] - 1) * shape.dilation[i] + 1;
    };
    depths = extent(0, shape.out[0]);
    heights = extent(1, output_rows);
    phases = shape.stride[2];
    pitch = ceil_div(extent(2, shape.out[2]), phases);
  }
  int64_t floats() const { return depths * heights * phases * pitch + kSlack; }
};

// Output rows (within each depth) of a tile: about 64 K multiply-adds.
int64_t rows_of_tile(const ConvShape& shape) {
  const int64_t work = shape.out[0] * shape.out[2] * shape.kernel_volume();
  return std::clamp<int64_t>(64 * 1024 / std::max<int64_t>(work, 1), 1, shape.out[1]);
}

class Channel {
 public:
  Channel(const ConvShape& shape, int64_t rows, float* scratch) : shape_(shape), padded_(shape, rows) {
    copy_ = scratch;
    acc_ = copy_ + padded_.floats();
    offsets_ = reinterpret_cast<int64_t*>(acc_ + (shape.out[2] + kSlack + 1) / 2 * 2);
    int64_t t = 0;
    for (int64_t i = 0; i < shape.kernel[0]; ++i) {
      for (int64_t j = 0; j < shape.kernel[1]; ++j) {
        for (int64_t l = 0; l < shape.kernel[2]; ++l) {
          const int64_t row = i * shape.dilation[0] * padded_.heights + j * shape.dilation[1];
          const int64_t column = l * shape.dilation[2];
          offsets_[t++] = (row * padded_.phases + column % padded_.phases) * padded_.pitch + column / padded_.phases;
        }
      }
    }
  }

  static size_t floats(const ConvShape& shape, int64_t rows) {
    return static_cast<size_t>(Padded(shape, rows).floats() + shape.out[2] + kSlack + 2 + 2 * shape.kernel_volume());
  }

  /// Copies the input that output rows from `row` on need.
  void copy(const float* x, int64_t row) {
    for (int64_t z = 0; z < padded_.depths; ++z) {
      const int64_t in_z = z - shape_.pad_begin[0];
      for (int64_t y = 0; y < padded_.heights; ++y) {
        const int64_t in_y = row * shape_.stride[1] + y - shape_.pad_begin[1];
        const bool inside = in_z >= 0 && in_z < shape_.in[0] && in_y >= 0 && in_y < shape_.in[1];
        const float* from = inside ? x + (in_z * shape_.in[1] + in_y) * shape_.in[2] : nullptr;
        conv_gather_run({from, shape_.in[2], -shape_.pad_begin[2], padded_.phases, 1, padded_.pitch, padded_.phases,
                         copy_ + (z * padded_.heights + y) * padded_.phases * padded_.pitch, padded_.pitch});
      }
    }
  }

  /// The sums of output row (z, y), y counted from the row of copy().
  const float* row(int64_t z, int64_t y, const float* weights) {
    const int64_t at = (z * shape_.stride[0] * padded_.heights + y * shape_.stride[1]) * padded_.phases * padded_.pitch;
    HWY_DYNAMIC_DISPATCH(depthwise_row)
    ({copy_ + at, offsets_, weights, shape_.kernel_volume()}, shape_.out[2], acc_);
    return acc_;
  }

 private:
  const ConvShape& shape_;
  const Padded padded_;
  float* copy_;
  float* acc_;
  int64_t* offsets_;
};

}  // namespace

size_t conv_depthwise_packed_floats(const ConvShape& shape) {
  return static_cast<size_t>(shape.out_channels * shape.kernel_volume());
}

void conv_depthwise_pack(const ConvShape& shape, const void* weights, int64_t, int64_t, float* packed) {
  std::memcpy(packed, weights, conv_depthwise_packed_floats(shape) * sizeof(float));
}

// A tile is a block of output rows of one channel of one image.
ConvPlan conv_depthwise_plan(const ConvShape& shape, int) {
  ConvPlan plan;
  plan.channel_block = 1;
  plan.pixel_block = rows_of_tile(shape);
  plan.tiles = shape.batch * shape.out_channels * ceil_div(shape.out[1], plan.pixel_block);
  plan.scratch_bytes = Channel::floats(shape, plan.pixel_block) * sizeof(float);
  return plan;
}

void conv_depthwise_run(const Conv& conv, const ConvPlan& plan, int64_t tile_begin, int64_t tile_end, float* scratch) {
  const ConvShape& shape = conv.shape;
  const int64_t blocks = ceil_div(shape.out[1], plan.pixel_block);
  const int64_t multiplier = shape.out_channels / shape.groups;
  Channel work(shape, plan.pixel_block, scratch);
  for (int64_t tile = tile_begin; tile < tile_end; ++tile) {
    const int64_t plane = tile / blocks;  // image * out_channels + channel
    const int64_t channel = plane % shape.out_channels;
    const int64_t image = plane / shape.out_channels;
    const int64_t first = tile % blocks * plan.pixel_block;
    const int64_t rows = std::min(plan.pixel_block, shape.out[1] - first);
    work.copy(conv.x + (image * shape.in_channels + channel / multiplier) * shape.in_plane(), first);
    const float* weights = static_cast<const float*>(conv.packed) + channel * shape.kernel_volume();
    for (int64_t row = 0; row < shape.out[0] * rows; ++row) {
      const int64_t z = row / rows;
      const int64_t at = plane * shape.out_plane() + (z * shape.out[1] + first + row % rows) * shape.out[2];
      Gemm output;
      output.c = conv.y + at;
      output.epilogue.row_bias = conv.bias == nullptr ? nullptr : conv.bias + channel;
      output.epilogue.activation = conv.activation;
      output.epilogue.residual = conv.residual == nullptr ? nullptr : conv.residual + at;
      gemm_finish(output, {work.row(z, row % rows, weights), shape.out[2], 0, 0, 1, shape.out[2]});
    }
  }
}

}  // namespace sdx::kernels
#endif
