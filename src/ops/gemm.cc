// Gemm and com.microsoft's FusedGemm: alpha A B + beta C, with an activation.
#include <algorithm>

#include "ops/broadcast_copy.h"
#include "ops/family.h"
#include "ops/fused_activation.h"
#include "ops/product.h"

namespace sdx::ops {
namespace {

struct GemmAttrs {
  float alpha = 1, beta = 1;
  bool trans_a = false, trans_b = false;
  std::string activation;
  std::optional<float> activation_alpha, activation_beta, activation_gamma;
  bool operator==(const GemmAttrs&) const = default;
  static constexpr auto fields() {
    return std::tuple{field("alpha", &GemmAttrs::alpha),
                      field("beta", &GemmAttrs::beta),
                      field("transA", &GemmAttrs::trans_a),
                      field("transB", &GemmAttrs::trans_b),
                      field("activation", &GemmAttrs::activation),
                      field("activation_alpha", &GemmAttrs::activation_alpha),
                      field("activation_beta", &GemmAttrs::activation_beta),
                      field("activation_gamma", &GemmAttrs::activation_gamma)};
  }
};

constexpr std::array kGemmTypes = {DType::kF32, DType::kF64, DType::kF16, DType::kBF16,
                                   DType::kI32, DType::kI64, DType::kU32, DType::kU64};

void upgrade(Call& c) {
  if (c.version < 7) c.drop("broadcast");
}

void infer(InferContext& c) {
  const auto& a = c.attrs<GemmAttrs>();
  c.require_dtype(0, kGemmTypes);
  c.require_same_dtype(0, 1);
  c.require_rank(0, 2, 2);
  c.require_rank(1, 2, 2);
  if (c.has(2)) {
    c.require_same_dtype(0, 2);
    c.require_rank(2, 0, 2);
  }
  if (!a.activation.empty()) fused_activation(a.activation, {});
  const Shape &sa = c.input(0).shape, &sb = c.input(1).shape;
  Shape out = c.fresh_shape(2);
  if (sa.has_rank()) out[0] = sa[a.trans_a ? 1 : 0];
  if (sb.has_rank()) out[1] = sb[a.trans_b ? 0 : 1];
  if (sa.has_rank() && sb.has_rank()) {
    c.require_equal(sa[a.trans_a ? 0 : 1], sb[a.trans_b ? 1 : 0], "the inner sizes of a matrix product");
  }
  if (c.has(2)) require_broadcasts_to(c, c.input(2).shape, out, "the bias of a product");
  c.set(0, c.input(0).dtype, std::move(out));
}

Operand operand(const Extents& e, bool trans) {
  Operand out{.rows = e[0], .columns = e[1], .row_stride = e[1], .column_stride = 1, .batch = {}, .batch_strides = {}};
  if (trans) {
    std::swap(out.rows, out.columns);
    std::swap(out.row_stride, out.column_stride);
  }
  return out;
}

/// `count` elements, `factor` times those of `from` (one repeated where `repeat`).
const float* scaled(const RunContext& c, const float* from, int64_t count, float factor, bool repeat) {
  if (factor == 1 && !repeat) return from;
  float* to = c.scratch<float>(count);
  for (int64_t i = 0; i < count; ++i) to[i] = factor * from[repeat ? 0 : i];
  return to;
}

void add_bias(const RunContext& c, float beta, kernels::Gemm& gemm) {
  const ConstView bias = c.input(2);
  const Extents& e = bias.extents;
  const int64_t rows = e.rank() == 2 ? e[0] : 1, columns = e.rank() == 0 ? 1 : e.back();
  const float* data = bias.as<float>();
  if (rows == gemm.m && columns == gemm.n && rows > 1) {
    gemm.epilogue.addend = data;
    gemm.epilogue.addend_stride = gemm.n;
    gemm.epilogue.addend_scale = beta;
  } else if (rows == 1) {
    gemm.epilogue.column_bias = scaled(c, data, gemm.n, beta, columns != gemm.n);
  } else {
    gemm.epilogue.row_bias = scaled(c, data, gemm.m, beta, false);
  }
}

void run_float(RunContext& c, const Operand& a, const Operand& b) {
  const auto& at = c.attrs<GemmAttrs>();
  kernels::Gemm gemm{.m = a.rows, .n = b.columns, .k = a.columns};
  gemm.a = {c.input(0).as<float>(), a.row_stride, a.column_stride};
  gemm.b = {c.input(1).as<float>(), b.row_stride, b.column_stride};
  gemm.c = c.output(0).as<float>();
  gemm.c_stride = gemm.n;
  gemm.epilogue.alpha = at.alpha;
  if (c.has_input(2) && at.beta != 0) add_bias(c, at.beta, gemm);
  run_product(c, gemm);
  if (at.activation.empty()) return;
  const auto step = fused_activation(at.activation, {at.activation_alpha, at.activation_beta, at.activation_gamma});
  apply(step, c.parallel(), gemm.c, gemm.m * gemm.n);
}

/// Scales in double for float64 and in the integer type otherwise, as the factors are whole in practice.
template <class T>
void run_plain(RunContext& c, const Operand& a, const Operand& b) {
  const auto& at = c.attrs<GemmAttrs>();
  T* y = c.output(0).as<T>();
  plain_product(c.parallel(), a, c.input(0).as<T>(), b, c.input(1).as<T>(), y);
  const int64_t m = a.rows, n = b.columns;
  const auto factor = [](float f) {
    if constexpr (std::is_integral_v<T>)
      return static_cast<T>(static_cast<int64_t>(f));
    else
      return static_cast<T>(f);
  };
  const T alpha = factor(at.alpha), beta = factor(at.beta);
  const bool bias = c.has_input(2) && at.beta != 0;
  const Extents e = bias ? c.input(2).extents : Extents{};
  const int64_t row = e.rank() == 2 && e[0] != 1 ? e[1] : 0, column = e.rank() >= 1 && e.back() != 1 ? 1 : 0;
  for (int64_t i = 0; i < m; ++i) {
    for (int64_t j = 0; j < n; ++j) {
      T& out = y[i * n + j];
      out = alpha * out + (bias ? beta * c.input(2).as<T>()[i * row + j * column] : T{});
    }
  }
}

void run(RunContext& c) {
  if (widened(c, run)) return;
  const auto& at = c.attrs<GemmAttrs>();
  const Operand a = operand(c.input(0).extents, at.trans_a), b = operand(c.input(1).extents, at.trans_b);
  if (a.rows == 0 || b.columns == 0) return;
  switch (c.input(0).dtype) {
    case DType::kF32: return run_float(c, a, b);
    case DType::kF64: return run_plain<double>(c, a, b);
    case DType::kI32:
    case DType::kU32: return run_plain<uint32_t>(c, a, b);
    default: return run_plain<uint64_t>(c, a, b);
  }
}

const Op kFamily[] = {
    {.domain = "",
     .name = "Gemm",
     .inputs = {2, 3},
     .outputs = {1, 1},
     .parse = Attrs::parse<GemmAttrs>,
     .infer = infer,
     .run = run,
     .accuracy = Accuracy::kAccumulated,
     .upgrade = upgrade},
    {.domain = kMicrosoft,
     .name = "FusedGemm",
     .inputs = {2, 3},
     .outputs = {1, 1},
     .parse = Attrs::parse<GemmAttrs>,
     .infer = infer,
     .run = run,
     .accuracy = Accuracy::kAccumulated},
};

}  // namespace

std::span<const Op> gemm_family() { return kFamily; }

}  // namespace sdx::ops
