// Attention products: the two products of a tile of keys and a panel of queries, in float32 or by matrix units.
//
// Scores are computed transposed, S^T = K Q^T, with queries in the columns of panels: the softmax then runs down
// columns without horizontal steps, and S^T is already the B operand of O^T = V^T S^T.
#pragma once

#include <cstdint>

#include "kernels/attention.h"
#include "kernels/gemm_split.h"
#include "kernels/gemm_tiles.h"

namespace sdx::kernels {

/// Extents of the memory of one call: `panels` of `width` queries, tiles of at most `keys` keys.
struct AttentionExtents {
  int64_t d, dv;
  int64_t width, panels, keys;
};

/// By the float kernels: keys are packed, values are read where they are.
class FloatProducts {
 public:
  FloatProducts(const AttentionExtents& extents, const AttentionHead& head, float* scratch);
  static int64_t floats(const AttentionExtents& extents);
  /// Whether packed queries can be scaled, so that scores need not be.
  static constexpr bool kScalesQueries = true;

  void pack_queries(int64_t panel, int64_t first, int64_t rows);
  void scale_queries(int64_t panel, float scale);
  void place_keys(int64_t key, int64_t keys);
  /// scores [visible][width] of the first `visible` of the placed keys; rows up to a tile's height may be written.
  void scores(int64_t panel, int64_t visible, float* scores);
  /// acc [dv][width] += V^T weights.
  void values(int64_t visible, float* weights, float* acc);

 private:
  int64_t groups(int64_t extent) const { return (extent + tiles_.rows - 1) / tiles_.rows; }

  const AttentionExtents extents_;
  const AttentionHead& head_;
  const GemmTiles& tiles_;
  float *queries_, *packed_k_, *packed_v_;
  int64_t key_ = 0, keys_ = 0;
  const float* v_ = nullptr;
  int64_t v_stride_ = 0;
};

/// By matrix units: queries, keys, values and weights as digits. Brackets the use of the units.
class SplitProducts {
 public:
  SplitProducts(const AttentionExtents& extents, const AttentionHead& head, float* scratch);
  ~SplitProducts() { kernels_.end(); }
  SplitProducts(const SplitProducts&) = delete;
  SplitProducts& operator=(const SplitProducts&) = delete;
  static int64_t floats(const AttentionExtents& extents);
  /// Whether the instruction set in use has them, with panels as wide as those of the float kernels, and heads are wide
  /// enough to fill their tiles.
  static bool fit(const AttentionShape& shape);
  static constexpr bool kScalesQueries = false;

  void pack_queries(int64_t panel, int64_t first, int64_t rows);
  void place_keys(int64_t key, int64_t keys);
  void scores(int64_t panel, int64_t visible, float* scores);
  /// `weights` [visible][width] has room for whole blocks of depth.
  void values(int64_t visible, float* weights, float* acc);

 private:
  struct Rows {
    const float* at;
    int64_t stride;
    int64_t count;
    int64_t depths;
  };
  void pack_groups(const Rows& rows, std::byte* packed, float* scales);
  void pack_blocks(float* rows, int64_t depths, SplitColumns& columns, std::byte* packed);

  const AttentionExtents extents_;
  const AttentionHead& head_;
  const SplitKernels& kernels_;
  std::byte *queries_, *packed_k_, *packed_v_, *weights_;
  float *key_scales_, *value_scales_, *turned_;
  int64_t keys_ = 0;
};

}  // namespace sdx::kernels
