// com.microsoft's GroupQueryAttention: causal attention of grouped heads over a cache, with rotary embedding.
#include <algorithm>
#include <cmath>
#include <cstring>

#include "ops/family.h"
#include "ops/padding_mask.h"
#include "ops/rotary.h"

namespace sdx::ops {
namespace {

struct GroupQueryAttrs {
  int64_t num_heads = 0, kv_num_heads = 0;
  std::optional<float> scale;
  float softcap = 0;
  int64_t local_window_size = -1;
  bool do_rotary = false, rotary_interleaved = false, causal = true;
  int64_t smooth_softmax = 0, qk_output = 0, sliding_window_cache = 0, kv_cache_bit_width = 0;
  std::string k_quant_type = "NONE", v_quant_type = "NONE";
  float qk_norm_epsilon = 1e-6f;
  bool operator==(const GroupQueryAttrs&) const = default;
  static constexpr auto fields() {
    using A = GroupQueryAttrs;
    return std::tuple{required("num_heads", &A::num_heads),
                      required("kv_num_heads", &A::kv_num_heads),
                      field("scale", &A::scale),
                      field("softcap", &A::softcap),
                      field("local_window_size", &A::local_window_size),
                      field("do_rotary", &A::do_rotary),
                      field("rotary_interleaved", &A::rotary_interleaved),
                      field("causal", &A::causal),
                      field("smooth_softmax", &A::smooth_softmax),
                      field("qk_output", &A::qk_output),
                      field("sliding_window_cache", &A::sliding_window_cache),
                      field("kv_cache_bit_width", &A::kv_cache_bit_width),
                      field("k_quant_type", &A::k_quant_type),
                      field("v_quant_type", &A::v_quant_type),
                      field("qk_norm_epsilon", &A::qk_norm_epsilon)};
  }
};

constexpr int kQ = 0, kK = 1, kV = 2, kPastKey = 3, kPastValue = 4, kLengths = 5, kTotal = 6, kCos = 7, kSin = 8,
              kPositions = 9, kScores = 10;

void check_supported(const InferContext& c, const GroupQueryAttrs& a) {
  if (a.num_heads < 1 || a.kv_num_heads < 1 || a.num_heads > kMaxElements || a.num_heads % a.kv_num_heads != 0) {
    c.invalid("attributes 'num_heads' and 'kv_num_heads' are ", a.num_heads, " and ", a.kv_num_heads,
              "; the second must divide the first, which is at most ", kMaxElements);
  }
  if (a.smooth_softmax > 0 || a.qk_output != 0 || a.sliding_window_cache != 0) {
    c.unsupported("smooth softmax, scores as an output and windowed caches in GroupQueryAttention");
  }
  if (a.k_quant_type != "NONE" || a.v_quant_type != "NONE") c.unsupported("a quantized cache in GroupQueryAttention");
  for (int i = 11; i < c.input_count(); ++i) {
    if (c.has(i)) c.unsupported("input ", i, " of GroupQueryAttention (head sinks, cache scales, query and key norms)");
  }
  if (c.has(kPastKey) != c.has(kPastValue)) c.invalid("past_key and past_value must be given together");
  if (c.has(kK) != c.has(kV)) c.invalid("key and value must be given together");
}

/// The width of a head, from the query (which holds keys and values, too, where they are absent).
Dim head_width(InferContext& c, const GroupQueryAttrs& a, const Shape& q) {
  const int64_t heads = a.num_heads + (c.has(kK) ? 0 : 2 * a.kv_num_heads);
  c.require_equal(floor_mod(q[2], heads), 0, "the width of the query modulo the heads and 0");
  return exact_div(q[2], heads);
}

void check_rotary(InferContext& c, const GroupQueryAttrs& a, const Dim& width) {
  if (!a.do_rotary) return;
  for (int i : {kCos, kSin}) {
    c.require_same_dtype(kQ, i);
    c.require_rank(i, 2, 2);
  }
  const Shape &cos = c.input(kCos).shape, &sin = c.input(kSin).shape;
  if (cos.has_rank() && sin.has_rank()) {
    c.require_equal(cos[0], sin[0], "the rows of the cosines and sines");
    c.require_equal(cos[1], sin[1], "the widths of the cosines and sines");
    c.require_at_most(cos[1] * 2, width, "the rotated width and the width of a head");
    c.require_at_most(1, cos[0], "1 and the rows of the cosines");
  }
  if (c.has(kPositions)) c.require_dtype(kPositions, {DType::kI64});
}

void infer(InferContext& c) {
  const auto& a = c.attrs<GroupQueryAttrs>();
  if (c.output_count() > 3) c.unsupported("output_qk, the fourth output of GroupQueryAttention");
  c.require_dtype(kQ, {DType::kF32, DType::kF16, DType::kBF16});
  check_supported(c, a);
  for (int i : {kK, kV, kPastKey, kPastValue, kScores}) {
    if (c.has(i)) c.require_same_dtype(kQ, i);
  }
  for (int i : {kLengths, kTotal}) c.require_dtype(i, {DType::kI32});
  for (int i : {kQ, kK, kV}) {
    if (c.has(i)) c.require_rank(i, 3, 3);
  }
  const DType type = c.input(kQ).dtype;
  const Shape q = c.input(kQ).shape.has_rank() ? c.input(kQ).shape : c.fresh_shape(3);
  const Dim width = head_width(c, a, q);
  for (int i : {kK, kV}) {
    if (!c.has(i) || !c.input(i).shape.has_rank()) continue;
    const Shape& s = c.input(i).shape;
    c.require_equal(s[0], q[0], "the batch sizes of queries and keys");
    c.require_equal(s[1], q[1], "the rows of queries and keys");
    c.require_equal(s[2], width * a.kv_num_heads, "the width of keys and what the heads need");
  }
  if (c.input(kTotal).shape.has_rank())
    c.require_equal(c.input(kTotal).shape.count(), 1, "the elements of total_sequence_length and 1");
  const auto totals = c.values(kTotal);
  const Dim total = totals && totals->size() == 1 ? (*totals)[0] : c.symbols().fresh();
  c.require_at_most(q[1], total, "the rows of the query and total_sequence_length");
  Dim past = 0;
  for (int i : {kPastKey, kPastValue}) {
    if (!c.has(i)) continue;
    c.require_rank(i, 4, 4);
    const Shape& p = c.input(i).shape;
    if (!p.has_rank()) {
      past = c.symbols().fresh();
      continue;
    }
    c.require_equal(p[0], q[0], "the batch sizes of the cache and the query");
    c.require_equal(p[1], a.kv_num_heads, "the heads of the cache and kv_num_heads");
    c.require_equal(p[3], width, "the widths of the cache and the heads");
    if (i == kPastValue) c.require_equal(p[2], past, "the rows of past_key and past_value");
    past = p[2];
  }
  if (c.input(kLengths).shape.has_rank())
    c.require_equal(c.input(kLengths).shape.count(), q[0], "the key lengths and the batch");
  check_rotary(c, a, width);
  if (c.has(kPositions) && c.input(kPositions).shape.has_rank()) {
    c.require_equal(c.input(kPositions).shape.count(), q[0] * q[1], "the positions and the rows of the query");
  }
  if (c.has(kScores)) {
    c.require_rank(kScores, 4, 4);
    require_broadcasts_to(c, c.input(kScores).shape, Shape({q[0], a.num_heads, q[1], total}), "attention_bias");
  }
  const Shape present({q[0], a.kv_num_heads, max(past, total), width});
  c.set(0, type, Shape({q[0], q[1], width * a.num_heads}));
  c.set(1, type, present);
  c.set(2, type, present);
}

/// Sizes and, for each batch item, the cached rows and all rows.
struct Plan {
  int64_t batch, rows, width, total, capacity;
  int64_t *past, *keys, *positions;
};

Plan plan_of(RunContext& c, const GroupQueryAttrs& a) {
  const Extents& q = c.input(kQ).extents;
  Plan p;
  p.batch = q[0];
  p.rows = q[1];
  p.width = q[2] / (a.num_heads + (c.has_input(kK) ? 0 : 2 * a.kv_num_heads));
  p.total = *c.input(kTotal).as<int32_t>();
  p.capacity = std::max(p.total, c.has_input(kPastKey) ? c.input(kPastKey).extents[2] : 0);
  p.past = c.scratch<int64_t>(p.batch);
  p.keys = c.scratch<int64_t>(p.batch);
  p.positions = c.scratch<int64_t>(p.batch * p.rows);
  const int64_t cached = c.has_input(kPastKey) ? c.input(kPastKey).extents[2] : 0;
  const bool prompt = p.rows == p.total;
  for (int64_t b = 0; b < p.batch; ++b) {
    p.keys[b] = std::clamp<int64_t>(int64_t{c.input(kLengths).as<int32_t>()[b]} + 1, 0, p.total);
    p.past[b] = prompt ? 0 : std::clamp<int64_t>(p.keys[b] - p.rows, 0, std::min(cached, p.capacity - p.rows));
    for (int64_t i = 0; i < p.rows; ++i) {
      const bool given = c.has_input(kPositions);
      p.positions[b * p.rows + i] = given ? c.input(kPositions).as<int64_t>()[b * p.rows + i] : p.past[b] + i;
    }
  }
  return p;
}

HeadsView rotated(RunContext& c, const GroupQueryAttrs& a, const Plan& p, const HeadsView& x, int64_t heads) {
  if (!a.do_rotary) return x;
  const ConstView cos = c.input(kCos);
  Rotation rotation{cos.as<float>(), c.input(kSin).as<float>(), cos.extents[1], a.rotary_interleaved};
  rotation.table_rows = cos.extents[0];
  rotation.positions = p.positions;
  float* out = c.scratch<float>(p.batch * heads * p.rows * p.width);
  const HeadsView to = bhsd(out, heads, p.rows, p.width);
  rotate(c.parallel(), rotation, {p.batch, heads, p.rows, p.width}, x, to, out);
  return to;
}

/// The cache with the new rows after those that each batch item has; zeros beyond.
HeadsView updated(RunContext& c, const GroupQueryAttrs& a, const Plan& p, const HeadsView& now, int output) {
  const int64_t heads = a.kv_num_heads, item = heads * p.capacity * p.width;
  float* all = c.wants(output) ? c.output(output).as<float>() : c.scratch<float>(p.batch * item);
  std::memset(all, 0, static_cast<size_t>(p.batch * item) * sizeof(float));
  const int past_input = output == 1 ? kPastKey : kPastValue;
  for (int64_t b = 0; b < p.batch; ++b) {
    if (p.past[b] > 0) {
      const int64_t cached = c.input(past_input).extents[2];
      HeadsView from = bhsd(c.input(past_input).as<float>(), heads, cached, p.width);
      from.data += b * from.batch;
      copy_heads(c.parallel(), from, {1, heads, p.past[b], p.width}, 0, p.capacity, all + b * item);
    }
    HeadsView from = now;
    from.data += b * now.batch;
    copy_heads(c.parallel(), from, {1, heads, p.rows, p.width}, p.past[b], p.capacity, all + b * item);
  }
  return bhsd(all, heads, p.capacity, p.width);
}

/// Where a query sees only the last keys before it: [batch, rows, total].
void set_window(RunContext& c, int64_t window, const Plan& p, AttentionCall& call) {
  if (window < 0) return;
  auto* allowed = c.scratch<uint8_t>(p.batch * p.rows * p.total);
  for (int64_t i = 0; i < p.batch * p.rows; ++i) {
    const int64_t last = p.past[i / p.rows] + i % p.rows;
    for (int64_t j = 0; j < p.total; ++j) allowed[i * p.total + j] = j > last - window;
  }
  call.allowed = {allowed, {p.rows * p.total, 0, p.total, 1}};
}

void run(RunContext& c) {
  if (widened(c, run)) return;
  const auto& a = c.attrs<GroupQueryAttrs>();
  if (c.output(0).count() == 0) return;
  const Plan p = plan_of(c, a);
  const auto* data = c.input(kQ).as<float>();
  const int64_t heads = a.num_heads, kv_heads = a.kv_num_heads;
  HeadsView q = bshd(data, heads, p.rows, p.width), k, v;
  if (c.has_input(kK)) {
    k = bshd(c.input(kK).as<float>(), kv_heads, p.rows, p.width);
    v = bshd(c.input(kV).as<float>(), kv_heads, p.rows, p.width);
  } else {
    const int64_t row = (heads + 2 * kv_heads) * p.width;
    q = {data, p.rows * row, p.width, row, 1};
    k = v = q;
    k.data = data + heads * p.width;
    v.data = k.data + kv_heads * p.width;
  }
  AttentionCall call;
  call.q = rotated(c, a, p, q, heads);
  call.k = updated(c, a, p, rotated(c, a, p, k, kv_heads), 1);
  call.v = updated(c, a, p, v, 2);
  call.batch = p.batch;
  call.heads = heads;
  call.kv_heads = kv_heads;
  call.shape = {.sq = p.rows, .skv = p.total, .d = p.width, .dv = p.width};
  call.shape.scale = a.scale.value_or(0) != 0 ? *a.scale : 1 / std::sqrt(static_cast<float>(p.width));
  call.shape.softcap = a.softcap;
  call.shape.causal = a.causal;
  call.shape.zero_masked_rows = true;
  set_window(c, a.local_window_size, p, call);
  if (p.batch == 1) {
    call.shape.skv = p.keys[0];
    call.shape.causal_offset = p.past[0];
  } else {
    call.keys = p.keys;
    call.offsets = p.past;
  }
  if (c.has_input(kScores)) call.bias = scores_view<float>(c.input(kScores));
  call.set_out_bshd(c.output(0).as<float>());
  run_attention(c, call);
}

const Op kFamily[] = {
    {.domain = kMicrosoft,
     .name = "GroupQueryAttention",
     .inputs = {1, 16},
     .outputs = {1, 4},
     .parse = Attrs::parse<GroupQueryAttrs>,
     .infer = infer,
     .run = run,
     .accuracy = Accuracy::kAccumulated},
};

}  // namespace

std::span<const Op> group_query_attention_family() { return kFamily; }

}  // namespace sdx::ops
