// FusedAttention: softmax(scale q k + masks) v over operands in the layouts that models keep them in; rules make it.
#include <cmath>

#include "ops/attention_core.h"
#include "ops/broadcast_copy.h"
#include "ops/family.h"

namespace sdx::ops {
namespace {

/// Layouts: "bhsd", "bshd", "bhds" (all 4-D) and "bsm" [batch, rows, heads * width], which needs the number of heads.
/// Inputs: q, k, v, mask, bias; where keys and values lie in a cache also keys int64 [1], how many of its rows count,
/// and slots int64 [batch]: batch item b then reads k[slots[b]] and v[slots[b]].
struct FusedAttentionAttrs {
  std::string q_layout = "bhsd", k_layout = "bhsd", v_layout = "bhsd", out_layout = "bhsd";
  int64_t heads = 0, kv_heads = 0;  ///< of "bsm" operands; 0 for kv_heads: heads
  std::optional<float> scale;       ///< absent: 1 / sqrt(width of q)
  float softcap = 0;
  int64_t causal = 0;  ///< 1: query i sees key j <= i; 2: j <= i + keys - queries
  bool zero_masked_rows = false;
  bool operator==(const FusedAttentionAttrs&) const = default;
  static constexpr auto fields() {
    using A = FusedAttentionAttrs;
    return std::tuple{field("q_layout", &A::q_layout), field("k_layout", &A::k_layout),
                      field("v_layout", &A::v_layout), field("out_layout", &A::out_layout),
                      field("heads", &A::heads),       field("kv_heads", &A::kv_heads),
                      field("scale", &A::scale),       field("softcap", &A::softcap),
                      field("causal", &A::causal),     field("zero_masked_rows", &A::zero_masked_rows)};
  }
  int64_t key_heads() const { return kv_heads > 0 ? kv_heads : heads; }
};

struct HeadDims {
  Dim batch, heads, rows, width;
};

HeadDims split(InferContext& c, int input, const std::string& layout, int64_t heads) {
  const bool merged = layout == "bsm";
  if (!merged && layout != "bhsd" && layout != "bshd" && layout != "bhds") {
    c.invalid("layout '", layout, "' of input ", input, "; it must be bhsd, bshd, bhds or bsm");
  }
  c.require_rank(input, merged ? 3 : 4, merged ? 3 : 4);
  if (merged && heads < 1)
    c.invalid("input ", input, " is [batch, rows, heads * width], which needs the number of heads");
  const Shape& x = c.input(input).shape;
  const Shape s = x.has_rank() ? x : c.fresh_shape(merged ? 3 : 4);
  if (merged) {
    c.require_equal(floor_mod(s[2], heads), 0, "the last size of an attention operand modulo the heads and 0");
    return {s[0], heads, s[1], exact_div(s[2], heads)};
  }
  if (layout == "bhsd") return {s[0], s[1], s[2], s[3]};
  if (layout == "bshd") return {s[0], s[2], s[1], s[3]};
  return {s[0], s[1], s[3], s[2]};
}

void check_masks(InferContext& c, const Shape& scores) {
  for (int i = 3; i <= 4; ++i) {
    if (!c.has(i)) continue;
    if (i == 4 || c.input(i).dtype != DType::kBool) c.require_same_dtype(0, i);
    c.require_rank(i, 0, 4);
    require_broadcasts_to(c, c.input(i).shape, scores, "an attention mask");
  }
}

/// What a cache makes of the keys: their number is a value, and the batch of k and v has no meaning.
Dim cached_keys(InferContext& c, const HeadDims& q, const HeadDims& k) {
  c.require_dtype(5, {DType::kI64});
  c.require_dtype(6, {DType::kI64});
  c.require_rank(5, 1, 1);
  c.require_rank(6, 1, 1);
  if (c.input(6).shape.has_rank())
    c.require_equal(q.batch, c.input(6).shape[0], "the batch size of queries and the number of slots");
  const auto& values = c.input(5).values;
  const Dim keys = values && values->size() == 1 ? values->front() : c.fresh_shape(1)[0];
  c.require_at_most(keys, k.rows, "the keys and the room of the cache");
  return keys;
}

void infer(InferContext& c) {
  const auto& a = c.attrs<FusedAttentionAttrs>();
  c.require_dtype(0, {DType::kF32, DType::kF16, DType::kBF16});
  c.require_same_dtype(0, 1);
  c.require_same_dtype(0, 2);
  const HeadDims q = split(c, 0, a.q_layout, a.heads), k = split(c, 1, a.k_layout, a.key_heads());
  const HeadDims v = split(c, 2, a.v_layout, a.key_heads());
  if (c.has(5) != c.has(6)) c.invalid("keys and slots of a cache go together; one of them is missing");
  const Dim keys = c.has(5) ? cached_keys(c, q, k) : k.rows;
  if (!c.has(5)) c.require_equal(q.batch, k.batch, "the batch sizes of queries and keys");
  c.require_equal(k.batch, v.batch, "the batch sizes of keys and values");
  c.require_equal(k.heads, v.heads, "the heads of keys and values");
  c.require_equal(k.rows, v.rows, "the rows of keys and values");
  c.require_equal(q.width, k.width, "the widths of queries and keys");
  if (!(q.heads == k.heads)) {
    if (k.heads.is(0)) c.invalid("attention needs at least one head of keys");
    c.require_equal(floor_mod(q.heads, k.heads), 0, "the heads of queries modulo those of keys and 0");
  }
  check_masks(c, Shape({q.batch, q.heads, q.rows, keys}));
  const DType type = c.input(0).dtype;
  if (a.out_layout == "bhsd") return c.set(0, type, Shape({q.batch, q.heads, q.rows, v.width}));
  if (a.out_layout == "bshd") return c.set(0, type, Shape({q.batch, q.rows, q.heads, v.width}));
  if (a.out_layout == "bsm") return c.set(0, type, Shape({q.batch, q.rows, q.heads * v.width}));
  c.invalid("layout '", a.out_layout, "' of the output; it must be bhsd, bshd or bsm");
}

struct Sizes {
  int64_t batch, heads, rows, width;
};

/// The view of an operand; `sizes` gets what the layout says about it.
HeadsView view_of(const ConstView& x, const std::string& layout, int64_t heads, Sizes& sizes) {
  const Extents& e = x.extents;
  const auto* data = x.as<float>();
  if (layout == "bsm") {
    sizes = {e[0], heads, e[1], e[2] / heads};
    return bshd(data, heads, sizes.rows, sizes.width);
  }
  if (layout == "bshd") {
    sizes = {e[0], e[2], e[1], e[3]};
    return bshd(data, sizes.heads, sizes.rows, sizes.width);
  }
  if (layout == "bhsd") {
    sizes = {e[0], e[1], e[2], e[3]};
    return bhsd(data, sizes.heads, sizes.rows, sizes.width);
  }
  sizes = {e[0], e[1], e[3], e[2]};
  return {data, e[1] * e[2] * e[3], e[2] * e[3], 1, e[3]};
}

/// Narrows the call to the rows of a cache that count, and points each batch item to its slot.
void use_cache(const RunContext& c, AttentionCall& call, int64_t slots) {
  if (c.input(5).count() != 1)
    fail(ErrorKind::kInvalidInput, "keys has ", c.input(5).count(), " elements but must have 1");
  const int64_t keys = *c.input(5).as<int64_t>();
  if (keys < 0 || keys > call.shape.skv) {
    fail(ErrorKind::kInvalidInput, keys, " keys are to be read from a cache with room for ", call.shape.skv);
  }
  call.shape.skv = keys;
  call.slots = c.input(6).as<int64_t>();
  for (int64_t b = 0; b < call.batch; ++b) {
    if (call.slots[b] >= 0 && call.slots[b] < slots) continue;
    fail(ErrorKind::kInvalidInput, "slot ", call.slots[b], " of batch item ", b, " is outside the cache of ", slots,
         " slots");
  }
}

void run(RunContext& c) {
  if (widened(c, run)) return;
  const auto& a = c.attrs<FusedAttentionAttrs>();
  AttentionCall call;
  Sizes q, k, v;
  call.q = view_of(c.input(0), a.q_layout, a.heads, q);
  call.k = view_of(c.input(1), a.k_layout, a.key_heads(), k);
  call.v = view_of(c.input(2), a.v_layout, a.key_heads(), v);
  call.batch = q.batch;
  call.heads = q.heads;
  call.kv_heads = k.heads;
  call.shape = {.sq = q.rows, .skv = k.rows, .d = q.width, .dv = v.width};
  call.shape.scale = a.scale.value_or(1 / std::sqrt(static_cast<float>(q.width)));
  call.shape.softcap = a.softcap;
  if (c.has_input(5)) use_cache(c, call, k.batch);
  call.shape.causal = a.causal != 0;
  call.shape.causal_offset = a.causal == 2 ? call.shape.skv - q.rows : 0;
  call.shape.zero_masked_rows = a.zero_masked_rows;
  if (c.has_input(3)) {
    if (c.input(3).dtype == DType::kBool)
      call.allowed = scores_view<uint8_t>(c.input(3));
    else
      call.mask = scores_view<float>(c.input(3));
  }
  if (c.has_input(4)) call.bias = scores_view<float>(c.input(4));
  if (a.out_layout == "bhsd")
    call.set_out_bhsd(c.output(0).as<float>());
  else
    call.set_out_bshd(c.output(0).as<float>());
  run_attention(c, call);
}

const Op kFamily[] = {
    {.domain = kOwnDomain,
     .name = "FusedAttention",
     .inputs = {3, 7},
     .outputs = {1, 1},
     .parse = Attrs::parse<FusedAttentionAttrs>,
     .infer = infer,
     .run = run,
     .accuracy = Accuracy::kAccumulated},
};

}  // namespace

std::span<const Op> fused_attention_family() { return kFamily; }

}  // namespace sdx::ops
