// Attention for a few query rows at a time: what a decoding step needs, bound by reading keys and values once.
#pragma once

#include <cstdint>

#include "kernels/attention.h"

namespace sdx::kernels {

inline constexpr int64_t kAttentionFewRows = 4;

/// Scratch floats of attention_few_run.
int64_t attention_few_scratch(const AttentionShape& shape);

/// Computes query rows [row, row + rows), at most kAttentionFewRows; a row comes out the same in any company. K must be
/// contiguous along the keys or along d.
void attention_few_run(const AttentionShape& shape, const AttentionHead& head, int64_t row, int64_t rows,
                       float* scratch);

}  // namespace sdx::kernels
