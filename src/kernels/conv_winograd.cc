// Conv by Winograd F(2x2, 3x3): 16 products of [out_channels, in_channels] and [in_channels, tiles] between transforms.
#include <algorithm>
#include <cstring>

#include "base/parallel.h"
#include "kernels/conv_routes.h"
#include "kernels/conv_winograd_tiles.h"
#include "kernels/gemm_tiles.h"

namespace sdx::kernels {
namespace {

// Input channels of one pass, more with fewer panels, and panels of one block: what one point of the transform
// multiplies stays in the second-level cache while the weights of that point stream by, so that a block reads all
// weights once.
constexpr int64_t kDepth = 384;
constexpr int64_t kPanels = 4;
constexpr int64_t kSlack = 16;

int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }

// The tiles of all images in one row: image, plane of depth, row of tiles, column of tiles.
struct TileGrid {
  int64_t planes, height, width;
  explicit TileGrid(const ConvShape& shape)
      : planes(shape.batch * shape.out[0]), height(ceil_div(shape.out[1], 2)), width(ceil_div(shape.out[2], 2)) {}
  int64_t tiles() const { return planes * height * width; }
};

// Output channels in groups of at most one tile kernel's height.
int64_t group_count(const ConvShape& shape) { return ceil_div(shape.out_channels, gemm_tiles().rows); }
int64_t group_begin(const ConvShape& shape, int64_t group) { return shape.out_channels * group / group_count(shape); }

int64_t pass_depth(const ConvShape& shape, int64_t pixels) {
  const int64_t most = kDepth * kPanels * gemm_tiles().panel_columns / pixels;
  return ceil_div(shape.in_channels, ceil_div(shape.in_channels, most));
}

// Some panels of tiles and a range of channel groups.
class Block {
 public:
  Block(const Conv& conv, const ConvPlan& plan, float* scratch)
      : conv_(conv),
        shape_(conv.shape),
        tiles_(gemm_tiles()),
        grid_(conv.shape),
        width_(tiles_.panel_columns),
        depth_(pass_depth(conv.shape, plan.pixel_block)),
        point_stride_(point_floats(conv.shape, plan.pixel_block)) {
    values_ = scratch;
    products_ = values_ + kWinogradPoints * point_stride_;
    rows_ = products_ + plan.channel_block * tiles_.rows * kWinogradPoints * plan.pixel_block;
  }

  static size_t floats(const ConvShape& shape, int64_t pixels, int64_t groups) {
    const int64_t width = gemm_tiles().panel_columns;
    const int64_t products = groups * gemm_tiles().rows * kWinogradPoints * pixels;
    return static_cast<size_t>(kWinogradPoints * point_floats(shape, pixels) + products + 4 * width + kSlack);
  }

