// Matrix products of the element types that models seldom use: double and integers.
#pragma once

#include <cstdint>

namespace sdx::kernels {

/// C [m, n] = A [m, k] B [k, n]; strides in elements, C rows contiguous. C may not overlap A or B. Integers wrap.
template <class T>
struct GenericGemm {
  int64_t m = 0;
  int64_t n = 0;
  int64_t k = 0;
  const T* a = nullptr;
  int64_t a_row_stride = 0;
  int64_t a_column_stride = 1;
  const T* b = nullptr;
  int64_t b_row_stride = 0;
  int64_t b_column_stride = 1;
  T* c = nullptr;
  int64_t c_stride = 0;
};

/// Computes the rows [row_begin, row_end) of C. Each element is summed in the order of k.
void gemm_rows(const GenericGemm<double>& gemm, int64_t row_begin, int64_t row_end);
void gemm_rows(const GenericGemm<int32_t>& gemm, int64_t row_begin, int64_t row_end);
void gemm_rows(const GenericGemm<int64_t>& gemm, int64_t row_begin, int64_t row_end);
void gemm_rows(const GenericGemm<uint32_t>& gemm, int64_t row_begin, int64_t row_end);
void gemm_rows(const GenericGemm<uint64_t>& gemm, int64_t row_begin, int64_t row_end);

}  // namespace sdx::kernels
