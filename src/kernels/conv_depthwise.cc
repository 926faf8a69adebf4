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

#include "kernels/run-inl.h"

HWY_BEFORE_NAMESPACE();
namespace sdx::kernels::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// Output rows and vectors of each that are computed at once.
constexpr int kRows = kDepthwiseRows, kVectors = 2;
using Sums = hn::Vec<hn::ScalableTag<float>>[kRows][kVectors];

// Adds what `kCount` vectors of each of `kHeight` output rows get, tap by tap.
template <int kHeight, int kCount>
HWY_INLINE void add_taps(const DepthwiseRows& rows, const float* in, Sums& sum) {
  const hn::ScalableTag<float> d;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(d));
  for (int64_t t = 0; t < rows.taps; ++t) {
    const float* const from = in + rows.offset[t];
    const auto weight = hn::Set(d, rows.weights[t]);
    for (int r = 0; r < kHeight; ++r) {
      for (int i = 0; i < kCount; ++i)
        sum[r][i] = hn::MulAdd(weight, hn::LoadU(d, from + r * rows.row_step + i * lanes), sum[r][i]);
    }
  }
}

// The same of kRows output rows and up to three rows of the kernel, which adjoin: each input row is read once for all
// output rows that meet it, because loads that cross lines are what takes the time.
template <int kTaps, int kCount>
HWY_INLINE void add_column(const float* from, int64_t pitch, const float* weights, int64_t width, Sums& sum) {
  static_assert(kRows == 4);
  const hn::ScalableTag<float> d;
  const auto w0 = hn::Set(d, weights[0]);
  const auto w1 = kTaps > 1 ? hn::Set(d, weights[width]) : w0;
  const auto w2 = kTaps > 2 ? hn::Set(d, weights[2 * width]) : w0;
  for (int i = 0; i < kCount; ++i, from += hn::Lanes(d)) {
    const auto v0 = hn::LoadU(d, from), v1 = hn::LoadU(d, from + pitch);
    const auto v2 = hn::LoadU(d, from + 2 * pitch), v3 = hn::LoadU(d, from + 3 * pitch);
    sum[0][i] = hn::MulAdd(w0, v0, sum[0][i]);
    sum[1][i] = hn::MulAdd(w0, v1, sum[1][i]);
    sum[2][i] = hn::MulAdd(w0, v2, sum[2][i]);
    sum[3][i] = hn::MulAdd(w0, v3, sum[3][i]);
    if (kTaps == 1) continue;
    const auto v4 = hn::LoadU(d, from + 4 * pitch);
    sum[0][i] = hn::MulAdd(w1, v1, sum[0][i]);
    sum[1][i] = hn::MulAdd(w1, v2, sum[1][i]);
    sum[2][i] = hn::MulAdd(w1, v3, sum[2][i]);
    sum[3][i] = hn::MulAdd(w1, v4, sum[3][i]);
    if (kTaps == 2) continue;
    const auto v5 = hn::LoadU(d, from + 5 * pitch);
    sum[0][i] = hn::MulAdd(w2, v2, sum[0][i]);
    sum[1][i] = hn::MulAdd(w2, v3, sum[1][i]);
    sum[2][i] = hn::MulAdd(w2, v4, sum[2][i]);
    sum[3][i] = hn::MulAdd(w2, v5, sum[3][i]);
  }
}

template <int kCount>
HWY_INLINE void add_columns(const DepthwiseRows& rows, const float* in, Sums& sum) {
  const int64_t width = rows.kernel_width, taps = rows.taps, pitch = rows.row_step;
  for (int64_t j = 0; j < taps; j += 3 * width) {
    for (int64_t l = j; l < j + width; ++l) {
      const float *const from = in + rows.offset[l], *const weights = rows.weights + l;
      if (j + 2 * width < taps) {
        add_column<3, kCount>(from, pitch, weights, width, sum);
      } else if (j + width < taps) {
        add_column<2, kCount>(from, pitch, weights, width, sum);
      } else {
        add_column<1, kCount>(from, pitch, weights, width, sum);
      }
    }
  }
}

