// Conv of one input channel a group: as many channels as a vector has lanes at once, each position one vector.
#include "kernels/conv_depthwise.h"

#include <limits>

#include "kernels/gemm_tiles.h"

#include "hwy/foreach_target.h"
#include "hwy/highway.h"

#include "kernels/pack-inl.h"
#include "kernels/register-inl.h"
#include "kernels/run-inl.h"

HWY_BEFORE_NAMESPACE();
namespace sdx::kernels::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// Where sums begin, and the least that is stored of them.
template <class D>
struct Bounds {
  hn::Vec<D> bias, least;
};

// kCount outputs of one row from column x on. kStep is the step of columns, kTaps the kernel's width where its columns
// adjoin; 0 stands for any. With both known each input is read once for all outputs that meet it.
template <int kCount, int kStep, int kTaps, class D>
HWY_INLINE void sum_taps(D d, const ConvShape& shape, const Bounds<D>& bounds, const float* const* rows,
                         const float* weights, int64_t x, float* to) {
  constexpr int64_t kLanes = static_cast<int64_t>(hn::MaxLanes(D()));
  const int64_t apart = (kStep == 0 ? shape.stride[2] : kStep) * kLanes, next = shape.dilation[2] * kLanes;
  hn::Vec<D> sum[kCount];
  for (int i = 0; i < kCount; ++i) sum[i] = bounds.bias;
  const int64_t kernel_rows = shape.kernel[0] * shape.kernel[1], kernel_columns = shape.kernel[2];
  for (int64_t j = 0; j < kernel_rows; ++j) {
    const float* from = rows[j] + x * apart;
    if constexpr (kTaps > 0) {
      hn::Vec<D> weight[kTaps];
      for (int l = 0; l < kTaps; ++l) weight[l] = hn::LoadU(d, weights + l * kLanes);
      weights += kTaps * kLanes;
#pragma GCC unroll 32
      for (int i = 0; i < (kCount - 1) * kStep + kTaps; ++i) {
        auto value = hn::LoadU(d, from + i * kLanes);
        keep_in_register(value);
#pragma GCC unroll 8
        for (int l = kTaps - 1; l >= 0; --l) {
          if (i >= l && (i - l) % kStep == 0 && (i - l) / kStep < kCount)
            sum[(i - l) / kStep] = hn::MulAdd(weight[l], value, sum[(i - l) / kStep]);
        }
      }
    } else {
      for (int64_t l = 0; l < kernel_columns; ++l, from += next, weights += kLanes) {
        const auto weight = hn::LoadU(d, weights);
        for (int i = 0; i < kCount; ++i) sum[i] = hn::MulAdd(weight, hn::LoadU(d, from + i * apart), sum[i]);
      }
    }
  }
  // x86 returns the second operand for NaN.
  for (int i = 0; i < kCount; ++i) hn::StoreU(hn::Max(bounds.least, sum[i]), d, to + i * kLanes);
}

// Up to kCount outputs more than `columns` are written behind the row.
template <int kStep, int kTaps, class D>
HWY_INLINE void sum_row(D d, const ConvShape& shape, const Bounds<D>& bounds, const float* const* rows,
                        const float* weights, int64_t columns, float* to) {
  constexpr int kCount = DepthwiseExtents::kCount;
  constexpr int64_t kLanes = static_cast<int64_t>(hn::MaxLanes(D()));
  int64_t x = 0;
  for (; x + kCount / 2 < columns; x += kCount)
    sum_taps<kCount, kStep, kTaps>(d, shape, bounds, rows, weights, x, to + x * kLanes);
  if (x < columns) sum_taps<kCount / 2, kStep, kTaps>(d, shape, bounds, rows, weights, x, to + x * kLanes);
}

