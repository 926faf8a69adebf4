// Conv by matrix units: pixels of a tile of the input are split once, under one scale and with their channels side by
// side; each element of the kernel then reads them in place, shifted, as rows of A. Weights are panels of B.
#include <algorithm>
#include <cmath>
#include <cstring>

#include "kernels/conv_routes.h"
#include "kernels/gemm_split.h"
#include "kernels/gemm_tiles.h"

namespace sdx::kernels {
namespace {

// Bytes of the split pixels of a tile, which the second-level cache should hold.
constexpr int64_t kPixelBytes = 1280 * 1024;
constexpr int64_t kTilePixels = 512;

int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }

int64_t channels_of(const ConvShape& s) { return s.in_channels / s.groups; }
int64_t filters_of(const ConvShape& s) { return s.out_channels / s.groups; }
int64_t taps_of(const ConvShape& s) { return s.kernel[1] * s.kernel[2]; }
int64_t blocks_of(const ConvShape& s) { return split_blocks(channels_of(s)) * taps_of(s); }
int64_t panels_of(const ConvShape& s) { return ceil_div(filters_of(s), kSplitColumns); }
constexpr int64_t kHeaderBytes = sizeof(SplitColumns);
int64_t panel_bytes(const ConvShape& s) { return kHeaderBytes + blocks_of(s) * kSplitPanelBytes; }
int64_t group_bytes(const ConvShape& s) { return panels_of(s) * panel_bytes(s); }

// A tile of the output: rows x columns pixels, columns in groups of one height.
struct Grid {
  int64_t rows, columns;   ///< of a tile
  int64_t height, groups;  ///< of a row of a tile
  int64_t down, across;    ///< tiles of a plane
  int64_t in_rows, in_columns;

  explicit Grid(const ConvShape& s) {
    columns = std::min<int64_t>(s.out[2], s.out[1] == 1 ? kTilePixels : 64);
    rows = std::clamp<int64_t>(kTilePixels / std::max<int64_t>(columns, 1), 1, std::max<int64_t>(s.out[1], 1));
    while (measure(s) > kPixelBytes && rows * columns > kSplitRows) {
      (rows > 1 ? rows : columns) = ceil_div(rows > 1 ? rows : columns, 2);
    }
    down = ceil_div(s.out[1], rows);
    rows = ceil_div(s.out[1], std::max<int64_t>(down, 1));
    across = ceil_div(s.out[2], columns);
    columns = ceil_div(s.out[2], std::max<int64_t>(across, 1));
    measure(s);
  }

  int64_t pixels() const { return rows * groups * height; }
  int64_t pixel_bytes(const ConvShape& s) const {
    return split_blocks(channels_of(s)) * in_rows * in_columns * kSplitPixelBytes;
  }

 private:
  int64_t measure(const ConvShape& s) {
    const SplitGroups split(std::max<int64_t>(columns, 1));
    height = split.height;
    groups = split.count;
    in_rows = (rows - 1) * s.stride[1] + (s.kernel[1] - 1) * s.dilation[1] + 1;
    in_columns = (groups * height - 1) * s.stride[2] + (s.kernel[2] - 1) * s.dilation[2] + 1;
    return pixel_bytes(s);
  }
};

// Parts of a worker's scratch, in bytes.
struct Layout {
  int64_t pixels, offsets, sums, acc, turned;
  Layout(const ConvShape& s, const Grid& grid) {
    pixels = grid.pixel_bytes(s);
    offsets = ceil_div(blocks_of(s) * 8, 64) * 64;
    sums = 2 * sizeof(SplitSums);
    acc = (grid.groups + 1) * kSplitRows * kSplitColumns * 4;
    turned = kSplitColumns * pitch(grid) * 4;
  }
  static int64_t pitch(const Grid& grid) { return ceil_div(grid.columns, 16) * 16; }
  int64_t total() const { return pixels + offsets + sums + acc + turned; }
};

class Tile {
 public:
  Tile(const Conv& conv, void* scratch)
      : conv_(conv), shape_(conv.shape), kernels_(*unit_kernels()), grid_(conv.shape), layout_(conv.shape, grid_) {
    pixels_ = static_cast<std::byte*>(scratch);
    offsets_ = reinterpret_cast<int64_t*>(pixels_ + layout_.pixels);
    sums_ = reinterpret_cast<SplitSums*>(pixels_ + layout_.pixels + layout_.offsets);
    acc_ = reinterpret_cast<float*>(sums_ + 2);
    turned_ = acc_ + layout_.acc / 4;
    const int64_t taps = taps_of(shape_);
    for (int64_t block = 0; block < blocks_of(shape_); ++block) {
      const int64_t y = block % taps / shape_.kernel[2] * shape_.dilation[1],
                    x = block % taps % shape_.kernel[2] * shape_.dilation[2];
      offsets_[block] = ((block / taps * grid_.in_rows + y) * grid_.in_columns + x) * kSplitPixelBytes;
    }
    kernels_.begin(grid_.height, 0);
  }
  ~Tile() { kernels_.end(); }
  Tile(const Tile&) = delete;
  Tile& operator=(const Tile&) = delete;

