// DepthToSpace and SpaceToDepth: blocks of pixels as channels.
#include "ops/movement.h"

namespace sdx::ops {
namespace {

struct BlockAttrs {
  int64_t blocksize = 0;
  std::string mode = "DCR";
  bool operator==(const BlockAttrs&) const = default;
  static constexpr auto fields() {
    return std::tuple{required("blocksize", &BlockAttrs::blocksize), field("mode", &BlockAttrs::mode)};
  }
};

/// The strides of (batch, block row, block column, channel, row, column), sizes being those of the channels' side.
struct BlockStrides {
  Strides depth, space;
};

BlockStrides strides_for(int64_t block, int64_t channels, int64_t rows, int64_t columns, bool channels_last) {
  const int64_t plane = rows * columns, blocks = block * block;
  const int64_t block_step = channels_last ? plane * channels : plane;
  const int64_t channel_step = channels_last ? plane : plane * blocks;
  return {{plane * channels * blocks, block_step * block, block_step, channel_step, columns, 1},
          {plane * channels * blocks, columns * block, 1, plane * blocks, columns * blocks, block}};
}

void run(RunContext& c, bool to_space) {
  const auto& a = c.attrs<BlockAttrs>();
  const ConstView x = c.input(0);
  const View y = c.output(0);
  const Extents small = to_space ? x.extents : y.extents;  // rows and columns of blocks
  const int64_t block = a.blocksize, channels = small[1] / (block * block);
  const BlockStrides s = strides_for(block, channels, small[2], small[3], a.mode == "DCR");
  const Extents sizes = {small[0], block, block, channels, small[2], small[3]};
  copy_box(c.parallel(), x.dtype, x.data, y.data, {sizes, to_space ? s.depth : s.space, to_space ? s.space : s.depth});
}

void run_to_space(RunContext& c) {
  if (!unpacked(c, run_to_space)) run(c, true);
}
void run_to_depth(RunContext& c) {
  if (!unpacked(c, run_to_depth)) run(c, false);
}

void infer(InferContext& c, bool to_space) {
  const auto& a = c.attrs<BlockAttrs>();
  c.require_rank(0, 4, 4);
  if (a.blocksize < 1 || a.blocksize > 1 << 20)
    c.invalid("attribute 'blocksize' is ", a.blocksize, " but must be positive");
  if (a.mode != "DCR" && a.mode != "CRD") c.invalid("attribute 'mode' is '", a.mode, "' but must be DCR or CRD");
  const Shape& shape = c.input(0).shape;
  if (!shape.has_rank()) return c.set(0, c.input(0).dtype, c.fresh_shape(4));
  const Dim block = a.blocksize, blocks = a.blocksize * a.blocksize;
  if (to_space) {
    const Dim channels = exact_div(shape[1], blocks);
    c.require_equal(shape[1], channels * blocks, "the channels, and a multiple of the square of 'blocksize',");
    return c.set(0, c.input(0).dtype, {shape[0], channels, shape[2] * block, shape[3] * block});
  }
  const Dim rows = exact_div(shape[2], block), columns = exact_div(shape[3], block);
  c.require_equal(shape[2], rows * block, "the rows, and a multiple of 'blocksize',");
  c.require_equal(shape[3], columns * block, "the columns, and a multiple of 'blocksize',");
  c.set(0, c.input(0).dtype, {shape[0], shape[1] * blocks, rows, columns});
}

void infer_to_space(InferContext& c) { infer(c, true); }
void infer_to_depth(InferContext& c) { infer(c, false); }

const Op kFamily[] = {
    {.domain = "",
     .name = "DepthToSpace",
     .inputs = {1, 1},
     .outputs = {1, 1},
     .parse = Attrs::parse<BlockAttrs>,
     .infer = infer_to_space,
     .run = run_to_space},
    {.domain = "",
     .name = "SpaceToDepth",
     .inputs = {1, 1},
     .outputs = {1, 1},
     .parse = Attrs::parse<BlockAttrs>,
     .infer = infer_to_depth,
     .run = run_to_depth},
};

}  // namespace

std::span<const Op> depth_to_space_family() { return kFamily; }

}  // namespace sdx::ops
