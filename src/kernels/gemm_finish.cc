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

// One row of a block, from its first column; absent terms are null.
struct Row {
  const float* acc;
  const float* column_bias;
  const float* addend;
  const float* residual;
  VF row_bias;
};

// kPlain: no column bias, addend or residual.
template <Activation kActivation, bool kPlain>
HWY_INLINE VF finish_vector(const Row& row, int64_t j, VF alpha, VF addend_scale) {
  const F32 d;
  VF x = hn::MulAdd(hn::LoadU(d, row.acc + j), alpha, row.row_bias);
  if constexpr (kPlain) return activate<kActivation>(x);
  if (row.addend) x = hn::MulAdd(hn::LoadU(d, row.addend + j), addend_scale, x);
  if (row.column_bias) x = hn::Add(x, hn::LoadU(d, row.column_bias + j));
  x = activate<kActivation>(x);
  if (row.residual) x = hn::Add(x, hn::LoadU(d, row.residual + j));
  return x;
}

// The last `count` columns from column j on, fewer than a vector, through copies: nothing beyond them is touched.
template <Activation kActivation>
void finish_tail(const Row& row, int64_t j, int64_t count, const Epilogue& epilogue, float* c) {
  const F32 d;
  constexpr size_t kLanes = HWY_MAX_BYTES / sizeof(float);
  float buffer[4][kLanes] = {};
  const auto copy = [&](const float* from, float* to) -> const float* {
    if (from == nullptr) return nullptr;
    std::memcpy(to, from + j, static_cast<size_t>(count) * sizeof(float));
    return to;
  };
  const Row padded = {copy(row.acc, buffer[0]), copy(row.column_bias, buffer[1]), copy(row.addend, buffer[2]),
                      copy(row.residual, buffer[3]), row.row_bias};
  float out[kLanes];
  hn::StoreU(finish_vector<kActivation, false>(padded, 0, constant(epilogue.alpha), constant(epilogue.addend_scale)), d,
             out);
  std::memcpy(c + j, out, static_cast<size_t>(count) * sizeof(float));
}

template <Activation kActivation, bool kPlain>
void finish_rows(const Gemm& gemm, const FinishArgs& block) {
  const F32 d;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(d));
  const Epilogue& epilogue = gemm.epilogue;
  const VF alpha = constant(epilogue.alpha);
  const VF addend_scale = constant(epilogue.addend_scale);
  const auto offset = [](const float* base, int64_t by) { return base == nullptr ? nullptr : base + by; };
  for (int64_t i = 0; i < block.rows; ++i) {
    const int64_t at = block.row + i;
    float* c = gemm.c + at * gemm.c_stride + block.column;
    const Row row = {block.acc + i * block.acc_stride, offset(epilogue.column_bias, block.column),
                     offset(epilogue.addend, at * epilogue.addend_stride + block.column),
                     offset(epilogue.residual, at * epilogue.residual_stride + block.column),
                     constant(epilogue.row_bias == nullptr ? 0.0f : epilogue.row_bias[at])};
    int64_t j = 0;
    for (; j + lanes <= block.columns; j += lanes) {
      hn::StoreU(finish_vector<kActivation, kPlain>(row, j, alpha, addend_scale), d, c + j);
    }
    if (j < block.columns) finish_tail<kActivation>(row, j, block.columns - j, epilogue, c);
  }
}

template <Activation kActivation>
void finish_block(const Gemm& gemm, const FinishArgs& block) {
  const Epilogue& epilogue = gemm.epilogue;
  if (epilogue.column_bias == nullptr && epilogue.addend == nullptr && epilogue.residual == nullptr) {
    finish_rows<kActivation, true>(gemm, block);
  } else {
    finish_rows<kActivation, false>(gemm, block);
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
