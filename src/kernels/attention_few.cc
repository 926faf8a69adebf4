// Attention for few query rows: dot products with the keys, softmax over each row, weighted sums of the values.
#include "kernels/attention_few.h"

#include <algorithm>
#include <cmath>

#include "hwy/foreach_target.h"
#include "hwy/highway.h"
#include "kernels/math-inl.h"

HWY_BEFORE_NAMESPACE();
namespace sdx::kernels::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// Keys that are read side by side, each a stream.
constexpr int kKeys = 4;

// The sums of the lanes of four vectors, as four floats.
HWY_INLINE auto sum_four(VF a, VF b, VF c, VF e) {
  const F32 d;
  const hn::RepartitionToWide<F32> dw;
  const auto ab = hn::BitCast(dw, hn::Add(hn::InterleaveLower(d, a, b), hn::InterleaveUpper(d, a, b)));
  const auto ce = hn::BitCast(dw, hn::Add(hn::InterleaveLower(d, c, e), hn::InterleaveUpper(d, c, e)));
  const VF blocks =
      hn::Add(hn::BitCast(d, hn::InterleaveLower(dw, ab, ce)), hn::BitCast(d, hn::InterleaveUpper(dw, ab, ce)));
  if constexpr (hn::MaxLanes(F32()) == 16) {
    const hn::Half<F32> d8;
    const auto half = hn::Add(hn::LowerHalf(d8, blocks), hn::UpperHalf(d8, blocks));
    const hn::Half<decltype(d8)> d4;
    return hn::Add(hn::LowerHalf(d4, half), hn::UpperHalf(d4, half));
  } else if constexpr (hn::MaxLanes(F32()) == 8) {
    const hn::Half<F32> d4;
    return hn::Add(hn::LowerHalf(d4, blocks), hn::UpperHalf(d4, blocks));
  } else {
    return blocks;
  }
}

// What the rows of one call share.
struct Group {
  const float* q[kAttentionFewRows];  ///< [d] each, contiguous
  float* scores;                      ///< [rows][pitch]
  int64_t pitch;
  int64_t keys;  ///< that the last row sees
  int64_t row;   ///< first query row
};

// Scores of kRows queries with keys j to j + 3, rows of K being contiguous.
template <int kRows>
HWY_INLINE void dot_block(const Group& group, const MatrixView& k, int64_t j, int64_t d) {
  const F32 df;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(df));
  const float* key = k.data + j * k.row_stride;
  VF acc[kRows][kKeys];
  for (int i = 0; i < kRows; ++i) {
    for (int r = 0; r < kKeys; ++r) acc[i][r] = hn::Zero(df);
  }
  int64_t p = 0;
  for (; p + lanes <= d; p += lanes) {
    VF x[kKeys];
    for (int r = 0; r < kKeys; ++r) x[r] = hn::LoadU(df, key + r * k.row_stride + p);
    for (int i = 0; i < kRows; ++i) {
      const VF q = hn::LoadU(df, group.q[i] + p);
      for (int r = 0; r < kKeys; ++r) acc[i][r] = hn::MulAdd(q, x[r], acc[i][r]);
    }
  }
  const hn::CappedTag<float, 4> d4;
  for (int i = 0; i < kRows; ++i) {
    float* to = group.scores + i * group.pitch + j;
    hn::StoreU(sum_four(acc[i][0], acc[i][1], acc[i][2], acc[i][3]), d4, to);
    for (int64_t t = p; t < d; ++t) {
      for (int r = 0; r < kKeys; ++r) to[r] += group.q[i][t] * key[r * k.row_stride + t];
    }
  }
}

template <int kRows>
void dot_rows(const Group& group, const MatrixView& k, int64_t d) {
  int64_t j = 0;
  for (; j + kKeys <= group.keys; j += kKeys) dot_block<kRows>(group, k, j, d);
  for (; j < group.keys; ++j) {
    // The same steps as in a block of keys, all of them this one.
    const MatrixView one = {k.data + j * k.row_stride, 0, 1};
    float* at = group.scores + j;
    float kept[kAttentionFewRows][kKeys];
    Group alone = group;
    alone.scores = kept[0];
    alone.pitch = kKeys;
    dot_block<kRows>(alone, one, 0, d);
    for (int i = 0; i < kRows; ++i) at[i * group.pitch] = kept[i][0];
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

// out[i] = factor[row] sum_j weights[row][j] V[j][i] for kCount vectors of columns from `column` on.
template <int kRows, int kCount>
HWY_INLINE void sum_values(const Group& group, const AttentionHead& head, const float* factor, int64_t column) {
  const F32 df;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(df));
  VF acc[kRows][kCount];
  for (int i = 0; i < kRows; ++i) {
    for (int r = 0; r < kCount; ++r) acc[i][r] = hn::Zero(df);
  }
  const float* v = head.v.data + column;
  for (int64_t j = 0; j < group.keys; ++j, v += head.v.row_stride) {
    VF x[kCount];
    for (int r = 0; r < kCount; ++r) x[r] = hn::LoadU(df, v + r * lanes);
    for (int i = 0; i < kRows; ++i) {
      const VF weight = hn::Set(df, group.scores[i * group.pitch + j]);
      for (int r = 0; r < kCount; ++r) acc[i][r] = hn::MulAdd(weight, x[r], acc[i][r]);
    }
  }
  for (int i = 0; i < kRows; ++i) {
    float* out = head.out + (group.row + i) * head.out_stride + column;
    for (int r = 0; r < kCount; ++r) hn::StoreU(hn::Mul(acc[i][r], hn::Set(df, factor[i])), df, out + r * lanes);
  }
}

template <int kRows>
void row_values(const AttentionShape& shape, const AttentionHead& head, const Group& group, const float* factor) {
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(F32()));
  int64_t column = 0;
  if (head.v.column_stride == 1) {
    for (; column + 4 * lanes <= shape.dv; column += 4 * lanes) sum_values<kRows, 4>(group, head, factor, column);
    for (; column + lanes <= shape.dv; column += lanes) sum_values<kRows, 1>(group, head, factor, column);
  }
  for (; column < shape.dv; ++column) {
    for (int i = 0; i < kRows; ++i) {
      const float* v = head.v.data + column * head.v.column_stride;
      float sum = 0;
      for (int64_t j = 0; j < group.keys; ++j) sum += group.scores[i * group.pitch + j] * v[j * head.v.row_stride];
      head.out[(group.row + i) * head.out_stride + column] = sum * factor[i];
    }
  }
}

