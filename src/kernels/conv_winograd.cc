// Conv by Winograd F(2x2, 3x3): 16 products of [out_channels, in_channels] and [in_channels, tiles] between transforms.
#include <algorithm>
#include <cstring>

#include "kernels/conv_routes.h"
#include "kernels/conv_winograd_tiles.h"
#include "kernels/gemm_tiles.h"

namespace sdx::kernels {
namespace {

// Panels of one block, and the most input channels of one pass. Kernels stay as they are in memory, nine numbers for
// 16, and a pass transforms those of one group of output channels at a time, so that they are in the second-level cache
// when the block's panels meet them. Many input channels, because each pass reads and writes all sums once more.
constexpr int64_t kPanels = 4;
constexpr int64_t kDepth = 512;
constexpr int64_t kSlack = 16;

int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }

// The tiles of all images in one row: image, plane of depth, row of tiles, column of tiles.
struct TileGrid {
  int64_t planes, height, width;
  explicit TileGrid(const ConvShape& shape)
      : planes(shape.batch * shape.out[0]), height(ceil_div(shape.out[1], 2)), width(ceil_div(shape.out[2], 2)) {}
  int64_t tiles() const { return planes * height * width; }
};

int64_t pass_depth(const ConvShape& shape) { return ceil_div(shape.in_channels, ceil_div(shape.in_channels, kDepth)); }

// Floats from one input channel to the next of transformed kernels, whole vectors, and from one point to the next.
int64_t kernel_rows() {
  const int64_t lanes = gemm_tiles().panel_columns / 2;
  return ceil_div(gemm_tiles().rows, lanes) * lanes;
}
int64_t kernel_floats(const ConvShape& shape) { return pass_depth(shape) * kernel_rows() + kSlack; }

// Some panels of tiles and a range of channel groups.
class Block {
 public:
  Block(const Conv& conv, const ConvPlan& plan, float* scratch)
      : conv_(conv),
        shape_(conv.shape),
        tiles_(gemm_tiles()),
        grid_(conv.shape),
        width_(tiles_.panel_columns),
        depth_(pass_depth(conv.shape)),
        point_stride_(point_floats(conv.shape, plan.pixel_block)),
        groups_(conv.shape),
        kernel_rows_(kernel_rows()),
        kernel_stride_(kernel_floats(conv.shape)) {
    values_ = scratch;
    products_ = values_ + kWinogradPoints * point_stride_;
    kernels_ = products_ + plan.channel_block * tiles_.rows * kWinogradPoints * plan.pixel_block;
    rows_ = kernels_ + kWinogradPoints * kernel_stride_;
  }

  static size_t floats(const ConvShape& shape, int64_t pixels, int64_t groups) {
    const int64_t width = gemm_tiles().panel_columns;
    const int64_t products = groups * gemm_tiles().rows * kWinogradPoints * pixels;
    return static_cast<size_t>(kWinogradPoints * (point_floats(shape, pixels) + kernel_floats(shape)) + products +
                               4 * width + kSlack);
  }

  void run(int64_t tile, int64_t tile_end, int64_t group_first, int64_t group_end) {
    tile_ = tile;
    count_ = tile_end - tile;
    panels_ = ceil_div(count_, width_);
    for (int64_t depth = 0; depth < shape_.in_channels; depth += depth_) {
      const int64_t depths = std::min(depth_, shape_.in_channels - depth);
      transform(depth, depths);
      for (int64_t group = group_first; group < group_end; ++group) {
        if (group + 1 < group_end) {
          multiply({group, depth, depths}, {group + 1, depth, depths}, group_first);
        } else {
          const int64_t next = depth + depths;
          multiply({group, depth, depths}, {group_first, next, std::min(depth_, shape_.in_channels - next)},
                   group_first);
        }
      }
    }
    for (int64_t group = group_first; group < group_end; ++group) {
      for (int64_t panel = 0; panel < panels_; ++panel) {
        const float* products = products_at(group - group_first, panel, 0);
        for (int64_t r = 0; r < groups_.rows(group); ++r)
          finish(groups_.begin(group) + r, panel, products + r * width_, tiles_.rows * width_);
      }
    }
  }

 private:
  // Neighbouring tiles of one row of tiles, in one panel.
  struct Run {
    int64_t length;
    int64_t plane, row, first;  // first output row and column of the first tile
  };
  Run run_at(int64_t column, int64_t end) const {
    const int64_t at = tile_ + column;
    const int64_t x = at % grid_.width;
    return {std::min(end - column, grid_.width - x), at / grid_.width / grid_.height,
            at / grid_.width % grid_.height * 2, x * 2};
  }

