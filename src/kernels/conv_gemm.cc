// Conv by products: Y [channels, positions] = W [channels, depths] X' [depths, positions], X' gathered tile by tile.
#include <algorithm>
#include <cstring>

#include "kernels/conv_routes.h"
#include "kernels/gemm_tiles.h"

namespace sdx::kernels {
namespace {

constexpr int64_t kSlack = 16;

// What a tile does at once: the gathered panels of a pass fit the second-level cache.
struct Block {
  int64_t depths;     ///< of one pass
  int64_t positions;  ///< of the output
  int64_t channels;   ///< of the output, which share the gathered panels
};

int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }

// One group of rows takes more panels at once and reads each only once.
Block block_of(const ConvShape& shape) {
  const bool large = gemm_tiles().large_cache() && ChannelGroups(shape).count > 1;
  return large ? Block{1536, 64, 1024} : Block{512, 128, 448};
}

// One tile: some row groups of one convolution group at some positions of one image.
class Tile {
 public:
  Tile(const Conv& conv, const ConvPlan& plan, float* scratch)
      : conv_(conv),
        tiles_(gemm_tiles()),
        groups_(conv.shape),
        depths_(conv.shape.depths()),
        pass_depths_(std::min(depths_, block_of(conv.shape).depths)),
        panel_floats_(pass_depths_ * tiles_.panel_columns),
        gather_(conv.shape, tiles_.panel_columns, panel_floats_),
        pointwise_(conv.shape.is_pointwise()),
        stores_(gemm_stores(conv_output(conv, 0, 0))) {
    columns_ = scratch;
    accumulators_ = columns_ + plan.pixel_block / tiles_.panel_columns * panel_floats_;
  }

  void run(int64_t image, int64_t group, int64_t row_begin, int64_t row_end, int64_t position, int64_t positions) {
    const ConvShape& shape = conv_.shape;
    const int64_t channels = shape.in_channels / shape.groups;
    x_ = conv_.x + (image * shape.in_channels + group * channels) * shape.in_plane();
    weights_ = static_cast<const float*>(conv_.packed) + group * groups_.channels * depths_;
    output_ = conv_output(conv_, image, group * groups_.channels);
    row_begin_ = row_begin;
    row_end_ = row_end;
    position_ = position;
    positions_ = positions;
    int64_t depth = 0;
    do {
      const int64_t count = std::min(pass_depths_, depths_ - depth);
      run_pass(depth, count);
      depth += count;
    } while (depth < depths_);
  }

