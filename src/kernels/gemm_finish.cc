// Gemm epilogue: from finished accumulators to C, with scale, biases, activation and residual.
#include "kernels/gemm_tiles.h"

#include <limits>

#include "hwy/foreach_target.h"
#include "hwy/highway.h"
#include "kernels/activation-inl.h"
#include "kernels/partial-inl.h"

HWY_BEFORE_NAMESPACE();
namespace sdx::kernels::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// One row of a block, from its first column; absent terms are null.
struct Row {
  const float* acc;
  const float* column_bias;
  const float* addend;
  const float* residual;
  float* c;
  const float* row_bias;  // of this row
  bool activates_last;

  Row(const Gemm& gemm, const FinishArgs& block) {
    const Epilogue& e = gemm.epilogue;
    const auto offset = [](const float* base, int64_t by) { return base == nullptr ? nullptr : base + by; };
    acc = block.acc;
    column_bias = offset(e.column_bias, block.column);
    addend = offset(e.addend, block.row * e.addend_stride + block.column);
    residual = offset(e.residual, block.row * e.residual_stride + block.column);
    c = gemm.c + block.row * gemm.c_stride + block.column;
    row_bias = offset(e.row_bias, block.row);
    activates_last = e.activates_last;
  }
  explicit Row(const FinishRow& row)
      : acc(row.acc),
        column_bias(row.column_bias),
        addend(nullptr),
        residual(row.residual),
        c(row.c),
        row_bias(nullptr),
        activates_last(false) {}
  HWY_INLINE void next(const Gemm& gemm, const FinishArgs& block) {
    acc += block.acc_stride;
    if (addend != nullptr) addend += gemm.epilogue.addend_stride;
    if (residual != nullptr) residual += gemm.epilogue.residual_stride;
    c += gemm.c_stride;
    if (row_bias != nullptr) ++row_bias;
  }
  HWY_INLINE VF bias() const { return constant(row_bias == nullptr ? 0.0f : *row_bias); }
};

// The vector from column j on; of its first `count` columns alone.
struct WholeVector {
  int64_t j;
  HWY_INLINE VF operator()(const float* row) const { return hn::LoadU(F32(), row + j); }
};
struct PartOfVector {
  int64_t j;
  size_t count;
  HWY_INLINE VF operator()(const float* row) const { return load_partial(F32(), row + j, count); }
};

// kPlain: no column bias, addend or residual.
template <Activation kActivation, bool kPlain, class Load>
HWY_INLINE VF finish_vector(const Row& row, VF row_bias, const Load& load, VF alpha, VF addend_scale) {
  VF x = hn::MulAdd(load(row.acc), alpha, row_bias);
  if constexpr (kPlain) return activate<kActivation>(x);
  if (row.addend) x = hn::MulAdd(load(row.addend), addend_scale, x);
  if (row.column_bias) x = hn::Add(x, load(row.column_bias));
  if (row.residual && row.activates_last) return activate<kActivation>(hn::Add(x, load(row.residual)));
  x = activate<kActivation>(x);
  if (row.residual) x = hn::Add(x, load(row.residual));
  return x;
}

// Tails come last: no call stands between rows, and what activations need stays in registers.
template <Activation kActivation, bool kPlain>
void finish_rows(const Gemm& gemm, const FinishArgs& block) {
  const F32 d;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(d));
  const VF alpha = constant(gemm.epilogue.alpha);
  const VF addend_scale = constant(gemm.epilogue.addend_scale);
  const int64_t whole = block.columns / lanes * lanes;
  Row row(gemm, block);
  for (int64_t i = 0; i < block.rows; ++i, row.next(gemm, block)) {
    const VF row_bias = row.bias();
    for (int64_t j = 0; j < whole; j += lanes)
      hn::StoreU(finish_vector<kActivation, kPlain>(row, row_bias, WholeVector{j}, alpha, addend_scale), d, row.c + j);
  }
  if (whole == block.columns) return;
  row = Row(gemm, block);
  const PartOfVector rest = {whole, static_cast<size_t>(block.columns - whole)};
  for (int64_t i = 0; i < block.rows; ++i, row.next(gemm, block)) {
    store_partial(finish_vector<kActivation, kPlain>(row, row.bias(), rest, alpha, addend_scale), d, row.c + whole,
                  rest.count);
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
  with_activation(gemm.epilogue.activation, [&](auto of) { finish_block<of>(gemm, block); });
}

template <Activation kActivation>
void finish_row(const FinishRow& args, int64_t columns) {
  const F32 d;
  const Row row(args);
  const VF alpha = constant(args.alpha), none = hn::Zero(d);
  for (int64_t j = 0; j < columns; j += static_cast<int64_t>(hn::Lanes(d)))
    hn::StoreU(finish_vector<kActivation, false>(row, none, WholeVector{j}, alpha, none), d, row.c + j);
}

void find_row_finisher(Activation activation, RowFinisher& found) {
  with_activation(activation, [&](auto of) { found = finish_row<of>; });
}

}  // namespace sdx::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace sdx::kernels {
namespace {
HWY_EXPORT(finish);
HWY_EXPORT(find_row_finisher);
}  // namespace
RowFinisher row_finisher(Activation activation) {
  RowFinisher found = nullptr;
  HWY_DYNAMIC_DISPATCH(find_row_finisher)(activation, found);
  return found;
}
bool gemm_stores(const Gemm& gemm) {
  // Rows that lie a multiple of a page apart share the places of a cache, and look to loads like what they wait for.
  constexpr int64_t kPage = 1024;
  const Epilogue& e = gemm.epilogue;
  const bool simple = e.activation == Activation::kNone || e.activation == Activation::kRelu;
  return simple && e.alpha == 1 && e.addend == nullptr && e.column_bias == nullptr && gemm.c_stride % kPage != 0;
}

TileStore gemm_store(const Gemm& gemm, int64_t row, int64_t column) {
  const Epilogue& e = gemm.epilogue;
  const auto offset = [](const float* base, int64_t by) { return base == nullptr ? nullptr : base + by; };
  return {gemm.c + row * gemm.c_stride + column,
          gemm.c_stride,
          offset(e.row_bias, row),
          e.activation == Activation::kRelu ? 0 : -std::numeric_limits<float>::infinity(),
          offset(e.residual, row * e.residual_stride + column),
          e.residual_stride,
          e.activates_last};
}

void gemm_finish(const Gemm& gemm, const FinishArgs& block) { HWY_DYNAMIC_DISPATCH(finish)(gemm, block); }
}  // namespace sdx::kernels
#endif
