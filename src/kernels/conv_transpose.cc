// ConvTranspose: a product gives what each input position sends to each kernel element, then these are added up.
#include "kernels/conv_transpose.h"

#include <algorithm>
#include <cstring>

#include "kernels/gemm_tiles.h"

namespace sdx::kernels {
namespace {

constexpr int64_t kDepth = 512;
constexpr int64_t kRows = 224;  // rows of the product in a tile; 32 columns of them stay in the first-level cache
constexpr int64_t kSlack = 16;

int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }

struct Extents {
  int64_t channels;  // input channels of a group: the depth of the product
  int64_t outputs;   // output channels of a group
  int64_t volume;    // kernel elements
  explicit Extents(const ConvShape& shape)
      : channels(shape.in_channels / shape.groups),
        outputs(shape.out_channels / shape.groups),
        volume(shape.kernel_volume()) {}
  int64_t rows() const { return outputs * volume; }
};

// The kernel elements of one output channel, in groups of at most one tile kernel's height.
struct RowGroups {
  int64_t volume, count;
  explicit RowGroups(int64_t rows) : volume(rows), count(ceil_div(rows, gemm_tiles().rows)) {}
  int64_t begin(int64_t group) const { return volume * group / count; }
};

class Tile {
 public:
  Tile(const Conv& conv, float* scratch)
      : conv_(conv), shape_(conv.shape), extents_(conv.shape), tiles_(gemm_tiles()), groups_(extents_.volume) {
    panel_ = scratch;
    acc_ = panel_ + std::min(extents_.channels, kDepth) * tiles_.panel_columns + kSlack;
  }

  void run(int64_t image, int64_t group, int64_t output_begin, int64_t output_end) {
    const int64_t plane = shape_.out_plane();
    const int64_t first = group * extents_.outputs + output_begin;
    x_ = conv_.x + (image * shape_.in_channels + group * extents_.channels) * shape_.in_plane();
    y_ = conv_.y + (image * shape_.out_channels + first) * plane;
    weights_ = static_cast<const float*>(conv_.packed) +
               (group * extents_.outputs + output_begin) * extents_.volume * extents_.channels;
    outputs_ = output_end - output_begin;
    std::fill_n(y_, outputs_ * plane, 0.0f);
    const int64_t width = tiles_.panel_columns;
    for (int64_t position = 0; position < shape_.in_plane(); position += width) {
      const int64_t count = std::min(width, shape_.in_plane() - position);
      multiply(position, count);
      for (int64_t row = 0; row < outputs_ * extents_.volume; ++row) add_row(row, position, count);
    }
    finish(image * shape_.out_channels + first, first);
  }

 private:
  // acc[output][kernel element][width] for one panel of input positions.
  void multiply(int64_t position, int64_t count) {
    const int64_t width = tiles_.panel_columns;
    const int64_t plane = shape_.in_plane();
    TileArgs args = {};
    int64_t depth = 0;
    do {
      args.k = std::min(kDepth, extents_.channels - depth);
      args.accumulate = depth > 0;
      args.b = x_ + depth * plane + position;
      args.b_stride = plane;
      if (count < width) {
        gemm_pack_panel({x_, plane, 1}, depth, args.k, position, count, panel_);
        args.b = panel_;
        args.b_stride = width;
      }
      for (int64_t group = 0; group < outputs_ * groups_.count; ++group) {
        const int64_t begin = groups_.begin(group % groups_.count);
        const int64_t height = groups_.begin(group % groups_.count + 1) - begin;
        const int64_t row = group / groups_.count * extents_.volume + begin;
        args.a = weights_ + row * extents_.channels + depth * height;
        args.a_stride = height;
        args.acc = acc_ + row * width;
        tiles_.one_panel(height, count)(args);
      }
      depth += args.k;
    } while (depth < extents_.channels);
  }

  // Adds one row of the product to the outputs that its kernel element reaches.
  void add_row(int64_t row, int64_t position, int64_t count) {
    const int64_t element = row % extents_.volume;
    const int64_t k[3] = {element / (shape_.kernel[1] * shape_.kernel[2]),
                          element / shape_.kernel[2] % shape_.kernel[1], element % shape_.kernel[2]};
    int64_t shift[3];
    for (int i = 0; i < 3; ++i) shift[i] = k[i] * shape_.dilation[i] - shape_.pad_begin[i];
    float* y = y_ + row / extents_.volume * shape_.out_plane();
    const float* from = acc_ + row * tiles_.panel_columns;
    for (int64_t column = 0; column < count;) {
      const int64_t at = position + column;
      const int64_t in_x = at % shape_.in[2];
      const int64_t out_y = at / shape_.in[2] % shape_.in[1] * shape_.stride[1] + shift[1];
      const int64_t out_z = at / shape_.in[2] / shape_.in[1] * shape_.stride[0] + shift[0];
      const int64_t length = std::min(count - column, shape_.in[2] - in_x);
      if (out_y >= 0 && out_y < shape_.out[1] && out_z >= 0 && out_z < shape_.out[0]) {
        float* to = y + (out_z * shape_.out[1] + out_y) * shape_.out[2];
        add_run(from + column, length, in_x * shape_.stride[2] + shift[2], to);
      }
      column += length;
    }
  }

