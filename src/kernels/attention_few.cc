// Attention for one query row: dot products with the keys, softmax over the row, weighted sum of the values.
#include "kernels/attention_few.h"

#include <algorithm>
#include <cmath>

#include "hwy/foreach_target.h"
#include "hwy/highway.h"
#include "kernels/math-inl.h"

HWY_BEFORE_NAMESPACE();
namespace sdx::kernels::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// Rows of K that are read side by side, each a stream.
constexpr int64_t kStreams = 4;

// scores[j] = q . K[j] for rows of K that are contiguous; `count` of at most kStreams.
template <int kCount>
HWY_INLINE void dot_rows(const float* q, const float* k, int64_t stride, int64_t d, float* scores) {
  const F32 df;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(df));
  VF acc[kCount];
  for (int r = 0; r < kCount; ++r) acc[r] = hn::Zero(df);
  int64_t p = 0;
  for (; p + lanes <= d; p += lanes) {
    const VF x = hn::LoadU(df, q + p);
    for (int r = 0; r < kCount; ++r) acc[r] = hn::MulAdd(x, hn::LoadU(df, k + r * stride + p), acc[r]);
  }
  for (int r = 0; r < kCount; ++r) {
    float sum = hn::GetLane(hn::SumOfLanes(df, acc[r]));
    for (int64_t i = p; i < d; ++i) sum += q[i] * k[r * stride + i];
    scores[r] = sum;
  }
}

// scores[j] = sum_p q[p] K[p][j] for keys stored transposed.
HWY_INLINE void dot_columns(const float* q, const float* k, int64_t stride, int64_t d, int64_t keys, float* scores) {
  const F32 df;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(df));
  int64_t j = 0;
  for (; j + 4 * lanes <= keys; j += 4 * lanes) {
    VF acc[4] = {hn::Zero(df), hn::Zero(df), hn::Zero(df), hn::Zero(df)};
    for (int64_t p = 0; p < d; ++p) {
      const VF x = hn::Set(df, q[p]);
      for (int r = 0; r < 4; ++r) acc[r] = hn::MulAdd(x, hn::LoadU(df, k + p * stride + j + r * lanes), acc[r]);
    }
    for (int r = 0; r < 4; ++r) hn::StoreU(acc[r], df, scores + j + r * lanes);
  }
  std::fill(scores + j, scores + keys, 0.0f);
  for (int64_t p = 0; p < d; ++p) {
    for (int64_t i = j; i < keys; ++i) scores[i] += q[p] * k[p * stride + i];
  }
}

// Weights exp(x - max) in place over scores padded with -infinity to whole vectors; returns their sum.
HWY_INLINE float softmax_row(float* scores, int64_t padded) {
  const F32 df;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(df));
  VF largest = constant(-HUGE_VALF);
  for (int64_t j = 0; j < padded; j += lanes) largest = hn::Max(largest, hn::LoadU(df, scores + j));
  const float maximum = hn::GetLane(hn::MaxOfLanes(df, largest));
  const VF base = hn::Set(df, maximum == -HUGE_VALF ? 0.0f : maximum);
  VF sum = hn::Zero(df);
  for (int64_t j = 0; j < padded; j += lanes) {
    const VF weight = exp_non_positive(hn::Sub(hn::LoadU(df, scores + j), base));
    hn::StoreU(weight, df, scores + j);
    sum = hn::Add(sum, weight);
  }
  return hn::GetLane(hn::SumOfLanes(df, sum));
}

// out[i] = factor sum_j weights[j] V[j][i] for kCount vectors of columns.
template <int kCount>
HWY_INLINE void sum_values(const float* weights, int64_t keys, const float* v, int64_t stride, float factor,
                           float* out) {
  const F32 df;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(df));
  VF even[kCount];
  VF odd[kCount];
  for (int i = 0; i < kCount; ++i) even[i] = odd[i] = hn::Zero(df);
  int64_t j = 0;
  for (; j + 2 <= keys; j += 2) {
    const VF w0 = hn::Set(df, weights[j]);
    const VF w1 = hn::Set(df, weights[j + 1]);
    for (int i = 0; i < kCount; ++i) {
      even[i] = hn::MulAdd(w0, hn::LoadU(df, v + j * stride + i * lanes), even[i]);
      odd[i] = hn::MulAdd(w1, hn::LoadU(df, v + (j + 1) * stride + i * lanes), odd[i]);
    }
  }
  if (j < keys) {
    const VF w0 = hn::Set(df, weights[j]);
    for (int i = 0; i < kCount; ++i) even[i] = hn::MulAdd(w0, hn::LoadU(df, v + j * stride + i * lanes), even[i]);
  }
  for (int i = 0; i < kCount; ++i) {
    hn::StoreU(hn::Mul(hn::Add(even[i], odd[i]), hn::Set(df, factor)), df, out + i * lanes);
  }
}

