// RealTokens, UnpackRows and RaggedAttention: batches of texts of different lengths without their padding.
#include <algorithm>
#include <cmath>
#include <cstring>

#include "ops/attention_core.h"
#include "ops/family.h"

namespace sdx::ops {
namespace {

constexpr std::array kMaskTypes = {DType::kI64, DType::kI32, DType::kBool};

/// mask [b, s] of 0 and 1 => positions int64[t] of the ones in row-major order; starts int64[b + 1]: the ones of text i
/// are positions[starts[i] ... starts[i + 1]).
void infer_real_tokens(InferContext& c) {
  c.require_dtype(0, kMaskTypes);
  c.require_rank(0, 2, 2);
  const Shape& mask = c.input(0).shape;
  c.set(0, DType::kI64, {c.symbols().fresh()});
  if (c.output_count() > 1) c.set(1, DType::kI64, {mask.has_rank() ? mask[0] + 1 : c.symbols().fresh()});
}

template <class T>
void real_tokens(RunContext& c) {
  const ConstView mask = c.input(0);
  const T* x = mask.as<T>();
  const int64_t texts = mask.extents[0], length = mask.extents[1];
  int64_t total = 0;
  for (int64_t i = 0; i < texts * length; ++i) {
    if (x[i] != T{0} && x[i] != T{1}) {
      fail(ErrorKind::kInvalidInput, "the attention mask holds ", static_cast<int64_t>(x[i]), " at [", i / length, ",",
           i % length, "]; padding can be left out only where it holds 0 and 1 (--padding exact computes any mask)");
    }
    total += x[i] != T{0};
  }
  const View positions = c.allocate_output(0, DType::kI64, {total});
  int64_t* const first = positions.as<int64_t>();
  int64_t* to = first;
  for (int64_t i = 0; i < texts * length; ++i) {
    if (x[i] != T{0}) *to++ = i;
  }
  if (!c.wants(1)) return;
  const View starts = c.allocate_output(1, DType::kI64, {texts + 1});
  for (int64_t b = 0; b <= texts; ++b) starts.as<int64_t>()[b] = std::lower_bound(first, to, b * length) - first;
}

void run_real_tokens(RunContext& c) {
  switch (c.input(0).dtype) {
    case DType::kI64: return real_tokens<int64_t>(c);
    case DType::kI32: return real_tokens<int32_t>(c);
    default: return real_tokens<uint8_t>(c);
  }
}

/// rows [1, t, ...], positions [t] and the mask [b, s] => [b, s, ...]: row i at positions[i], zeros elsewhere.
void infer_unpack(InferContext& c) {
  c.require_rank(0, 2);
  c.require_dtype(1, {DType::kI64});
  c.require_rank(1, 1, 1);
  c.require_rank(2, 2, 2);
  const Shape &rows = c.input(0).shape, &mask = c.input(2).shape;
  if (!rows.has_rank() || !mask.has_rank()) return c.set(0, c.input(0).dtype, Shape());
  if (dtype_bits(c.input(0).dtype) < 8 || c.input(0).dtype == DType::kString)
    c.unsupported("rows of ", dtype_name(c.input(0).dtype));
  Shape out = rows;
  c.require_equal(rows[0], 1, "the first size of packed rows and 1");
  if (c.input(1).shape.has_rank()) c.require_equal(rows[1], c.input(1).shape[0], "the rows and their positions");
  out[0] = mask[0];
  out[1] = mask[1];
  c.set(0, c.input(0).dtype, std::move(out));
}

void run_unpack(RunContext& c) {
  const ConstView rows = c.input(0);
  const View y = c.output(0);
  const int64_t total = y.extents[0] * y.extents[1], count = rows.extents[1];
  if (y.count() == 0) return;
  const auto bytes = static_cast<size_t>(y.bytes() / total);
  const int64_t* positions = c.input(1).as<int64_t>();
  for (int64_t i = 0; i < count; ++i) {
    if (positions[i] < 0 || positions[i] >= total || (i > 0 && positions[i] <= positions[i - 1])) {
      fail(ErrorKind::kInvalidInput, "position ", positions[i], " of row ", i, " is not in [0, ", total,
           ") or does not rise");
    }
  }
  c.parallel().run(total, grain_for(static_cast<int64_t>(bytes) / 16), [&](int64_t begin, int64_t end, int) {
    int64_t row = std::lower_bound(positions, positions + count, begin) - positions;
    for (int64_t i = begin; i < end; ++i) {
      std::byte* to = y.data + static_cast<size_t>(i) * bytes;
      if (row < count && positions[row] == i) {
        std::memcpy(to, rows.data + static_cast<size_t>(row++) * bytes, bytes);
      } else {
        std::memset(to, 0, bytes);
      }
    }
  });
}

struct RaggedAttentionAttrs {
  std::optional<float> scale;  ///< absent: 1 / sqrt(width of q)
  float softcap = 0;
  bool operator==(const RaggedAttentionAttrs&) const = default;
  static constexpr auto fields() {
    return std::tuple{field("scale", &RaggedAttentionAttrs::scale), field("softcap", &RaggedAttentionAttrs::softcap)};
  }
};

/// q [1, t, heads, d], k and v [1, t, kv_heads, d], starts int64[b + 1] => [1, t, heads, d]: each text sees itself.
void infer_attention(InferContext& c) {
  c.require_dtype(0, {DType::kF32, DType::kF16, DType::kBF16});
  for (int i = 0; i < 3; ++i) {
    c.require_same_dtype(0, i);
    c.require_rank(i, 4, 4);
  }
  c.require_dtype(3, {DType::kI64});
  c.require_rank(3, 1, 1);
  const Shape &q = c.input(0).shape, &k = c.input(1).shape, &v = c.input(2).shape;
  if (!q.has_rank() || !k.has_rank() || !v.has_rank()) return c.set(0, c.input(0).dtype, c.fresh_shape(4));
  for (const Shape* rows : {&q, &k, &v}) c.require_equal((*rows)[0], 1, "the first size of packed rows and 1");
  c.require_equal(q[1], k[1], "the rows of queries and keys");
  c.require_equal(k[1], v[1], "the rows of keys and values");
  c.require_equal(k[2], v[2], "the heads of keys and values");
  c.require_equal(q[3], k[3], "the widths of queries and keys");
  if (k[2].is(0)) c.invalid("attention needs at least one head of keys");
  c.require_equal(floor_mod(q[2], k[2]), 0, "the heads of queries modulo those of keys and 0");
  c.set(0, c.input(0).dtype, {1, q[1], q[2], v[3]});
}

/// Throws unless starts rises from 0 to the number of rows.
int64_t longest_text(std::span<const int64_t> starts, int64_t rows) {
  int64_t longest = 0;
  const bool ends = !starts.empty() && starts.front() == 0 && starts.back() == rows;
  for (size_t i = 1; ends && i < starts.size(); ++i) {
    if (starts[i] < starts[i - 1])
      fail(ErrorKind::kInvalidInput, "the starts of texts fall from ", starts[i - 1], " to ", starts[i]);
    longest = std::max(longest, starts[i] - starts[i - 1]);
  }
  if (!ends) fail(ErrorKind::kInvalidInput, "the starts of texts do not go from 0 to ", rows, ", the number of rows");
  return longest;
}

void run_attention_of_texts(RunContext& c) {
  if (widened(c, run_attention_of_texts)) return;
  const auto& a = c.attrs<RaggedAttentionAttrs>();
  const Extents &q = c.input(0).extents, &k = c.input(1).extents, &v = c.input(2).extents;
  const std::span<const int64_t> starts{c.input(3).as<int64_t>(), static_cast<size_t>(c.input(3).count())};
  const int64_t longest = longest_text(starts, q[1]);
  if (c.output(0).count() == 0) return;
  const int64_t heads = q[2], group = heads / k[2], texts = static_cast<int64_t>(starts.size()) - 1;
  kernels::AttentionShape most{.sq = longest, .skv = longest, .d = q[3], .dv = v[3]};
  most.scale = a.scale.value_or(1 / std::sqrt(static_cast<float>(q[3])));
  most.softcap = a.softcap;
  const int64_t block = kernels::attention_row_block(most, texts * heads, c.parallel().threads());
  const int64_t blocks = (longest + block - 1) / block;
  const auto bytes = static_cast<int64_t>((kernels::attention_scratch_bytes(most) + 63) / 64 * 64);
  auto* scratch = c.scratch<std::byte>(bytes * c.parallel().threads());
  const int64_t cost = std::min(block, longest) * longest * (q[3] + v[3]);
  c.parallel().run(texts * heads * blocks, grain_for(cost), [&](int64_t begin, int64_t end, int worker) {
    for (int64_t i = begin; i < end; ++i) {
      const int64_t row = i % blocks * block, head = i / blocks % heads;
      const auto text = static_cast<size_t>(i / blocks / heads);
      const int64_t first = starts[text], length = starts[text + 1] - first;
      if (row >= length) continue;
      kernels::AttentionShape shape = most;
      shape.sq = shape.skv = length;
      kernels::AttentionHead one;
      one.q = {c.input(0).as<float>() + (first * heads + head) * q[3], heads * q[3], 1};
      one.k = {c.input(1).as<float>() + (first * k[2] + head / group) * k[3], k[2] * k[3], 1};
      one.v = {c.input(2).as<float>() + (first * v[2] + head / group) * v[3], v[2] * v[3], 1};
      one.out = c.output(0).as<float>() + (first * heads + head) * v[3];
      one.out_stride = heads * v[3];
      kernels::attention_run(shape, one, row, std::min(row + block, length), scratch + worker * bytes);
    }
  });
}

const Op kFamily[] = {
    {.domain = kOwnDomain,
     .name = "RealTokens",
     .inputs = {1, 1},
     .outputs = {1, 2},
     .parse = Attrs::parse<NoAttrs>,
     .infer = infer_real_tokens,
     .run = run_real_tokens,
     .traits = {.data_dependent = true}},
    {.domain = kOwnDomain,
     .name = "UnpackRows",
     .inputs = {3, 3},
     .outputs = {1, 1},
     .parse = Attrs::parse<NoAttrs>,
     .infer = infer_unpack,
     .run = run_unpack,
     .traits = {.shape_only = 0b100}},
    {.domain = kOwnDomain,
     .name = "RaggedAttention",
     .inputs = {4, 4},
     .outputs = {1, 1},
     .parse = Attrs::parse<RaggedAttentionAttrs>,
     .infer = infer_attention,
     .run = run_attention_of_texts,
     .accuracy = Accuracy::kAccumulated},
};

}  // namespace

std::span<const Op> ragged_family() { return kFamily; }

}  // namespace sdx::ops