  // Points lie a line further apart than needed: powers of two would share the places of a cache.
  static int64_t point_floats(const ConvShape& shape, int64_t pixels) { return pass_depth(shape) * pixels + kSlack; }
  int64_t panel_end(int64_t panel) const { return std::min(count_, (panel + 1) * width_); }
  float* values_at(int64_t point, int64_t panel) const {
    return values_ + point * point_stride_ + panel * depth_ * width_;
  }
  float* products_at(int64_t group, int64_t panel, int64_t point) const {
    return products_ + ((group * panels_ + panel) * kWinogradPoints + point) * tiles_.rows * width_;
  }

  void transform(int64_t depth, int64_t depths) {
    for (int64_t panel = 0; panel < panels_; ++panel) {
      const int64_t end = panel_end(panel);
      for (int64_t column = panel * width_; column < end;) {
        const Run run = run_at(column, end);
        const int64_t image = run.plane / shape_.out[0];
        const int64_t z = run.plane % shape_.out[0];
        for (int64_t c = 0; c < depths; ++c) {
          const int64_t plane = (image * shape_.in_channels + depth + c) * shape_.in[0] + z;
          transform_run(run, conv_.x + plane * shape_.in[1] * shape_.in[2],
                        values_at(0, panel) + c * width_ + column - panel * width_);
        }
        column += run.length;
      }
    }
  }

  void transform_run(const Run& run, const float* x, float* to) {
    WinogradInput input = {};
    for (int64_t r = 0; r < 4; ++r) {
      const int64_t y = run.row - shape_.pad_begin[1] + r;
      input.rows[r] = y >= 0 && y < shape_.in[1] ? x + y * shape_.in[2] : nullptr;
    }
    input.first = run.first - shape_.pad_begin[2];
    input.width = shape_.in[2];
    input.count = run.length;
    input.to = to;
    input.point_stride = point_stride_;
    winograd_input(input);
  }

  // Kernels of a group of output channels and a range of input channels.
  struct Kernels {
    int64_t group;
    int64_t depth, depths;
  };
  const float* kernels_of(const Kernels& kernels) const {
    return static_cast<const float*>(conv_.packed) +
           (groups_.begin(kernels.group) * shape_.in_channels + kernels.depth * groups_.rows(kernels.group)) *
               kWinogradTaps;
  }

  // Panel by panel and point by point, fetching the kernels that come next meanwhile, a part in each step.
  void multiply(const Kernels& now, const Kernels& next, int64_t group_first) {
    const int64_t rows = groups_.rows(now.group);
    winograd_kernels({kernels_of(now), rows, now.depths, kernels_, kernel_rows_, kernel_stride_});
    TileArgs args = {};
    args.k = now.depths;
    args.a_stride = kernel_rows_;
    args.b_stride = width_;
    args.accumulate = now.depth > 0;
    const char *ahead = nullptr, *ahead_end = nullptr;
    if (next.depths > 0) {
      const int64_t bytes =
          next.depths * kWinogradTaps * groups_.rows(next.group) * static_cast<int64_t>(sizeof(float));
      ahead = reinterpret_cast<const char*>(kernels_of(next));
      ahead_end = ahead + bytes;
      args.ahead_step = ceil_div(bytes, kWinogradPoints * panels_ * args.k);
    }
    for (int64_t point = 0; point < kWinogradPoints; ++point) {
      args.a = kernels_ + point * kernel_stride_;
      for (int64_t panel = 0; panel < panels_; ++panel) {
        args.b = values_at(point, panel);
        args.acc = products_at(now.group - group_first, panel, point);
        args.ahead = ahead < ahead_end ? ahead : nullptr;
        if (args.ahead != nullptr) ahead += args.ahead_step * args.k;
        tiles_.one_panel(rows, panel_end(panel) - panel * width_)(args);
      }
    }
  }

  void finish(int64_t channel, int64_t panel, const float* products, int64_t point_stride) {
    const int64_t start = panel * width_, end = panel_end(panel);
    float* row[2] = {rows_, rows_ + 2 * width_};
    winograd_output(products, point_stride, end - start, row[0], row[1]);
    Gemm output;
    output.epilogue.row_bias = conv_.bias == nullptr ? nullptr : conv_.bias + channel;
    output.epilogue.activation = conv_.activation;
    output.epilogue.activates_last = conv_.activates_last;
    for (int64_t column = start; column < end;) {
      const Run run = run_at(column, end);
      const int64_t image = run.plane / shape_.out[0];
      const int64_t plane = (image * shape_.out_channels + channel) * shape_.out[0] + run.plane % shape_.out[0];
      for (int64_t r = 0; r < std::min<int64_t>(2, shape_.out[1] - run.row); ++r) {
        const int64_t at = (plane * shape_.out[1] + run.row + r) * shape_.out[2] + run.first;
        output.c = conv_.y + at;
        output.epilogue.residual = conv_.residual == nullptr ? nullptr : conv_.residual + at;
        gemm_finish(output,
                    {row[r] + 2 * (column - start), 0, 0, 0, 1, std::min(2 * run.length, shape_.out[2] - run.first)});
      }
      column += run.length;
    }
  }

