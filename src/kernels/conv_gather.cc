// Conv gathering: input values into B panels, runs of consecutive positions at a time.
#include <algorithm>

#include "kernels/conv_routes.h"

#include "hwy/cache_control.h"

#include "hwy/foreach_target.h"
#include "hwy/highway.h"

#include "kernels/pack-inl.h"
#include "kernels/run-inl.h"

HWY_BEFORE_NAMESPACE();
namespace sdx::kernels::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// to[j] = from[2 j] from j on for as many as fit vectors of D and end before `end`; moves j behind them.
template <class D>
HWY_INLINE void copy_even(D d, const float* from, const float* end, int64_t& j, int64_t n, float* to) {
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(d));
  for (; j + lanes <= n && from + 2 * (j + lanes) <= end; j += lanes) {
    const auto low = hn::LoadU(d, from + 2 * j), high = hn::LoadU(d, from + 2 * j + lanes);
    hn::StoreU(hn::ConcatEven(d, high, low), d, to + j);
  }
}

// to[j] = from[stride j]; reads nothing at or beyond `end`.
HWY_INLINE void copy_strided(const float* from, const float* end, int64_t stride, int64_t n, float* to) {
  int64_t j = 0;
  if (stride == 2) {
    copy_even(hn::ScalableTag<float>(), from, end, j, n, to);
    copy_even(hn::CappedTag<float, 8>(), from, end, j, n, to);
    copy_even(hn::CappedTag<float, 4>(), from, end, j, n, to);
  }
  for (; j < n; ++j) to[j] = from[j * stride];
}

// Positions from j on as many as D has lanes, at all kernel elements; the last four elements may overlap those before.
template <class D>
HWY_INLINE void turn_positions(D d, const GatherRun& run, int64_t j) {
  constexpr int kLanes = static_cast<int>(hn::MaxLanes(D()));
  const StridedRows<kLanes> rows(run.row + run.x + j * run.stride, run.stride);
  for (int64_t l = 0; l < run.count; l += 4) {
    const int64_t first = std::min(l, run.count - 4);
    transpose_four(d, rows, first, run.to + first * run.width + j, run.width);
  }
}

template <class D>
HWY_INLINE void turn_run(D d, const GatherRun& run) {
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(d));
  for (int64_t j = 0; j < run.length; j += lanes) turn_positions(d, run, std::min(j, run.length - lanes));
}

// What several kernel elements meet at several positions is a transposition where all of it lies inside the row.
HWY_INLINE bool turns(const GatherRun& run) {
  return run.row != nullptr && run.stride > 2 && run.dilation == 1 && run.count >= 4 && run.length >= 4 && run.x >= 0 &&
         run.x + (run.length - 1) * run.stride + run.count <= run.row_width;
}

// Channels are too far apart for the hardware to see a stream, so what the next few will need is fetched ahead.
HWY_INLINE void prefetch_ahead(const GatherRun& run) {
  if (run.row == nullptr || run.ahead == 0) return;
  const int64_t first = std::max<int64_t>(run.x, 0);
  const int64_t last = std::min(run.row_width, run.x + (run.length - 1) * run.stride + run.count * run.dilation);
  for (int64_t x = first; x < last; x += 16) hwy::Prefetch(run.row + run.ahead + x);
}

