// Attention tiles: masks, online softmax and the final division, queries in vector lanes.
#include "kernels/attention_tiles.h"

#include <cmath>

#include "hwy/foreach_target.h"
#include "hwy/highway.h"
#include "kernels/math-inl.h"
#include "kernels/pack-inl.h"

HWY_BEFORE_NAMESPACE();
namespace sdx::kernels::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

constexpr int kVectors = 2;

HWY_INLINE VF lowest() { return constant(-HUGE_VALF); }

// Lanes of -infinity where the key is hidden from the query.
HWY_INLINE VF hide(VF x, int64_t first_column, int64_t key, int64_t reach) {
  const VF column = hn::Iota(F32(), static_cast<float>(first_column));
  // Beyond the width of a panel every comparison has the same result, so the bound may be limited to exact floats.
  const int64_t bound = HWY_MIN(HWY_MAX(key - reach, int64_t{-1}), int64_t{1} << 20);
  return hn::IfThenElse(hn::Ge(column, constant(static_cast<float>(bound))), x, lowest());
}

void put_largest(const VF* largest, float* to) {
  const F32 d;
  for (int j = 0; j < kVectors; ++j) hn::StoreU(largest[j], d, to + j * static_cast<int64_t>(hn::Lanes(d)));
}

// Where scores are complete as they are.
void find_largest(const ScorePass& pass) {
  const F32 d;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(d));
  VF largest[kVectors] = {lowest(), lowest()};
  for (int64_t t = 0; t < pass.keys; ++t) {
    const float* row = pass.scores + t * kVectors * lanes;
    for (int j = 0; j < kVectors; ++j) largest[j] = hn::Max(largest[j], hn::LoadU(d, row + j * lanes));
  }
  put_largest(largest, pass.largest);
}

void score_pass(const ScorePass& pass) {
  const F32 d;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(d));
  const bool complete = pass.scale == 1.0f && !(pass.softcap > 0) && pass.key_term == nullptr &&
                        pass.tile_term == nullptr && !pass.causal;
  if (complete && pass.largest != nullptr) return find_largest(pass);
  const VF scale = constant(pass.scale);
  VF largest[kVectors] = {lowest(), lowest()};
  for (int64_t t = 0; t < pass.keys; ++t) {
    float* row = pass.scores + t * kVectors * lanes;
    const VF key_term = pass.key_term == nullptr ? hn::Zero(d) : hn::Set(d, pass.key_term[t * pass.key_stride]);
    for (int j = 0; j < kVectors; ++j) {
      VF x = hn::Mul(hn::LoadU(d, row + j * lanes), scale);
      if (pass.softcap > 0) {
        x = hn::Mul(constant(pass.softcap), tanh(hn::Div(x, constant(pass.softcap))));
      }
      x = hn::Add(x, key_term);
      if (pass.tile_term != nullptr) x = hn::Add(x, hn::LoadU(d, pass.tile_term + (t * kVectors + j) * lanes));
      if (pass.causal) x = hide(x, j * lanes, t, pass.reach);
      hn::StoreU(x, d, row + j * lanes);
      largest[j] = hn::Max(largest[j], x);
    }
  }
  if (pass.largest == nullptr) return;
  put_largest(largest, pass.largest);
}

void weights(float* scores, int64_t keys, const float* largest, const SoftmaxState& state) {
  const F32 d;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(d));
  for (int j = 0; j < kVectors; ++j) {
    const VF before = hn::LoadU(d, state.maximum + j * lanes);
    const VF now = hn::Max(before, hn::LoadU(d, largest + j * lanes));
    // While every score is -infinity, weights are taken relative to 0 and come out as 0 instead of NaN.
    const VF base = hn::IfThenElse(hn::Eq(now, lowest()), hn::Zero(d), now);
    VF sum = hn::Zero(d);
    float* at = scores + j * lanes;
    for (int64_t t = 0; t < keys; ++t, at += kVectors * lanes) {
      const VF weight = exp_non_positive(hn::Sub(hn::LoadU(d, at), base));
      hn::StoreU(weight, d, at);
      sum = hn::Add(sum, weight);
    }
    const VF correction = exp_non_positive(hn::Sub(before, base));
    hn::StoreU(hn::MulAdd(hn::LoadU(d, state.sum + j * lanes), correction, sum), d, state.sum + j * lanes);
    hn::StoreU(now, d, state.maximum + j * lanes);
    hn::StoreU(correction, d, state.correction + j * lanes);
  }
}

void rescale(float* acc, int64_t dv, const float* correction) {
  const F32 d;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(d));
  for (int j = 0; j < kVectors; ++j) {
    const VF factor = hn::LoadU(d, correction + j * lanes);
    float* at = acc + j * lanes;
    for (int64_t i = 0; i < dv; ++i, at += kVectors * lanes) hn::StoreU(hn::Mul(hn::LoadU(d, at), factor), d, at);
  }
}

void finish(const AttentionFinish& args) {
  const F32 d;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(d));
  const int64_t width = kVectors * lanes;
  HWY_ALIGN float inverse[kVectors * HWY_MAX_BYTES / sizeof(float)];
  for (int j = 0; j < kVectors; ++j) {
    const VF sum = hn::LoadU(d, args.sum + j * lanes);
    const VF none = constant(args.zero_masked_rows ? 0.0f : NAN);
    hn::StoreU(hn::IfThenElse(hn::Eq(sum, hn::Zero(d)), none, hn::Div(constant(1.0f), sum)), d, inverse + j * lanes);
  }
  rescale(args.acc, args.dv, inverse);
  int64_t j = 0;
  for (; j + lanes <= args.dv; j += lanes) {
    transpose_strip(d, args.acc + j * width, width, lanes, args.queries, args.out + j, args.out_stride);
  }
  const hn::CappedTag<float, 4> d4;
  for (; j + 4 <= args.dv; j += 4) {
    transpose_strip(d4, args.acc + j * width, width, 4, args.queries, args.out + j, args.out_stride);
  }
  for (; j < args.dv; ++j) {
    for (int64_t c = 0; c < args.queries; ++c) args.out[c * args.out_stride + j] = args.acc[j * width + c];
  }
}

}  // namespace sdx::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace sdx::kernels {
namespace {
HWY_EXPORT(score_pass);
HWY_EXPORT(weights);
HWY_EXPORT(rescale);
HWY_EXPORT(finish);
}  // namespace

void attention_score_pass(const ScorePass& pass) { HWY_DYNAMIC_DISPATCH(score_pass)(pass); }

void attention_weights(float* scores, int64_t keys, const float* largest, const SoftmaxState& state) {
  HWY_DYNAMIC_DISPATCH(weights)(scores, keys, largest, state);
}

void attention_rescale(float* acc, int64_t dv, const float* correction) {
  HWY_DYNAMIC_DISPATCH(rescale)(acc, dv, correction);
}

void attention_finish(const AttentionFinish& args) { HWY_DYNAMIC_DISPATCH(finish)(args); }

}  // namespace sdx::kernels
#endif
