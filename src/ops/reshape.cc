// Reshape and Flatten: another shape for the same elements.
#include "ops/movement.h"

namespace sdx::ops {
namespace {

struct ReshapeAttrs {
  bool allowzero = false;
  bool operator==(const ReshapeAttrs&) const = default;
  static constexpr auto fields() { return std::tuple{field("allowzero", &ReshapeAttrs::allowzero)}; }
};

void upgrade_reshape(Call& c) {
  if (c.version >= 5) return;
  c.drop("consumed_inputs");
  c.ints_to_input("shape", 1);
}

/// One element of the target shape: 0 copies the size of the input.
Dim wanted(InferContext& c, const Shape& from, int axis, const Dim& d) {
  if (d.known() && d.value() < -1) c.invalid("shape[", axis, "] is ", d.value(), "; it must be >= -1");
  if (!d.is(0) || c.attrs<ReshapeAttrs>().allowzero) return d;
  if (!from.has_rank()) return c.symbols().fresh();
  if (axis >= from.rank()) c.invalid("shape[", axis, "] is 0, but the input has only ", from.rank(), " dimensions");
  return from[axis];
}

/// The target shape with 0 (copy) and -1 (the rest) resolved.
Shape resolve(InferContext& c, const Shape& from, const std::vector<Dim>& target) {
  std::vector<Dim> out;
  int open = -1;
  Dim rest = 1;
  for (size_t i = 0; i < target.size(); ++i) {
    out.push_back(wanted(c, from, static_cast<int>(i), target[i]));
    if (!out[i].is(-1)) {
      rest = rest * out[i];
      continue;
    }
    if (open >= 0) c.invalid("shape has -1 at ", open, " and at ", i, "; only one is allowed");
    open = static_cast<int>(i);
  }
  if (!from.has_rank()) {
    if (open >= 0) out[static_cast<size_t>(open)] = c.symbols().fresh();
    return out;
  }
  const Dim count = from.count();
  if (open >= 0) {
    Dim& free_size = out[static_cast<size_t>(open)];
    free_size = rest.is(0) ? Dim(0) : exact_div(count, rest);
    rest = rest * free_size;
  }
  c.require_equal(count, rest, "the elements before and after reshaping");
  return out;
}

void infer_reshape(InferContext& c) {
  c.require_dtype(1, {DType::kI64});
  c.require_rank(1, 1, 1);
  if (auto target = c.values(1)) return set_view(c, resolve(c, c.input(0).shape, *target));
  const Shape& s = c.input(1).shape;
  const bool known = s.has_rank() && s[0].known() && s[0].value() <= kMaxRank;
  c.set(0, c.input(0).dtype, known ? c.fresh_shape(static_cast<int>(s[0].value())) : Shape());
}

struct FlattenAttrs {
  int64_t axis = 1;
  bool operator==(const FlattenAttrs&) const = default;
  static constexpr auto fields() { return std::tuple{field("axis", &FlattenAttrs::axis)}; }
};

void infer_flatten(InferContext& c) {
  const Shape& shape = c.input(0).shape;
  if (!shape.has_rank()) return c.set(0, c.input(0).dtype, c.fresh_shape(2));
  int64_t axis = c.attrs<FlattenAttrs>().axis;
  if (axis < -shape.rank() || axis > shape.rank()) {
    c.invalid("attribute 'axis' is ", axis, " but must be in [", -shape.rank(), ", ", shape.rank(), "]");
  }
  if (axis < 0) axis += shape.rank();
  Dim rows = 1, columns = 1;
  for (int i = 0; i < shape.rank(); ++i) {
    Dim& side = i < axis ? rows : columns;
    side = side * shape[i];
  }
  set_view(c, {rows, columns});
}

const Op kFamily[] = {
    {.domain = "",
     .name = "Flatten",
     .inputs = {1, 1},
     .outputs = {1, 1},
     .parse = Attrs::parse<FlattenAttrs>,
     .infer = infer_flatten,
     .run = run_view,
     .traits = {.view_of = 0, .misaligned = 1}},
    {.domain = "",
     .name = "Reshape",
     .inputs = {2, 2},
     .outputs = {1, 1},
     .parse = Attrs::parse<ReshapeAttrs>,
     .infer = infer_reshape,
     .run = run_view,
     .traits = {.view_of = 0, .shape_only = 0b10, .misaligned = 1},
     .upgrade = upgrade_reshape},
};

}  // namespace

std::span<const Op> reshape_family() { return kFamily; }

}  // namespace sdx::ops