template <class D>
class ChannelsSideBySide {
 public:
  explicit ChannelsSideBySide(const DepthwiseTile& tile)
      : tile_(tile),
        shape_(tile.conv.shape),
        extents_(tile.extents),
        output_(conv_output(tile.conv, tile.image, tile.channel)) {
    rows_ = reinterpret_cast<const float**>(tile.scratch);
    zeros_ = tile.scratch + DepthwiseExtents::pointer_floats(shape_);
    rings_ = zeros_ + row_floats();
    sums_ = zeros_ + extents_.copy_floats(shape_, kLanes);
    turned_ = sums_ + extents_.sum_floats(kLanes);
    clear(zeros_, extents_.pitch);
    const Epilogue& epilogue = output_.epilogue;
    const bool relu = epilogue.activation == Activation::kRelu;
    stores_ = epilogue.residual == nullptr && (relu || epilogue.activation == Activation::kNone);
    HWY_ALIGN float bias[kLanes] = {};
    if (stores_ && epilogue.row_bias != nullptr) std::copy_n(epilogue.row_bias, tile.count, bias);
    const D d;
    bounds_ = {hn::Load(d, bias), stores_ && relu ? hn::Zero(d) : hn::Set(d, -std::numeric_limits<float>::infinity())};
    const int64_t multiplier = shape_.out_channels / shape_.groups;
    adjoin_ = multiplier == 1 && tile.count == kLanes;
    for (int64_t r = 0; r < kLanes; ++r) {
      const int64_t channel = (tile.channel + std::min(r, tile.count - 1)) / multiplier;
      plane_[r] = tile.conv.x + (tile.image * shape_.in_channels + channel) * shape_.in_plane();
    }
  }

  void run() {
    for (int64_t z = 0; z < shape_.out[0]; ++z) {
      for (int64_t x = 0; x < shape_.out[2]; x += extents_.columns)
        run_columns(z, x, std::min(extents_.columns, shape_.out[2] - x));
    }
  }

 private:
  static constexpr int64_t kLanes = static_cast<int64_t>(hn::MaxLanes(D()));
  int64_t row_floats() const { return extents_.pitch * kLanes; }
  float* ring_row(int64_t depth, int64_t y) const {
    return rings_ + (depth * extents_.ring + (y & extents_.ring_mask)) * row_floats();
  }

  static HWY_INLINE void clear(float* to, int64_t positions) {
    const D d;
    for (int64_t j = 0; j < positions; ++j) hn::StoreU(hn::Zero(d), d, to + j * kLanes);
  }

  void run_columns(int64_t z, int64_t x, int64_t columns) {
    const int64_t left = x * shape_.stride[2] - shape_.pad_begin[2];
    const int64_t reach = (shape_.kernel[1] - 1) * shape_.dilation[1];
    int64_t next = 0;  // input row to be brought in
    for (int64_t y = tile_.first; y < tile_.last; y += extents_.rows) {
      const int64_t rows = std::min(extents_.rows, tile_.last - y);
      const int64_t top = y * shape_.stride[1] - shape_.pad_begin[1];
      const int64_t end = std::min(top + (rows - 1) * shape_.stride[1] + reach + 1, shape_.in[1]);
      for (next = std::max(next, top); next < end; ++next) bring(z, next, left);
      for (int64_t r = 0; r < rows; ++r) sum(z, top + r * shape_.stride[1], columns, sums_ + r * columns * kLanes);
      finish(rows * columns, (z * shape_.out[1] + y) * shape_.out[2] + x);
    }
  }

  // Brings input row y of each depth that output depth z meets into its ring, from input column `left` on.
  void bring(int64_t z, int64_t y, int64_t left) {
    const int64_t first = std::clamp<int64_t>(-left, 0, extents_.need);
    const int64_t last = std::clamp<int64_t>(shape_.in[2] - left, first, extents_.need);
    for (int64_t i = 0; i < shape_.kernel[0]; ++i) {
      const int64_t depth = z * shape_.stride[0] - shape_.pad_begin[0] + i * shape_.dilation[0];
      if (depth < 0 || depth >= shape_.in[0]) continue;
      float* const to = ring_row(i, y);
      clear(to, first);
      turn_run((depth * shape_.in[1] + y) * shape_.in[2] + left + first, last - first, to + first * kLanes);
      clear(to + last * kLanes, extents_.need - last);
    }
  }

  // `count` positions from p on of every channel.
  void turn_run(int64_t p, int64_t count, float* to) const {
    if (count < 4) {
      for (int64_t j = 0; j < count; ++j) {
        for (int64_t r = 0; r < kLanes; ++r) to[j * kLanes + r] = plane_[r][p + j];
      }
    } else if (adjoin_) {
      turn_rows(StridedRows<kLanes>(plane_[0] + p, shape_.in_plane()), 0, count, to);
    } else {
      turn_rows(plane_, p, count, to);
    }
  }