  void run(int64_t tile, int64_t tile_end, int64_t group_first, int64_t group_end) {
    tile_ = tile;
    count_ = tile_end - tile;
    panels_ = ceil_div(count_, width_);
    for (int64_t depth = 0; depth < shape_.in_channels; depth += depth_) {
      const int64_t depths = std::min(depth_, shape_.in_channels - depth);
      transform(depth, depths);
      for (int64_t point = 0; point < kWinogradPoints; ++point) {
        for (int64_t group = group_first; group < group_end; ++group)
          multiply(point, group, group_first, group_end, depth, depths);
      }
    }
    for (int64_t group = group_first; group < group_end; ++group) {
      for (int64_t panel = 0; panel < panels_; ++panel) {
        const float* products = products_at(group - group_first, panel, 0);
        for (int64_t r = 0; r < rows_of(group); ++r)
          finish(group_begin(shape_, group) + r, panel, products + r * width_, tiles_.rows * width_);
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
  static int64_t point_floats(const ConvShape& shape, int64_t pixels) {
    return pass_depth(shape, pixels) * pixels + kSlack;
  }
  int64_t rows_of(int64_t group) const { return group_begin(shape_, group + 1) - group_begin(shape_, group); }
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

  const float* weights_at(int64_t point, int64_t group, int64_t depth) const {
    return static_cast<const float*>(conv_.packed) + group_begin(shape_, group) * kWinogradPoints * shape_.in_channels +
           (point * shape_.in_channels + depth) * rows_of(group);
  }

  void multiply(int64_t point, int64_t group, int64_t group_first, int64_t group_end, int64_t depth, int64_t depths) {
    TileArgs args = {};
    args.k = depths;
    args.a = weights_at(point, group, depth);
    args.a_stride = rows_of(group);
    args.b_stride = width_;
    args.accumulate = depth > 0;
    // The panels fetch the next weights, each its part.
    const bool last = group + 1 == group_end;
    if (!last || point + 1 < kWinogradPoints) {
      const int64_t next = last ? group_first : group + 1;
      args.ahead = reinterpret_cast<const char*>(weights_at(last ? point + 1 : point, next, depth));
      args.ahead_step = ceil_div(rows_of(next) * static_cast<int64_t>(sizeof(float)), panels_);
    }
    for (int64_t panel = 0; panel < panels_; ++panel) {
      args.b = values_at(point, panel);
      args.acc = products_at(group - group_first, panel, point);
      tiles_.one_panel(args.a_stride, panel_end(panel) - panel * width_)(args);
      if (args.ahead != nullptr) args.ahead += args.ahead_step * depths;
    }
  }

  void finish(int64_t channel, int64_t panel, const float* products, int64_t point_stride) {
    const int64_t start = panel * width_, end = panel_end(panel);
    float* row[2] = {rows_, rows_ + 2 * width_};
    winograd_output(products, point_stride, end - start, row[0], row[1]);
    Gemm output;
    output.epilogue.row_bias = conv_.bias == nullptr ? nullptr : conv_.bias + channel;
    output.epilogue.activation = conv_.activation;
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
  float* values_;    ///< [point][panel][depth][width]
  float* products_;  ///< [group][panel][point][rows][width]
  float* rows_;      ///< of the output
  int64_t tile_ = 0;
  int64_t count_ = 0;   ///< tiles
  int64_t panels_ = 0;  ///< that hold them
};

// The 16 transformed values of one 3 x 3 kernel.
void transform_kernel(const float* g, double* u) {
  double half[4][3];
  for (int j = 0; j < 3; ++j) {
    const double a = g[j], b = g[3 + j], c = g[6 + j];
    half[0][j] = a;
    half[1][j] = (a + b + c) / 2;
    half[2][j] = (a - b + c) / 2;
    half[3][j] = c;
  }
  for (int i = 0; i < 4; ++i) {
    const double a = half[i][0], b = half[i][1], c = half[i][2];
    u[i * 4] = a;
    u[i * 4 + 1] = (a + b + c) / 2;
    u[i * 4 + 2] = (a - b + c) / 2;
    u[i * 4 + 3] = c;
  }
}

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
  return static_cast<size_t>(shape.out_channels * kWinogradPoints * shape.in_channels);
}

int64_t conv_winograd_pack_parts(const ConvShape& shape) { return group_count(shape); }

// [group][point][in_channel][rows of the group]
void conv_winograd_pack(const ConvShape& shape, const void* weights, int64_t part_begin, int64_t part_end,
                        float* packed) {
  const unsigned char* from = static_cast<const unsigned char*>(weights);
  for (int64_t group = part_begin; group < part_end; ++group) {
    const int64_t begin = group_begin(shape, group);
    const int64_t rows = group_begin(shape, group + 1) - begin;
    float* to = packed + begin * kWinogradPoints * shape.in_channels;
    for (int64_t r = 0; r < rows; ++r) {
      for (int64_t c = 0; c < shape.in_channels; ++c) {
        float kernel[9];
        std::memcpy(kernel, from + ((begin + r) * shape.in_channels + c) * static_cast<int64_t>(sizeof(kernel)),
                    sizeof(kernel));
        double values[kWinogradPoints];
        transform_kernel(kernel, values);
        for (int64_t point = 0; point < kWinogradPoints; ++point) {
          to[(point * shape.in_channels + c) * rows + r] = static_cast<float>(values[point]);
        }
      }
    }
  }
}

// A tile is a block of Winograd tiles and a range of channel groups.
ConvPlan conv_winograd_plan(const ConvShape& shape, int threads) {
  ConvPlan plan;
  const int64_t width = gemm_tiles().panel_columns;
  const int64_t panels = ceil_div(TileGrid(shape).tiles(), width);
  const int64_t groups = group_count(shape);
  plan.pixel_block = ceil_div(panels, ceil_div(panels, kPanels)) * width;
  const int64_t blocks = ceil_div(panels * width, plan.pixel_block);
  // Each part of the channels transforms the input again, so there are only as many as keep all threads busy.
  int64_t parts = 1;
  while (tiles_leave_idle(blocks * parts, threads) && parts < groups) ++parts;
  plan.channel_block = ceil_div(groups, parts);
  plan.tiles = blocks * ceil_div(groups, plan.channel_block);
  plan.scratch_bytes = Block::floats(shape, plan.pixel_block, plan.channel_block) * sizeof(float);
  return plan;
}

void conv_winograd_run(const Conv& conv, const ConvPlan& plan, int64_t tile_begin, int64_t tile_end, float* scratch) {
  const int64_t tiles = TileGrid(conv.shape).tiles();
  const int64_t blocks = ceil_div(tiles, plan.pixel_block);
  const int64_t groups = group_count(conv.shape);
  Block block(conv, plan, scratch);
  for (int64_t tile = tile_begin; tile < tile_end; ++tile) {
    const int64_t group = tile / blocks * plan.channel_block, first = tile % blocks * plan.pixel_block;
    block.run(first, std::min(tiles, first + plan.pixel_block), group, std::min(groups, group + plan.channel_block));
  }
}

}  // namespace sdx::kernels
