// kernel_activation: the names by which own operators call the activations that products apply as they store.
#pragma once

#include <string_view>

#include "base/error.h"
#include "kernels/gemm.h"

namespace sdx::ops {

/// "" (none), Relu, Gelu (with erf), GeluTanh, Silu, Sigmoid, Tanh or QuickGelu. Throws InvalidModel for others.
inline kernels::Activation kernel_activation(std::string_view name) {
  using kernels::Activation;
  constexpr struct {
    std::string_view name;
    Activation activation;
  } kRows[] = {{"", Activation::kNone},        {"Relu", Activation::kRelu},
               {"Gelu", Activation::kGeluErf}, {"GeluTanh", Activation::kGeluTanh},
               {"Silu", Activation::kSilu},    {"Sigmoid", Activation::kSigmoid},
               {"Tanh", Activation::kTanh},    {"QuickGelu", Activation::kQuickGelu}};
  for (const auto& row : kRows) {
    if (row.name == name) return row.activation;
  }
  fail(ErrorKind::kInvalidModel, "activation '", name, "' is not one that products apply");
}

}  // namespace sdx::ops
