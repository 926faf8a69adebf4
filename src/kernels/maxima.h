// The greatest elements of blocks of a row, with which a search for the best few passes over the rest.
#pragma once

#include <cstdint>

namespace sdx::kernels {

/// Elements of a block.
inline constexpr int64_t kMaximaBlock = 64;

/// y[i] = the greatest of the elements of x [n] in block i, -inf where it has none that is a number, for the blocks
/// [begin, end) of ceil(n / kMaximaBlock).
void block_maxima(const float* x, int64_t n, float* y, int64_t begin, int64_t end);

}  // namespace sdx::kernels
