// Conv: choosing the route of a convolution.
#include "kernels/conv.h"

#include "base/parallel.h"
#include "kernels/conv_routes.h"
#include "kernels/gemm_tiles.h"

namespace sdx::kernels {
namespace {

const char* strip_prefix(const char* name) { return name + sizeof("conv_") - 1; }

const ConvRow& row_of(const ConvShape& shape) {
  const ConvRow* row = conv_rows();
  while (!row->fits(shape)) ++row;
  return *row;
}

}  // namespace

ChannelGroups::ChannelGroups(const ConvShape& shape)
    : channels(shape.out_channels / shape.groups), count((channels + gemm_tiles().rows - 1) / gemm_tiles().rows) {}

Gemm conv_output(const Conv& conv, int64_t image, int64_t channel) {
  const int64_t plane = conv.shape.out_plane(), offset = (image * conv.shape.out_channels + channel) * plane;
  Gemm output;
  output.n = plane;
  output.c = conv.y + offset;
  output.c_stride = plane;
  output.epilogue.row_bias = conv.bias == nullptr ? nullptr : conv.bias + channel;
  output.epilogue.activation = conv.activation;
  output.epilogue.residual = conv.residual == nullptr ? nullptr : conv.residual + offset;
  output.epilogue.residual_stride = plane;
  output.epilogue.activates_last = conv.activates_last;
  return output;
}

void conv_cut_channels(ConvPlan& plan, int64_t blocks, int64_t groups, int threads) {
  int64_t parts = 1;
  while (tiles_leave_idle(blocks * parts, threads) && parts < groups) ++parts;
  plan.channel_block = (groups + parts - 1) / parts;
  plan.tiles = blocks * ((groups + plan.channel_block - 1) / plan.channel_block);
}

const ConvRow* conv_rows() {
#define SDX_CONV_ROUTE(route, prefix, predicate)                                   \
  {ConvRoute::route,        strip_prefix(#prefix), [](const ConvShape& shape) { return (void)shape, predicate; }, \
   &prefix##_packed_floats, &prefix##_pack_parts,  &prefix##_pack,                 \
   &prefix##_plan,          &prefix##_run},
  static const ConvRow rows[] = {
#include "kernels/conv_routes.inc"
  };
#undef SDX_CONV_ROUTE
  return rows;
}

int conv_row_count() {
#define SDX_CONV_ROUTE(route, prefix, predicate) +1
  return 0
#include "kernels/conv_routes.inc"
      ;
#undef SDX_CONV_ROUTE
}

ConvRoute conv_route(const ConvShape& shape) { return row_of(shape).route; }

const char* conv_route_name(ConvRoute route) {
  const ConvRow* row = conv_rows();
  while (row->route != route) ++row;
  return row->name;
}

size_t conv_packed_bytes(const ConvShape& shape) {
  return (row_of(shape).packed_floats(shape) * sizeof(float) + 63) / 64 * 64;
}

int64_t conv_pack_parts(const ConvShape& shape) { return row_of(shape).pack_parts(shape); }

void conv_pack(const ConvShape& shape, const void* weights, int64_t part_begin, int64_t part_end, void* packed) {
  row_of(shape).pack(shape, weights, part_begin, part_end, static_cast<float*>(packed));
}

ConvPlan conv_plan(const ConvShape& shape, int threads) {
  if (shape.batch <= 0 || shape.out_channels <= 0 || shape.out_plane() <= 0) return {};
  return row_of(shape).plan(shape, threads);
}

void conv_run(const Conv& conv, const ConvPlan& plan, int64_t tile_begin, int64_t tile_end, void* scratch) {
  row_of(conv.shape).run(conv, plan, tile_begin, tile_end, static_cast<float*>(scratch));
}

}  // namespace sdx::kernels