  const Grid& grid() const { return grid_; }

  // Splits the input of tile (row, column) of one plane and group; `plane` counts images and their depths.
  void select(int64_t plane, int64_t group, int64_t row, int64_t column) {
    plane_ = plane;
    group_ = group;
    row_ = row;
    column_ = column;
    rows_ = std::min(grid_.rows, shape_.out[1] - row);
    columns_ = std::min(grid_.columns, shape_.out[2] - column);
    const int64_t channels = channels_of(shape_);
    const SplitScale scale = split_scale(largest());
    std::fill_n(scales_, kSplitRows, scale.scale);
    SplitPixels pixels = {};
    pixels.inverse = std::isnan(scale.inverse) ? 0.0f : scale.inverse;
    pixels.channel_stride = shape_.in_plane();
    pixels.first = first_column();
    pixels.count = grid_.in_columns;
    pixels.width = shape_.in[2];
    std::byte* to = pixels_;
    for (int64_t channel = 0; channel < channels; channel += kSplitDepth) {
      pixels.channels = std::min(kSplitDepth, channels - channel);
      for (int64_t r = 0; r < grid_.in_rows; ++r, to += grid_.in_columns * kSplitPixelBytes) {
        const int64_t y = first_row() + r;
        pixels.row = y >= 0 && y < shape_.in[1] ? input(channel, y) : nullptr;
        kernels_.pack_pixels(pixels, to);
      }
    }
  }

  void run(int64_t panel_begin, int64_t panel_end) {
    for (int64_t panel = panel_begin; panel < panel_end; ++panel) {
      for (int64_t row = 0; row < rows_; ++row) {
        multiply(panel, row);
        finish(panel, row);
      }
    }
  }

 private:
  int64_t first_row() const { return row_ * shape_.stride[1] - shape_.pad_begin[1]; }
  int64_t first_column() const { return column_ * shape_.stride[2] - shape_.pad_begin[2]; }

  // The largest magnitude of the input of the tile.
  float largest() const {
    const int64_t begin = std::max<int64_t>(0, first_column()),
                  end = std::min(shape_.in[2], first_column() + grid_.in_columns);
    const int64_t top = std::max<int64_t>(0, first_row()), bottom = std::min(shape_.in[1], first_row() + grid_.in_rows);
    float most = 0;
    if (begin >= end || top >= bottom) return most;
    // Whole rows of the plane adjoin.
    const bool whole = begin == 0 && end == shape_.in[2];
    for (int64_t channel = 0; channel < channels_of(shape_); ++channel) {
      for (int64_t y = top; y < bottom; y = whole ? bottom : y + 1) {
        const float row =
            kernels_.largest(input(channel, y) + begin, whole ? (bottom - top) * shape_.in[2] : end - begin);
        if (std::isnan(row)) return row;
        most = std::max(most, row);
      }
    }
    return most;
  }

  const float* input(int64_t channel, int64_t y) const {
    const int64_t image = plane_ / shape_.out[0], z = plane_ % shape_.out[0];
    const int64_t first = image * shape_.in_channels + group_ * channels_of(shape_) + channel;
    return conv_.x + first * shape_.in_plane() + (z * shape_.in[1] + y) * shape_.in[2];
  }

  const std::byte* weights(int64_t panel) const {
    return static_cast<const std::byte*>(conv_.packed) + group_ * group_bytes(shape_) + panel * panel_bytes(shape_);
  }

