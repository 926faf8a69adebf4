// AttentionCore: many heads of attention over operands in any layout, as all attention operators run them.
#pragma once

#include <array>

#include "ir/run_context.h"
#include "kernels/attention.h"

namespace sdx::ops {

/// A float operand [batch, head, row, column] through strides in elements.
struct HeadsView {
  const float* data = nullptr;
  int64_t batch = 0, head = 0, row = 0, column = 1;
};

/// Such a view of a contiguous tensor [b, h, s, d].
inline HeadsView bhsd(const float* data, int64_t heads, int64_t rows, int64_t width) {
  return {data, heads * rows * width, rows * width, width, 1};
}
/// Of [b, s, h, d] or [b, s, h * d].
inline HeadsView bshd(const float* data, int64_t heads, int64_t rows, int64_t width) {
  return {data, heads * rows * width, width, heads * width, 1};
}

/// A term of the scores, broadcast by strides of 0 over [batch, head, query, key].
template <class T>
struct ScoresView {
  const T* data = nullptr;
  std::array<int64_t, 4> strides = {};
};

/// The view of a contiguous tensor of up to 4 dimensions that broadcasts to [batch, head, query, key].
template <class T>
ScoresView<T> scores_view(const ConstView& view) {
  ScoresView<T> out{view.as<T>(), {}};
  int64_t step = 1;
  for (int i = view.rank(); i-- > 0;) {
    if (view.extents[i] != 1) out.strides[static_cast<size_t>(4 - view.rank() + i)] = step;
    step *= view.extents[i];
  }
  return out;
}

struct AttentionCall {
  kernels::AttentionShape shape;  ///< skv: keys in memory
  int64_t batch = 0, heads = 0, kv_heads = 0;
  HeadsView q, k, v;
  float* out = nullptr;
  int64_t out_batch = 0, out_head = 0, out_row = 0;  ///< strides of the output
  ScoresView<float> mask, bias;
  ScoresView<uint8_t> allowed;
  const int64_t* keys = nullptr;     ///< keys of each batch item, at most shape.skv; null: shape.skv
  const int64_t* slots = nullptr;    ///< batch item of k and v for each of q; null: the same
  const int64_t* offsets = nullptr;  ///< causal offset of each batch item; null: shape.causal_offset

  void set_out_bhsd(float* data) {
    out = data;
    out_row = shape.dv;
    out_head = shape.sq * shape.dv;
    out_batch = heads * out_head;
  }
  void set_out_bshd(float* data) {
    out = data;
    out_head = shape.dv;
    out_row = heads * shape.dv;
    out_batch = shape.sq * out_row;
  }
};

/// The sizes of an operand of attention.
struct HeadsShape {
  int64_t batch, heads, rows, width;
};

/// Copies an operand to rows [first, first + rows) of a contiguous tensor [b, h, total, d].
void copy_heads(const Parallel& parallel, const HeadsView& from, const HeadsShape& shape, int64_t first, int64_t total,
                float* to);

/// How far attention scores are computed where an operator gives them out.
enum class ScoreStage : uint8_t { kProduct, kSoftcap, kMasked, kSoftmax };

/// Writes the scores [batch, heads, sq, skv] of the call up to that stage.
void write_scores(const Parallel& parallel, const AttentionCall& call, ScoreStage stage, float* scores);

/// Runs the call in parallel over batch, heads and blocks of query rows. kv_heads divides heads.
void run_attention(const ir::RunContext& c, AttentionCall call);

}  // namespace sdx::ops
