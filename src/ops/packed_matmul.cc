// PackMatrix, PackedMatMul and PackedMatMulGroup: products with constant matrices, packed once at load.
#include "ops/family.h"
#include "ops/kernel_activation.h"
#include "ops/op_table.h"
#include "ops/product.h"

namespace sdx::ops {
namespace {

using kernels::WeightType;

struct PackAttrs {
  bool transposed = false;         ///< the weight is stored as [n, k]
  DType type = DType::kUndefined;  ///< of the packed elements: float32, float16, bfloat16; undefined: as they are
  bool split = false;              ///< float32 as three bytes and a scale for each column
  bool apart = false;              ///< the lowest of the three bytes apart, as CandidateMatMul has it
  bool operator==(const PackAttrs&) const = default;
  static constexpr auto fields() {
    return std::tuple{field("transposed", &PackAttrs::transposed), field("type", &PackAttrs::type),
                      field("split", &PackAttrs::split), field("apart", &PackAttrs::apart)};
  }
};

void check_type(const InferContext& c, DType type, bool split) {
  if (type != DType::kF32 && type != DType::kF16 && type != DType::kBF16) {
    c.invalid("packed elements of type ", dtype_name(type), "; they must be float32, float16 or bfloat16");
  }
  if (!split) return;
  if (type != DType::kF32) c.invalid("split elements of type ", dtype_name(type), "; only float32 is split");
  if (!kernels::gemm_splits()) c.invalid("split weights, but the instruction set in use does not multiply bytes");
}

WeightType weight_type(DType type, bool split) {
  if (split) return WeightType::kSplit;
  return type == DType::kF16 ? WeightType::kF16 : type == DType::kBF16 ? WeightType::kBf16 : WeightType::kF32;
}

WeightType weight_type(DType type, const PackAttrs& a) {
  return a.split && a.apart ? WeightType::kSplitApart : weight_type(type, a.split);
}

void infer_pack(InferContext& c) {
  const auto& a = c.attrs<PackAttrs>();
  c.require_dtype(0, {DType::kF32, DType::kF16, DType::kBF16});
  c.require_rank(0, 2, 2);
  const DType type = a.type == DType::kUndefined ? c.input(0).dtype : a.type;
  check_type(c, type, a.split);
  if (a.apart && !a.split) c.invalid("attribute 'apart' is 1, but 'split' is 0; only split weights have bytes apart");
  const auto extents = c.input(0).shape.extents();
  if (!extents) return c.set(0, DType::kU8, c.fresh_shape(1));
  const int64_t k = (*extents)[a.transposed ? 1 : 0], n = (*extents)[a.transposed ? 0 : 1];
  c.set(0, DType::kU8, Shape({static_cast<int64_t>(kernels::gemm_packed_bytes(k, n, weight_type(type, a)))}));
}

void run_pack(RunContext& c) {
  const auto& a = c.attrs<PackAttrs>();
  const ConstView w = c.input(0);
  const int64_t k = w.extents[a.transposed ? 1 : 0], n = w.extents[a.transposed ? 0 : 1];
  const WeightType type = weight_type(a.type == DType::kUndefined ? w.dtype : a.type, a);
  kernels::WeightView view{w.data, weight_type(w.dtype, false), n, 1};
  if (a.transposed) view = {w.data, weight_type(w.dtype, false), 1, k};
  c.parallel().run(kernels::gemm_panels(n, type), 4, [&](int64_t begin, int64_t end, int) {
    kernels::gemm_pack_b(view, k, n, type, begin, end, c.output(0).data);
  });
}

struct PackedMatMulAttrs {
  int64_t k = 0, n = 0;
  DType type = DType::kF32;  ///< of the packed elements
  bool split = false;        ///< as in PackMatrix
  float alpha = 1;
  std::string activation;
  bool operator==(const PackedMatMulAttrs&) const = default;
  static constexpr auto fields() {
    return std::tuple{required("k", &PackedMatMulAttrs::k),      required("n", &PackedMatMulAttrs::n),
                      field("type", &PackedMatMulAttrs::type),   field("split", &PackedMatMulAttrs::split),
                      field("alpha", &PackedMatMulAttrs::alpha), field("activation", &PackedMatMulAttrs::activation)};
  }
};

/// act(alpha x W + bias) + residual for x [..., k], W [k, n], bias [n] or [1, ..., n] and residual [..., n].
void infer_packed(InferContext& c) {
  const auto& a = c.attrs<PackedMatMulAttrs>();
  c.require_dtype(0, {DType::kF32, DType::kF16, DType::kBF16});
  c.require_dtype(1, {DType::kU8});
  c.require_rank(0, 1);
  if (a.k < 0 || a.n < 0) c.invalid("attributes 'k' and 'n' are ", a.k, " and ", a.n, " but must be >= 0");
  kernel_activation(a.activation);
  check_type(c, a.type, a.split);
  const auto bytes = static_cast<int64_t>(kernels::gemm_packed_bytes(a.k, a.n, weight_type(a.type, a.split)));
  if (c.input(1).shape.has_rank()) {
    c.require_equal(c.input(1).shape.count(), bytes,
                    "the bytes of the packed weights and those of this instruction set");
  }
  if (c.has(2)) {
    if (c.input(2).shape.has_rank())
      c.require_equal(c.input(2).shape.count(), a.n, "the sizes of the bias and the product");
  }
  Shape out = c.input(0).shape;
  if (out.has_rank()) {
    c.require_equal(out[out.rank() - 1], a.k, "the inner sizes of a matrix product");
    out[out.rank() - 1] = a.n;
  }
  if (c.has(3) && out.has_rank() && c.input(3).shape.has_rank()) {
    c.require_rank(3, out.rank(), out.rank());
    for (int i = 0; i < out.rank(); ++i) {
      c.require_equal(c.input(3).shape[i], out[i], "the sizes of the residual and the product");
    }
  }
  c.set(0, c.input(0).dtype, std::move(out));
}

void run_packed(RunContext& c) {
  if (widened(c, run_packed)) return;
  const auto& a = c.attrs<PackedMatMulAttrs>();
  const ConstView x = c.input(0);
  kernels::Gemm gemm{.m = x.extents.product(0, x.rank() - 1), .n = a.n, .k = a.k};
  if (gemm.m == 0 || gemm.n == 0) return;
  gemm.a = {x.as<float>(), a.k, 1};
  gemm.packed_b = c.input(1).data;
  gemm.packed_type = weight_type(a.type, a.split);
  gemm.c = c.output(0).as<float>();
  gemm.c_stride = a.n;
  gemm.epilogue.alpha = a.alpha;
  gemm.epilogue.activation = kernel_activation(a.activation);
  if (c.has_input(2)) gemm.epilogue.column_bias = c.input(2).as<float>();
  if (c.has_input(3)) {
    gemm.epilogue.residual = c.input(3).as<float>();
    gemm.epilogue.residual_stride = a.n;
  }
  run_product(c, gemm);
}

struct GroupAttrs {
  int64_t k = 0, n = 0, count = 0;
  bool split = false;  ///< as in PackMatrix
  float alpha = 1;
  bool operator==(const GroupAttrs&) const = default;
  static constexpr auto fields() {
    return std::tuple{required("k", &GroupAttrs::k), required("n", &GroupAttrs::n),
                      required("count", &GroupAttrs::count), field("split", &GroupAttrs::split),
                      field("alpha", &GroupAttrs::alpha)};
  }
};

constexpr int kMostProducts = 4;
constexpr int weights_of(int product) { return 1 + 2 * product; }
constexpr int bias_of(int product) { return 2 + 2 * product; }

/// y_i = alpha x W_i + bias_i for x [..., k], and for each product W_i [k, n] and bias_i [n], which may be absent.
void infer_group(InferContext& c) {
  const auto& a = c.attrs<GroupAttrs>();
  c.require_dtype(0, {DType::kF32});
  c.require_rank(0, 1);
  if (a.k < 0 || a.n < 0) c.invalid("attributes 'k' and 'n' are ", a.k, " and ", a.n, " but must be >= 0");
  if (a.count != c.output_count() || c.input_count() > bias_of(c.output_count() - 1) + 1)
    c.invalid("attribute 'count' is ", a.count, " for ", c.output_count(), " outputs and ", c.input_count(), " inputs");
  check_type(c, DType::kF32, a.split);
  const auto bytes = static_cast<int64_t>(kernels::gemm_packed_bytes(a.k, a.n, weight_type(DType::kF32, a.split)));
  Shape out = c.input(0).shape;
  if (out.has_rank()) {
    c.require_equal(out[out.rank() - 1], a.k, "the inner sizes of a matrix product");
    out[out.rank() - 1] = a.n;
  }
  for (int i = 0; i < c.output_count(); ++i) {
    if (!c.has(weights_of(i))) c.invalid("the weights of product ", i, " are missing");
    c.require_dtype(weights_of(i), {DType::kU8});
    if (c.input(weights_of(i)).shape.has_rank()) {
      c.require_equal(c.input(weights_of(i)).shape.count(), bytes,
                      "the bytes of the packed weights and those of this instruction set");
    }
    if (c.has(bias_of(i)) && c.input(bias_of(i)).shape.has_rank())
      c.require_equal(c.input(bias_of(i)).shape.count(), a.n, "the sizes of the bias and the product");
    c.set(i, DType::kF32, out);
  }
}

void run_group(RunContext& c) {
  const auto& a = c.attrs<GroupAttrs>();
  const ConstView x = c.input(0);
  kernels::Gemm gemm{.m = x.extents.product(0, x.rank() - 1), .n = a.n, .k = a.k};
  if (gemm.m == 0 || gemm.n == 0) return;
  gemm.a = {x.as<float>(), a.k, 1};
  gemm.packed_b = c.input(weights_of(0)).data;
  gemm.packed_type = weight_type(DType::kF32, a.split);
  gemm.c_stride = a.n;
  gemm.epilogue.alpha = a.alpha;
  run_products_of_one(c, gemm, a.count, [&](int64_t index, kernels::Gemm& one) {
    const auto i = static_cast<int>(index);
    one.packed_b = c.input(weights_of(i)).data;
    one.c = c.output(i).as<float>();
    if (c.has_input(bias_of(i))) one.epilogue.column_bias = c.input(bias_of(i)).as<float>();
  });
}

const Op kFamily[] = {
    {.domain = kOwnDomain,
     .name = "PackMatrix",
     .inputs = {1, 1},
     .outputs = {1, 1},
     .parse = Attrs::parse<PackAttrs>,
     .infer = infer_pack,
     .run = run_pack,
     .traits = {.misaligned = 1}},
    {.domain = kOwnDomain,
     .name = "PackedMatMul",
     .inputs = {2, 4},
     .outputs = {1, 1},
     .parse = Attrs::parse<PackedMatMulAttrs>,
     .infer = infer_packed,
     .run = run_packed,
     .traits = {.row_local = true, .in_place = 0b1000},
     .accuracy = Accuracy::kAccumulated},
    {.domain = kOwnDomain,
     .name = "PackedMatMulGroup",
     .inputs = {2, bias_of(kMostProducts - 1) + 1},
     .outputs = {1, kMostProducts},
     .parse = Attrs::parse<GroupAttrs>,
     .infer = infer_group,
     .run = run_group,
     .accuracy = Accuracy::kAccumulated},
};

}  // namespace

std::span<const Op> packed_matmul_family() { return kFamily; }

bool has_fast_bytes(bool few_rows) { return few_rows ? kernels::gemm_splits() : kernels::gemm_has_units(); }

}  // namespace sdx::ops
