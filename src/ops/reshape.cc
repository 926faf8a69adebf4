// Reshape: another shape for the same elements.
#include "ops/family.h"

namespace sdx::ops {
namespace {

struct ReshapeAttrs {
  bool allowzero = false;
  bool operator==(const ReshapeAttrs&) const = default;
  static constexpr auto fields() { return std::tuple{field("allowzero", &ReshapeAttrs::allowzero)}; }
};

void upgrade_reshape(Call& c) {
  if (c.version < 5) c.ints_to_input("shape", 1);
}

/// The target shape with 0 (copy) and -1 (the rest) resolved.
Shape resolve(InferContext& c, const Shape& from, const std::vector<Dim>& target) {
  std::vector<Dim> out;
  int open = -1;
  Dim rest = 1;
  for (size_t i = 0; i < target.size(); ++i) {
    Dim d = target[i];
    if (d.is(0) && !c.attrs<ReshapeAttrs>().allowzero) {
      if (!from.has_rank()) return c.fresh_shape(static_cast<int>(target.size()));
      if (static_cast<int>(i) >= from.rank()) c.invalid("shape[", i, "] is 0, but the input has only ", from.rank(), " dimensions");
      d = from[static_cast<int>(i)];
    }
    if (d.is(-1)) {
      if (open >= 0) c.invalid("shape has -1 at ", open, " and at ", i, "; only one is allowed");
      open = static_cast<int>(i);
    } else {
      if (d.known() && d.value() < 0) c.invalid("shape[", i, "] is ", d.value(), "; it must be >= -1");
      rest = rest * d;
    }
    out.push_back(d);
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

void infer(InferContext& c) {
  const Fact& x = c.input(0);
  c.require_rank(1, 1, 1);
  Shape shape;
  if (auto target = c.values(1)) {
    shape = resolve(c, x.shape, *target);
  } else if (const Shape& s = c.input(1).shape; s.has_rank() && s[0].known() && s[0].value() <= kMaxRank) {
    shape = c.fresh_shape(static_cast<int>(s[0].value()));
  }
  Fact out = Fact::tensor(x.dtype, std::move(shape));
  out.values = x.values;
  c.set(0, std::move(out));
}

void run_view(RunContext& c) { ir::copy_elements(c.input(0), c.output(0)); }

constexpr Traits kView = {.view_of = 0, .shape_only = 0b10, .misaligned = 0b01};

const Op kFamily[] = {
    {.domain = "", .name = "Reshape", .inputs = {2, 2}, .outputs = {1, 1}, .parse = Attrs::parse<ReshapeAttrs>,
     .infer = infer, .run = run_view, .traits = kView, .upgrade = upgrade_reshape},
};

}  // namespace

std::span<const Op> reshape_family() { return kFamily; }

}  // namespace sdx::ops