// kCount vectors of up to kHeight output rows from row y and position x on.
template <int kHeight, int kCount>
HWY_INLINE void sum_vectors(const DepthwiseRows& rows, int64_t y, int64_t x) {
  const hn::ScalableTag<float> d;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(d));
  Sums sum;
  for (int r = 0; r < kHeight; ++r) {
    for (int i = 0; i < kCount; ++i) sum[r][i] = hn::Zero(d);
  }
  const float* const in = rows.in + y * rows.row_step + x;
  if (rows.dense) {
    add_columns<kCount>(rows, in, sum);
  } else {
    add_taps<kHeight, kCount>(rows, in, sum);
  }
  for (int r = 0; r < kHeight && y + r < rows.count; ++r) {
    float* const to = rows.acc + (y + r) * rows.width + x;
    for (int i = 0; i < kCount; ++i) {
      const int64_t left = rows.width - x - i * lanes;
      if (left >= lanes) {
        hn::StoreU(sum[r][i], d, to + i * lanes);
      } else {
        hn::BlendedStore(sum[r][i], hn::FirstN(d, static_cast<size_t>(left)), d, to + i * lanes);
      }
    }
  }
}

template <int kHeight>
HWY_INLINE void sum_rows(const DepthwiseRows& rows, int64_t y) {
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(hn::ScalableTag<float>()));
  int64_t x = 0;
  for (; x + lanes < rows.width; x += kVectors * lanes) sum_vectors<kHeight, kVectors>(rows, y, x);
  if (x < rows.width) sum_vectors<kHeight, 1>(rows, y, x);
}

void depthwise_rows(const DepthwiseRows& rows) {
  int64_t y = 0;
  for (; y + kRows <= rows.count; y += kRows) sum_rows<kRows>(rows, y);
  if (rows.dense) {
    if (y < rows.count) sum_rows<kRows>(rows, y);
  } else {
    for (; y < rows.count; ++y) sum_rows<1>(rows, y);
  }
}

// Rows of n floats with zeros around them, `pitch` apart; what is written beyond a row, the next one overwrites.
void pad_rows(const PadRows& rows) {
  const hn::ScalableTag<float> d;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(d));
  for (int64_t y = 0; y < rows.count; ++y) {
    float* const to = rows.to + y * rows.row_step;
    for (int64_t phase = 0; phase < rows.phases; ++phase) {
      for (int64_t x = 0; x < rows.pitch; x += lanes) hn::StoreU(hn::Zero(d), d, to + phase * rows.phase_step + x);
    }
    if (y < rows.first || y >= rows.end) continue;
    const float* const from = rows.from + (y - rows.first) * rows.stride;
    if (rows.phases == 1) {
      copy_run(from, rows.width, to + rows.left);
    } else {
      // Column x goes to x + left, whose phase is the other one where left is odd.
      const int64_t first = rows.left % 2, half = rows.left / 2;
      split_run(from, rows.width, to + first * rows.phase_step + half,
                to + (1 - first) * rows.phase_step + half + first);
    }
  }
}

}  // namespace sdx::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace sdx::kernels {
namespace {
HWY_EXPORT(depthwise_rows);
HWY_EXPORT(pad_rows);
}  // namespace

void conv_pad_rows(const PadRows& rows) { HWY_DYNAMIC_DISPATCH(pad_rows)(rows); }

namespace {

constexpr int64_t kSlack = 64;  // lanes that a row may be read past its end; so may rows past the last one

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
  // Even, because offsets lie behind them.
  int64_t floats() const { return ceil_div((depths * heights + kDepthwiseRows - 1) * phases * pitch + kSlack, 2) * 2; }
};

