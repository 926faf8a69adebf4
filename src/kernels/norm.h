// Norms: LayerNorm and RMSNorm over rows, statistics and affine maps over channels.
#pragma once

#include <cstdint>

#include "kernels/gemm.h"

namespace sdx::kernels {

/// What a row norm reads and writes besides x [rows, cols] and y. Null pointers stand for what is absent.
struct NormRows {
  const float* scale = nullptr;     ///< [cols]
  const float* shift = nullptr;     ///< [cols]
  const float* residual = nullptr;  ///< [rows, cols], added to x first
  const float* bias = nullptr;      ///< [cols], added to x first
  float* sum = nullptr;             ///< [rows, cols], receives x + residual + bias; may be x or residual
  float* mean = nullptr;            ///< [rows], receives the means (layer norm)
  float* inverse = nullptr;         ///< [rows], receives 1/√(variance + epsilon), or 1/√(mean square + epsilon)
  float epsilon = 1e-5f;
};

/// y = (x - mean)/√(variance + epsilon) scale + shift over each row in [begin, end); two passes, so that a large mean
/// costs no digits. Within 4e-6 max|y/scale| of the exact value for up to 2^16 columns. y may be x or norm.sum.
void layer_norm_rows(const float* x, float* y, int64_t cols, const NormRows& norm, int64_t begin, int64_t end);

/// y = x/√(mean x² + epsilon) scale + shift, likewise.
void rms_norm_rows(const float* x, float* y, int64_t cols, const NormRows& norm, int64_t begin, int64_t end);

/// InstanceNorm and GroupNorm. x is [batch, channels, plane]; a group is `per_group` neighbouring channels.
struct NormGroups {
  int64_t channels;
  int64_t per_group;  ///< divides channels; 1 for InstanceNorm
  int64_t plane;
  const float* scale = nullptr;  ///< [channels]
  const float* shift = nullptr;  ///< [channels]
  float epsilon = 1e-5f;
  Activation activation = Activation::kNone;  ///< of the result
};

/// Normalises the groups b * (channels / per_group) + g in [begin, end) to mean 0 and variance 1, then applies scale
/// and shift by channel, and the activation. As layer_norm_rows. y may be x.
void group_norm(const float* x, float* y, const NormGroups& norm, int64_t begin, int64_t end);

/// y[p][:] = x[p][:] scale[p % channels] + shift[p % channels] for the planes p in [begin, end) of x
/// [batch * channels, plane]: BatchNorm at inference with its four vectors folded by fold_batch_norm. y may be x.
void affine_planes(const float* x, float* y, int64_t channels, int64_t plane, const float* scale, const float* shift,
                   int64_t begin, int64_t end);

/// The vectors of BatchNorm, each [channels].
struct BatchNorm {
  const float* scale;
  const float* shift;
  const float* mean;
  const float* variance;
  float epsilon;
};

/// scale[c] and shift[c] such that x scale + shift is the batch norm of x.
void fold_batch_norm(const BatchNorm& norm, float* scale, float* shift, int64_t channels);

}  // namespace sdx::kernels
