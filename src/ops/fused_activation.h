// FusedActivation: the activations that other operators name in an attribute (FusedGemm, FusedConv, RNN, LSTM, GRU).
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "base/parallel.h"

namespace sdx::ops {

enum class ActivationName : uint8_t {
  kAffine,
  kClip,
  kElu,
  kHardSigmoid,
  kLeakyRelu,
  kRelu,
  kScaledTanh,
  kSigmoid,
  kSoftplus,
  kSoftsign,
  kTanh,
  kThresholdedRelu
};

/// An activation with its parameters, as ONNX's recurrent operators define them.
struct FusedActivation {
  ActivationName name;
  float alpha = 0, beta = 0;

  float operator()(float x) const;
};

/// The parameters that a model gives; absent ones take the activation's defaults.
struct ActivationParameters {
  std::optional<float> alpha, beta, gamma;
};

/// The activation of that name, case ignored. Throws UnsupportedModel where there is none.
FusedActivation fused_activation(std::string_view name, const ActivationParameters& given);

/// y = activation(y) for `count` elements.
void apply(const FusedActivation& activation, float* y, int64_t count);
void apply(const FusedActivation& activation, const Parallel& parallel, float* y, int64_t count);

}  // namespace sdx::ops