void row_terms(const AttentionShape& shape, const AttentionHead& head, int64_t row, int64_t keys, float* scores) {
  for (int64_t j = 0; j < keys; ++j) scores[j] *= shape.scale;
  if (shape.softcap > 0) {
    for (int64_t j = 0; j < keys; ++j) scores[j] = shape.softcap * std::tanh(scores[j] / shape.softcap);
  }
  for (const ScoreTerm<float>* term : {&head.mask, &head.bias}) {
    if (term->data == nullptr) continue;
    const float* from = term->data + row * term->row_stride;
    const int64_t stride = term->column_stride;
    for (int64_t j = 0; j < keys; ++j) scores[j] += from[j * stride];
  }
  if (head.allowed.data == nullptr) return;
  const uint8_t* from = head.allowed.data + row * head.allowed.row_stride;
  for (int64_t j = 0; j < keys; ++j) {
    if (from[j * head.allowed.column_stride] == 0) scores[j] = -HUGE_VALF;
  }
}

int64_t visible_keys(const AttentionShape& shape, int64_t row) {
  return shape.causal ? std::clamp<int64_t>(row + shape.causal_offset + 1, 0, shape.skv) : shape.skv;
}

template <int kRows>
void run_group(const AttentionShape& shape, const AttentionHead& head, Group& group) {
  if (head.k.column_stride == 1) {
    dot_rows<kRows>(group, head.k, shape.d);
  } else {
    for (int i = 0; i < kRows; ++i) {
      dot_columns(group.q[i], head.k.data, head.k.column_stride, shape.d, group.keys, group.scores + i * group.pitch);
    }
  }
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(F32()));
  const int64_t padded = (group.keys + lanes - 1) / lanes * lanes;
  const float none = shape.zero_masked_rows || shape.skv == 0 ? 0.0f : NAN;
  float factor[kRows];
  for (int i = 0; i < kRows; ++i) {
    float* scores = group.scores + i * group.pitch;
    const int64_t keys = visible_keys(shape, group.row + i);
    row_terms(shape, head, group.row + i, keys, scores);
    std::fill(scores + keys, scores + padded, -HUGE_VALF);
    const float sum = softmax_row(scores, padded);
    factor[i] = sum == 0.0f ? none : 1.0f / sum;
  }
  row_values<kRows>(shape, head, group, factor);
}

void run_rows(const AttentionShape& shape, const AttentionHead& head, int64_t row, int64_t rows, float* scratch) {
  constexpr int64_t kMostLanes = 16;
  Group group = {};
  group.pitch = shape.skv + kMostLanes;
  group.scores = scratch;
  group.keys = visible_keys(shape, row + rows - 1);
  group.row = row;
  for (int64_t i = 0; i < rows; ++i) {
    group.q[i] = head.q.data + (row + i) * head.q.row_stride;
    if (head.q.column_stride == 1) continue;
    float* q = scratch + kAttentionFewRows * group.pitch + i * shape.d;
    for (int64_t p = 0; p < shape.d; ++p) q[p] = group.q[i][p * head.q.column_stride];
    group.q[i] = q;
  }
  switch (rows) {
    case 1: return run_group<1>(shape, head, group);
    case 2: return run_group<2>(shape, head, group);
    case 3: return run_group<3>(shape, head, group);
    default: return run_group<4>(shape, head, group);
  }
}

}  // namespace sdx::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace sdx::kernels {
namespace {
HWY_EXPORT(run_rows);
}

int64_t attention_few_scratch(const AttentionShape& shape) {
  constexpr int64_t kMostLanes = 16;
  return kAttentionFewRows * (shape.skv + kMostLanes + shape.d);
}

void attention_few_run(const AttentionShape& shape, const AttentionHead& head, int64_t row, int64_t rows,
                       float* scratch) {
  HWY_DYNAMIC_DISPATCH(run_rows)(shape, head, row, rows, scratch);
}

}  // namespace sdx::kernels
#endif