// Output rows (within each depth) that stay in the first-level cache with the copy.
int64_t rows_at_once(const ConvShape& shape) {
  constexpr int64_t kFloats = 5 * 1024;
  const int64_t row = shape.out[0] * shape.out[2] + shape.in[0] * shape.in[2] * shape.stride[1];
  const int64_t fit = kFloats / std::max<int64_t>(row, 1);
  return std::clamp<int64_t>(fit / kDepthwiseRows * kDepthwiseRows, 1, shape.out[1]);
}

// Multiply-adds of a tile, about: rows of one channel within each depth, or several whole channels.
constexpr int64_t kWork = 64 * 1024;

int64_t rows_of_tile(const ConvShape& shape) {
  const int64_t work = shape.out[0] * shape.out[2] * shape.kernel_volume();
  return std::clamp<int64_t>(kWork / std::max<int64_t>(work, 1), 1, shape.out[1]);
}

int64_t channels_of_tile(const ConvShape& shape, int threads) {
  const int64_t work = shape.out_plane() * shape.kernel_volume(), pieces = int64_t{4} * threads;
  return std::clamp<int64_t>(kWork / std::max<int64_t>(work, 1), 1, ceil_div(shape.out_channels, pieces));
}

class Channel {
 public:
  Channel(const ConvShape& shape, int64_t rows, float* scratch) : shape_(shape), padded_(shape, rows) {
    copy_ = scratch;
    acc_ = copy_ + padded_.floats();
    offsets_ = reinterpret_cast<int64_t*>(acc_ + (rows * shape.out[2] + 1) / 2 * 2);
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
    return static_cast<size_t>(Padded(shape, rows).floats() + rows * shape.out[2] + 2 + 2 * shape.kernel_volume());
  }

  /// Copies the input that output rows from `row` on need.
  void copy(const float* x, int64_t row) {
    for (int64_t z = 0; z < padded_.depths; ++z) {
      const int64_t in_z = z - shape_.pad_begin[0];
      const float* const plane = in_z < 0 || in_z >= shape_.in[0] ? nullptr : x + in_z * shape_.in[1] * shape_.in[2];
      float* const to = copy_ + z * padded_.heights * padded_.phases * padded_.pitch;
      const int64_t above = shape_.pad_begin[1] - row * shape_.stride[1];
      padded_.phases <= 2 && shape_.pad_begin[2] >= 0 ? pad(plane, above, to) : split_phases(plane, above, to);
    }
  }

  /// The sums of the first `rows` output rows of depth z, one after the other.
  const float* sums(int64_t z, int64_t rows, const float* weights) {
    const int64_t pitch = padded_.phases * padded_.pitch;
    HWY_DYNAMIC_DISPATCH(depthwise_rows)
    ({copy_ + z * shape_.stride[0] * padded_.heights * pitch, shape_.stride[1] * pitch, offsets_, weights,
      shape_.kernel_volume(), shape_.kernel[2], dense(), rows, shape_.out[2], acc_});
    return acc_;
  }

 private:
  // Copies a plane (null: zeros) of which `above` rows of padding come first.
  void pad(const float* plane, int64_t above, float* to) const {
    const int64_t first = std::clamp<int64_t>(above, 0, padded_.heights);
    const int64_t end = plane == nullptr ? first : std::clamp(above + shape_.in[1], first, padded_.heights);
    const int64_t left = shape_.pad_begin[2],
                  width = std::clamp<int64_t>(padded_.phases * padded_.pitch - left, 0, shape_.in[2]);
    conv_pad_rows({end > first ? plane + (first - above) * shape_.in[2] : nullptr, shape_.in[2], width, to,
                   padded_.phases * padded_.pitch, padded_.phases, padded_.pitch, padded_.pitch, left, padded_.heights,
                   first, end});
  }

  // Whether rows of the kernel and of the output both adjoin.
  bool dense() const {
    return shape_.kernel[0] == 1 && shape_.kernel[1] > 1 && shape_.dilation[1] == 1 && shape_.stride[1] == 1;
  }

