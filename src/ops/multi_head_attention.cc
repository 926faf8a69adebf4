// com.microsoft's MultiHeadAttention: attention over projected queries, keys and values, with their bias and a cache.
#include <cmath>

#include "ops/family.h"
#include "ops/padding_mask.h"

namespace sdx::ops {
namespace {

struct MultiHeadAttrs {
  int64_t num_heads = 0;
  float mask_filter_value = -10000;
  std::optional<float> scale;
  bool unidirectional = false;
  bool operator==(const MultiHeadAttrs&) const = default;
  static constexpr auto fields() {
    using A = MultiHeadAttrs;
    return std::tuple{required("num_heads", &A::num_heads), field("mask_filter_value", &A::mask_filter_value),
                      field("scale", &A::scale), field("unidirectional", &A::unidirectional)};
  }
};

constexpr int kQ = 0, kK = 1, kV = 2, kBias = 3, kPadding = 4, kScores = 5, kPastKey = 6, kPastValue = 7;

/// What the ranks of the inputs say: q [b, s, h * d] with k and v alike; q [b, s, h, 3, d] holding all; k [b, s, h, 2,
/// d] holding k and v; or k and v [b, h, s, d] as a cache keeps them.
enum class Form : uint8_t { kSeparate, kPackedAll, kPackedKeys, kCached };

struct Sizes {
  Form form = Form::kSeparate;
  Dim batch, rows, keys, width, value_width;  ///< keys: new ones
};

Sizes sizes_of(InferContext& c, int64_t heads) {
  c.require_rank(kQ, 3, 5);
  const Shape& q = c.input(kQ).shape;
  if (q.rank() == 5) {
    c.require_equal(q[2], heads, "the heads of the packed input and num_heads");
    c.require_equal(q[3], 3, "the packed parts of the input and 3");
    return {Form::kPackedAll, q[0], q[1], q[1], q[4], q[4]};
  }
  if (q.rank() != 3) c.invalid("the query has shape ", q.text(), " but must have 3 or 5 dimensions");
  c.require_equal(floor_mod(q[2], heads), 0, "the width of the query modulo the heads and 0");
  const Dim width = exact_div(q[2], heads);
  const Shape& k = c.input(kK).shape;
  if (k.rank() == 5) {
    c.require_equal(k[2], heads, "the heads of the packed keys and num_heads");
    c.require_equal(k[3], 2, "the packed parts of the keys and 2");
    c.require_equal(k[4], width, "the widths of queries and keys");
    c.require_equal(k[0], q[0], "the batch sizes of queries and keys");
    return {Form::kPackedKeys, q[0], q[1], k[1], width, width};
  }
  c.require_rank(kV, k.rank(), k.rank());
  const Shape& v = c.input(kV).shape;
  c.require_equal(k[0], q[0], "the batch sizes of queries and keys");
  c.require_equal(v[0], q[0], "the batch sizes of queries and values");
  if (k.rank() == 4) {
    c.require_equal(k[1], heads, "the heads of the keys and num_heads");
    c.require_equal(v[1], heads, "the heads of the values and num_heads");
    c.require_equal(k[2], v[2], "the rows of keys and values");
    c.require_equal(k[3], width, "the widths of queries and keys");
    return {Form::kCached, q[0], q[1], k[2], width, v[3]};
  }
  c.require_rank(kK, 3, 3);
  c.require_equal(k[1], v[1], "the rows of keys and values");
  c.require_equal(k[2], q[2], "the widths of queries and keys");
  c.require_equal(floor_mod(v[2], heads), 0, "the width of the values modulo the heads and 0");
  return {Form::kSeparate, q[0], q[1], k[1], width, exact_div(v[2], heads)};
}

bool ranks_known(const InferContext& c) {
  for (int i : {kQ, kK, kV, kPastKey, kPastValue, kPadding, kScores}) {
    if (c.has(i) && !c.input(i).shape.has_rank()) return false;
  }
  return true;
}

Dim past_rows(InferContext& c, const Sizes& s, int64_t heads) {
  if (!c.has(kPastKey)) return 0;
  c.require_rank(kPastKey, 4, 4);
  c.require_rank(kPastValue, 4, 4);
  const Shape &k = c.input(kPastKey).shape, &v = c.input(kPastValue).shape;
  c.require_equal(k[2], v[2], "the rows of past_key and past_value");
  for (const Shape* p : {&k, &v}) {
    c.require_equal((*p)[0], s.batch, "the batch sizes of the cache and the query");
    c.require_equal((*p)[1], heads, "the heads of the cache and num_heads");
    c.require_equal((*p)[3], p == &k ? s.width : s.value_width, "the widths of the cache and the heads");
  }
  return k[2];
}

void infer(InferContext& c) {
  const auto& a = c.attrs<MultiHeadAttrs>();
  c.require_dtype(kQ, {DType::kF32, DType::kF16, DType::kBF16});
  if (a.num_heads < 1) c.invalid("attribute 'num_heads' is ", a.num_heads, " but must be at least 1");
  for (int i : {kK, kV, kBias, kScores, kPastKey, kPastValue}) {
    if (c.has(i)) c.require_same_dtype(kQ, i);
  }
  if (c.has(8) || c.has(9)) c.unsupported("shared cache buffers ('past_sequence_length', 'cache_indirection')");
  if (c.output_count() > 3) c.unsupported("the scores as an output of MultiHeadAttention");
  const DType type = c.input(kQ).dtype;
  if (!ranks_known(c)) {
    for (int i = 0; i < 3; ++i) c.set(i, type, c.fresh_shape(i == 0 ? 3 : 4));
    return;
  }
  if (c.has(kPastKey) != c.has(kPastValue)) c.invalid("past_key and past_value must be given together");
  const Sizes s = sizes_of(c, a.num_heads);
  const Dim total = past_rows(c, s, a.num_heads) + s.keys;
  if (c.has(kBias)) {
    c.require_rank(kBias, 1, 1);
    if (c.input(kBias).shape.has_rank()) {
      c.require_equal(c.input(kBias).shape[0], (s.width * 2 + s.value_width) * a.num_heads,
                      "the bias and the projected widths");
    }
  }
  require_padding_mask(c, kPadding, s.batch, s.rows, total, s.keys);
  if (c.has(kScores)) {
    c.require_rank(kScores, 4, 4);
    require_broadcasts_to(c, c.input(kScores).shape, Shape({s.batch, a.num_heads, s.rows, total}), "attention_bias");
  }
  c.set(0, type, Shape({s.batch, s.rows, s.value_width * a.num_heads}));
  c.set(1, type, Shape({s.batch, a.num_heads, total, s.width}));
  c.set(2, type, Shape({s.batch, a.num_heads, total, s.value_width}));
}

/// The three operands before bias and cache.
struct Projected {
  HeadsView q, k, v;
  HeadsShape q_shape, k_shape, v_shape;
  bool cached = false;
};

Projected project(RunContext& c, int64_t heads) {
  const ConstView q = c.input(kQ);
  const Extents& e = q.extents;
  const auto* data = q.as<float>();
  Projected p;
  if (e.rank() == 5) {
    const int64_t d = e[4], row = heads * 3 * d;
    p.q = {data, e[1] * row, 3 * d, row, 1};
    p.k = p.v = p.q;
    p.k.data = data + d;
    p.v.data = data + 2 * d;
    p.q_shape = p.k_shape = p.v_shape = {e[0], heads, e[1], d};
    return p;
  }
  const int64_t d = e[2] / heads;
  p.q_shape = {e[0], heads, e[1], d};
  p.q = bshd(data, heads, e[1], d);
  const Extents& k = c.input(kK).extents;
  const auto* keys = c.input(kK).as<float>();
  if (k.rank() == 5) {
    const int64_t row = heads * 2 * d;
    p.k = {keys, k[1] * row, 2 * d, row, 1};
    p.v = p.k;
    p.v.data = keys + d;
    p.k_shape = p.v_shape = {k[0], heads, k[1], d};
    return p;
  }
  const Extents& v = c.input(kV).extents;
  const auto* values = c.input(kV).as<float>();
  p.cached = k.rank() == 4;
  p.k_shape = {k[0], heads, p.cached ? k[2] : k[1], d};
  p.v_shape = {k[0], heads, p.k_shape.rows, p.cached ? v[3] : v[2] / heads};
  p.k = p.cached ? bhsd(keys, heads, k[2], d) : bshd(keys, heads, k[1], d);
  p.v = p.cached ? bhsd(values, heads, k[2], v[3]) : bshd(values, heads, k[1], p.v_shape.width);
  return p;
}

/// The operand with its part of the bias, as [b, h, s, d].
HeadsView biased(RunContext& c, const HeadsView& x, const HeadsShape& s, const float* bias) {
  const int64_t size = s.rows * s.width;
  float* out = c.scratch<float>(s.batch * s.heads * size);
  copy_heads(c.parallel(), x, s, 0, s.rows, out);
  c.parallel().run(s.batch * s.heads, grain_for(size), [&](int64_t begin, int64_t end, int) {
    for (int64_t i = begin; i < end; ++i) {
      for (int64_t j = 0; j < size; ++j) out[i * size + j] += bias[i % s.heads * s.width + j % s.width];
    }
  });
  return bhsd(out, s.heads, s.rows, s.width);
}

void run(RunContext& c) {
  if (widened(c, run)) return;
  const auto& a = c.attrs<MultiHeadAttrs>();
  Projected p = project(c, a.num_heads);
  if (c.has_input(kBias)) {
    const float* bias = c.input(kBias).as<float>();
    const int64_t width = a.num_heads * p.q_shape.width;
    p.q = biased(c, p.q, p.q_shape, bias);
    if (!p.cached) {
      p.k = biased(c, p.k, p.k_shape, bias + width);
      p.v = biased(c, p.v, p.v_shape, bias + 2 * width);
    }
  }
  AttentionCall call;
  const int64_t past = c.has_input(kPastKey) ? c.input(kPastKey).extents[2] : 0;
  call.q = p.q;
  call.k = append_to_cache(c, p.k, p.k_shape, kPastKey, 1);
  call.v = append_to_cache(c, p.v, p.v_shape, kPastValue, 2);
  call.batch = p.q_shape.batch;
  call.heads = call.kv_heads = a.num_heads;
  call.shape = {.sq = p.q_shape.rows, .skv = past + p.k_shape.rows, .d = p.q_shape.width, .dv = p.v_shape.width};
  call.shape.scale = a.scale.value_or(0) != 0 ? *a.scale : 1 / std::sqrt(static_cast<float>(p.q_shape.width));
  call.shape.causal = a.unidirectional;
  call.shape.causal_offset = call.shape.skv - call.shape.sq;
  if (c.has_input(kPadding)) call.mask = padding_mask(c, kPadding, call, a.mask_filter_value);
  if (c.has_input(kScores)) call.bias = scores_view<float>(c.input(kScores));
  call.set_out_bshd(c.output(0).as<float>());
  run_attention(c, call);
}

const Op kFamily[] = {
    {.domain = kMicrosoft,
     .name = "MultiHeadAttention",
     .inputs = {1, 10},
     .outputs = {1, 4},
     .parse = Attrs::parse<MultiHeadAttrs>,
     .infer = infer,
     .run = run,
     .accuracy = Accuracy::kAccumulated},
};

}  // namespace

std::span<const Op> multi_head_attention_family() { return kFamily; }

}  // namespace sdx::ops
