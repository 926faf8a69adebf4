// Matrix products of double and integers: plain loops that the compiler vectorises.
#include "kernels/gemm_generic.h"

#include <algorithm>
#include <type_traits>

namespace sdx::kernels {
namespace {

// Integers are summed as unsigned, where wrapping is defined.
template <class T>
T multiply_add(T a, T b, T sum) {
  if constexpr (std::is_integral_v<T>) {
    using U = std::make_unsigned_t<T>;
    return static_cast<T>(static_cast<U>(a) * static_cast<U>(b) + static_cast<U>(sum));
  } else {
    return a * b + sum;
  }
}

// Columns of B in a block and depths in a block: 64 KB of doubles, read once for every row.
constexpr int64_t kColumns = 128;
constexpr int64_t kDepths = 64;

template <class T>
void block(const GenericGemm<T>& gemm, int64_t row, int64_t p0, int64_t j0) {
  const int64_t p1 = std::min(gemm.k, p0 + kDepths);
  const int64_t columns = std::min(gemm.n - j0, kColumns);
  T* c = gemm.c + row * gemm.c_stride + j0;
  for (int64_t p = p0; p < p1; ++p) {
    const T a = gemm.a[row * gemm.a_row_stride + p * gemm.a_column_stride];
    const T* b = gemm.b + p * gemm.b_row_stride + j0 * gemm.b_column_stride;
    if (gemm.b_column_stride == 1) {
      for (int64_t j = 0; j < columns; ++j) c[j] = multiply_add(a, b[j], c[j]);
    } else {
      for (int64_t j = 0; j < columns; ++j) c[j] = multiply_add(a, b[j * gemm.b_column_stride], c[j]);
    }
  }
}

template <class T>
void rows(const GenericGemm<T>& gemm, int64_t row_begin, int64_t row_end) {
  for (int64_t row = row_begin; row < row_end; ++row) std::fill_n(gemm.c + row * gemm.c_stride, gemm.n, T(0));
  for (int64_t j = 0; j < gemm.n; j += kColumns) {
    for (int64_t p = 0; p < gemm.k; p += kDepths) {
      for (int64_t row = row_begin; row < row_end; ++row) block(gemm, row, p, j);
    }
  }
}

}  // namespace

void gemm_rows(const GenericGemm<double>& gemm, int64_t row_begin, int64_t row_end) { rows(gemm, row_begin, row_end); }
void gemm_rows(const GenericGemm<int32_t>& gemm, int64_t row_begin, int64_t row_end) { rows(gemm, row_begin, row_end); }
void gemm_rows(const GenericGemm<int64_t>& gemm, int64_t row_begin, int64_t row_end) { rows(gemm, row_begin, row_end); }
void gemm_rows(const GenericGemm<uint32_t>& gemm, int64_t row_begin, int64_t row_end) {
  rows(gemm, row_begin, row_end);
}
void gemm_rows(const GenericGemm<uint64_t>& gemm, int64_t row_begin, int64_t row_end) {
  rows(gemm, row_begin, row_end);
}

}  // namespace sdx::kernels
