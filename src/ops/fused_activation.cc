// FusedActivation: names, defaults and formulas (ONNX operator RNN).
#include "ops/fused_activation.h"

#include <algorithm>
#include <cmath>
#include <string>

#include "base/error.h"
#include "kernels/unary.h"

namespace sdx::ops {
namespace {

struct Row {
  std::string_view name;
  ActivationName activation;
  float alpha, beta;  ///< defaults
};

constexpr Row kRows[] = {
    {"affine", ActivationName::kAffine, 1, 0},
    {"clip", ActivationName::kClip, -std::numeric_limits<float>::infinity(), std::numeric_limits<float>::infinity()},
    {"elu", ActivationName::kElu, 1, 0},
    {"hardsigmoid", ActivationName::kHardSigmoid, 0.2f, 0.5f},
    {"leakyrelu", ActivationName::kLeakyRelu, 0.01f, 0},
    {"relu", ActivationName::kRelu, 0, 0},
    {"scaledtanh", ActivationName::kScaledTanh, 1, 1},
    {"sigmoid", ActivationName::kSigmoid, 0, 0},
    {"softplus", ActivationName::kSoftplus, 0, 0},
    {"softsign", ActivationName::kSoftsign, 0, 0},
    {"tanh", ActivationName::kTanh, 0, 0},
    {"thresholdedrelu", ActivationName::kThresholdedRelu, 1, 0},
};

}  // namespace

FusedActivation fused_activation(std::string_view name, const ActivationParameters& given) {
  std::string lower(name);
  std::ranges::transform(lower, lower.begin(),
                         [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
  for (const Row& row : kRows) {
    if (row.name == lower) return {row.activation, given.alpha.value_or(row.alpha), given.beta.value_or(row.beta)};
  }
  fail(ErrorKind::kUnsupportedModel, "activation '", name, "' is not known; it must be one of those of operator RNN");
}

float FusedActivation::operator()(float x) const {
  switch (name) {
    case ActivationName::kAffine: return alpha * x + beta;
    case ActivationName::kClip: return std::min(std::max(x, alpha), beta);
    case ActivationName::kElu: return x >= 0 ? x : alpha * std::expm1(x);
    case ActivationName::kHardSigmoid: return std::min(std::max(alpha * x + beta, 0.0f), 1.0f);
    case ActivationName::kLeakyRelu: return x >= 0 ? x : alpha * x;
    case ActivationName::kRelu: return std::max(x, 0.0f);
    case ActivationName::kScaledTanh: return alpha * std::tanh(beta * x);
    case ActivationName::kSigmoid: return 1 / (1 + std::exp(-x));
    case ActivationName::kSoftplus: return std::max(x, 0.0f) + std::log1p(std::exp(-std::abs(x)));
    case ActivationName::kSoftsign: return x / (1 + std::abs(x));
    case ActivationName::kTanh: return std::tanh(x);
    case ActivationName::kThresholdedRelu: return x > alpha ? x : 0;
  }
  return x;
}

namespace {

/// The kernel of an activation, where it has one.
std::optional<kernels::UnaryOp> kernel_of(ActivationName name) {
  using enum kernels::UnaryOp;
  switch (name) {
    case ActivationName::kElu: return kElu;
    case ActivationName::kHardSigmoid: return kHardSigmoid;
    case ActivationName::kLeakyRelu: return kLeakyRelu;
    case ActivationName::kRelu: return kRelu;
    case ActivationName::kSigmoid: return kSigmoid;
    case ActivationName::kSoftplus: return kSoftplus;
    case ActivationName::kSoftsign: return kSoftsign;
    case ActivationName::kTanh: return kTanh;
    case ActivationName::kAffine:
    case ActivationName::kClip:
    case ActivationName::kScaledTanh:
    case ActivationName::kThresholdedRelu: break;
  }
  return std::nullopt;
}

}  // namespace

void apply(const FusedActivation& activation, float* y, int64_t count) {
  if (const auto op = kernel_of(activation.name)) {
    kernels::unary<float>(*op, {activation.alpha, activation.beta}, y, y, count);
  } else {
    std::transform(y, y + count, y, activation);
  }
}

void apply(const FusedActivation& activation, const Parallel& parallel, float* y, int64_t count) {
  parallel.run(count, 4096, [&](int64_t begin, int64_t end, int) { apply(activation, y + begin, end - begin); });
}

}  // namespace sdx::ops
