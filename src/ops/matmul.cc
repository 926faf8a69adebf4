// MatMul over broadcast batches, and com.microsoft's FusedMatMul and TransposeMatMul.
#include <algorithm>
#include <numeric>

#include "ops/family.h"
#include "ops/product.h"

namespace sdx::ops {
namespace {

struct FusedMatMulAttrs {
  float alpha = 1;
  bool trans_a = false, trans_b = false;
  bool trans_batch_a = false, trans_batch_b = false;  ///< the first axis is the rows, the batch axes follow
  bool operator==(const FusedMatMulAttrs&) const = default;
  static constexpr auto fields() {
    return std::tuple{field("alpha", &FusedMatMulAttrs::alpha), field("transA", &FusedMatMulAttrs::trans_a),
                      field("transB", &FusedMatMulAttrs::trans_b),
                      field("transBatchA", &FusedMatMulAttrs::trans_batch_a),
                      field("transBatchB", &FusedMatMulAttrs::trans_batch_b)};
  }
};

constexpr std::array kMatMulTypes = {DType::kF32, DType::kF64, DType::kF16, DType::kBF16,
                                     DType::kI32, DType::kI64, DType::kU32, DType::kU64};

/// The axes of an operand of rank >= 2 in the order batch, rows, columns.
std::vector<int> axis_order(int rank, bool trans, bool trans_batch) {
  std::vector<int> order(static_cast<size_t>(rank));
  std::iota(order.begin(), order.end(), 0);
  if (trans_batch) std::rotate(order.begin(), order.begin() + 1, order.end() - 1);
  if (trans) std::swap(order[order.size() - 1], order[order.size() - 2]);
  return order;
}

/// A shape as batch, rows, columns; a vector on the left is a row, on the right a column.
struct Side {
  std::vector<Dim> batch;
  Dim rows = 1, columns = 1;
  bool vector = false;