 private:
  // The first `in_place` panels are read from the input, the others gathered.
  void run_pass(int64_t depth, int64_t depths) {
    const int64_t width = tiles_.panel_columns, panels = ceil_div(positions_, width);
    const int64_t plane = conv_.shape.in_plane(), in_place = pointwise_ ? positions_ / width : 0;
    const float* const x = x_ + depth * plane + position_;
    // A few positions in the last panel need no panel.
    const int64_t rest = positions_ - (panels - 1) * width;
    const bool few = rest <= std::min(FewColumns::kMostPositions, width / 4);
    if (!pointwise_ || in_place + few < panels) {
      if (depth == 0) gather_.select(position_ + in_place * width, positions_ - in_place * width);
      gather_.fill(x_, depth, depths, columns_);
    }
    TileArgs args = {};
    TileStore store;
    args.k = depths;
    const int64_t first = groups_.begin(row_begin_);
    args.acc_stride = (depths_ == pass_depths_ ? tiles_.rows : groups_.begin(row_end_) - first) * width;
    args.accumulate = depth > 0;
    for (int64_t t = row_begin_; t < row_end_; ++t) {
      const int64_t height = groups_.begin(t + 1) - groups_.begin(t);
      args.a = weights_ + groups_.begin(t) * depths_ + depth * height;
      args.a_stride = height;
      // Each call fetches its part of what the next group of rows needs.
      args.ahead = nullptr;
      args.ahead_step = 0;
      if (t + 1 < row_end_) {
        const int64_t next = groups_.begin(t + 2) - groups_.begin(t + 1);
        const int64_t calls = ceil_div(panels, tiles_.panels(height, panels));
        args.ahead = reinterpret_cast<const char*>(weights_ + groups_.begin(t + 1) * depths_ + depth * next);
        args.ahead_step = ceil_div(next * static_cast<int64_t>(sizeof(float)), calls);
      }
      // In a single pass the accumulators of a row group are finished before the next group.
      float* acc = accumulators_ + (depths_ == pass_depths_ ? 0 : groups_.begin(t) - first) * width;
      for (int64_t j = 0; j < panels;) {
        const bool direct = j < in_place;
        const int64_t at_once = tiles_.panels(height, (direct ? in_place : panels) - j);
        args.b = direct ? x + j * width : columns_ + (j - in_place) * panel_floats_;
        args.b_stride = direct ? plane : width;
        args.panel_stride = direct ? width : panel_floats_;
        args.acc = acc + j * args.acc_stride;
        const int64_t left = positions_ - j * width;
        const bool of_few = few && j == panels - 1, last = depth + depths == depths_;
        const bool stores = stores_ && last && !of_few && left >= at_once * width;
        if (stores) store = gemm_store(output_, groups_.begin(t), position_ + j * width);
        args.store = stores ? &store : nullptr;
        if (of_few) {
          const float* const columns = pointwise_ ? x + j * width : static_cast<const float*>(args.b);
          const int64_t stride = pointwise_ ? plane : width;
          conv_few_columns({columns, stride, depths, rest, width, args.accumulate, {{args.a, height, args.acc}}, 1});
        } else {
          (at_once == 1 ? tiles_.one_panel(height, left) : tiles_.tile[0][height][at_once - 1])(args);
        }
        if (args.ahead != nullptr) args.ahead += args.ahead_step * depths;
        if (last && !stores) finish(args, t, height, j, at_once);
        j += at_once;
      }
    }
  }

  void finish(const TileArgs& args, int64_t t, int64_t height, int64_t panel, int64_t panels) {
    const int64_t width = tiles_.panel_columns;
    for (int64_t j = 0; j < panels; ++j) {
      const int64_t column = (panel + j) * width;
      gemm_finish(output_, {args.acc + j * args.acc_stride, width, groups_.begin(t), position_ + column, height,
                            std::min(width, positions_ - column)});
    }
  }

  const Conv& conv_;
  const GemmTiles& tiles_;
  const ChannelGroups groups_;
  const int64_t depths_;
  const int64_t pass_depths_;
  const int64_t panel_floats_;
  ConvGather gather_;
  const bool pointwise_;
  const bool stores_;  ///< results of whole panels go straight to the output
  float* columns_;
  float* accumulators_;
  const float* x_ = nullptr;
  const float* weights_ = nullptr;
  Gemm output_;
  int64_t row_begin_ = 0, row_end_ = 0;  ///< row groups
  int64_t position_ = 0, positions_ = 0;
};

}  // namespace

size_t conv_gemm_packed_floats(const ConvShape& shape) {
  return static_cast<size_t>(shape.out_channels * shape.depths() + kSlack);
}

void conv_gemm_pack(const ConvShape& shape, const void* weights, int64_t, int64_t, float* packed) {
  const ChannelGroups groups(shape);
  const int64_t depths = shape.depths();
  const unsigned char* from = static_cast<const unsigned char*>(weights);
  const bool aligned = reinterpret_cast<uintptr_t>(weights) % alignof(float) == 0;
  for (int64_t group = 0; group < shape.groups; ++group) {
    for (int64_t t = 0; t < groups.count; ++t) {
      const int64_t row = group * groups.channels + groups.begin(t);
      const int64_t height = groups.begin(t + 1) - groups.begin(t);
      float* to = packed + row * depths;
      if (aligned) {
        gemm_pack_a({static_cast<const float*>(weights), depths, 1}, row, height, depths, to);
        continue;
      }
      for (int64_t p = 0; p < depths; ++p) {
        for (int64_t r = 0; r < height; ++r) {
          std::memcpy(to + p * height + r, from + ((row + r) * depths + p) * 4, sizeof(float));
        }
      }
    }
  }
}

