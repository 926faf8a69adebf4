// AttentionCore: splitting heads over threads.
#include "ops/attention_core.h"

#include <algorithm>

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

void run_attention(const ir::RunContext& c, AttentionCall call) {
  if (call.batch == 0 || call.heads == 0 || call.shape.sq == 0 || call.shape.dv == 0) return;
  fold_groups(call);
  const int64_t block = kernels::attention_row_block(call.shape);
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
      one.k = matrix(call.k, batch, head / group);
      one.v = matrix(call.v, batch, head / group);
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
