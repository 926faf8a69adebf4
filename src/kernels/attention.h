// Attention: softmax(scale Q K^T + masks) V for one head at a time, tiled, never holding more than a tile of scores.
//
// An operator splits batch x heads x blocks of attention_row_block(shape) query rows over threads and calls
// attention_run for each with the scratch memory of its worker. Results do not depend on the split. In grouped-query
// decoding (one query row a head) the heads of a group may be passed as the rows of one call.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/gemm.h"

namespace sdx::kernels {

/// What all heads of one call share: Q [sq, d], K [skv, d], V [skv, dv], output [sq, dv].
struct AttentionShape {
  int64_t sq = 0;
  int64_t skv = 0;
  int64_t d = 0;
  int64_t dv = 0;
  float scale = 1.0f;
  float softcap = 0.0f;  ///< c > 0: scores become c tanh(score / c) before the masks
  bool causal = false;   ///< query i sees key j only where j <= i + causal_offset
  int64_t causal_offset = 0;
  /// A row that sees no key (all scores -infinity) gives zeros; otherwise NaN, as softmax over the scores does. Where
  /// skv is 0 the output is zeros.
  bool zero_masked_rows = false;
};

/// A term of the scores [sq, skv]; a stride is 0 along a broadcast dimension. Strides are in elements.
template <class T>
struct ScoreTerm {
  const T* data = nullptr;  ///< null: absent
  int64_t row_stride = 0;
  int64_t column_stride = 1;
};

/// One head. Query rows, keys and values may have any strides; `out` may not overlap the inputs.
struct AttentionHead {
  MatrixView q;                ///< [sq, d]
  MatrixView k;                ///< [skv, d]; row_stride 1 where keys are stored transposed
  MatrixView v;                ///< [skv, dv]
  ScoreTerm<float> mask;       ///< added to the scores: finite values act as they do in floats, -infinity excludes
  ScoreTerm<float> bias;       ///< added likewise, after the mask
  ScoreTerm<uint8_t> allowed;  ///< a key with 0 is excluded
  float* out = nullptr;        ///< row i at out + i * out_stride, columns contiguous
  int64_t out_stride = 0;
};

/// Query rows that one call gets at most: keys and values are packed anew for each.
int64_t attention_row_block(const AttentionShape& shape);
/// Those that calls for so many heads should get, so that all threads have work.
int64_t attention_row_block(const AttentionShape& shape, int64_t heads, int threads);

/// Scratch bytes of one worker (aligned to 64) for calls of at most attention_row_block(shape) rows.
size_t attention_scratch_bytes(const AttentionShape& shape);

/// Computes the query rows [row_begin, row_end), at most attention_row_block(shape) of them. Error of an output:
/// a few eps times max |v| plus the error of a score, |score| d eps, as a relative error of its weight.
void attention_run(const AttentionShape& shape, const AttentionHead& head, int64_t row_begin, int64_t row_end,
                   void* scratch);

}  // namespace sdx::kernels
