// AttentionCore: splitting heads over threads.
#include "ops/attention_core.h"

#include <algorithm>
#include <cmath>

#include "kernels/softmax.h"

namespace sdx::ops {
namespace {

using kernels::AttentionShape;

/// Makes the heads of a group the rows of one head where each has a single row: keys and values are then read once.
void fold_groups(AttentionCall& call) {
  const int64_t group = call.heads / call.kv_heads;
  if (call.shape.sq != 1 || group == 1 || call.keys || call.offsets) return;
  AttentionShape& s = call.shape;
  if (s.causal) s.skv = std::clamp<int64_t>(s.causal_offset + 1, 0, s.skv);
  s.causal = false;
  s.sq = group;
  call.q.row = call.q.head;
  call.q.head *= group;
  call.out_row = call.out_head;
  call.out_head *= group;
  const auto fold = [group](auto& term) {
    term.strides[2] = term.strides[1];
    term.strides[1] *= group;
  };
  fold(call.mask);
  fold(call.bias);
  fold(call.allowed);
  call.heads = call.kv_heads;
}

template <class T>
kernels::ScoreTerm<T> term(const ScoresView<T>& view, int64_t batch, int64_t head) {
  if (!view.data) return {};
  return {view.data + batch * view.strides[0] + head * view.strides[1], view.strides[2], view.strides[3]};
}

kernels::MatrixView matrix(const HeadsView& view, int64_t batch, int64_t head) {
  return {view.data + batch * view.batch + head * view.head, view.row, view.column};
}

}  // namespace

void copy_heads(const Parallel& parallel, const HeadsView& from, const HeadsShape& shape, int64_t first, int64_t total,
                float* to) {
  parallel.run(shape.batch * shape.heads * shape.rows, grain_for(shape.width), [&](int64_t begin, int64_t end, int) {
    for (int64_t i = begin; i < end; ++i) {
      const int64_t row = i % shape.rows, head = i / shape.rows % shape.heads, batch = i / shape.rows / shape.heads;
      const float* x = from.data + batch * from.batch + head * from.head + row * from.row;
      float* y = to + ((batch * shape.heads + head) * total + first + row) * shape.width;
      for (int64_t j = 0; j < shape.width; ++j) y[j] = x[j * from.column];
    }
  });
}

namespace {

/// Row `row` of the scores of one head, up to `stage`.
void score_row(const AttentionCall& call, ScoreStage stage, int64_t batch, int64_t head, int64_t row, float* to) {
  const AttentionShape& s = call.shape;
  const int64_t group = call.heads / call.kv_heads;
  const float* q = call.q.data + batch * call.q.batch + head * call.q.head + row * call.q.row;
  const float* k = call.k.data + (call.slots ? call.slots[batch] : batch) * call.k.batch + head / group * call.k.head;
  const auto at = [&](const auto& t, int64_t key) {
    return t.data[batch * t.strides[0] + head * t.strides[1] + row * t.strides[2] + key * t.strides[3]];
  };
  const int64_t keys = call.keys ? std::min(s.skv, call.keys[batch]) : s.skv;
  const int64_t offset = call.offsets ? call.offsets[batch] : s.causal_offset;
  for (int64_t j = 0; j < s.skv; ++j) {
    float sum = 0;
    for (int64_t p = 0; p < s.d; ++p) sum += q[p * call.q.column] * k[j * call.k.row + p * call.k.column];
    sum *= s.scale;
    if (stage >= ScoreStage::kSoftcap && s.softcap > 0) sum = s.softcap * std::tanh(sum / s.softcap);
    if (stage >= ScoreStage::kMasked) {
      if (call.mask.data) sum += at(call.mask, j);
      if (call.bias.data) sum += at(call.bias, j);
      const bool hidden = (call.allowed.data && !at(call.allowed, j)) || (s.causal && j > row + offset) || j >= keys;
      if (hidden) sum = -std::numeric_limits<float>::infinity();
    }
    to[j] = sum;
  }
  if (stage == ScoreStage::kSoftmax) kernels::softmax_rows(to, to, s.skv, 0, 1);
}

}  // namespace

void write_scores(const Parallel& parallel, const AttentionCall& call, ScoreStage stage, float* scores) {
  const AttentionShape& s = call.shape;
  parallel.run(call.batch * call.heads * s.sq, grain_for(s.skv * s.d * 2), [&](int64_t begin, int64_t end, int) {
    for (int64_t i = begin; i < end; ++i) {
      score_row(call, stage, i / s.sq / call.heads, i / s.sq % call.heads, i % s.sq, scores + i * s.skv);
    }
  });
}

void run_attention(const ir::RunContext& c, AttentionCall call) {
  if (call.batch == 0 || call.heads == 0 || call.shape.sq == 0 || call.shape.dv == 0) return;
  fold_groups(call);
  const int64_t block = kernels::attention_row_block(call.shape, call.batch * call.heads, c.parallel().threads());
  const int64_t blocks = (call.shape.sq + block - 1) / block;
  const auto bytes = static_cast<int64_t>((kernels::attention_scratch_bytes(call.shape) + 63) / 64 * 64);
  auto* scratch = c.scratch<std::byte>(bytes * c.parallel().threads());
  const int64_t group = call.heads / call.kv_heads;
  const int64_t cost = std::min(block, call.shape.sq) * call.shape.skv * (call.shape.d + call.shape.dv);
  c.parallel().run(call.batch * call.heads * blocks, grain_for(cost), [&](int64_t begin, int64_t end, int worker) {
    for (int64_t i = begin; i < end; ++i) {
      const int64_t row = i % blocks * block, head = i / blocks % call.heads, batch = i / blocks / call.heads;
      AttentionShape shape = call.shape;
      if (call.keys) shape.skv = std::min(shape.skv, call.keys[batch]);
      if (call.offsets) shape.causal_offset = call.offsets[batch];
      kernels::AttentionHead one;
      one.q = matrix(call.q, batch, head);
      const int64_t slot = call.slots ? call.slots[batch] : batch;
      one.k = matrix(call.k, slot, head / group);
      one.v = matrix(call.v, slot, head / group);
      one.mask = term(call.mask, batch, head);
      one.bias = term(call.bias, batch, head);
      one.allowed = term(call.allowed, batch, head);
      one.out = call.out + batch * call.out_batch + head * call.out_head;
      one.out_stride = call.out_row;
      kernels::attention_run(shape, one, row, std::min(row + block, shape.sq), scratch + worker * bytes);
    }
  });
}

}  // namespace sdx::ops
