// Conv by products without gathering: what all output positions meet at one kernel element of a channel is one run of a
// padded copy of that channel, in which the rows and columns of a step's phases lie together. Positions are counted in
// rows as long as the copy's; those behind the end of an output row are computed for nothing.
#include <algorithm>
#include <limits>

#include "kernels/conv_routes.h"
#include "kernels/gemm_tiles.h"

namespace sdx::kernels {
namespace {

// Floats of a pass's copy, which stays in the second-level cache as its weights do, its depths, and positions of a
// tile.
constexpr int64_t kCopyFloats = 64 * 1024, kDepths = 1536, kFewestPositions = 64, kMostPositions = 512;
// Floats that may be written behind a phase, and read behind all of them.
constexpr int64_t kVector = 16, kSlack = 64;

int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }

// The padded copy of a channel, [row phase][column phase][height][pitch], for some output rows.
struct Copy {
  int64_t row_phases, phases, heights, pitch, phase_step;

  Copy(const ConvShape& shape, int64_t rows)
      : row_phases(std::min(shape.stride[1], (shape.kernel[1] - 1) * shape.dilation[1] + 1)),
        phases(shape.stride[2]),
        heights(rows + (shape.kernel[1] - 1) * shape.dilation[1] / shape.stride[1]),
        pitch(shape.out[2] + (shape.kernel[2] - 1) * shape.dilation[2] / shape.stride[2]),
        phase_step(heights * pitch + kVector) {}

  int64_t floats() const { return row_phases * phases * phase_step; }
};

// The positions of some output rows in panels: in lines of one row each, or in one line in which rows follow each other
// as in the copy, whichever leaves fewer that are computed for nothing.
struct Lines {
  int64_t count, length;  ///< and positions of each
  int64_t panels;         ///< of each
  int64_t computed;       ///< positions of all

  Lines(const ConvShape& shape, int64_t rows) {
    const int64_t pitch = Copy(shape, rows).pitch;
    *this = Lines(1, (rows - 1) * pitch + shape.out[2]);
    const Lines apart(rows, shape.out[2]);
    if (apart.computed <= computed) *this = apart;
  }