// For l in [0, count): to[l * width + j] = row[x + l * dilation + j * stride], zero outside [0, row_width).
void gather_run(const GatherRun& run) {
  prefetch_ahead(run);
  if (turns(run)) {
    const hn::CappedTag<float, 16> d;
    const hn::CappedTag<float, 8> d8;
    if (run.length >= static_cast<int64_t>(hn::Lanes(d))) return turn_run(d, run);
    if (run.length >= static_cast<int64_t>(hn::Lanes(d8))) return turn_run(d8, run);
    return turn_run(hn::CappedTag<float, 4>(), run);
  }
  for (int64_t l = 0; l < run.count; ++l) {
    float* to = run.to + l * run.width;
    if (run.row == nullptr) {
      std::fill_n(to, run.length, 0.0f);
      continue;
    }
    const int64_t x = run.x + l * run.dilation;
    int64_t begin = 0;
    int64_t end = run.length;
    if (x < 0) begin = std::min(run.length, (-x + run.stride - 1) / run.stride);
    const int64_t room = run.row_width - x;
    if (room <= (run.length - 1) * run.stride) {
      end = room <= 0 ? begin : std::max(begin, (room + run.stride - 1) / run.stride);
    }
    std::fill_n(to, begin, 0.0f);
    if (run.stride == 1) {
      copy_run(run.row + x + begin, end - begin, to + begin);
    } else {
      copy_strided(run.row + x + begin * run.stride, run.row + run.row_width, run.stride, end - begin, to + begin);
    }
    std::fill(to + end, to + run.length, 0.0f);
  }
}

}  // namespace sdx::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace sdx::kernels {
namespace {
HWY_EXPORT(gather_run);
}

void conv_gather_run(const GatherRun& run) { HWY_DYNAMIC_DISPATCH(gather_run)(run); }

void ConvGather::select(int64_t position, int64_t count) {
  segments_ = 0;
  const int64_t* out = shape_.out;
  for (int64_t column = 0; column < count;) {
    const int64_t at = position + column;
    const int64_t x = at % out[2];
    const int64_t y = at / out[2] % out[1];
    const int64_t z = at / out[2] / out[1];
    Segment& segment = segment_[segments_++];
    segment.offset = column / width_ * panel_stride_ + column % width_;
    segment.length = std::min({count - column, out[2] - x, width_ - column % width_});
    segment.in[0] = z * shape_.stride[0] - shape_.pad_begin[0];
    segment.in[1] = y * shape_.stride[1] - shape_.pad_begin[1];
    segment.in[2] = x * shape_.stride[2] - shape_.pad_begin[2];
    column += segment.length;
  }
  tail_ = count / width_ * panel_stride_ + count % width_;
  tail_length_ = count % width_ == 0 ? 0 : width_ - count % width_;
}

// Fills the rows of kernel elements [first, first + count) of kernel row (i, j); `plane` is the input of the channel.
void ConvGather::fill_kernel_row(const float* plane, int64_t kernel_row, int64_t first, int64_t count,
                                 float* rows) const {
  const int64_t* in = shape_.in;
  const int64_t i = kernel_row / shape_.kernel[1];
  const int64_t j = kernel_row % shape_.kernel[1];
  const auto run = HWY_DYNAMIC_DISPATCH(gather_run);
  constexpr int64_t kAhead = 4;
  const int64_t ahead = kAhead * shape_.in_plane();
  for (int s = 0; s < segments_; ++s) {
    const Segment& segment = segment_[s];
    const int64_t z = segment.in[0] + i * shape_.dilation[0];
    const int64_t y = segment.in[1] + j * shape_.dilation[1];
    const bool inside = z >= 0 && z < in[0] && y >= 0 && y < in[1];
    run({inside ? plane + (z * in[1] + y) * in[2] : nullptr, in[2], segment.in[2] + first * shape_.dilation[2],
         shape_.stride[2], shape_.dilation[2], segment.length, count, rows + segment.offset, width_, ahead});
  }
  if (tail_length_ == 0) return;
  for (int64_t l = 0; l < count; ++l) std::fill_n(rows + tail_ + l * width_, tail_length_, 0.0f);
}

void ConvGather::fill(const float* x, int64_t depth, int64_t depths, float* panels) const {
  const int64_t plane = shape_.in_plane();
  const int64_t rows = shape_.kernel[0] * shape_.kernel[1];
  for (int64_t p = 0; p < depths;) {
    const int64_t element = (depth + p) % shape_.kernel[2];
    const int64_t row = (depth + p) / shape_.kernel[2];
    const int64_t count = std::min(shape_.kernel[2] - element, depths - p);
    fill_kernel_row(x + row / rows * plane, row % rows, element, count, panels + p * width_);
    p += count;
  }
}

}  // namespace sdx::kernels
#endif