  void add_run(const float* from, int64_t length, int64_t out_x, float* row) const {
    const int64_t stride = shape_.stride[2];
    const int64_t begin = out_x >= 0 ? 0 : (-out_x + stride - 1) / stride;
    const int64_t room = shape_.out[2] - out_x;
    const int64_t end = room <= 0 ? 0 : std::min(length, (room + stride - 1) / stride);
    for (int64_t j = begin; j < end; ++j) row[out_x + j * stride] += from[j];
  }

  void finish(int64_t plane, int64_t channel) {
    const int64_t size = shape_.out_plane();
    Gemm output;
    output.c = y_;
    output.c_stride = size;
    output.epilogue.row_bias = conv_.bias == nullptr ? nullptr : conv_.bias + channel;
    output.epilogue.activation = conv_.activation;
    output.epilogue.activates_last = conv_.activates_last;
    output.epilogue.residual = conv_.residual == nullptr ? nullptr : conv_.residual + plane * size;
    output.epilogue.residual_stride = size;
    gemm_finish(output, {y_, size, 0, 0, outputs_, size});
  }

  const Conv& conv_;
  const ConvShape& shape_;
  const Extents extents_;
  const GemmTiles& tiles_;
  const RowGroups groups_;
  float* panel_;
  float* acc_;
  const float* x_ = nullptr;
  const float* weights_ = nullptr;
  float* y_ = nullptr;
  int64_t outputs_ = 0;
};

}  // namespace

size_t conv_transpose_packed_bytes(const ConvShape& shape) {
  const Extents extents(shape);
  return static_cast<size_t>(shape.groups * extents.rows() * extents.channels + kSlack) * sizeof(float) / 64 * 64 + 64;
}

// [convolution group][output channel][group of kernel elements][input channel][elements of the group]
void conv_transpose_pack(const ConvShape& shape, const void* weights, void* packed) {
  const Extents extents(shape);
  const RowGroups groups(extents.volume);
  const unsigned char* from = static_cast<const unsigned char*>(weights);
  float* to = static_cast<float*>(packed);
  for (int64_t output = 0; output < shape.out_channels; ++output) {
    const int64_t group = output / extents.outputs;
    for (int64_t g = 0; g < groups.count; ++g) {
      for (int64_t c = 0; c < extents.channels; ++c) {
        const int64_t row = (group * extents.channels + c) * extents.rows() + output % extents.outputs * extents.volume;
        for (int64_t e = groups.begin(g); e < groups.begin(g + 1); ++e) {
          std::memcpy(to++, from + (row + e) * static_cast<int64_t>(sizeof(float)), sizeof(float));
        }
      }
    }
  }
}

ConvPlan conv_transpose_plan(const ConvShape& shape, int threads) {
  if (shape.batch <= 0 || shape.out_channels <= 0 || shape.out_plane() <= 0) return {};
  const Extents extents(shape);
  ConvPlan plan;
  const int64_t most = std::max<int64_t>(kRows / extents.volume, 1);
  const int64_t wanted = ceil_div(2 * threads, shape.batch * shape.groups);
  plan.channel_block = std::clamp<int64_t>(extents.outputs / wanted, 1, most);
  plan.tiles = shape.batch * shape.groups * ceil_div(extents.outputs, plan.channel_block);
  const int64_t width = gemm_tiles().panel_columns;
  plan.scratch_bytes =
      static_cast<size_t>((std::min(extents.channels, kDepth) + plan.channel_block * extents.volume) * width + kSlack) *
      sizeof(float);
  return plan;
}

void conv_transpose_run(const Conv& conv, const ConvPlan& plan, int64_t tile_begin, int64_t tile_end, void* scratch) {
  const Extents extents(conv.shape);
  const int64_t blocks = ceil_div(extents.outputs, plan.channel_block);
  Tile tile(conv, static_cast<float*>(scratch));
  for (int64_t at = tile_begin; at < tile_end; ++at) {
    const int64_t output = at % blocks * plan.channel_block;
    tile.run(at / blocks / conv.shape.groups, at / blocks % conv.shape.groups, output,
             std::min(extents.outputs, output + plan.channel_block));
  }
}

}  // namespace sdx::kernels