  // The last four may overlap those before.
  template <class Rows>
  static HWY_INLINE void turn_rows(const Rows& rows, int64_t p, int64_t count, float* to) {
    const D d;
    int64_t j = 0;
#if HWY_TARGET <= HWY_AVX3
    if constexpr (kLanes == 16) {
      for (; j + 16 <= count; j += 16) transpose_sixteen(d, rows, p + j, to + j * kLanes, kLanes);
    }
#endif
    for (; j + 4 <= count; j += 4) transpose_four(d, rows, p + j, to + j * kLanes, kLanes);
    if (j < count) transpose_four(d, rows, p + count - 4, to + (count - 4) * kLanes, kLanes);
  }

  // The sums of one output row, whose first input row is `top`.
  void sum(int64_t z, int64_t top, int64_t columns, float* to) {
    const D d;
    const float** row = rows_;
    for (int64_t i = 0; i < shape_.kernel[0]; ++i) {
      const int64_t depth = z * shape_.stride[0] - shape_.pad_begin[0] + i * shape_.dilation[0];
      for (int64_t j = 0; j < shape_.kernel[1]; ++j) {
        const int64_t y = top + j * shape_.dilation[1];
        const bool inside = depth >= 0 && depth < shape_.in[0] && y >= 0 && y < shape_.in[1];
        *row++ = inside ? ring_row(i, y) : zeros_;
      }
    }
    const float* const weights = tile_.weights;
    const auto is = [&](int64_t step, int64_t taps) {
      return shape_.dilation[2] == 1 && shape_.stride[2] == step && shape_.kernel[2] == taps;
    };
    if (is(1, 3)) return sum_row<1, 3>(d, shape_, bounds_, rows_, weights, columns, to);
    if (is(1, 5)) return sum_row<1, 5>(d, shape_, bounds_, rows_, weights, columns, to);
    if (is(1, 7)) return sum_row<1, 7>(d, shape_, bounds_, rows_, weights, columns, to);
    if (is(2, 3)) return sum_row<2, 3>(d, shape_, bounds_, rows_, weights, columns, to);
    if (is(2, 5)) return sum_row<2, 5>(d, shape_, bounds_, rows_, weights, columns, to);
    sum_row<0, 0>(d, shape_, bounds_, rows_, weights, columns, to);
  }

  // From [positions][channels] to channels of y; the last positions may overlap those before.
  void finish(int64_t positions, int64_t column) const {
    const int64_t stride = extents_.sum_stride(kLanes);
    if (stores_ && positions >= kLanes && tile_.count == kLanes) {
      for (int64_t p = 0; p < positions; p += kLanes) {
        const int64_t first = std::min(p, positions - kLanes);
        turn_back(first, output_.c + column + first, output_.c_stride);
      }
      return;
    }
    for (int64_t p = 0; p < positions; p += kLanes) turn_back(p, turned_ + p, stride);
    if (stores_) {
      for (int64_t r = 0; r < tile_.count; ++r)
        copy_run(turned_ + r * stride, positions, output_.c + r * output_.c_stride + column);
      return;
    }
    gemm_finish(output_, {turned_, stride, 0, column, tile_.count, positions});
  }

  // kLanes positions from p on.
  void turn_back(int64_t p, float* to, int64_t stride) const {
    const D d;
    const StridedRows<kLanes> rows(sums_ + p * kLanes, kLanes);
    for (int64_t r = 0; r < kLanes; r += 4) transpose_four(d, rows, r, to + r * stride, stride);
  }

  const DepthwiseTile& tile_;
  const ConvShape& shape_;
  const DepthwiseExtents& extents_;
  const Gemm output_;
  const float* plane_[kLanes];
  Bounds<D> bounds_;
  bool stores_;  // sums are outputs: their epilogue is in their bounds
  bool adjoin_;  // planes are one behind the other
  const float** rows_;
  float *zeros_, *rings_, *sums_, *turned_;
};

void depthwise_tile(const DepthwiseTile& tile) {
  if (tile.count <= 4) return ChannelsSideBySide<hn::CappedTag<float, 4>>(tile).run();
  if (tile.count <= 8) return ChannelsSideBySide<hn::CappedTag<float, 8>>(tile).run();
  ChannelsSideBySide<hn::CappedTag<float, 16>>(tile).run();
}

