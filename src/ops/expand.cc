// Expand and Tile: elements repeated along axes.
#include "ops/movement.h"

namespace sdx::ops {
namespace {

/// Rank that a 1-D tensor of sizes stands for, where it is known.
std::optional<int> length(const Shape& s) {
  if (!s.has_rank() || !s[0].known() || s[0].value() > kMaxRank) return std::nullopt;
  return static_cast<int>(s[0].value());
}

void run_expand(RunContext& c) {
  if (unpacked(c, run_expand)) return;
  const ConstView x = c.input(0);
  const View y = c.output(0);
  const Strides from = strides_of(x.extents);
  Box box{y.extents, {}, strides_of(y.extents)};
  const int lead = y.rank() - x.rank();
  for (int i = 0; i < x.rank(); ++i) {
    if (x.extents[i] != 1) box.from[static_cast<size_t>(lead + i)] = from[static_cast<size_t>(i)];
  }
  copy_box(c.parallel(), x.dtype, x.data, y.data, box);
}

void infer_expand(InferContext& c) {
  c.require_dtype(1, {DType::kI64});
  c.require_rank(1, 1, 1);
  const Fact& x = c.input(0);
  if (auto sizes = c.values(1)) {
    for (const Dim& d : *sizes) {
      if (d.known() && d.value() < 0) c.invalid("the shape has a size of ", d.value(), "; sizes must be >= 0");
    }
    c.set(0, x.dtype, c.broadcast(x.shape, Shape(*sizes)));
    return move_values(c, 1, run_expand);
  }
  auto rank = length(c.input(1).shape);
  c.set(0, x.dtype, rank && x.shape.has_rank() ? c.fresh_shape(std::max(*rank, x.rank())) : Shape());
}

void upgrade_tile(Call& c) {
  if (c.version < 6)
    fail(ErrorKind::kUnsupportedModel, "Tile of opset ", c.version, "; convert the model to opset 6 or newer");
}

void run_tile(RunContext& c) {
  if (unpacked(c, run_tile)) return;
  const ConstView x = c.input(0);
  const View y = c.output(0);
  if (x.count() == y.count()) return ir::copy_elements(x, y);
  const Strides to = strides_of(y.extents);
  // The innermost repeats are those of x. For each axis before, the block [size of the axis, ..] that is done is copied
  // behind itself.
  bool done = false;
  for (int i = x.rank() - 1; i >= 0 && y.count() > 0; --i) {
    const auto at = static_cast<size_t>(i);
    const int64_t repeats = y.extents[i] / x.extents[i], block = x.extents[i] * to[at];
    if (repeats == 1) continue;
    Box box{{}, done ? to : strides_of(x.extents), to};
    for (int d = 0; d < i; ++d) box.sizes.push_back(x.extents[d]);
    box.sizes.push_back(repeats - (done ? 1 : 0));
    box.sizes.push_back(block);
    box.from[at] = 0;
    box.to[at] = block;
    box.from[at + 1] = box.to[at + 1] = 1;
    copy_box(c.parallel(), x.dtype, done ? y.data : x.data, y.data + (done ? block * element_bytes(x.dtype) : 0), box);
    done = true;
  }
}

void infer_tile(InferContext& c) {
  c.require_dtype(1, {DType::kI64});
  c.require_rank(1, 1, 1);
  const Fact& x = c.input(0);
  const auto repeats = c.values(1);
  if (!x.shape.has_rank()) {
    auto rank = length(c.input(1).shape);
    return c.set(0, x.dtype, rank ? c.fresh_shape(*rank) : Shape());
  }
  if (!repeats) return c.set(0, x.dtype, c.fresh_shape(x.rank()));
  if (static_cast<int>(repeats->size()) != x.rank()) {
    c.invalid("there are ", repeats->size(), " repeats for an input of ", x.rank(), " dimensions; give one for each");
  }
  std::vector<Dim> out;
  for (int i = 0; i < x.rank(); ++i) {
    const Dim& r = (*repeats)[static_cast<size_t>(i)];
    if (r.known() && r.value() < 0) c.invalid("repeats[", i, "] is ", r.value(), " but must be >= 0");
    out.push_back(x.shape[i] * r);
  }
  c.set(0, x.dtype, std::move(out));
  move_values(c, 1, run_tile);
}

const Op kFamily[] = {
    {.domain = "",
     .name = "Expand",
     .inputs = {2, 2},
     .outputs = {1, 1},
     .parse = Attrs::parse<NoAttrs>,
     .infer = infer_expand,
     .run = run_expand,
     .traits = {.shape_only = 0b10},
     .since = 8},
    {.domain = "",
     .name = "Tile",
     .inputs = {2, 2},
     .outputs = {1, 1},
     .parse = Attrs::parse<NoAttrs>,
     .infer = infer_tile,
     .run = run_tile,
     .traits = {.shape_only = 0b10},
     .upgrade = upgrade_tile},
};

}  // namespace

std::span<const Op> expand_family() { return kFamily; }

}  // namespace sdx::ops