 private:
  Lines(int64_t lines, int64_t positions) : count(lines), length(positions) {
    const int64_t width = gemm_tiles().panel_columns;
    panels = ceil_div(length, width);
    computed = count * ceil_div(2 * length, width) * width / 2;
  }
};

int64_t channels_of_pass(const ConvShape& shape, int64_t rows) {
  const int64_t channels = shape.in_channels / shape.groups;
  const int64_t fit = std::min(kCopyFloats / Copy(shape, rows).floats(), kDepths / shape.kernel_volume());
  return ceil_div(channels, ceil_div(channels, std::clamp<int64_t>(fit, 1, channels)));
}

// Times in cycles of a core that multiplies and adds 16 floats in each: of a tile with so many output rows and
// channels, and of a convolution group of one image by gathering.
double time_of_tile(const ConvShape& shape, int64_t rows, double channels) {
  constexpr double kCopied = 0.8, kUnaligned = 1.05;
  const auto products = static_cast<double>(Lines(shape, rows).computed * shape.kernel_volume());
  const auto copied = static_cast<double>(Copy(shape, rows).floats());
  return static_cast<double>(shape.in_channels / shape.groups) *
         (kUnaligned * products * channels / 16 + kCopied * copied);
}
double time_of_gathering(const ConvShape& shape) {
  constexpr double kElement = 0.15, kRun = 16;
  const int64_t width = gemm_tiles().panel_columns, positions = ceil_div(2 * shape.out_plane(), width) * width / 2;
  const double gathered = kElement + kRun / static_cast<double>(std::min(shape.out[2], width));
  return static_cast<double>(shape.in_channels / shape.groups * shape.kernel_volume() * positions) *
         (static_cast<double>(shape.out_channels / shape.groups) / 16 + gathered);
}

// The plan that takes least time, which is stored, with a little for threads that wait for the last tile.
ConvPlan best_plan(const ConvShape& shape, int threads, double& least) {
  constexpr double kWait = 0.1;
  const ChannelGroups groups(shape);
  const int64_t height = shape.out[1], pitch = Copy(shape, 1).pitch;
  const int64_t first = std::clamp<int64_t>(kFewestPositions / pitch, 1, height);
  const int64_t last = std::clamp<int64_t>(kMostPositions / pitch, first, height);
  ConvPlan best;
  least = std::numeric_limits<double>::max();
  for (int64_t rows = first, blocks = 0; rows <= last; ++rows) {
    // Of tiles with more rows that leave as many of them the first are the most even.
    if (blocks == ceil_div(height, rows)) continue;
    blocks = ceil_div(height, rows);
    ConvPlan plan;
    plan.pixel_block = rows;
    conv_cut_channels(plan, shape.batch * shape.groups * blocks, groups.count, threads);
    const auto rounds = static_cast<double>(ceil_div(plan.tiles, threads));
    const double share = static_cast<double>(plan.channel_block) / static_cast<double>(groups.count);
    const double time =
        (rounds + (threads > 1 ? kWait : 0)) * time_of_tile(shape, rows, share * static_cast<double>(groups.channels));
    if (time >= least) continue;
    best = plan;
    least = time;
  }
  return best;
}

// One tile: some row groups of one convolution group at some output rows of one image.
class Tile {
 public:
  Tile(const Conv& conv, const ConvPlan& plan, int64_t rows, float* scratch)
      : conv_(conv),
        shape_(conv.shape),
        tiles_(gemm_tiles()),
        groups_(conv.shape),
        copy_(conv.shape, rows),
        taps_(conv.shape.kernel_volume()),
        channels_(conv.shape.in_channels / conv.shape.groups),
        pass_channels_(channels_of_pass(conv.shape, rows)),
        single_(pass_channels_ == channels_),
        stores_(gemm_stores(conv_output(conv, 0, 0))),
        values_(scratch),
        sums_(values_ + pass_channels_ * copy_.floats() + kSlack),
        offsets_(reinterpret_cast<int32_t*>(sums_ + sum_floats(conv.shape, plan.channel_block, rows))) {
    std::fill_n(sums_ - kSlack, kSlack, 0.0f);
    for (int64_t p = 0; p < taps_; ++p)
      offsets_[p] = static_cast<int32_t>(offset(p / shape_.kernel[2], p % shape_.kernel[2]));
    const auto channel = static_cast<int32_t>(copy_.floats());
    for (int64_t p = taps_; p < pass_channels_ * taps_; ++p) offsets_[p] = offsets_[p - taps_] + channel;
  }

  static size_t floats(const ConvShape& shape, int64_t channel_block, int64_t rows) {
    const int64_t channels = channels_of_pass(shape, rows);
    return static_cast<size_t>(channels * Copy(shape, rows).floats() + kSlack + sum_floats(shape, channel_block, rows) +
                               channels * shape.kernel_volume());
  }

  void run(int64_t image, int64_t group, int64_t row_begin, int64_t row_end, int64_t y, int64_t rows) {
    output_ = conv_output(conv_, image, group * groups_.channels);
    y_ = y;
    const Lines lines(shape_, rows);
    const float* x = conv_.x + (image * shape_.in_channels + group * channels_) * shape_.in_plane();
    const float* weights = static_cast<const float*>(conv_.packed) + group * groups_.channels * channels_ * taps_;
    for (int64_t channel = 0; channel < channels_; channel += pass_channels_) {
      const int64_t count = std::min(pass_channels_, channels_ - channel);
      for (int64_t c = 0; c < count; ++c) pad(x + (channel + c) * shape_.in_plane(), values_ + c * copy_.floats());
      for (int64_t t = row_begin; t < row_end; ++t) multiply({weights, t, row_begin, row_end, channel, count}, lines);
    }
  }