  const Conv& conv_;
  const ConvShape& shape_;
  const GemmTiles& tiles_;
  const TileGrid grid_;
  const int64_t width_;
  const int64_t depth_;
  const int64_t point_stride_;
  const ChannelGroups groups_;
  const int64_t kernel_rows_;    ///< floats from one depth of kernels_ to the next
  const int64_t kernel_stride_;  ///< between points of kernels_
  float* values_;                ///< [point][panel][depth][width]
  float* products_;              ///< [group][panel][point][rows][width]
  float* kernels_;               ///< [point][depth][kernel_rows_], of one group
  float* rows_;                  ///< of the output
  int64_t tile_ = 0;
  int64_t count_ = 0;   ///< tiles
  int64_t panels_ = 0;  ///< that hold them
};

}  // namespace

bool conv_winograd_fits(const ConvShape& shape) {
  // Fewer channels than this and the transforms cost more than the products save.
  constexpr int64_t kFewest = 16;
  if (shape.groups != 1 || shape.in_channels < kFewest || shape.out_channels < kFewest) return false;
  if (shape.kernel[0] != 1 || shape.stride[0] != 1 || shape.pad_begin[0] != 0) return false;
  for (int i = 1; i < 3; ++i) {
    if (shape.kernel[i] != 3 || shape.stride[i] != 1 || shape.dilation[i] != 1) return false;
  }
  return true;
}

size_t conv_winograd_packed_floats(const ConvShape& shape) {
  return static_cast<size_t>(shape.out_channels * kWinogradTaps * shape.in_channels + kWinogradSlack);
}

int64_t conv_winograd_pack_parts(const ConvShape& shape) { return ChannelGroups(shape).count; }

// [group][in_channel][tap][rows of the group], taps of the middle row and of the middle column halved:
// winograd_kernels.
void conv_winograd_pack(const ConvShape& shape, const void* weights, int64_t part_begin, int64_t part_end,
                        float* packed) {
  const ChannelGroups groups(shape);
  const unsigned char* from = static_cast<const unsigned char*>(weights);
  for (int64_t group = part_begin; group < part_end; ++group) {
    const int64_t begin = groups.begin(group), rows = groups.rows(group);
    float* to = packed + begin * kWinogradTaps * shape.in_channels;
    for (int64_t r = 0; r < rows; ++r) {
      for (int64_t c = 0; c < shape.in_channels; ++c) {
        float kernel[kWinogradTaps];
        std::memcpy(kernel, from + ((begin + r) * shape.in_channels + c) * static_cast<int64_t>(sizeof(kernel)),
                    sizeof(kernel));
        for (int64_t tap = 0; tap < kWinogradTaps; ++tap) {
          const float factor = (tap / 3 == 1 ? 0.5f : 1.0f) * (tap % 3 == 1 ? 0.5f : 1.0f);
          to[(c * kWinogradTaps + tap) * rows + r] = factor * kernel[tap];
        }
      }
    }
    if (group + 1 == groups.count)
      std::fill_n(packed + shape.out_channels * shape.in_channels * kWinogradTaps, kWinogradSlack, 0.0f);
  }
}

// A tile is a block of Winograd tiles and a range of channel groups.
ConvPlan conv_winograd_plan(const ConvShape& shape, int threads) {
  ConvPlan plan;
  const int64_t width = gemm_tiles().panel_columns;
  const int64_t panels = ceil_div(TileGrid(shape).tiles(), width);
  const int64_t groups = ChannelGroups(shape).count;
  plan.pixel_block = ceil_div(panels, ceil_div(panels, kPanels)) * width;
  const int64_t blocks = ceil_div(panels * width, plan.pixel_block);
  conv_cut_channels(plan, blocks, groups, threads);
  plan.scratch_bytes = Block::floats(shape, plan.pixel_block, plan.channel_block) * sizeof(float);
  return plan;
}

void conv_winograd_run(const Conv& conv, const ConvPlan& plan, int64_t tile_begin, int64_t tile_end, float* scratch) {
  const int64_t tiles = TileGrid(conv.shape).tiles();
  const int64_t blocks = ceil_div(tiles, plan.pixel_block);
  const int64_t groups = ChannelGroups(conv.shape).count;
  Block block(conv, plan, scratch);
  for (int64_t tile = tile_begin; tile < tile_end; ++tile) {
    const int64_t group = tile / blocks * plan.channel_block, first = tile % blocks * plan.pixel_block;
    block.run(first, std::min(tiles, first + plan.pixel_block), group, std::min(groups, group + plan.channel_block));
  }
}

}  // namespace sdx::kernels
