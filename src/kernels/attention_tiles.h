// Attention tiles: the vector steps between the two products of a tile, for queries side by side in a panel.
//
// Scores of a tile are stored [keys][width], where width is the columns of a GEMM panel and each column is one query.
#pragma once

#include <cstdint>

namespace sdx::kernels {

/// One pass over scores [keys][width], in place: score = scale score + term, masked.
struct ScorePass {
  float* scores;
  int64_t keys;
  float scale = 1.0f;
  float softcap = 0.0f;             ///< as in AttentionShape; 0: none
  const float* key_term = nullptr;  ///< null, or a term per key, key_stride apart
  int64_t key_stride = 0;
  const float* tile_term = nullptr;  ///< null, or terms [keys][width]
  bool causal = false;               ///< key j (of the tile) is hidden from query column c where j > c + reach
  int64_t reach = 0;
  float* largest = nullptr;  ///< null, or [width]: receives the largest score of each column
};
void attention_score_pass(const ScorePass& pass);

/// The running softmax of a panel of queries: [width] each.
struct SoftmaxState {
  float* maximum;     ///< largest score so far, -infinity at the start
  float* sum;         ///< sum of weights relative to it
  float* correction;  ///< what earlier weights have to be multiplied by after a step
};

/// Turns scores into weights exp(score - maximum) in place and folds the tile into the state; `largest` as from the
/// last pass.
void attention_weights(float* scores, int64_t keys, const float* largest, const SoftmaxState& state);

/// Multiplies acc [dv][width] by correction [width] row by row.
void attention_rescale(float* acc, int64_t dv, const float* correction);

/// out[c * out_stride + j] = acc[j][c] / sum[c] for `queries` columns c and dv rows j; acc [dv][width] is overwritten.
struct AttentionFinish {
  float* acc;
  int64_t dv;
  const float* sum;
  int64_t queries;
  float* out;
  int64_t out_stride;
  bool zero_masked_rows;
};
void attention_finish(const AttentionFinish& finish);

}  // namespace sdx::kernels