 private:
  static int64_t sum_floats(const ConvShape& shape, int64_t channel_block, int64_t rows) {
    const bool single = channels_of_pass(shape, rows) == shape.in_channels / shape.groups;
    // In either kind of lines; the last tile has fewer rows.
    const int64_t width = gemm_tiles().panel_columns, pitch = Copy(shape, rows).pitch;
    const int64_t panels = std::max(rows * ceil_div(shape.out[2], width), ceil_div(rows * pitch, width));
    return (single ? 1 : channel_block) * panels * gemm_tiles().rows * gemm_tiles().panel_columns;
  }

  // Of a kernel element from the start of a channel's copy.
  int64_t offset(int64_t j, int64_t l) const {
    const int64_t row = j * shape_.dilation[1], column = l * shape_.dilation[2];
    const int64_t phase = row % shape_.stride[1] * copy_.phases + column % copy_.phases;
    return phase * copy_.phase_step + row / shape_.stride[1] * copy_.pitch + column / copy_.phases;
  }

  void pad(const float* plane, float* to) const {
    const int64_t step = shape_.stride[1], left = shape_.pad_begin[2];
    const int64_t width = std::clamp<int64_t>(copy_.phases * copy_.pitch - left, 0, shape_.in[2]);
    for (int64_t phase = 0; phase < copy_.row_phases; ++phase) {
      // Input row of the first place.
      const int64_t top = y_ * step - shape_.pad_begin[1] + phase;
      const int64_t first = std::clamp<int64_t>(ceil_div(std::max<int64_t>(-top, 0), step), 0, copy_.heights);
      const int64_t end =
          std::clamp<int64_t>(ceil_div(std::max<int64_t>(shape_.in[1] - top, 0), step), first, copy_.heights);
      conv_pad_rows({first < end ? plane + (top + first * step) * shape_.in[2] : nullptr, step * shape_.in[2], width,
                     to + phase * copy_.phases * copy_.phase_step, copy_.pitch, copy_.phases, copy_.phase_step,
                     copy_.pitch, left, copy_.heights, first, end});
    }
  }

  // A group of output channels and some input channels.
  struct Step {
    const float* weights;
    int64_t t, row_begin, row_end;  ///< groups
    int64_t channel, count;
  };

  void multiply(const Step& step, const Lines& lines) {
    const int64_t width = tiles_.panel_columns, t = step.t, height = groups_.rows(t);
    const int64_t depths = channels_ * taps_, depth = step.channel * taps_, panels = lines.count * lines.panels;
    TileArgs args = {};
    args.k = step.count * taps_;
    args.a = step.weights + groups_.begin(t) * depths + depth * height;
    args.a_stride = height;
    args.b_offsets = offsets_;
    args.accumulate = depth > 0;
    args.acc = sums_ + (single_ ? 0 : t - step.row_begin) * panels * tiles_.rows * width;
    // Each call fetches its part of what the next group of rows needs.
    if (t + 1 < step.row_end) {
      const int64_t next = groups_.rows(t + 1);
      args.ahead = reinterpret_cast<const char*>(step.weights + groups_.begin(t + 1) * depths + depth * next);
      args.ahead_step = ceil_div(next * static_cast<int64_t>(sizeof(float)), panels);
    }
    const bool last = step.channel + step.count == channels_;
    TileStore store;
    for (int64_t line = 0; line < lines.count; ++line) {
      for (int64_t first = 0; first < lines.length; first += width) {
        const int64_t place = line * copy_.pitch + first;
        const bool stores = last && store_at(groups_.begin(t), place, store);
        args.store = stores ? &store : nullptr;
        args.b = values_ + place;
        tiles_.one_panel_apart(height, lines.length - first)(args);
        if (args.ahead != nullptr) args.ahead += args.ahead_step * args.k;
        if (last && !stores) finish(args.acc, t, place, std::min(width, lines.length - first));
        args.acc += tiles_.rows * width;
      }
    }
  }

