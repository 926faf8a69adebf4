// Attention for one query row at a time: what a decoding step needs, bound by reading keys and values once.
#pragma once

#include <cstdint>

#include "kernels/attention.h"

namespace sdx::kernels {

/// Scratch floats of attention_few_run.
int64_t attention_few_scratch(const AttentionShape& shape);

/// Computes query row `row`. K must be contiguous along the keys or along d.
void attention_few_run(const AttentionShape& shape, const AttentionHead& head, int64_t row, float* scratch);

}  // namespace sdx::kernels