struct RowArgs {
  const float* q;  ///< [d], contiguous
  float* scores;   ///< [keys rounded up to vectors]
  int64_t keys;
  int64_t row;
};

void row_scores(const AttentionShape& shape, const AttentionHead& head, const RowArgs& args) {
  const MatrixView& k = head.k;
  if (k.column_stride == 1) {
    int64_t j = 0;
    for (; j + kStreams <= args.keys; j += kStreams) {
      dot_rows<kStreams>(args.q, k.data + j * k.row_stride, k.row_stride, shape.d, args.scores + j);
    }
    for (; j < args.keys; ++j) dot_rows<1>(args.q, k.data + j * k.row_stride, 0, shape.d, args.scores + j);
  } else {
    dot_columns(args.q, k.data, k.column_stride, shape.d, args.keys, args.scores);
  }
}

void row_terms(const AttentionShape& shape, const AttentionHead& head, const RowArgs& args) {
  float* scores = args.scores;
  for (int64_t j = 0; j < args.keys; ++j) scores[j] *= shape.scale;
  if (shape.softcap > 0) {
    for (int64_t j = 0; j < args.keys; ++j) scores[j] = shape.softcap * std::tanh(scores[j] / shape.softcap);
  }
  for (const ScoreTerm<float>* term : {&head.mask, &head.bias}) {
    if (term->data == nullptr) continue;
    const float* from = term->data + args.row * term->row_stride;
    const int64_t stride = term->column_stride;
    for (int64_t j = 0; j < args.keys; ++j) scores[j] += from[j * stride];
  }
  if (head.allowed.data == nullptr) return;
  const uint8_t* from = head.allowed.data + args.row * head.allowed.row_stride;
  for (int64_t j = 0; j < args.keys; ++j) {
    if (from[j * head.allowed.column_stride] == 0) scores[j] = -HUGE_VALF;
  }
}

void row_values(const AttentionShape& shape, const AttentionHead& head, const RowArgs& args, float factor) {
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(F32()));
  const MatrixView& v = head.v;
  float* out = head.out + args.row * head.out_stride;
  int64_t i = 0;
  if (v.column_stride == 1) {
    for (; i + 4 * lanes <= shape.dv; i += 4 * lanes) {
      sum_values<4>(args.scores, args.keys, v.data + i, v.row_stride, factor, out + i);
    }
    for (; i + lanes <= shape.dv; i += lanes) {
      sum_values<1>(args.scores, args.keys, v.data + i, v.row_stride, factor, out + i);
    }
  }
  for (; i < shape.dv; ++i) {
    float sum = 0;
    for (int64_t j = 0; j < args.keys; ++j) sum += args.scores[j] * v.data[j * v.row_stride + i * v.column_stride];
    out[i] = sum * factor;
  }
}

void run_row(const AttentionShape& shape, const AttentionHead& head, int64_t row, float* scratch) {
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(F32()));
  RowArgs args = {head.q.data + row * head.q.row_stride, scratch, shape.skv, row};
  if (shape.causal) args.keys = std::clamp<int64_t>(row + shape.causal_offset + 1, 0, shape.skv);
  const int64_t padded = (args.keys + lanes - 1) / lanes * lanes;
  if (head.q.column_stride != 1) {
    float* q = scratch + (shape.skv + lanes - 1) / lanes * lanes;
    for (int64_t p = 0; p < shape.d; ++p) q[p] = args.q[p * head.q.column_stride];
    args.q = q;
  }
  row_scores(shape, head, args);
  row_terms(shape, head, args);
  std::fill(scratch + args.keys, scratch + padded, -HUGE_VALF);
  const float sum = softmax_row(scratch, padded);
  const float none = shape.zero_masked_rows || shape.skv == 0 ? 0.0f : NAN;
  row_values(shape, head, args, sum == 0.0f ? none : 1.0f / sum);
}

}  // namespace sdx::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace sdx::kernels {
namespace {
HWY_EXPORT(run_row);
}

int64_t attention_few_scratch(const AttentionShape& shape) {
  constexpr int64_t kMostLanes = 16;
  return shape.skv + shape.d + 2 * kMostLanes;
}

void attention_few_run(const AttentionShape& shape, const AttentionHead& head, int64_t row, float* scratch) {
  HWY_DYNAMIC_DISPATCH(run_row)(shape, head, row, scratch);
}

}  // namespace sdx::kernels
#endif