  // Where a panel goes that is whole and in one row of the output; false where it is not.
  bool store_at(int64_t channel, int64_t place, TileStore& store) const {
    if (!stores_) return false;
    const int64_t y = place / copy_.pitch, x = place - y * copy_.pitch;
    if (x + tiles_.panel_columns > shape_.out[2]) return false;
    store = gemm_store(output_, channel, (y_ + y) * shape_.out[2] + x);
    return true;
  }

  // The positions [first, first + count) that are some, row by row.
  void finish(const float* acc, int64_t t, int64_t first, int64_t count) {
    for (int64_t y = first / copy_.pitch; y * copy_.pitch < first + count; ++y) {
      const int64_t begin = std::max(first, y * copy_.pitch);
      const int64_t end = std::min(first + count, y * copy_.pitch + shape_.out[2]);
      if (begin >= end) continue;
      const int64_t column = (y_ + y) * shape_.out[2] + begin - y * copy_.pitch;
      gemm_finish(output_,
                  {acc + begin - first, tiles_.panel_columns, groups_.begin(t), column, groups_.rows(t), end - begin});
    }
  }

  const Conv& conv_;
  const ConvShape& shape_;
  const GemmTiles& tiles_;
  const ChannelGroups groups_;
  const Copy copy_;
  const int64_t taps_, channels_, pass_channels_;
  const bool single_;  ///< one pass
  const bool stores_;  ///< results of whole panels go straight to the output
  float* const values_;
  float* const sums_;       ///< [row group][panel][rows][columns]
  int32_t* const offsets_;  ///< of the depths of a pass
  Gemm output_;
  int64_t y_ = 0;
};

}  // namespace

bool conv_direct_pays(const ConvShape& shape) {
  if (shape.in[0] != 1 || shape.kernel[0] != 1 || shape.out[0] != 1 || shape.pad_begin[0] != 0) return false;
  if (shape.stride[2] > 2 || shape.pad_begin[2] < 0 || shape.kernel_volume() == 1) return false;
  // The sums of longer rows would leave the cache from pass to pass, and so would the copy of a taller channel.
  constexpr int64_t kLongest = 1024;
  if (shape.out[2] > kLongest || (shape.kernel[2] - 1) * shape.dilation[2] > kLongest) return false;
  if ((shape.kernel[1] - 1) * shape.dilation[1] > kCopyFloats || Copy(shape, 1).floats() > kCopyFloats) return false;
  double time = 0;
  best_plan(shape, 1, time);
  return time < static_cast<double>(shape.batch * shape.groups) * time_of_gathering(shape);
}

ConvPlan conv_direct_plan(const ConvShape& shape, int threads) {
  double time = 0;
  ConvPlan plan = best_plan(shape, threads, time);
  plan.columns = ConvColumns::kPadded;
  plan.scratch_bytes = Tile::floats(shape, plan.channel_block, plan.pixel_block) * sizeof(float);
  return plan;
}

void conv_direct_run(const Conv& conv, const ConvPlan& plan, int64_t tile_begin, int64_t tile_end, float* scratch) {
  const ConvShape& shape = conv.shape;
  const int64_t row_groups = ChannelGroups(shape).count;
  const int64_t row_blocks = ceil_div(shape.out[1], plan.pixel_block);
  const int64_t channel_blocks = ceil_div(row_groups, plan.channel_block);
  Tile tile(conv, plan, plan.pixel_block, scratch);
  for (int64_t at = tile_begin; at < tile_end; ++at) {
    const int64_t y = at % row_blocks * plan.pixel_block;
    const int64_t row = at / row_blocks % channel_blocks * plan.channel_block;
    const int64_t group = at / row_blocks / channel_blocks % shape.groups;
    const int64_t image = at / row_blocks / channel_blocks / shape.groups;
    tile.run(image, group, row, std::min(row_groups, row + plan.channel_block), y,
             std::min(plan.pixel_block, shape.out[1] - y));
  }
}

}  // namespace sdx::kernels