  void split_phases(const float* plane, int64_t above, float* to) const {
    for (int64_t y = 0; y < padded_.heights; ++y) {
      const int64_t in_y = y - above;
      const bool inside = plane != nullptr && in_y >= 0 && in_y < shape_.in[1];
      conv_gather_run({inside ? plane + in_y * shape_.in[2] : nullptr, shape_.in[2], -shape_.pad_begin[2],
                       padded_.phases, 1, padded_.pitch, padded_.phases, to + y * padded_.phases * padded_.pitch,
                       padded_.pitch});
    }
  }

  const ConvShape& shape_;
  const Padded padded_;
  float* copy_;
  float* acc_;
  int64_t* offsets_;
};

// Output rows [first, first + rows) of one channel of one image.
void run_channel(const Conv& conv, int64_t plane, int64_t first, int64_t rows, Channel& work) {
  const ConvShape& shape = conv.shape;
  const int64_t channel = plane % shape.out_channels, image = plane / shape.out_channels;
  const int64_t multiplier = shape.out_channels / shape.groups;
  work.copy(conv.x + (image * shape.in_channels + channel / multiplier) * shape.in_plane(), first);
  const float* weights = static_cast<const float*>(conv.packed) + channel * shape.kernel_volume();
  const Gemm output = conv_output(conv, image, channel);
  const int64_t count = rows * shape.out[2];
  for (int64_t z = 0; z < shape.out[0]; ++z) {
    const int64_t column = (z * shape.out[1] + first) * shape.out[2];
    gemm_finish(output, {work.sums(z, rows, weights), count, 0, column, 1, count});
  }
}

}  // namespace

size_t conv_depthwise_packed_floats(const ConvShape& shape) {
  return static_cast<size_t>(shape.out_channels * shape.kernel_volume());
}

void conv_depthwise_pack(const ConvShape& shape, const void* weights, int64_t, int64_t, float* packed) {
  std::memcpy(packed, weights, conv_depthwise_packed_floats(shape) * sizeof(float));
}

// A tile is a block of output rows of one channel of one image, or several channels whose output is small.
ConvPlan conv_depthwise_plan(const ConvShape& shape, int threads) {
  ConvPlan plan;
  plan.pixel_block = rows_of_tile(shape);
  plan.channel_block = plan.pixel_block < shape.out[1] ? 1 : channels_of_tile(shape, threads);
  plan.tiles =
      shape.batch * ceil_div(shape.out_channels, plan.channel_block) * ceil_div(shape.out[1], plan.pixel_block);
  plan.scratch_bytes = Channel::floats(shape, rows_at_once(shape)) * sizeof(float);
  return plan;
}

void conv_depthwise_run(const Conv& conv, const ConvPlan& plan, int64_t tile_begin, int64_t tile_end, float* scratch) {
  const ConvShape& shape = conv.shape;
  const int64_t blocks = ceil_div(shape.out[1], plan.pixel_block);
  const int64_t groups = ceil_div(shape.out_channels, plan.channel_block);
  const int64_t step = rows_at_once(shape);
  Channel work(shape, step, scratch);
  for (int64_t tile = tile_begin; tile < tile_end; ++tile) {
    const int64_t first = tile % blocks * plan.pixel_block, group = tile / blocks % groups;
    const int64_t last = std::min(first + plan.pixel_block, shape.out[1]);
    const int64_t image = tile / blocks / groups * shape.out_channels;
    const int64_t end = std::min(shape.out_channels, (group + 1) * plan.channel_block);
    for (int64_t channel = group * plan.channel_block; channel < end; ++channel) {
      for (int64_t row = first; row < last; row += step)
        run_channel(conv, image + channel, row, std::min(step, last - row), work);
    }
  }
}

}  // namespace sdx::kernels
#endif
