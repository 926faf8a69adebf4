// RotaryEmbedding of the standard and of com.microsoft: pairs of elements turned by an angle that grows with position.
#include "ops/rotary.h"
#include "ops/broadcast_copy.h"
#include "ops/family.h"

namespace sdx::ops {
namespace {

struct RotaryAttrs {
  bool interleaved = false;
  int64_t num_heads = 0, rotary_embedding_dim = 0;
  float scale = 1;
  bool is_packed_batching = false;
  bool operator==(const RotaryAttrs&) const = default;
  static constexpr auto fields() {
    using A = RotaryAttrs;
    return std::tuple{field("interleaved", &A::interleaved), field("num_heads", &A::num_heads),
                      field("rotary_embedding_dim", &A::rotary_embedding_dim), field("scale", &A::scale),
                      field("is_packed_batching", &A::is_packed_batching)};
  }
};

/// Which input holds what: the two domains differ in the order.
struct Inputs {
  int cos, sin, positions;
};
constexpr Inputs kStandard = {1, 2, 3}, kContrib = {2, 3, 1};

void infer(InferContext& c, const Inputs& at) {
  const auto& a = c.attrs<RotaryAttrs>();
  c.require_dtype(0, {DType::kF32, DType::kF16, DType::kBF16});
  c.require_rank(0, 3, 4);
  c.require_same_dtype(0, at.cos);
  c.require_same_dtype(0, at.sin);
  const Shape& x = c.input(0).shape;
  if (a.rotary_embedding_dim < 0 || a.rotary_embedding_dim % 2 != 0) {
    c.invalid("attribute 'rotary_embedding_dim' is ", a.rotary_embedding_dim, " but must be even and >= 0");
  }
  const bool table = c.has(at.positions);
  if (table) c.require_dtype(at.positions, {DType::kI64});
  for (int i : {at.cos, at.sin}) c.require_rank(i, table ? 2 : 3, table ? 2 : 3);
  c.set(0, c.input(0).dtype, x);
  if (!x.has_rank() || !c.input(at.cos).shape.has_rank() || !c.input(at.sin).shape.has_rank()) return;
  const Shape &cos = c.input(at.cos).shape, &sin = c.input(at.sin).shape;
  for (int i = 0; i < cos.rank(); ++i) c.require_equal(cos[i], sin[i], "the sizes of the cosines and sines");
  const Dim half = cos[cos.rank() - 1];
  const Dim rows = x[x.rank() - 2];
  Dim width = x[x.rank() - 1];
  if (x.rank() == 3) {
    const int64_t heads = a.num_heads;
    if (heads > 0) {
      c.require_equal(floor_mod(width, heads), 0, "the last size modulo the heads and 0");
      width = exact_div(width, heads);
    } else if (a.rotary_embedding_dim == 0) {
      c.require_equal(floor_mod(width, max(half * 2, 1)), 0, "the last size modulo the rotated width and 0");
      width = half * 2;
    } else {
      c.invalid("a 3-D input with 'rotary_embedding_dim' needs the attribute 'num_heads'");
    }
  }
  const Dim rotated = a.rotary_embedding_dim > 0 ? Dim(a.rotary_embedding_dim) : width;
  c.require_equal(half * 2, rotated, "twice the width of the cosines and the rotated width");
  c.require_at_most(rotated, width, "the rotated width and the width of a head");
  if (!table) {
    c.require_equal(cos[0], x[0], "the batch sizes of the cosines and the input");
    c.require_equal(cos[1], rows, "the rows of the cosines and the input");
  } else if (c.input(at.positions).shape.has_rank() && c.input(at.positions).shape.rank() == 2) {
    c.require_equal(c.input(at.positions).shape[0], x[0], "the batch sizes of the positions and the input");
    c.require_equal(c.input(at.positions).shape[1], rows, "the rows of the positions and the input");
  } else if (c.input(at.positions).shape.has_rank()) {
    c.require_equal(c.input(at.positions).shape.count(), 1, "the elements of the first position and 1");
  }
}

void run(RunContext& c, const Inputs& at) {
  const auto& a = c.attrs<RotaryAttrs>();
  const ConstView x = c.input(0), cos = c.input(at.cos);
  if (x.count() == 0) return;
  const Extents& e = x.extents;
  const int64_t half = cos.extents.back();
  HeadsShape shape{e[0], e[1], e.rank() == 4 ? e[2] : e[1], e.back()};
  HeadsView from, to;
  if (e.rank() == 4) {
    from = bhsd(x.as<float>(), e[1], e[2], e[3]);
  } else {
    shape.heads = a.num_heads > 0 ? a.num_heads : e[2] / (2 * half);
    shape.width = e[2] / shape.heads;
    from = bshd(x.as<float>(), shape.heads, e[1], shape.width);
  }
  to = from;
  to.data = c.output(0).as<float>();
  Rotation rotation{cos.as<float>(), c.input(at.sin).as<float>(), half, a.interleaved};
  if (c.has_input(at.positions)) {
    rotation.table_rows = cos.extents[0];
    rotation.positions = c.input(at.positions).as<int64_t>();
    rotation.one_position = c.input(at.positions).rank() != 2;
  }
  rotate(c.parallel(), rotation, shape, from, to, c.output(0).as<float>());
}

void infer_standard(InferContext& c) { infer(c, kStandard); }
void infer_contrib(InferContext& c) { infer(c, kContrib); }
void run_standard(RunContext& c) {
  if (!widened(c, run_standard)) run(c, kStandard);
}
void run_contrib(RunContext& c) {
  if (!widened(c, run_contrib)) run(c, kContrib);
}

const Op kFamily[] = {
    {.domain = "",
     .name = "RotaryEmbedding",
     .inputs = {3, 4},
     .outputs = {1, 1},
     .parse = Attrs::parse<RotaryAttrs>,
     .infer = infer_standard,
     .run = run_standard,
     .accuracy = Accuracy::kFunction,
     .since = 23},
    {.domain = kMicrosoft,
     .name = "RotaryEmbedding",
     .inputs = {4, 4},
     .outputs = {1, 1},
     .parse = Attrs::parse<RotaryAttrs>,
     .infer = infer_contrib,
     .run = run_contrib,
     .accuracy = Accuracy::kFunction},
};

}  // namespace

void rotate(const Parallel& parallel, const Rotation& r, const HeadsShape& shape, const HeadsView& from,
            const HeadsView& to, float* out) {
  const int64_t first = r.interleaved ? 2 : 1, second = r.interleaved ? 1 : r.half;
  parallel.run(shape.batch * shape.rows, grain_for(shape.heads * shape.width * 2),
               [&](int64_t begin, int64_t end, int) {
                 for (int64_t i = begin; i < end; ++i) {
                   const int64_t batch = i / shape.rows, row = i % shape.rows;
                   int64_t line = i;
                   if (r.positions) {
                     const int64_t last = r.table_rows - 1;
                     line = r.one_position ? std::clamp<int64_t>(r.positions[0], -row, last) + row : r.positions[i];
                     line = std::clamp<int64_t>(line, 0, last);
                   }
                   const float *cos = r.cos + line * r.half, *sin = r.sin + line * r.half;
                   for (int64_t head = 0; head < shape.heads; ++head) {
                     const float* x = from.data + batch * from.batch + head * from.head + row * from.row;
                     float* y = out + batch * to.batch + head * to.head + row * to.row;
                     for (int64_t j = 0; j < r.half; ++j) {
                       const float real = x[j * first], imaginary = x[j * first + second];
                       y[j * first] = real * cos[j] - imaginary * sin[j];
                       y[j * first + second] = real * sin[j] + imaginary * cos[j];
                     }
                     for (int64_t j = 2 * r.half; j < shape.width; ++j) y[j] = x[j];
                   }
                 }
               });
}

std::span<const Op> rotary_family() { return kFamily; }

}  // namespace sdx::ops
