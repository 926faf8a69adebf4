// Products: batches of matrix products in float32 over the packed kernels, and plainly for other types.
#pragma once

#include <algorithm>
#include <vector>

#include "base/parallel.h"
#include "ir/run_context.h"
#include "kernels/gemm.h"
#include "kernels/gemm_generic.h"

namespace sdx::ops {

/// One operand of a batched product: where matrix i of the (broadcast) batch lies, in elements.
struct Operand {
  int64_t rows = 0, columns = 0;
  int64_t row_stride = 0, column_stride = 1;
  std::vector<int64_t> batch;          ///< sizes of its own batch axes
  std::vector<int64_t> batch_strides;  ///< of the same axes

  /// Offset of matrix `index` of a batch with the sizes `full`, to which the operand's own batch broadcasts.
  int64_t offset(int64_t index, const std::vector<int64_t>& full) const;
  bool has_one_matrix() const;
};

/// The grain of tiles with so many multiply-adds each: all of them where a second thread would cost more than it saves.
inline int64_t grain_of_tiles(int64_t tiles, int64_t multiply_adds) {
  constexpr int64_t kAlone = 64 * 1024;
  return tiles * multiply_adds <= kAlone ? std::max<int64_t>(tiles, 1) : grain_for(multiply_adds);
}

/// Points a product at the operands of item `index` of a batch.
using PlaceProduct = FunctionRef<void(int64_t index, kernels::Gemm& gemm)>;

/// Runs `batch` products that have the extents, strides and epilogue of `gemm`, in parallel over the batch and the
/// tiles of each. Must be called from the operator's own thread: takes scratch memory.
void run_products(const ir::RunContext& c, const kernels::Gemm& gemm, int64_t batch, PlaceProduct place);

/// Splits the rows of A into scratch memory, for a product with split weights.
void split_rows(const ir::RunContext& c, kernels::Gemm& gemm);

/// One product of many rows: splits A for split weights, and packs B into scratch memory first where several blocks of
/// rows would each pack it.
void run_product(const ir::RunContext& c, kernels::Gemm gemm);

/// The same for `count` products of one A with matrices of equal extents that are packed alike.
void run_products_of_one(const ir::RunContext& c, kernels::Gemm gemm, int64_t count, PlaceProduct place);

/// c[m, n] (contiguous) = a b in T, for the types that no packed kernel serves: integers wrap around. Rows in parallel.
template <class T>
void plain_product(const Parallel& parallel, const Operand& a, const T* at_a, const Operand& b, const T* at_b, T* c) {
  kernels::GenericGemm<T> gemm{.m = a.rows, .n = b.columns, .k = a.columns};
  gemm.a = at_a;
  gemm.a_row_stride = a.row_stride;
  gemm.a_column_stride = a.column_stride;
  gemm.b = at_b;
  gemm.b_row_stride = b.row_stride;
  gemm.b_column_stride = b.column_stride;
  gemm.c = c;
  gemm.c_stride = b.columns;
  parallel.run(a.rows, grain_for(a.columns * b.columns * 2),
               [&](int64_t begin, int64_t end, int) { kernels::gemm_rows(gemm, begin, end); });
}

}  // namespace sdx::ops
