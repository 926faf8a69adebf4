// What the attention operators of com.microsoft share: masks that tell padding, and caches that grow.
#pragma once

#include "ops/attention_core.h"
#include "ops/broadcast_copy.h"

namespace sdx::ops {

/// Checks an int32 mask: lengths [batch], [batch, keys] or [batch, total], or [batch, rows, total].
inline void require_padding_mask(ir::InferContext& c, int input, const Dim& batch, const Dim& rows, const Dim& total,
                                 const Dim& keys) {
  if (!c.has(input)) return;
  c.require_dtype(input, {DType::kI32});
  c.require_rank(input, 1, 3);
  const Shape& m = c.input(input).shape;
  if (m.rank() == 1 && m[0].known() && batch.known() && !(m[0] == batch)) {
    c.unsupported("a mask of ", m[0].value(), " positions for a batch of ", batch.value(),
                  "; give lengths or a full mask");
  }
  c.require_equal(m[0], batch, "the batch sizes of the mask and the query");
  if (m.rank() == 3) c.require_equal(m[1], rows, "the rows of the mask and the query");
  if (m.rank() > 1 && !(m[m.rank() - 1] == keys)) {
    c.require_equal(m[m.rank() - 1], total, "the columns of the mask and the keys");
  }
}

/// The mask as a term of the scores: 0 where a key is seen, `filter` elsewhere. A mask of the new keys alone shows all
/// of the cache.
inline ScoresView<float> padding_mask(const ir::RunContext& c, int input, const AttentionCall& call, float filter) {
  const ConstView mask = c.input(input);
  const auto* data = mask.as<int32_t>();
  const int64_t total = call.shape.skv, batch = call.batch;
  const int64_t rows = mask.rank() == 3 ? mask.extents[1] : 1;
  const int64_t columns = mask.rank() == 1 ? total : mask.extents.back(), shown = total - columns;
  float* term = c.scratch<float>(batch * rows * total);
  for (int64_t i = 0; i < batch * rows; ++i) {
    for (int64_t j = 0; j < total; ++j) {
      const bool seen = mask.rank() == 1 ? j < data[i] : j < shown || data[i * columns + j - shown] != 0;
      term[i * total + j] = seen ? 0 : filter;
    }
  }
  return {term, {rows * total, 0, rows == 1 ? 0 : total, 1}};
}

/// The cache [b, h, past, d] of an input followed by new rows: in the output where it is wanted, otherwise as cheaply
/// as possible.
inline HeadsView append_to_cache(const ir::RunContext& c, const HeadsView& now, const HeadsShape& shape, int past_input,
                                 int output) {
  const int64_t past = c.has_input(past_input) ? c.input(past_input).extents[2] : 0;
  if (past == 0 && !c.wants(output)) return now;
  const int64_t total = past + shape.rows;
  float* all = c.wants(output) ? c.output(output).as<float>()
                               : c.scratch<float>(shape.batch * shape.heads * total * shape.width);
  if (past > 0) {
    const HeadsShape before{shape.batch, shape.heads, past, shape.width};
    const HeadsView from = bhsd(c.input(past_input).as<float>(), shape.heads, past, shape.width);
    copy_heads(c.parallel(), from, before, 0, total, all);
  }
  copy_heads(c.parallel(), now, shape, past, total, all);
  return bhsd(all, shape.heads, total, shape.width);
}

}  // namespace sdx::ops
