// Slice: a range of each of some axes.
#include "ops/indices.h"

namespace sdx::ops {
namespace {

void upgrade(Call& c) {
  if (c.version >= 10) return;
  c.ints_to_input("starts", 1);
  c.ints_to_input("ends", 2);
  c.ints_to_input("axes", 3);
}

/// Beyond any size, so that INT64_MAX and its kin mean "to the end".
constexpr int64_t kFar = kMaxElements;

/// A position as the model writes it, negative ones counted from the end, clamped to [low, high], for an axis of size
/// n.
Dim clamp(InferContext& c, const Dim& position, const Dim& n, const Dim& low, const Dim& high) {
  if (position.known()) {
    if (position.value() >= kFar) return high;
    if (position.value() <= -kFar) return low;
    return position.value() < 0 ? max(position + n, low) : min(position, high);
  }
  if (position.non_negative()) return min(position, high);
  const Dim back = Dim(0) - position;
  if (back.non_negative()) {
    c.require_at_most(1, back, "a slice that counts from the end, and its count");
    return max(n - back, low);
  }
  const Dim is_negative = min(max(back, 0), 1);
  return min(max(position + n * is_negative, low), high);
}

/// How many elements a slice has of an axis of size n.
Dim sliced(InferContext& c, const Dim& start, const Dim& end, int64_t step, const Dim& n) {
  if (step > 0) {
    const Dim first = clamp(c, start, n, 0, n), last = clamp(c, end, n, 0, n);
    return ceil_div(max(last - first, 0), std::min(step, kFar));
  }
  const Dim first = min(clamp(c, start, n, 0, n - Dim(1)), n - Dim(1));
  const Dim last = clamp(c, end, n, -1, n - Dim(1));
  return ceil_div(max(first - last, 0), step < -kFar ? kFar : -step);
}

/// The axes that are sliced; nothing where their input is not constant.
std::optional<std::vector<int64_t>> axes_of(InferContext& c, int rank, size_t count) {
  if (count > static_cast<size_t>(rank))
    c.invalid("there are ", count, " starts for an input of ", rank, " dimensions");
  std::vector<int64_t> axes;
  if (!c.has(3)) {
    for (size_t i = 0; i < count; ++i) axes.push_back(c.axis(static_cast<int64_t>(i), rank, "axes"));
    return axes;
  }
  auto given = c.ints(3);
  if (!given) return std::nullopt;
  if (given->size() != count) c.invalid("there are ", given->size(), " axes but ", count, " starts");
  for (int64_t a : *given) {
    const int axis = c.axis(a, rank, "axes");
    if (std::ranges::find(axes, axis) != axes.end()) c.invalid("axis ", a, " is sliced twice");
    axes.push_back(axis);
  }
  return axes;
}

void run(RunContext& c) {
  if (unpacked(c, run)) return;
  const ConstView x = c.input(0);
  const View y = c.output(0);
  const auto starts = read_ints(c, 1), axes = read_ints(c, 3), steps = read_ints(c, 4);
  const Strides strides = strides_of(x.extents);
  Box box{y.extents, strides, strides_of(y.extents)};
  int64_t from = 0;
  for (size_t i = 0; i < starts.size(); ++i) {
    const int64_t wanted = axes.empty() ? static_cast<int64_t>(i) : axes[i];
    const auto at = static_cast<size_t>(wanted < 0 ? wanted + x.rank() : wanted);
    const int64_t n = x.extents[static_cast<int>(at)], step = steps.empty() ? 1 : steps[i];
    const int64_t start = starts[i] < 0 ? std::max(starts[i], -n) + n : starts[i];
    from += std::clamp<int64_t>(start, 0, step < 0 ? std::max<int64_t>(n - 1, 0) : n) * strides[at];
    box.from[at] = y.extents[static_cast<int>(at)] > 1 ? strides[at] * step : 0;
  }
  if (y.count() > 0) copy_box(c.parallel(), x.dtype, x.data + from * element_bytes(x.dtype), y.data, box);
}

void infer(InferContext& c) {
  for (int i = 1; i < std::max(3, c.input_count()); ++i) {
    if (i > 2 && !c.has(i)) continue;
    require_ints(c, i);
    c.require_rank(i, 1);
  }
  const Fact& x = c.input(0);
  if (!x.shape.has_rank()) return c.set(0, x.dtype, Shape());
  const auto starts = c.values(1), ends = c.values(2);
  const Shape& counted = starts || !c.has(3) ? c.input(1).shape : c.input(3).shape;
  if (!counted.has_rank() || !counted[0].known()) return c.set(0, x.dtype, c.fresh_shape(x.rank()));
  const auto count = static_cast<size_t>(counted[0].value());
  const auto axes = axes_of(c, x.rank(), count);
  const auto steps = c.has(4) ? c.ints(4) : std::vector<int64_t>(count, 1);
  if (ends && ends->size() != count) c.invalid("there are ", count, " starts but ", ends->size(), " ends");
  if (steps && steps->size() != count) c.invalid("there are ", count, " starts but ", steps->size(), " steps");
  if (!axes) return c.set(0, x.dtype, c.fresh_shape(x.rank()));
  Shape shape = x.shape;
  for (size_t i = 0; i < count; ++i) {
    Dim& size = shape[static_cast<int>((*axes)[i])];
    if (steps && (*steps)[i] == 0) c.invalid("a step is 0; it must be positive or negative");
    size = starts && ends && steps ? sliced(c, (*starts)[i], (*ends)[i], (*steps)[i], size) : c.symbols().fresh();
  }
  c.set(0, x.dtype, std::move(shape));
  move_values(c, 1, run);
}

const Op kFamily[] = {
    {.domain = "",
     .name = "Slice",
     .inputs = {1, 5},
     .outputs = {1, 1},
     .parse = Attrs::parse<NoAttrs>,
     .infer = infer,
     .run = run,
     .upgrade = upgrade},
};

}  // namespace

std::span<const Op> slice_family() { return kFamily; }

}  // namespace sdx::ops