  const SplitColumns& columns_of(int64_t panel) const { return *reinterpret_cast<const SplitColumns*>(weights(panel)); }

  // Bytes from the first pixel to that of a group of output pixels.
  int64_t group_offset(int64_t group) const {
    const int64_t row = group / grid_.groups, column = group % grid_.groups * grid_.height;
    return (row * shape_.stride[1] * grid_.in_columns + column * shape_.stride[2]) * kSplitPixelBytes;
  }

  // acc [groups][height][kSplitColumns] of a row of the tile.
  void multiply(int64_t panel, int64_t row) {
    const std::byte* b = weights(panel);
    SplitTile tile = split_tile();
    tile.a_row_bytes = shape_.stride[2] * kSplitPixelBytes;
    tile.a_digit_bytes = kSplitDepth;
    tile.a_blocks = offsets_;
    tile.b = b + kHeaderBytes;
    tile.blocks = blocks_of(shape_);
    for (int64_t group = 0; group * grid_.height < columns_; ++group) {
      tile.a = pixels_ + group_offset(row * grid_.groups + group);
      tile.sums = &sums_[group % 2][0][0][0];
      kernels_.multiply(tile);
      // They become floats while the units are at the next group.
      tile.before = {tile.sums, grid_.height, scales_, columns_of(panel).scales, false};
      tile.before_to = acc_ + group * grid_.height * kSplitColumns;
    }
    kernels_.combine(tile.before, tile.before_to);
  }

  void finish(int64_t panel, int64_t row) {
    const int64_t filter = panel * kSplitColumns, filters = std::min(kSplitColumns, filters_of(shape_) - filter);
    const int64_t image = plane_ / shape_.out[0], z = plane_ % shape_.out[0];
    const int64_t column = (z * shape_.out[1] + row_ + row) * shape_.out[2] + column_;
    if (std::isnan(scales_[0])) recompute(panel, row);
    kernels_.turn(acc_, columns_, turned_, Layout::pitch(grid_));
    const Gemm output = conv_output(conv_, image, group_ * filters_of(shape_) + filter);
    gemm_finish(output, {turned_, Layout::pitch(grid_), 0, column, filters, columns_});
  }

  // A row of a tile with infinities or NaN, as float32 has it.
  void recompute(int64_t panel, int64_t row) {
    std::fill_n(acc_, columns_ * kSplitColumns, 0.0f);
    for (int64_t column = 0; column < columns_; ++column) {
      for (int64_t block = 0; block < blocks_of(shape_); ++block) {
        recompute_block(panel, block, row, column, acc_ + column * kSplitColumns);
      }
    }
  }

  void recompute_block(int64_t panel, int64_t block, int64_t row, int64_t column, float* acc) {
    const int64_t taps = taps_of(shape_), channel = block / taps * kSplitDepth;
    const int64_t y = first_row() + row * shape_.stride[1] + block % taps / shape_.kernel[2] * shape_.dilation[1];
    const int64_t x = first_column() + column * shape_.stride[2] + block % taps % shape_.kernel[2] * shape_.dilation[2];
    if (y < 0 || y >= shape_.in[1] || x < 0 || x >= shape_.in[2]) return;
    split_plain_row({input(channel, y) + x, 0, shape_.in_plane()}, std::min(kSplitDepth, channels_of(shape_) - channel),
                    {weights(panel) + kHeaderBytes + block * kSplitPanelBytes}, columns_of(panel), acc);
  }

  const Conv& conv_;
  const ConvShape& shape_;
  const SplitKernels& kernels_;
  const Grid grid_;
  const Layout layout_;
  std::byte* pixels_;  ///< [blocks of channels][in_rows][in_columns]
  int64_t* offsets_;   ///< of blocks of depth
  SplitSums* sums_;    ///< two
  float* acc_;         ///< [groups][height][kSplitColumns]
  float* turned_;      ///< [kSplitColumns][pitch]
  int64_t plane_ = 0, group_ = 0, row_ = 0, column_ = 0, rows_ = 0, columns_ = 0;
  float scales_[kSplitRows] = {};  ///< the scale of the pixels, for each row of a group
};

// The largest magnitude of each of `filters` filters of `count` weights.
void measure_filters(const unsigned char* weights, int64_t count, int64_t filters, float* largest) {
  constexpr int64_t kPiece = 256;
  float piece[kPiece];
  for (int64_t j = 0; j < filters; ++j) {
    for (int64_t at = 0; at < count && !std::isnan(largest[j]); at += kPiece) {
      const int64_t length = std::min(kPiece, count - at);
      std::memcpy(piece, weights + (j * count + at) * 4, static_cast<size_t>(length) * 4);
      const float most = unit_kernels()->largest(piece, length);
      largest[j] = std::isnan(most) ? most : std::max(largest[j], most);
    }
  }
}

}  // namespace

