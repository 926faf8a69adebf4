// Attention tiles: masks, online softmax and the final division, queries in vector lanes.
#include "kernels/attention_tiles.h"

#include <cmath>

#include "hwy/foreach_target.h"
#include "hwy/highway.h"
#include "kernels/math-inl.h"

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

void score_pass(const ScorePass& pass) {
  const F32 d;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(d));
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
  for (int j = 0; j < kVectors; ++j) hn::StoreU(largest[j], d, pass.largest + j * lanes);
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

// Four rows of acc become four columns of the output.
HWY_INLINE void transpose_four(const float* acc, int64_t width, float* out, int64_t out_stride) {
  const hn::FixedTag<float, 4> d;
  const hn::RepartitionToWide<decltype(d)> dw;
  const auto r0 = hn::LoadU(d, acc);
  const auto r1 = hn::LoadU(d, acc + width);
  const auto r2 = hn::LoadU(d, acc + 2 * width);
  const auto r3 = hn::LoadU(d, acc + 3 * width);
  const auto a = hn::BitCast(dw, hn::InterleaveLower(d, r0, r1));
  const auto b = hn::BitCast(dw, hn::InterleaveUpper(d, r0, r1));
  const auto e = hn::BitCast(dw, hn::InterleaveLower(d, r2, r3));
  const auto f = hn::BitCast(dw, hn::InterleaveUpper(d, r2, r3));
  hn::StoreU(hn::BitCast(d, hn::InterleaveLower(dw, a, e)), d, out);
  hn::StoreU(hn::BitCast(d, hn::InterleaveUpper(dw, a, e)), d, out + out_stride);
  hn::StoreU(hn::BitCast(d, hn::InterleaveLower(dw, b, f)), d, out + 2 * out_stride);
  hn::StoreU(hn::BitCast(d, hn::InterleaveUpper(dw, b, f)), d, out + 3 * out_stride);
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
  for (int64_t j = 0; j < args.dv; j += 4) {
    for (int64_t c = 0; c < args.queries; c += 4) {
      const float* from = args.acc + j * width + c;
      float* to = args.out + c * args.out_stride + j;
      if (j + 4 <= args.dv && c + 4 <= args.queries) {
        transpose_four(from, width, to, args.out_stride);
        continue;
      }
      for (int64_t i = 0; i < HWY_MIN(4, args.queries - c); ++i) {
        for (int64_t r = 0; r < HWY_MIN(4, args.dv - j); ++r) to[i * args.out_stride + r] = from[r * width + i];
      }
    }
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
