// Convert: contiguous ranges between float and the 16-bit float types, and the widening of narrow blocks.
#pragma once

#include <cstdint>

#include "base/half.h"

namespace sdx::kernels {

/// y[i] = x[i] exactly, for i in [0, n). No alias.
void to_floats(const Half* x, float* y, int64_t n);
void to_floats(const BFloat16* x, float* y, int64_t n);

/// y[i] = x[i] rounded to nearest even, as to_half and to_bfloat16 do (NaN is quieted). No alias.
void from_floats(const float* x, Half* y, int64_t n);
void from_floats(const float* x, BFloat16* y, int64_t n);

/// y[i] = x[i] != 0, which NaN is. No alias.
void to_bools(const float* x, bool* y, int64_t n);

}  // namespace sdx::kernels
