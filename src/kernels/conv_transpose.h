// ConvTranspose: float transposed convolutions of one to three spatial dimensions over NCHW tensors.
//
// Split like conv.h: plan, then ranges of tiles with a scratch memory per worker. Error bound: that of a product of
// k = in_channels / groups terms, and of summing what kernel elements give to one output.
#pragma once

#include "kernels/conv.h"

namespace sdx::kernels {

/// The shape of a transposed convolution: X [batch, in_channels, in…], W [in_channels, out_channels / groups, kernel…],
/// Y [batch, out_channels, out…], where output o receives input i through kernel element k if
/// o = i stride - pad_begin + k dilation. out[i] is given; outputs that nothing reaches get the bias alone.
size_t conv_transpose_packed_bytes(const ConvShape& shape);

/// Packs W (any alignment) into `packed` (aligned to 64 bytes). Valid for the instruction set active now.
void conv_transpose_pack(const ConvShape& shape, const void* weights, void* packed);

/// Tiles are blocks of output channels of one image; pixel_block is unused.
ConvPlan conv_transpose_plan(const ConvShape& shape, int threads);

/// Computes the tiles [tile_begin, tile_end) of y = act(conv_transpose(x) + bias) + residual; residual may not be y.
void conv_transpose_run(const Conv& conv, const ConvPlan& plan, int64_t tile_begin, int64_t tile_end, void* scratch);

}  // namespace sdx::kernels
