// The activations that kernels apply to their results, as rules find and name them.
#pragma once

#include <cmath>
#include <string>

#include "rewrite/pattern.h"

namespace sdx::rewrite {

/// An activation of what `operand` matches, bound to "activation".
inline Pattern activation_of(Pattern operand) {
  return op("Relu|Gelu|Sigmoid|Tanh|Swish", {std::move(operand)}, "activation");
}

/// The name that ops/kernel_activation.h has for what activation_of() has found; "" where it has none.
inline std::string fused_activation(const Match& m) {
  const std::string name(m.node("activation").op->name);
  if (name == "Gelu") return m.attr<std::string>("activation", "approximate", "none") == "tanh" ? "GeluTanh" : "Gelu";
  if (name != "Swish") return name;
  constexpr float kQuickGelu = 1.702f;
  const float alpha = m.attr<float>("activation", "alpha", 1.0f);
  return alpha == 1.0f ? "Silu" : std::abs(alpha - kQuickGelu) < 1e-6f ? "QuickGelu" : "";
}

}  // namespace sdx::rewrite
