// Pool: largest and mean values of windows of one to three spatial dimensions.
#pragma once

#include <cstdint>

namespace sdx::kernels {

/// X [planes, in…] to Y [planes, out…], planes = batch x channels; a missing dimension has extent 1. out[i] is given,
/// not derived, so that ceil_mode is the caller's; elements beyond the input take no part in a window.
struct PoolShape {
  int64_t planes = 0;
  int64_t in[3] = {1, 1, 1};
  int64_t kernel[3] = {1, 1, 1};
  int64_t stride[3] = {1, 1, 1};
  int64_t dilation[3] = {1, 1, 1};
  int64_t pad_begin[3] = {0, 0, 0};
  int64_t out[3] = {1, 1, 1};
};

/// Output rows that are made together: no load waits for the store just before it.
inline constexpr int64_t kPoolRows = 4;

/// Elements of `bytes` bytes of scratch memory that a call needs for itself.
int64_t pool_scratch(const PoolShape& shape, int bytes);

/// Largest value of each window, NaN where it holds one; a window without input gives -infinity or the least integer,
/// and of zeros either sign may stand. Computes the output rows [begin, end) of planes * out[0] * out[1]; y may not
/// overlap x. T is float, double, int8_t or uint8_t.
template <class T>
void max_pool(const PoolShape& shape, const T* x, T* y, T* scratch, int64_t begin, int64_t end);

/// How many positions each window counts along each axis: counts.axis[i][out[i]].
template <class T>
struct PoolCounts {
  const T* axis[3] = {};
};

/// Sum of each window by the product of its counts (by 1 where that is 0). Columns are summed before rows; error
/// relative to the mean of |x| <= kernel volume x eps. Otherwise as max_pool; T is float or double.
template <class T>
void mean_pool(const PoolShape& shape, const PoolCounts<T>& counts, const T* x, T* y, T* scratch, int64_t begin,
               int64_t end);

}  // namespace sdx::kernels