  Side(const Shape& shape, bool left, bool trans, bool trans_batch) : vector(shape.rank() == 1) {
    if (vector) {
      (left ? columns : rows) = shape[0];
      return;
    }
    const auto order = axis_order(shape.rank(), trans, trans_batch);
    for (size_t i = 0; i + 2 < order.size(); ++i) batch.push_back(shape[order[i]]);
    rows = shape[order[order.size() - 2]];
    columns = shape[order.back()];
  }
};

void infer_product(InferContext& c, const FusedMatMulAttrs& a) {
  c.require_dtype(0, kMatMulTypes);
  c.require_same_dtype(0, 1);
  c.require_rank(0, 1);
  c.require_rank(1, 1);
  const Shape &sa = c.input(0).shape, &sb = c.input(1).shape;
  if (!sa.has_rank() || !sb.has_rank()) return c.set(0, c.input(0).dtype, Shape());
  const Side left(sa, true, a.trans_a, a.trans_batch_a), right(sb, false, a.trans_b, a.trans_batch_b);
  c.require_equal(left.columns, right.rows, "the inner sizes of a matrix product");
  Shape out = c.broadcast(Shape(left.batch), Shape(right.batch));
  if (!left.vector) out.push_back(left.rows);
  if (!right.vector) out.push_back(right.columns);
  c.set(0, c.input(0).dtype, std::move(out));
}

Operand operand(const Extents& e, bool left, bool trans, bool trans_batch) {
  Operand out;
  if (e.rank() == 1) {
    out.rows = left ? 1 : e[0];
    out.columns = left ? e[0] : 1;
    out.row_stride = left ? e[0] : 1;
    return out;
  }
  const auto order = axis_order(e.rank(), trans, trans_batch);
  auto stride = [&](int axis) { return e.product(axis + 1, e.rank()); };
  const int rows = order[order.size() - 2], columns = order.back();
  out.rows = e[rows];
  out.columns = e[columns];
  out.row_stride = stride(rows);
  out.column_stride = stride(columns);
  for (size_t i = 0; i + 2 < order.size(); ++i) {
    out.batch.push_back(e[order[i]]);
    out.batch_strides.push_back(stride(order[i]));
  }
  return out;
}

/// Makes the batch of A more rows of one product where B is a single matrix.
void fold_batch(Operand& a, const Operand& b) {
  if (!b.has_one_matrix()) return;
  int64_t rows = a.rows;
  for (size_t i = a.batch.size(); i-- > 0;) {
    if (a.batch[i] != 1 && a.batch_strides[i] != rows * a.row_stride) return;
    rows *= a.batch[i];
  }
  a.rows = rows;
  a.batch.clear();
  a.batch_strides.clear();
}

std::vector<int64_t> broadcast_batch(const Operand& a, const Operand& b) {
  const Operand& longer = a.batch.size() >= b.batch.size() ? a : b;
  const Operand& shorter = a.batch.size() >= b.batch.size() ? b : a;
  std::vector<int64_t> out = longer.batch;
  const size_t shift = longer.batch.size() - shorter.batch.size();
  for (size_t i = 0; i < shorter.batch.size(); ++i) {
    if (out[shift + i] == 1) out[shift + i] = shorter.batch[i];
  }
  return out;
}

void run_float(RunContext& c, const Operand& a, const Operand& b, float alpha) {
  const float *at_a = c.input(0).as<float>(), *at_b = c.input(1).as<float>();
  float* y = c.output(0).as<float>();
  kernels::Gemm gemm{.m = a.rows, .n = b.columns, .k = a.columns};
  gemm.a = {at_a, a.row_stride, a.column_stride};
  gemm.b = {at_b, b.row_stride, b.column_stride};
  gemm.c = y;
  gemm.c_stride = gemm.n;
  gemm.epilogue.alpha = alpha;
  const auto batch = broadcast_batch(a, b);
  int64_t count = 1;
  for (int64_t size : batch) count *= size;
  if (count == 1) return run_product(c, gemm);
  run_products(c, gemm, count, [&](int64_t i, kernels::Gemm& one) {
    one.a.data = at_a + a.offset(i, batch);
    one.b.data = at_b + b.offset(i, batch);
    one.c = y + i * gemm.m * gemm.n;
  });
}

template <class T>
void run_plain(RunContext& c, const Operand& a, const Operand& b, float alpha) {
  T* y = c.output(0).as<T>();
  const auto batch = broadcast_batch(a, b);
  const int64_t size = a.rows * b.columns;
  const int64_t count = size == 0 ? 0 : c.output(0).count() / size;
  for (int64_t i = 0; i < count; ++i) {
    plain_product(c.parallel(), a, c.input(0).as<T>() + a.offset(i, batch), b, c.input(1).as<T>() + b.offset(i, batch),
                  y + i * size);
  }
  if (alpha != 1)
    std::transform(y, y + size * count, y, [&](T v) { return static_cast<T>(v * static_cast<T>(alpha)); });
}

void run_product_of(RunContext& c, const FusedMatMulAttrs& at) {
  Operand a = operand(c.input(0).extents, true, at.trans_a, at.trans_batch_a);
  const Operand b = operand(c.input(1).extents, false, at.trans_b, at.trans_batch_b);
  if (c.output(0).count() == 0) return;
  fold_batch(a, b);
  switch (c.input(0).dtype) {
    case DType::kF32: return run_float(c, a, b, at.alpha);
    case DType::kF64: return run_plain<double>(c, a, b, at.alpha);
    case DType::kI32:
    case DType::kU32: return run_plain<uint32_t>(c, a, b, at.alpha);
    default: return run_plain<uint64_t>(c, a, b, at.alpha);
  }
}

void infer_matmul(InferContext& c) { infer_product(c, {}); }
void infer_fused(InferContext& c) { infer_product(c, c.attrs<FusedMatMulAttrs>()); }

void run_matmul(RunContext& c) {
  if (widened(c, run_matmul)) return;
  run_product_of(c, {});
}
void run_fused(RunContext& c) {
  if (widened(c, run_fused)) return;
  run_product_of(c, c.attrs<FusedMatMulAttrs>());
}

const Op kFamily[] = {
    {.domain = "",
     .name = "MatMul",
     .inputs = {2, 2},
     .outputs = {1, 1},
     .parse = Attrs::parse<NoAttrs>,
     .infer = infer_matmul,
     .run = run_matmul,
     .accuracy = Accuracy::kAccumulated},
    {.domain = kMicrosoft,
     .name = "FusedMatMul",
     .inputs = {2, 2},
     .outputs = {1, 1},
     .parse = Attrs::parse<FusedMatMulAttrs>,
     .infer = infer_fused,
     .run = run_fused,
     .accuracy = Accuracy::kAccumulated},
    {.domain = kMicrosoft,
     .name = "TransposeMatMul",
     .inputs = {2, 2},
     .outputs = {1, 1},
     .parse = Attrs::parse<FusedMatMulAttrs>,
     .infer = infer_fused,
     .run = run_fused,
     .accuracy = Accuracy::kAccumulated},
};

}  // namespace

std::span<const Op> matmul_family() { return kFamily; }

}  // namespace sdx::ops
