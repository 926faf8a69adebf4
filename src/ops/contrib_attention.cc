// com.microsoft's Attention: the projection to queries, keys and values, and attention over them.
#include <cmath>

#include "ops/family.h"
#include "ops/padding_mask.h"
#include "ops/product.h"

namespace sdx::ops {
namespace {

struct ContribAttentionAttrs {
  int64_t num_heads = 0;
  float mask_filter_value = -10000;
  std::optional<float> scale;
  bool unidirectional = false;
  bool do_rotary = false, past_present_share_buffer = false;
  int64_t rotary_embedding_dim = 0;
  std::vector<int64_t> qkv_hidden_sizes;
  bool operator==(const ContribAttentionAttrs&) const = default;
  static constexpr auto fields() {
    using A = ContribAttentionAttrs;
    return std::tuple{required("num_heads", &A::num_heads),
                      field("mask_filter_value", &A::mask_filter_value),
                      field("scale", &A::scale),
                      field("unidirectional", &A::unidirectional),
                      field("do_rotary", &A::do_rotary),
                      field("past_present_share_buffer", &A::past_present_share_buffer),
                      field("rotary_embedding_dim", &A::rotary_embedding_dim),
                      field("qkv_hidden_sizes", &A::qkv_hidden_sizes)};
  }
};

constexpr int kX = 0, kWeights = 1, kBias = 2, kMask = 3, kPast = 4, kScores = 5;

/// The widths of all heads of the queries (and keys) and of the values in a projection `all` wide.
struct Widths {
  Dim keys, values;
};

Widths widths(InferContext& c, const ContribAttentionAttrs& a, const Dim& all) {
  if (a.qkv_hidden_sizes.empty()) {
    c.require_equal(floor_mod(all, 3 * a.num_heads), 0, "the projected width modulo three times the heads and 0");
    return {exact_div(all, 3), exact_div(all, 3)};
  }
  const auto& sizes = a.qkv_hidden_sizes;
  if (sizes.size() != 3 || sizes[0] != sizes[1])
    c.invalid("attribute 'qkv_hidden_sizes' must have 3 entries, the first two equal");
  for (int64_t size : sizes) {
    if (size < 1 || size > (int64_t{1} << 31) || size % a.num_heads != 0) {
      c.invalid("attribute 'qkv_hidden_sizes' has ", size, ", which ", a.num_heads, " heads do not divide");
    }
  }
  c.require_equal(all, sizes[0] * 2 + sizes[2], "the projected width and the sum of qkv_hidden_sizes");
  return {sizes[0], sizes[2]};
}

void infer(InferContext& c) {
  const auto& a = c.attrs<ContribAttentionAttrs>();
  c.require_dtype(kX, {DType::kF32, DType::kF16, DType::kBF16});
  for (int i : {kWeights, kBias, kPast, kScores}) {
    if (c.has(i)) c.require_same_dtype(kX, i);
  }
  if (a.num_heads < 1 || a.num_heads > kMaxElements) {
    c.invalid("attribute 'num_heads' is ", a.num_heads, " but must be in [1, ", kMaxElements, "]");
  }
  if (a.do_rotary || a.past_present_share_buffer || c.has(6))
    c.unsupported("rotary embedding or shared caches in this operator");
  const DType type = c.input(kX).dtype;
  for (int i : {kX, kWeights, kMask, kPast, kScores}) {
    if (!c.has(i) || c.input(i).shape.has_rank()) continue;
    c.set(0, type, c.fresh_shape(3));
    return c.set(1, type, c.fresh_shape(5));
  }
  c.require_rank(kX, 3, 3);
  c.require_rank(kWeights, 2, 2);
  const Shape &x = c.input(kX).shape, &w = c.input(kWeights).shape;
  c.require_equal(x[2], w[0], "the inner sizes of the projection");
  const Widths width = widths(c, a, w[1]);
  if (c.has(kBias)) {
    c.require_rank(kBias, 1, 1);
    if (c.input(kBias).shape.has_rank())
      c.require_equal(c.input(kBias).shape[0], w[1], "the bias and the projected width");
  }
  Dim past = 0;
  if (c.has(kPast)) {
    c.require_rank(kPast, 5, 5);
    const Shape& p = c.input(kPast).shape;
    past = p[3];
    c.require_equal(p[0], 2, "the parts of the cache and 2");
    c.require_equal(p[1], x[0], "the batch sizes of the cache and the input");
    c.require_equal(p[2], a.num_heads, "the heads of the cache and num_heads");
    c.require_equal(p[4] * a.num_heads, width.keys, "the widths of the cache and the keys");
    c.require_equal(width.keys, width.values, "the widths of cached keys and values");
  }
  const Dim total = past + x[1];
  require_padding_mask(c, kMask, x[0], x[1], total, x[1]);
  if (c.has(kScores)) {
    c.require_rank(kScores, 4, 4);
    require_broadcasts_to(c, c.input(kScores).shape, Shape({x[0], a.num_heads, x[1], total}), "attention_bias");
  }
  if (c.output_count() > 1) c.require_equal(width.keys, width.values, "the widths of cached keys and values");
  c.set(0, type, Shape({x[0], x[1], width.values}));
  c.set(1, type, Shape({2, x[0], a.num_heads, total, exact_div(width.keys, a.num_heads)}));
}

/// x W + bias as [batch * rows, all].
float* project(RunContext& c, int64_t rows, int64_t all) {
  float* out = c.scratch<float>(rows * all);
  kernels::Gemm gemm{.m = rows, .n = all, .k = c.input(kX).extents[2]};
  gemm.a = {c.input(kX).as<float>(), gemm.k, 1};
  gemm.b = {c.input(kWeights).as<float>(), all, 1};
  gemm.c = out;
  gemm.c_stride = all;
  if (c.has_input(kBias)) gemm.epilogue.column_bias = c.input(kBias).as<float>();
  run_product(c, gemm);
  return out;
}

/// Part `part` of the cache (0 keys, 1 values) followed by the new rows.
HeadsView append(RunContext& c, int part, const HeadsView& now, const HeadsShape& s, float* present) {
  const int64_t past = c.has_input(kPast) ? c.input(kPast).extents[3] : 0, total = past + s.rows;
  if (past == 0 && !present) return now;
  const int64_t size = s.batch * s.heads * total * s.width;
  float* all = present ? present + part * size : c.scratch<float>(size);
  if (past > 0) {
    const float* from = c.input(kPast).as<float>() + part * s.batch * s.heads * past * s.width;
    copy_heads(c.parallel(), bhsd(from, s.heads, past, s.width), {s.batch, s.heads, past, s.width}, 0, total, all);
  }
  copy_heads(c.parallel(), now, s, past, total, all);
  return bhsd(all, s.heads, total, s.width);
}

void run(RunContext& c) {
  if (widened(c, run)) return;
  const auto& a = c.attrs<ContribAttentionAttrs>();
  const Extents& x = c.input(kX).extents;
  const int64_t batch = x[0], rows = x[1], all = c.input(kWeights).extents[1], heads = a.num_heads;
  if (c.output(0).count() == 0) return;
  const int64_t d = (a.qkv_hidden_sizes.empty() ? all / 3 : a.qkv_hidden_sizes[0]) / heads;
  const int64_t dv = all / heads - 2 * d;
  const float* projected = project(c, batch * rows, all);
  auto part = [&](int64_t first, int64_t width) { return HeadsView{projected + first, rows * all, width, all, 1}; };
  float* present = c.wants(1) ? c.output(1).as<float>() : nullptr;
  AttentionCall call;
  call.batch = batch;
  call.heads = call.kv_heads = heads;
  call.q = part(0, d);
  call.k = append(c, 0, part(heads * d, d), {batch, heads, rows, d}, present);
  call.v = append(c, 1, part(2 * heads * d, dv), {batch, heads, rows, dv}, present);
  const int64_t past = c.has_input(kPast) ? c.input(kPast).extents[3] : 0;
  call.shape = {.sq = rows, .skv = past + rows, .d = d, .dv = dv};
  call.shape.scale = a.scale.value_or(0) != 0 ? *a.scale : 1 / std::sqrt(static_cast<float>(d));
  call.shape.causal = a.unidirectional;
  call.shape.causal_offset = past;
  if (c.has_input(kMask)) call.mask = padding_mask(c, kMask, call, a.mask_filter_value);
  if (c.has_input(kScores)) call.bias = scores_view<float>(c.input(kScores));
  call.set_out_bshd(c.output(0).as<float>());
  run_attention(c, call);
}

const Op kFamily[] = {
    {.domain = kMicrosoft,
     .name = "Attention",
     .inputs = {2, 7},
     .outputs = {1, 2},
     .parse = Attrs::parse<ContribAttentionAttrs>,
     .infer = infer,
     .run = run,
     .accuracy = Accuracy::kAccumulated},
};

}  // namespace

std::span<const Op> contrib_attention_family() { return kFamily; }

}  // namespace sdx::ops
