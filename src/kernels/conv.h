// Conv: float convolutions of one to three spatial dimensions over NCHW tensors, with weights packed once.
//
// An operator makes a plan, splits its tiles over threads, and calls conv_run on each range of tiles with the scratch
// memory of its worker. Results do not depend on the split. Error bound: that of a product of k = in_channels / groups
// * kernel terms (see gemm.h); the routes of Winograd and of pairs are up to about 4 times less accurate.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/gemm.h"

namespace sdx::kernels {

/// X [batch, in_channels, in…], W [out_channels, in_channels / groups, kernel…], Y [batch, out_channels, out…]. Spatial
/// arrays are depth, height, width; a missing dimension has extent 1. out[i] is given, not derived: reads beyond the
/// input on either side are zeros.
struct ConvShape {
  int64_t batch = 1;
  int64_t groups = 1;
  int64_t in_channels = 0;
  int64_t out_channels = 0;
  int64_t in[3] = {1, 1, 1};
  int64_t kernel[3] = {1, 1, 1};
  int64_t stride[3] = {1, 1, 1};
  int64_t dilation[3] = {1, 1, 1};
  int64_t pad_begin[3] = {0, 0, 0};
  int64_t out[3] = {1, 1, 1};

  int64_t in_plane() const { return in[0] * in[1] * in[2]; }
  int64_t out_plane() const { return out[0] * out[1] * out[2]; }
  int64_t kernel_volume() const { return kernel[0] * kernel[1] * kernel[2]; }
  /// Input values that an output is the sum of.
  int64_t depths() const { return in_channels / groups * kernel_volume(); }
  /// Whether each position meets that one of the input alone.
  bool is_pointwise() const {
    bool same = kernel_volume() == 1;
    for (int i = 0; i < 3; ++i) same = same && stride[i] == 1 && pad_begin[i] == 0 && in[i] == out[i];
    return same;
  }
};

/// How a convolution is computed; decided by the shape without the batch and the spatial extents, so that weights
/// packed for one input size serve all.
enum class ConvRoute : uint8_t {
  kGemm,       ///< products with columns gathered tile by tile
  kDepthwise,  ///< one input channel a group: direct sums
  kSplit,      ///< products by matrix units over pixels in place
  kWinograd,   ///< F(2x2, 3x3)
  kPairs,      ///< three taps in steps of two, two outputs at once
};
ConvRoute conv_route(const ConvShape& shape);

/// Name of a route for logs: "gemm", "depthwise", "split", "winograd", "pairs".
const char* conv_route_name(ConvRoute route);

/// Bytes of the packed weights; a multiple of 64.
size_t conv_packed_bytes(const ConvShape& shape);

/// Parts that conv_pack may pack apart.
int64_t conv_pack_parts(const ConvShape& shape);

/// Packs the parts [part_begin, part_end) of W (any alignment) into `packed` (the start of all, aligned to 64 bytes).
/// Valid for the instruction set active now.
void conv_pack(const ConvShape& shape, const void* weights, int64_t part_begin, int64_t part_end, void* packed);

/// One convolution: y = act(conv(x) + bias) + residual, or act(conv(x) + bias + residual). y may not overlap x;
/// residual may be y.
struct Conv {
  ConvShape shape;
  const float* x = nullptr;
  const void* packed = nullptr;
  const float* bias = nullptr;  ///< [out_channels] or null
  Activation activation = Activation::kNone;
  const float* residual = nullptr;  ///< the shape of Y, or null
  bool activates_last = false;      ///< after the residual is added
  float* y = nullptr;
};

/// How the routes kGemm and kPairs read the input values that positions meet.
enum class ConvColumns : uint8_t {
  kGathered,  ///< panels of positions are gathered, or pairs of positions made
  kPadded,    ///< in runs of a padded copy
  kFew,       ///< one number for each depth and each of a few positions
};

/// How a convolution is cut into independent tiles.
struct ConvPlan {
  int64_t channel_block = 0;  ///< output channels of a tile
  int64_t pixel_block = 0;    ///< output positions of a tile
  int64_t tiles = 0;
  ConvColumns columns = ConvColumns::kGathered;
  size_t scratch_bytes = 0;  ///< per worker; aligned to 64 bytes
};
ConvPlan conv_plan(const ConvShape& shape, int threads);

/// Computes the tiles [tile_begin, tile_end).
void conv_run(const Conv& conv, const ConvPlan& plan, int64_t tile_begin, int64_t tile_end, void* scratch);

}  // namespace sdx::kernels