ConvPlan conv_gemm_plan(const ConvShape& shape, int threads) {
  if (conv_few_pays(shape)) return conv_few_plan(shape, threads);
  if (conv_direct_pays(shape)) return conv_direct_plan(shape, threads);
  const int64_t width = gemm_tiles().panel_columns;
  const ChannelGroups groups(shape);
  const Block block = block_of(shape);
  ConvPlan plan;
  // Few depths leave room for more positions, and then longer runs of each output row are written at once.
  const int64_t depths = std::max<int64_t>(shape.depths(), 1);
  const int64_t fit =
      std::min<int64_t>(block.positions * block.depths / depths, ConvGather::kMostPositions) / width * width;
  const int64_t panels = ceil_div(shape.out_plane(), width);
  const int64_t most = std::min(std::max(block.positions, fit) / width, panels);
  int64_t pixel_blocks = ceil_div(panels, most), channel_blocks = ceil_div(groups.channels, block.channels);
  // Positions are cut rather than channels: gathering is repeated for each block of channels, which many outweigh.
  constexpr int64_t kFewestPanels = 2, kManyChannels = 128;
  const int64_t others = shape.batch * shape.groups, wanted = threads > 1 ? int64_t{4} * threads : 1;
  while (others * pixel_blocks * channel_blocks < wanted && ceil_div(panels, pixel_blocks + 1) >= kFewestPanels)
    ++pixel_blocks;
  plan.pixel_block = ceil_div(panels, pixel_blocks) * width;
  pixel_blocks = ceil_div(shape.out_plane(), plan.pixel_block);
  while (others * pixel_blocks * channel_blocks < wanted && channel_blocks < groups.count) {
    const bool idle = others * pixel_blocks * channel_blocks < threads;
    if (!idle && groups.channels < kManyChannels * (channel_blocks + 1)) break;
    ++channel_blocks;
  }
  plan.channel_block = ceil_div(groups.count, channel_blocks);
  plan.tiles = others * pixel_blocks * ceil_div(groups.count, plan.channel_block);
  const int64_t panel = std::min(depths, block.depths) * width;
  const int64_t tallest = gemm_tiles().rows;
  const int64_t rows = depths <= block.depths ? tallest : std::min(groups.channels, plan.channel_block * tallest);
  plan.scratch_bytes = static_cast<size_t>(plan.pixel_block / width * (panel + rows * width) + kSlack) * sizeof(float);
  return plan;
}

void conv_gemm_run(const Conv& conv, const ConvPlan& plan, int64_t tile_begin, int64_t tile_end, float* scratch) {
  const ConvShape& shape = conv.shape;
  switch (plan.columns) {
    case ConvColumns::kFew: return conv_few_run(conv, plan, false, tile_begin, tile_end, scratch);
    case ConvColumns::kPadded: return conv_direct_run(conv, plan, tile_begin, tile_end, scratch);
    case ConvColumns::kGathered: break;
  }
  const int64_t plane = shape.out_plane();
  const int64_t row_groups = ChannelGroups(shape).count;
  const int64_t pixel_blocks = ceil_div(plane, plan.pixel_block);
  const int64_t channel_blocks = ceil_div(row_groups, plan.channel_block);
  Tile tile(conv, plan, scratch);
  for (int64_t at = tile_begin; at < tile_end; ++at) {
    const int64_t position = at % pixel_blocks * plan.pixel_block;
    const int64_t row = at / pixel_blocks % channel_blocks * plan.channel_block;
    const int64_t group = at / pixel_blocks / channel_blocks % shape.groups;
    const int64_t image = at / pixel_blocks / channel_blocks / shape.groups;
    tile.run(image, group, row, std::min(row_groups, row + plan.channel_block), position,
             std::min(plan.pixel_block, plane - position));
  }
}

}  // namespace sdx::kernels
