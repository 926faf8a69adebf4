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

/// Halves of the last axis: the left one times Gelu of the right one, after a bias was added to both.
void infer_split(InferContext& c) {
  infer_bias(c);
  Shape shape = c.input(0).shape;
  if (shape.has_rank()) {
    Dim& width = shape[shape.rank() - 1];
    c.require_equal(floor_mod(width, 2), 0, "the last axis modulo 2 and 0");
    width = floor_div(width, 2);
  }
  c.set(0, c.input(0).dtype, std::move(shape));
}

template <class T>
void split_rows(RunContext& c) {
  const T *x = c.input(0).as<T>(), *bias = c.input(1).as<T>();
  T* y = c.output(0).as<T>();
  const int64_t width = c.output(0).extents.back();
  const int64_t rows = width == 0 ? 0 : c.output(0).count() / width;
  auto* work = c.scratch<T>(width * c.parallel().threads());
  c.parallel().run(rows, grain_for(20 * width), [&](int64_t begin, int64_t end, int worker) {
    T* gate = work + worker * width;
    for (int64_t row = begin; row < end; ++row) {
      const T* left = x + row * 2 * width;
      kernels::binary(BinaryOp::kAdd, left + width, 1, bias + width, 1, gate, width);
      kernels::unary(UnaryOp::kGelu, {}, gate, gate, width);
      kernels::binary(BinaryOp::kAdd, left, 1, bias, 1, y + row * width, width);
      kernels::binary<T>(BinaryOp::kMul, y + row * width, 1, gate, 1, y + row * width, width);
    }
  });
}

void run_split(RunContext& c) {
  if (widened(c, run_split)) return;
  if (c.output(0).dtype == DType::kF64) return split_rows<double>(c);
  split_rows<float>(c);
}

constexpr Op gelu(std::string_view domain, std::string_view name, int least, int most, void (*run)(RunContext&)) {
  Op op = unary(name, infer_bias, run);
  op.domain = domain;
  op.inputs = {least, most};
  op.traits = {.row_local = true, .in_place = 1};
  return op;
}

constexpr Op split_gelu() {
  Op op = gelu(kMicrosoft, "BiasSplitGelu", 2, 2, run_split);
  op.infer = infer_split;
  op.traits = {};
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
    split_gelu(),
};

}  // namespace

std::span<const Op> gelu_family() { return kFamily; }

}  // namespace sdx::ops
