// Attention of the standard: multi-head, grouped-query and multi-query attention with masks and a cache.
#include <cmath>

#include "ops/broadcast_copy.h"
#include "ops/family.h"
#include "ops/padding_mask.h"

namespace sdx::ops {
namespace {

struct AttentionAttrs {
  bool is_causal = false;
  int64_t q_num_heads = 0, kv_num_heads = 0;
  int64_t qk_matmul_output_mode = 0;
  std::optional<float> scale;
  float softcap = 0;
  DType softmax_precision = DType::kUndefined;
  bool operator==(const AttentionAttrs&) const = default;
  static constexpr auto fields() {
    using A = AttentionAttrs;
    return std::tuple{field("is_causal", &A::is_causal),
                      field("q_num_heads", &A::q_num_heads),
                      field("kv_num_heads", &A::kv_num_heads),
                      field("qk_matmul_output_mode", &A::qk_matmul_output_mode),
                      field("scale", &A::scale),
                      field("softcap", &A::softcap),
                      field("softmax_precision", &A::softmax_precision)};
  }
};

constexpr int kQ = 0, kK = 1, kV = 2, kMask = 3, kPastKey = 4, kPastValue = 5, kLengths = 6;

struct HeadDims {
  Dim batch, heads, rows, width;
};

/// [b, h, s, d], or [b, s, h * d] where the attribute gives the heads.
HeadDims split(InferContext& c, int input, int64_t heads) {
  c.require_rank(input, 3, 4);
  const Shape& s = c.input(input).shape;
  if (!s.has_rank()) return {c.symbols().fresh(), c.symbols().fresh(), c.symbols().fresh(), c.symbols().fresh()};
  if (s.rank() == 4) return {s[0], s[1], s[2], s[3]};
  if (heads < 1) c.invalid("a 3-D input of Attention needs the attributes 'q_num_heads' and 'kv_num_heads'");
  c.require_equal(floor_mod(s[2], heads), 0, "the last size of an attention operand modulo the heads and 0");
  return {s[0], heads, s[1], exact_div(s[2], heads)};
}

/// Requires past [b, h, past, d] beside `now`; returns its rows.
Dim past_rows(InferContext& c, int input, const HeadDims& now) {
  c.require_rank(input, 4, 4);
  const Shape& s = c.input(input).shape;
  if (!s.has_rank()) return c.symbols().fresh();
  c.require_equal(s[0], now.batch, "the batch sizes of the cache and the new rows");
  c.require_equal(s[1], now.heads, "the heads of the cache and the new rows");
  c.require_equal(s[3], now.width, "the widths of the cache and the new rows");
  return s[2];
}

void check_mask(InferContext& c, const Shape& scores) {
  if (!c.has(kMask)) return;
  if (c.input(kMask).dtype != DType::kBool) c.require_same_dtype(kQ, kMask);
  c.require_rank(kMask, 1, 4);
  Shape mask = c.input(kMask).shape;
  if (!mask.has_rank()) return;
  // Keys beyond a shorter mask are hidden.
  Dim& columns = mask[mask.rank() - 1];
  c.require_at_most(columns, scores[3], "the columns of the mask and the keys");
  columns = 1;
  require_broadcasts_to(c, mask, scores, "an attention mask");
}

void infer(InferContext& c) {
  const auto& a = c.attrs<AttentionAttrs>();
  c.require_dtype(kQ, {DType::kF32, DType::kF16, DType::kBF16});
  for (int i : {kK, kV, kPastKey, kPastValue}) {
    if (c.has(i)) c.require_same_dtype(kQ, i);
  }
  const HeadDims q = split(c, kQ, a.q_num_heads), k = split(c, kK, a.kv_num_heads), v = split(c, kV, a.kv_num_heads);
  c.require_equal(q.batch, k.batch, "the batch sizes of queries and keys");
  c.require_equal(k.batch, v.batch, "the batch sizes of keys and values");
  c.require_equal(k.heads, v.heads, "the heads of keys and values");
  c.require_equal(k.rows, v.rows, "the rows of keys and values");
  c.require_equal(q.width, k.width, "the widths of queries and keys");
  if (!(q.heads == k.heads)) {
    if (k.heads.is(0)) c.invalid("Attention needs at least one head of keys");
    c.require_equal(floor_mod(q.heads, k.heads), 0, "the heads of queries modulo those of keys and 0");
  }
  if (c.has(kPastKey) != c.has(kPastValue)) c.invalid("past_key and past_value must be given together");
  Dim total = k.rows;
  if (c.has(kPastKey)) {
    const Dim past = past_rows(c, kPastKey, k);
    c.require_equal(past, past_rows(c, kPastValue, v), "the rows of past_key and past_value");
    total = past + k.rows;
  }
  const Shape scores({q.batch, q.heads, q.rows, total});
  check_mask(c, scores);
  if (c.has(kLengths)) {
    c.require_dtype(kLengths, {DType::kI64});
    c.require_rank(kLengths, 1, 1);
    if (c.input(kLengths).shape.has_rank())
      c.require_equal(c.input(kLengths).shape[0], q.batch, "the key lengths and the batch");
  }
  if (a.qk_matmul_output_mode < 0 || a.qk_matmul_output_mode > 3) {
    c.invalid("attribute 'qk_matmul_output_mode' is ", a.qk_matmul_output_mode, " but must be 0, 1, 2 or 3");
  }
  const DType type = c.input(kQ).dtype;
  Shape y;
  if (c.input(kQ).shape.has_rank()) {
    y = c.input(kQ).shape.rank() == 4 ? Shape({q.batch, q.heads, q.rows, v.width})
                                      : Shape({q.batch, q.rows, q.heads * v.width});
  }
  c.set(0, type, std::move(y));
  c.set(1, type, Shape({k.batch, k.heads, total, k.width}));
  c.set(2, type, Shape({v.batch, v.heads, total, v.width}));
  c.set(3, type, scores);
}

HeadsView operand(const ConstView& x, int64_t heads, HeadsShape& shape) {
  const Extents& e = x.extents;
  if (e.rank() == 4) {
    shape = {e[0], e[1], e[2], e[3]};
    return bhsd(x.as<float>(), e[1], e[2], e[3]);
  }
  shape = {e[0], heads, e[1], e[2] / heads};
  return bshd(x.as<float>(), heads, e[1], shape.width);
}

void set_mask(RunContext& c, AttentionCall& call) {
  if (!c.has_input(kMask)) return;
  const ConstView mask = c.input(kMask);
  if (mask.dtype == DType::kBool)
    call.allowed = scores_view<uint8_t>(mask);
  else
    call.mask = scores_view<float>(mask);
  if (const int64_t columns = mask.extents.back(); columns != 1) call.shape.skv = std::min(call.shape.skv, columns);
}

/// Scores in the width of the output, also where a short mask hides the last keys.
void write_qk(RunContext& c, AttentionCall call, int64_t total) {
  const auto stage = static_cast<ScoreStage>(c.attrs<AttentionAttrs>().qk_matmul_output_mode);
  if (call.shape.skv == total) return write_scores(c.parallel(), call, stage, c.output(3).as<float>());
  const ConstView mask = c.input(kMask);
  Extents extents = mask.extents;
  const int64_t columns = extents.back();
  extents[extents.rank() - 1] = total;
  float* wide = c.scratch<float>(extents.count());
  for (int64_t i = 0; i < extents.count(); ++i) {
    const int64_t row = i / total, column = i % total;
    wide[i] = -INFINITY;
    if (column >= columns) continue;
    if (mask.dtype == DType::kBool)
      wide[i] = mask.as<bool>()[row * columns + column] ? 0.0f : -INFINITY;
    else
      wide[i] = mask.as<float>()[row * columns + column];
  }
  call.allowed = {};
  call.mask = scores_view<float>(ConstView{reinterpret_cast<std::byte*>(wide), DType::kF32, extents});
  call.shape.skv = total;
  write_scores(c.parallel(), call, stage, c.output(3).as<float>());
}

void run(RunContext& c) {
  if (widened(c, run)) return;
  const auto& a = c.attrs<AttentionAttrs>();
  AttentionCall call;
  HeadsShape q, k, v;
  call.q = operand(c.input(kQ), a.q_num_heads, q);
  const HeadsView keys = operand(c.input(kK), a.kv_num_heads, k), values = operand(c.input(kV), a.kv_num_heads, v);
  call.k = append_to_cache(c, keys, k, kPastKey, 1);
  call.v = append_to_cache(c, values, v, kPastValue, 2);
  const int64_t past = c.has_input(kPastKey) ? c.input(kPastKey).extents[2] : 0, total = past + k.rows;
  call.batch = q.batch;
  call.heads = q.heads;
  call.kv_heads = k.heads;
  call.shape = {.sq = q.rows, .skv = total, .d = q.width, .dv = v.width};
  call.shape.scale = a.scale.value_or(1 / std::sqrt(static_cast<float>(q.width)));
  call.shape.softcap = a.softcap;
  call.shape.causal = a.is_causal;
  call.shape.causal_offset = past;
  set_mask(c, call);
  if (c.has_input(kLengths)) {
    auto* lengths = c.scratch<int64_t>(q.batch);
    for (int64_t b = 0; b < q.batch; ++b)
      lengths[b] = std::clamp<int64_t>(c.input(kLengths).as<int64_t>()[b], 0, total);
    call.keys = lengths;
  }
  if (c.wants(0)) {
    const bool four = c.input(kQ).rank() == 4;
    four ? call.set_out_bhsd(c.output(0).as<float>()) : call.set_out_bshd(c.output(0).as<float>());
    run_attention(c, call);
  }
  if (c.wants(3) && c.output(3).count() > 0) write_qk(c, call, total);
}

const Op kFamily[] = {
    {.domain = "",
     .name = "Attention",
     .inputs = {3, 7},
     .outputs = {1, 4},
     .parse = Attrs::parse<AttentionAttrs>,
     .infer = infer,
     .run = run,
     .accuracy = Accuracy::kAccumulated,
     .since = 23},
};

}  // namespace

std::span<const Op> attention_family() { return kFamily; }

}  // namespace sdx::ops