bool conv_split_fits(const ConvShape& s) {
  if (unit_kernels() == nullptr) return false;
  if (s.kernel[0] != 1 || s.stride[0] != 1 || s.pad_begin[0] != 0) return false;
  // Tiles that are mostly padding are slower than float products.
  const int64_t channels = channels_of(s), filters = filters_of(s);
  const int64_t computed = split_blocks(channels) * kSplitDepth * panels_of(s) * kSplitColumns;
  return channels > 0 && filters > 0 && 3 * channels * filters >= computed &&
         blocks_of(s) * kSplitDepth <= kSplitMostDepth;
}

size_t conv_split_packed_floats(const ConvShape& s) { return static_cast<size_t>(s.groups * group_bytes(s) / 4); }

int64_t conv_split_pack_parts(const ConvShape& s) { return s.groups * panels_of(s); }

// [group][panel][scales, then blocks of channels by kernel elements]
void conv_split_pack(const ConvShape& s, const void* weights, int64_t part_begin, int64_t part_end, float* packed) {
  const int64_t channels = channels_of(s), taps = taps_of(s), depths = channels * taps;
  for (int64_t panel = part_begin; panel < part_end; ++panel) {
    const int64_t filter = panel % panels_of(s) * kSplitColumns;
    const int64_t filters = std::min(kSplitColumns, filters_of(s) - filter);
    const auto* from =
        static_cast<const unsigned char*>(weights) + (panel / panels_of(s) * filters_of(s) + filter) * depths * 4;
    float largest[kSplitColumns] = {};
    measure_filters(from, depths, filters, largest);
    const auto block = [&](int64_t b) {
      const int64_t channel = b / taps * kSplitDepth;
      return SplitBlock{{from + (channel * taps + b % taps) * 4, WeightType::kF32, taps, depths},
                        std::min(kSplitDepth, channels - channel)};
    };
    split_pack_panel(largest, filters, blocks_of(s), block,
                     reinterpret_cast<std::byte*>(packed) + panel * panel_bytes(s));
  }
}

ConvPlan conv_split_plan(const ConvShape& s, int threads) {
  const Grid grid(s);
  ConvPlan plan;
  plan.pixel_block = grid.rows * grid.columns;
  const int64_t panels = panels_of(s);
  const int64_t others = s.batch * s.out[0] * s.groups * grid.down * grid.across;
  // The input is split again for each block of channels.
  int64_t blocks = 1;
  if (threads > 1 && others < 4 * threads)
    blocks = std::min(panels, ceil_div(4 * threads, std::max<int64_t>(others, 1)));
  plan.channel_block = ceil_div(panels, blocks);
  plan.tiles = others * ceil_div(panels, plan.channel_block);
  plan.scratch_bytes = static_cast<size_t>(Layout(s, grid).total());
  return plan;
}

void conv_split_run(const Conv& conv, const ConvPlan& plan, int64_t tile_begin, int64_t tile_end, float* scratch) {
  Tile tile(conv, scratch);
  const Grid& grid = tile.grid();
  const int64_t panels = panels_of(conv.shape), channel_blocks = ceil_div(panels, plan.channel_block);
  int64_t selected = -1;
  for (int64_t at = tile_begin; at < tile_end; ++at) {
    const int64_t place = at / channel_blocks;
    if (place != selected) {
      const int64_t column = place % grid.across * grid.columns, row = place / grid.across % grid.down * grid.rows;
      const int64_t rest = place / grid.across / grid.down;
      tile.select(rest / conv.shape.groups, rest % conv.shape.groups, row, column);
      selected = place;
    }
    const int64_t panel = at % channel_blocks * plan.channel_block;
    tile.run(panel, std::min(panels, panel + plan.channel_block));
  }
}

}  // namespace sdx::kernels
