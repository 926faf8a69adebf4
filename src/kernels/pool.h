// Pool: largest, mean and p-norm over windows of one to three spatial dimensions.
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
  int64_t pad_end[3] = {0, 0, 0};
  int64_t out[3] = {1, 1, 1};
};

/// Largest value of each window; a window without input gives -infinity or the least integer, and index -1. NaN never
/// wins against another value. `indices` (or null) receives the flat index into X of the first of the largest values,
/// as if each plane were stored with its first spatial dimension fastest where column_major. Computes planes [begin,
/// end); y may not overlap x.
template <class T>
struct MaxPool {
  PoolShape shape;
  const T* x = nullptr;
  T* y = nullptr;
  int64_t* indices = nullptr;
  bool column_major = false;
};
void max_pool(const MaxPool<float>& pool, int64_t begin, int64_t end);
void max_pool(const MaxPool<double>& pool, int64_t begin, int64_t end);
void max_pool(const MaxPool<int8_t>& pool, int64_t begin, int64_t end);
void max_pool(const MaxPool<uint8_t>& pool, int64_t begin, int64_t end);

/// What a sum over a window becomes.
enum class PoolSum : uint8_t {
  kMean,        ///< sum / number of inputs in the window
  kMeanPadded,  ///< sum / number of positions of the window within input and padding (count_include_pad)
  kNorm,        ///< (sum |x|^p)^(1/p)
};

/// Means and norms; an empty window gives 0/0 for means, 0 for norms. Sums run in the order of the kernel; relative
/// error (for means: of sum |x|) <= kernel volume x eps. Computes planes [begin, end); y may not overlap x.
template <class T>
struct SumPool {
  PoolShape shape;
  PoolSum kind = PoolSum::kMean;
  int64_t p = 2;
  const T* x = nullptr;
  T* y = nullptr;
};
void sum_pool(const SumPool<float>& pool, int64_t begin, int64_t end);
void sum_pool(const SumPool<double>& pool, int64_t begin, int64_t end);

}  // namespace sdx::kernels