void depthwise_lanes(int64_t& lanes) { lanes = static_cast<int64_t>(hn::Lanes(hn::CappedTag<float, 16>())); }

}  // namespace sdx::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace sdx::kernels {
namespace {
HWY_EXPORT(depthwise_tile);
HWY_EXPORT(depthwise_lanes);

int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }

int64_t most_lanes() {
  int64_t lanes = 0;
  HWY_DYNAMIC_DISPATCH(depthwise_lanes)(lanes);
  return lanes;
}

// The lanes that so many channels take.
int64_t lanes_of(int64_t channels) {
  const int64_t most = most_lanes();
  return std::min(most, channels <= 4 ? 4 : channels <= 8 ? 8 : most);
}

// Multiply-adds of a tile, about.
constexpr int64_t kWork = 64 * 1024;

}  // namespace

size_t conv_depthwise_packed_floats(const ConvShape& shape) {
  const int64_t lanes = most_lanes();
  return static_cast<size_t>(ceil_div(shape.out_channels, lanes) * lanes * shape.kernel_volume());
}

// Blocks of [taps][lanes], zeros behind the last channel.
void conv_depthwise_pack(const ConvShape& shape, const void* weights, int64_t, int64_t, float* packed) {
  const int64_t most = most_lanes(), taps = shape.kernel_volume();
  const auto* const from = static_cast<const unsigned char*>(weights);
  std::fill_n(packed, conv_depthwise_packed_floats(shape), 0.0f);
  for (int64_t channel = 0; channel < shape.out_channels; ++channel) {
    const int64_t first = channel / most * most, lanes = lanes_of(shape.out_channels - first);
    for (int64_t t = 0; t < taps; ++t) {
      packed[first * taps + t * lanes + channel - first] =
          read_weight(from + (channel * taps + t) * static_cast<int64_t>(sizeof(float)), WeightType::kF32);
    }
  }
}

// A tile is a block of output rows of as many channels as a vector has lanes, or several such groups of channels whose
// outputs are small. Rows are cut only where there are too few groups, because pieces bring some input rows in twice.
ConvPlan conv_depthwise_plan(const ConvShape& shape, int threads) {
  const DepthwiseExtents extents(shape);
  const int64_t lanes = most_lanes(), groups = ceil_div(shape.out_channels, lanes);
  const int64_t work = shape.out_plane() * shape.kernel_volume() * lanes, wanted = int64_t{4} * threads;
  ConvPlan plan;
  const int64_t pieces = std::clamp<int64_t>(std::min(ceil_div(wanted, groups * shape.batch), work / kWork), 1,
                                             ceil_div(shape.out[1], 2 * extents.rows));
  plan.pixel_block = ceil_div(ceil_div(shape.out[1], pieces), extents.rows) * extents.rows;
  plan.channel_block =
      pieces > 1 ? 1 : std::clamp<int64_t>(kWork / std::max<int64_t>(work, 1), 1, ceil_div(groups, threads));
  plan.tiles = shape.batch * ceil_div(groups, plan.channel_block) * ceil_div(shape.out[1], plan.pixel_block);
  plan.scratch_bytes = static_cast<size_t>(extents.floats(shape, lanes)) * sizeof(float);
  return plan;
}

void conv_depthwise_run(const Conv& conv, const ConvPlan& plan, int64_t tile_begin, int64_t tile_end, float* scratch) {
  const ConvShape& shape = conv.shape;
  const DepthwiseExtents extents(shape);
  const int64_t lanes = most_lanes(), channels = plan.channel_block * lanes;
  const int64_t blocks = ceil_div(shape.out[1], plan.pixel_block), groups = ceil_div(shape.out_channels, channels);
  for (int64_t tile = tile_begin; tile < tile_end; ++tile) {
    const int64_t first = tile % blocks * plan.pixel_block, group = tile / blocks % groups;
    const int64_t last = std::min(first + plan.pixel_block, shape.out[1]);
    const int64_t end = std::min(shape.out_channels, (group + 1) * channels);
    for (int64_t channel = group * channels; channel < end; channel += lanes) {
      const float* const weights = static_cast<const float*>(conv.packed) + channel * shape.kernel_volume();
      HWY_DYNAMIC_DISPATCH(depthwise_tile)
      ({conv, extents, tile / blocks / groups, channel, std::min(lanes, end - channel), first, last, weights, scratch});
    }
  }
}

}  // namespace sdx::kernels
#endif
