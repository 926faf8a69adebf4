// Activation functions of one argument.
#include "ops/dispatch.h"
#include "ops/unary_op.h"

namespace sdx::ops {
namespace {

using kernels::UnaryOp;

/// An attribute alpha whose default is a parameter, in thousandths: clang 14 takes no floats there.
template <int kThousandths>
struct AlphaAttrs {
  float alpha = kThousandths / 1000.0f;
  bool operator==(const AlphaAttrs&) const = default;
  static constexpr auto fields() { return std::tuple{field("alpha", &AlphaAttrs::alpha)}; }
};
using EluAttrs = AlphaAttrs<1000>;
using LeakyAttrs = AlphaAttrs<10>;
using QuickGeluAttrs = AlphaAttrs<1702>;

struct SeluAttrs {
  float alpha = 1.67326319217681884765625f;
  float gamma = 1.05070102214813232421875f;
  bool operator==(const SeluAttrs&) const = default;
  static constexpr auto fields() {
    return std::tuple{field("alpha", &SeluAttrs::alpha), field("gamma", &SeluAttrs::gamma)};
  }
};

struct HardSigmoidAttrs {
  float alpha = 0.2f;
  float beta = 0.5f;
  bool operator==(const HardSigmoidAttrs&) const = default;
  static constexpr auto fields() {
    return std::tuple{field("alpha", &HardSigmoidAttrs::alpha), field("beta", &HardSigmoidAttrs::beta)};
  }
};

struct ShrinkAttrs {
  float lambda = 0.5f;
  float bias = 0;
  bool operator==(const ShrinkAttrs&) const = default;
  static constexpr auto fields() {
    return std::tuple{field("lambd", &ShrinkAttrs::lambda), field("bias", &ShrinkAttrs::bias)};
  }
};

template <class S, UnaryOp kOp>
void run_alpha(RunContext& c) {
  run_unary(c, kOp, {c.attrs<S>().alpha, 0});
}

void run_selu(RunContext& c) {
  const auto& a = c.attrs<SeluAttrs>();
  run_unary(c, UnaryOp::kSelu, {a.alpha, a.gamma});
}

void run_hard_sigmoid(RunContext& c) {
  const auto& a = c.attrs<HardSigmoidAttrs>();
  run_unary(c, UnaryOp::kHardSigmoid, {a.alpha, a.beta});
}

/// Integers are shrunk in double precision and truncated, as the reference implementation of the standard does.
bool shrink_integers(RunContext& c, double lambda, double bias) {
  const ConstView x = c.input(0);
  return with_integer(x.dtype, [&](auto* tag) {
    using T = Pointee<decltype(tag)>;
    c.parallel().run(x.count(), grain_for(2), [&](int64_t begin, int64_t end, int) {
      for (int64_t i = begin; i < end; ++i) {
        const auto value = static_cast<double>(x.as<T>()[i]);
        const double shrunk = value < -lambda ? value + bias : value > lambda ? value - bias : 0;
        c.output(0).as<T>()[i] = static_cast<T>(static_cast<int64_t>(shrunk));
      }
    });
  });
}

void run_shrink(RunContext& c) {
  const auto& a = c.attrs<ShrinkAttrs>();
  if (shrink_integers(c, a.lambda, a.bias)) return;
  run_unary(c, UnaryOp::kShrink, {a.lambda, a.bias});
}

void infer_relu(InferContext& c) {
  c.require_dtype(0, kNumbers);
  infer_same_as_input(c);
}

constexpr Op function(std::string_view name, void (*run)(RunContext&), int since = 1) {
  return unary(name, infer_float_unary, run, since);
}

template <class S>
constexpr Op function(std::string_view name, void (*run)(RunContext&), int since = 1) {
  Op op = function(name, run, since);
  op.parse = Attrs::parse<S>;
  return op;
}

constexpr Op in_domain(std::string_view domain, Op op) {
  op.domain = domain;
  return op;
}

constexpr Op on_numbers(Op op) {
  op.infer = infer_relu;
  return op;
}

const Op kFamily[] = {
    on_numbers(function("Relu", run_unary<UnaryOp::kRelu>)),
    function("Sigmoid", run_unary<UnaryOp::kSigmoid>),
    function("Tanh", run_unary<UnaryOp::kTanh>),
    function("Softplus", run_unary<UnaryOp::kSoftplus>),
    function("Softsign", run_unary<UnaryOp::kSoftsign>),
    function("Mish", run_unary<UnaryOp::kMish>, 18),
    function("HardSwish", run_unary<UnaryOp::kHardSwish>, 14),
    function<LeakyAttrs>("LeakyRelu", run_alpha<LeakyAttrs, UnaryOp::kLeakyRelu>),
    function<EluAttrs>("Elu", run_alpha<EluAttrs, UnaryOp::kElu>),
    function<EluAttrs>("Celu", run_alpha<EluAttrs, UnaryOp::kCelu>, 12),
    function<EluAttrs>("ThresholdedRelu", run_alpha<EluAttrs, UnaryOp::kThresholdedRelu>, 10),
    function<EluAttrs>("Swish", run_alpha<EluAttrs, UnaryOp::kSwish>, 24),
    function<SeluAttrs>("Selu", run_selu),
    function<HardSigmoidAttrs>("HardSigmoid", run_hard_sigmoid),
    on_numbers(function<ShrinkAttrs>("Shrink", run_shrink, 9)),
    in_domain(kOwnDomain, function("Silu", run_unary<UnaryOp::kSilu>)),
    in_domain(kMicrosoft, function<QuickGeluAttrs>("QuickGelu", run_alpha<QuickGeluAttrs, UnaryOp::kSwish>)),
};

}  // namespace

std::span<const Op> activation_family() { return kFamily; }

}  // namespace sdx::ops
