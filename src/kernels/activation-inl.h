// The activations that products and norms apply as they store.
#if defined(SDX_KERNELS_ACTIVATION_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef SDX_KERNELS_ACTIVATION_INL_H_
#undef SDX_KERNELS_ACTIVATION_INL_H_
#else
#define SDX_KERNELS_ACTIVATION_INL_H_
#endif

#include <type_traits>

#include "kernels/gemm.h"
#include "kernels/math-inl.h"

HWY_BEFORE_NAMESPACE();
namespace sdx::kernels::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

template <Activation kActivation>
HWY_INLINE VF activate(VF x) {
  switch (kActivation) {
    case Activation::kNone: return x;
    case Activation::kRelu: return hn::Max(hn::Zero(F32()), x);  // x86 returns the second operand for NaN
    case Activation::kGeluErf: return gelu(x);
    case Activation::kGeluTanh: return gelu_tanh(x);
    case Activation::kSilu: return silu(x, constant(1.0f));
    case Activation::kSigmoid: return sigmoid(x);
    case Activation::kTanh: return tanh(x);
    case Activation::kQuickGelu: return silu(x, constant(1.702f));
  }
}

/// Calls f with the activation as a constant.
template <class F>
HWY_INLINE void with_activation(Activation activation, const F& f) {
  switch (activation) {
    case Activation::kNone: return f(std::integral_constant<Activation, Activation::kNone>());
    case Activation::kRelu: return f(std::integral_constant<Activation, Activation::kRelu>());
    case Activation::kGeluErf: return f(std::integral_constant<Activation, Activation::kGeluErf>());
    case Activation::kGeluTanh: return f(std::integral_constant<Activation, Activation::kGeluTanh>());
    case Activation::kSilu: return f(std::integral_constant<Activation, Activation::kSilu>());
    case Activation::kSigmoid: return f(std::integral_constant<Activation, Activation::kSigmoid>());
    case Activation::kTanh: return f(std::integral_constant<Activation, Activation::kTanh>());
    case Activation::kQuickGelu: return f(std::integral_constant<Activation, Activation::kQuickGelu>());
  }
}

}  // namespace sdx::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
