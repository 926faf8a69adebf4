// Elementary functions of one argument, rounding, signs, and tests for NaN and infinity.
#include "ops/dispatch.h"
#include "ops/unary_op.h"

namespace sdx::ops {

using kernels::UnaryOp;

int64_t unary_cost(UnaryOp op) {
  switch (op) {
    case UnaryOp::kAbs:
    case UnaryOp::kNeg:
    case UnaryOp::kSign:
    case UnaryOp::kFloor:
    case UnaryOp::kCeil:
    case UnaryOp::kRound:
    case UnaryOp::kSquare:
    case UnaryOp::kRelu:
    case UnaryOp::kClip:
    case UnaryOp::kBitwiseNot:
    case UnaryOp::kNot:
    case UnaryOp::kLeakyRelu:
    case UnaryOp::kThresholdedRelu:
    case UnaryOp::kHardSigmoid:
    case UnaryOp::kHardSwish:
    case UnaryOp::kShrink: return 1;
    case UnaryOp::kReciprocal:
    case UnaryOp::kSqrt:
    case UnaryOp::kRsqrt:
    case UnaryOp::kSoftsign: return 4;
    default: return 16;
  }
}

void run_unary(RunContext& c, UnaryOp op, kernels::UnaryParams params) {
  const ConstView x = c.input(0);
  const View& y = c.output(0);
  auto run = [&](auto* tag) {
    using T = Pointee<decltype(tag)>;
    c.parallel().run(y.count(), grain_for(unary_cost(op)), [&](int64_t begin, int64_t end, int) {
      kernels::unary(op, params, x.as<T>() + begin, y.as<T>() + begin, end - begin);
    });
  };
  if (!with_number(y.dtype, run)) run(static_cast<bool*>(nullptr));
}

void infer_float_unary(InferContext& c) {
  c.require_dtype(0, kFloats);
  infer_same_as_input(c);
}

namespace {

struct InfAttrs {
  bool negative = true;
  bool positive = true;
  bool operator==(const InfAttrs&) const = default;
  static constexpr auto fields() {
    return std::tuple{field("detect_negative", &InfAttrs::negative), field("detect_positive", &InfAttrs::positive)};
  }
};

std::optional<Dim> absolute(const Dim& d) { return d.non_negative() ? d : max(d, Dim(0) - d); }
std::optional<Dim> opposite(const Dim& d) { return Dim(0) - d; }
std::optional<Dim> logical_not(const Dim& d) { return Dim(1) - d; }
std::optional<Dim> sign(const Dim& d) {
  if (less(Dim(0), d) == true) return 1;
  if (less(d, Dim(0)) == true) return -1;
  return d.is(0) ? std::optional<Dim>(0) : std::nullopt;
}

template <std::optional<Dim> (*kElement)(const Dim&)>
void infer_number(InferContext& c) {
  c.require_dtype(0, kNumbers);
  c.set(0, mapped_fact(c, c.input(0).dtype, kElement));
}

void infer_signed(InferContext& c) {
  c.require_dtype(
      0, {DType::kF32, DType::kF64, DType::kF16, DType::kBF16, DType::kI8, DType::kI16, DType::kI32, DType::kI64});
  c.set(0, mapped_fact(c, c.input(0).dtype, opposite));
}

void infer_integer(InferContext& c) {
  c.require_dtype(0, kIntegers);
  infer_same_as_input(c);
}

void infer_not(InferContext& c) {
  c.require_dtype(0, {DType::kBool});
  c.set(0, mapped_fact(c, DType::kBool, logical_not));
}

void infer_test(InferContext& c) {
  c.require_dtype(0, kFloats);
  c.set(0, DType::kBool, c.input(0).shape);
}

template <bool kInfinity>
void run_test(RunContext& c) {
  const ConstView x = c.input(0);
  bool* y = c.output(0).as<bool>();
  with_float(x.dtype, [&](auto* tag) {
    using T = Pointee<decltype(tag)>;
    c.parallel().run(x.count(), grain_for(1), [&](int64_t begin, int64_t end, int) {
      if constexpr (kInfinity) {
        const auto& a = c.attrs<InfAttrs>();
        kernels::is_inf(a.positive, a.negative, x.as<T>() + begin, y + begin, end - begin);
      } else {
        kernels::is_nan(x.as<T>() + begin, y + begin, end - begin);
      }
    });
  });
}

constexpr Op function(std::string_view name, void (*run)(RunContext&), int since = 1) {
  return unary(name, infer_float_unary, run, since);
}

constexpr Op exact(Op op) {
  op.accuracy = Accuracy::kExact;
  return op;
}

constexpr Op test(std::string_view name, void (*run)(RunContext&), Attrs (*parse)(const ir::AttrMap&), int since) {
  Op op = exact(unary(name, infer_test, run, since));
  op.traits.in_place = 0;
  op.parse = parse;
  return op;
}

const Op kFamily[] = {
    exact(unary("Abs", infer_number<absolute>, run_unary<UnaryOp::kAbs>)),
    exact(unary("Neg", infer_signed, run_unary<UnaryOp::kNeg>)),
    exact(unary("Sign", infer_number<sign>, run_unary<UnaryOp::kSign>, 9)),
    exact(unary("BitwiseNot", infer_integer, run_unary<UnaryOp::kBitwiseNot>, 18)),
    exact(unary("Not", infer_not, run_unary<UnaryOp::kNot>)),
    exact(function("Floor", run_unary<UnaryOp::kFloor>)),
    exact(function("Ceil", run_unary<UnaryOp::kCeil>)),
    exact(function("Round", run_unary<UnaryOp::kRound>, 11)),
    function("Sqrt", run_unary<UnaryOp::kSqrt>),
    function("Reciprocal", run_unary<UnaryOp::kReciprocal>),
    function("Exp", run_unary<UnaryOp::kExp>),
    function("Log", run_unary<UnaryOp::kLog>),
    function("Erf", run_unary<UnaryOp::kErf>, 9),
    function("Sin", run_unary<UnaryOp::kSin>, 7),
    function("Cos", run_unary<UnaryOp::kCos>, 7),
    function("Tan", run_unary<UnaryOp::kTan>, 7),
    function("Asin", run_unary<UnaryOp::kAsin>, 7),
    function("Acos", run_unary<UnaryOp::kAcos>, 7),
    function("Atan", run_unary<UnaryOp::kAtan>, 7),
    function("Sinh", run_unary<UnaryOp::kSinh>, 9),
    function("Cosh", run_unary<UnaryOp::kCosh>, 9),
    function("Asinh", run_unary<UnaryOp::kAsinh>, 9),
    function("Acosh", run_unary<UnaryOp::kAcosh>, 9),
    function("Atanh", run_unary<UnaryOp::kAtanh>, 9),
    test("IsNaN", run_test<false>, Attrs::parse<NoAttrs>, 9),
    test("IsInf", run_test<true>, Attrs::parse<InfAttrs>, 10),
};

}  // namespace

std::span<const Op> unary_family() { return kFamily; }

}  // namespace sdx::ops
