// Gemm epilogue: from finished accumulators to C, with scale, biases, activation and residual.
#include <cstring>

#include "kernels/gemm_tiles.h"

#include "hwy/foreach_target.h"
#include "hwy/highway.h"
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

// Pointers to the terms of one element; absent terms are null.
struct Terms {
  const float* acc;
  const float* column_bias;
  const float* addend;
  const float* residual;
};

template <Activation kActivation>
HWY_INLINE VF finish_vector(const Terms& at, const Epilogue& epilogue, VF row_bias) {
  const F32 d;
  VF x = hn::MulAdd(hn::LoadU(d, at.acc), hn::Set(d, epilogue.alpha), row_bias);
  if (at.addend) x = hn::MulAdd(hn::LoadU(d, at.addend), hn::Set(d, epilogue.addend_scale), x);
  if (at.column_bias) x = hn::Add(x, hn::LoadU(d, at.column_bias));
  x = activate<kActivation>(x);
  if (at.residual) x = hn::Add(x, hn::LoadU(d, at.residual));
  return x;
}

template <Activation kActivation>
void finish_tail(const Terms& at, int64_t count, const Epilogue& epilogue, float row_bias, float* c) {
  const F32 d;
  constexpr size_t kLanes = HWY_MAX_BYTES / sizeof(float);
  float buffer[3][kLanes] = {};
  Terms padded = at;
  const auto pad = [&](const float* from, float* to) -> const float* {
    if (from == nullptr) return nullptr;
    std::memcpy(to, from, static_cast<size_t>(count) * sizeof(float));
    return to;
  };
  padded.column_bias = pad(at.column_bias, buffer[0]);
  padded.addend = pad(at.addend, buffer[1]);
  padded.residual = pad(at.residual, buffer[2]);
  float out[kLanes];
  hn::StoreU(finish_vector<kActivation>(padded, epilogue, hn::Set(d, row_bias)), d, out);
  std::memcpy(c, out, static_cast<size_t>(count) * sizeof(float));
}

template <Activation kActivation>
void finish_block(const Gemm& gemm, const FinishArgs& block) {
  const F32 d;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(d));
  const Epilogue& epilogue = gemm.epilogue;
  const auto offset = [](const float* base, int64_t by) { return base == nullptr ? nullptr : base + by; };
  for (int64_t i = 0; i < block.rows; ++i) {
    const int64_t row = block.row + i;
    float* c = gemm.c + row * gemm.c_stride + block.column;
    const float row_bias = epilogue.row_bias == nullptr ? 0.0f : epilogue.row_bias[row];
    Terms at = {block.acc + i * block.acc_stride, offset(epilogue.column_bias, block.column),
                offset(epilogue.addend, row * epilogue.addend_stride + block.column),
                offset(epilogue.residual, row * epilogue.residual_stride + block.column)};
    int64_t j = 0;
    for (; j + lanes <= block.columns; j += lanes) {
      hn::StoreU(finish_vector<kActivation>(at, epilogue, hn::Set(d, row_bias)), d, c + j);
      at = {at.acc + lanes, offset(at.column_bias, lanes), offset(at.addend, lanes), offset(at.residual, lanes)};
    }
    if (j < block.columns) finish_tail<kActivation>(at, block.columns - j, epilogue, row_bias, c + j);
  }
}

void finish(const Gemm& gemm, const FinishArgs& block) {
  switch (gemm.epilogue.activation) {
    case Activation::kNone: return finish_block<Activation::kNone>(gemm, block);
    case Activation::kRelu: return finish_block<Activation::kRelu>(gemm, block);
    case Activation::kGeluErf: return finish_block<Activation::kGeluErf>(gemm, block);
    case Activation::kGeluTanh: return finish_block<Activation::kGeluTanh>(gemm, block);
    case Activation::kSilu: return finish_block<Activation::kSilu>(gemm, block);
    case Activation::kSigmoid: return finish_block<Activation::kSigmoid>(gemm, block);
    case Activation::kTanh: return finish_block<Activation::kTanh>(gemm, block);
    case Activation::kQuickGelu: return finish_block<Activation::kQuickGelu>(gemm, block);
  }
}

}  // namespace sdx::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace sdx::kernels {
namespace {
HWY_EXPORT(finish);
}
void gemm_finish(const Gemm& gemm, const FinishArgs& block) { HWY_DYNAMIC_DISPATCH(finish)(gemm, block); }
}  // namespace sdx::kernels
#endif
