// Gelu, exact and approximate, with and without a bias that is added first.
#include "kernels/binary.h"
#include "ops/dispatch.h"
#include "ops/unary_op.h"

namespace sdx::ops {
namespace {

using kernels::BinaryOp;
using kernels::UnaryOp;

struct GeluAttrs {
  std::string approximate = "none";
  bool operator==(const GeluAttrs&) const = default;
  static constexpr auto fields() { return std::tuple{field("approximate", &GeluAttrs::approximate)}; }
};

void infer_gelu(InferContext& c) {
  const std::string& approximate = c.attrs<GeluAttrs>().approximate;
  if (approximate != "none" && approximate != "tanh") {
    c.invalid("attribute 'approximate' is '", approximate, "' but must be none or tanh");
  }
  infer_float_unary(c);
}

/// A bias of one dimension, as long as the last axis.
void infer_bias(InferContext& c) {
  c.require_dtype(0, kFloats);
  if (c.has(1)) {
    c.require_same_dtype(0, 1);
    c.require_rank(0, 1);
    c.require_rank(1, 1, 1);
    const Shape &x = c.input(0).shape, &bias = c.input(1).shape;
    if (x.has_rank() && bias.has_rank()) {
      c.require_equal(x[x.rank() - 1], bias[0], "the size of the last axis and that of the bias");
    }
  }
  infer_same_as_input(c);
}

void run_gelu(RunContext& c) {
  run_unary(c, c.attrs<GeluAttrs>().approximate == "tanh" ? UnaryOp::kGeluTanh : UnaryOp::kGelu);
}

void add_bias(RunContext& c, UnaryOp op) {
  const ConstView x = c.input(0), bias = c.input(1);
  float* const y = c.output(0).as<float>();
  const int64_t width = bias.count();
  const int64_t rows = width == 0 ? 0 : x.count() / width;
  c.parallel().run(rows, grain_for(16 * width), [&](int64_t begin, int64_t end, int) {
    for (int64_t row = begin; row < end; ++row) {
      const int64_t at = row * width;
      kernels::binary(BinaryOp::kAdd, x.as<float>() + at, 1, bias.as<float>(), 1, y + at, width);
      kernels::unary_f32(op, {}, y + at, y + at, width);
    }
  });
}

void add_bias_double(RunContext& c, UnaryOp op) {
  const ConstView x = c.input(0), bias = c.input(1);
  double* const y = c.output(0).as<double>();
  c.parallel().run(x.count(), grain_for(16), [&](int64_t begin, int64_t end, int) {
    for (int64_t i = begin; i < end; ++i) y[i] = x.as<double>()[i] + bias.as<double>()[i % bias.count()];
    kernels::unary(op, {}, y + begin, y + begin, end - begin);
  });
}

template <UnaryOp kOp>
void run_biased(RunContext& c) {
  if (!c.has_input(1)) return run_unary(c, kOp);
  if (widened(c, run_biased<kOp>)) return;
  if (c.output(0).dtype == DType::kF64) return add_bias_double(c, kOp);
  add_bias(c, kOp);
}

constexpr Op gelu(std::string_view domain, std::string_view name, int least, int most, void (*run)(RunContext&)) {
  Op op = unary(name, infer_bias, run);
  op.domain = domain;
  op.inputs = {least, most};
  op.traits = {.row_local = true, .in_place = 1};
  return op;
}

constexpr Op standard_gelu() {
  Op op = unary("Gelu", infer_gelu, run_gelu, 20);
  op.parse = Attrs::parse<GeluAttrs>;
  return op;
}

constexpr Op contrib_gelu() {
  Op op = unary("Gelu", infer_float_unary, run_unary<UnaryOp::kGelu>);
  op.domain = kMicrosoft;
  return op;
}

const Op kFamily[] = {
    standard_gelu(),
    contrib_gelu(),
    gelu(kMicrosoft, "FastGelu", 1, 2, run_biased<UnaryOp::kGeluTanh>),
    gelu(kMicrosoft, "BiasGelu", 2, 2, run_biased<UnaryOp::kGelu>),
};

}  // namespace

std::span<const Op> gelu_family() { return kFamily; }

}  // namespace sdx::ops
