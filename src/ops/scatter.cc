// ScatterElements, Scatter and ScatterND: a copy of the data with some elements replaced or reduced.
#include "ops/indices.h"

namespace sdx::ops {
namespace {

struct ScatterAttrs {
  int64_t axis = 0;
  std::string reduction = "none";
  bool operator==(const ScatterAttrs&) const = default;
  static constexpr auto fields() {
    return std::tuple{field("axis", &ScatterAttrs::axis), field("reduction", &ScatterAttrs::reduction)};
  }
};

struct ScatterNdAttrs {
  std::string reduction = "none";
  bool operator==(const ScatterNdAttrs&) const = default;
  static constexpr auto fields() { return std::tuple{field("reduction", &ScatterNdAttrs::reduction)}; }
};

/// Calls move(position of the update, position in the data) for every index in row-major order.
template <class Move>
void for_elements(const RunContext& c, int axis, const int64_t* index, const Move& move) {
  const Extents indices = c.input(1).extents;
  const Strides to = strides_of(c.input(0).extents), from = strides_of(indices);
  const int64_t count = indices.count();
  for (int64_t i = 0; i < count; ++i) {
    int64_t at = index[i] * to[static_cast<size_t>(axis)];
    for (int d = 0; d < indices.rank(); ++d) {
      const auto k = static_cast<size_t>(d);
      if (d != axis) at += i / from[k] % indices[d] * to[k];
    }
    move(i, at);
  }
}

void run_elements(RunContext& c) {
  const Reduction reduction = reduction_of(c.attrs<ScatterAttrs>().reduction);
  if (unpacked(c, run_elements)) return;
  if (reduction != Reduction::kNone && widened(c, run_elements)) return;
  const ConstView x = c.input(0), updates = c.input(2);
  const View y = c.output(0);
  const int64_t wanted = c.attrs<ScatterAttrs>().axis;
  const int axis = static_cast<int>(wanted < 0 ? wanted + x.rank() : wanted);
  const int64_t* index = read_indices(c, c.input(1), x.extents[axis]);
  ir::copy_elements(x, y);
  if (reduction == Reduction::kNone) {
    return for_width(x.dtype, [&]<class T>() {
      for_elements(c, axis, index, [&](int64_t i, int64_t at) { y.as<T>()[at] = updates.as<T>()[i]; });
    });
  }
  for_number(x.dtype, [&]<class T>() {
    for_elements(c, axis, index,
                 [&](int64_t i, int64_t at) { y.as<T>()[at] = reduced(reduction, y.as<T>()[at], updates.as<T>()[i]); });
  });
}

void infer_elements(InferContext& c) {
  require_indices(c, 1);
  c.require_same_dtype(0, 2);
  c.require_rank(0, 1);
  require_reducible(c, reduction_of(c.attrs<ScatterAttrs>().reduction));
  const Shape &x = c.input(0).shape, &indices = c.input(1).shape, &updates = c.input(2).shape;
  if (x.has_rank() && indices.has_rank()) {
    require_inside(c, indices, x, c.axis(c.attrs<ScatterAttrs>().axis, x.rank()), "indices");
  }
  if (indices.has_rank() && updates.has_rank()) {
    if (indices.rank() != updates.rank()) c.invalid("indices and updates must have the same shape");
    for (int d = 0; d < indices.rank(); ++d)
      c.require_equal(indices[d], updates[d], "the sizes of indices and updates");
  }
  infer_same_as_input(c);
  if (c.attrs<ScatterAttrs>().reduction == "none") move_values(c, 0b101, run_elements);
}

void run_nd(RunContext& c) {
  const Reduction reduction = reduction_of(c.attrs<ScatterNdAttrs>().reduction);
  if (unpacked(c, run_nd)) return;
  if (reduction != Reduction::kNone && widened(c, run_nd)) return;
  const ConstView x = c.input(0), indices = c.input(1), updates = c.input(2);
  const View y = c.output(0);
  ir::copy_elements(x, y);
  if (updates.count() == 0) return;
  const int tuple = static_cast<int>(indices.extents.back());
  Extents axes;
  for (int i = 0; i < tuple; ++i) axes.push_back(x.extents[i]);
  const int64_t inner = x.extents.product(tuple, x.rank()), count = updates.count() / inner;
  const int64_t* offset = read_tuples(c, indices, count, axes);
  if (reduction == Reduction::kNone) {
    return for_width(x.dtype, [&]<class T>() {
      for (int64_t i = 0; i < count; ++i)
        std::copy_n(updates.as<T>() + i * inner, inner, y.as<T>() + offset[i] * inner);
    });
  }
  for_number(x.dtype, [&]<class T>() {
    for (int64_t i = 0; i < count; ++i) {
      T* to = y.as<T>() + offset[i] * inner;
      for (int64_t k = 0; k < inner; ++k) to[k] = reduced(reduction, to[k], updates.as<T>()[i * inner + k]);
    }
  });
}

void infer_nd(InferContext& c) {
  require_indices(c, 1);
  c.require_same_dtype(0, 2);
  c.require_rank(0, 1);
  c.require_rank(1, 1);
  require_reducible(c, reduction_of(c.attrs<ScatterNdAttrs>().reduction));
  const Shape &x = c.input(0).shape, &indices = c.input(1).shape, &updates = c.input(2).shape;
  infer_same_as_input(c);
  if (!x.has_rank() || !indices.has_rank() || !updates.has_rank()) return;
  const Dim& last = indices[indices.rank() - 1];
  if (!last.known()) return infer_in_run(c);
  const int tuple = static_cast<int>(std::min<int64_t>(last.value(), kMaxRank + 1));
  if (tuple > x.rank() || updates.rank() != indices.rank() - 1 + x.rank() - tuple) {
    c.invalid("indices ", indices.text(), " and updates ", updates.text(), " do not fit data of shape ", x.text());
  }
  for (int d = 0; d < updates.rank(); ++d) {
    const Dim& size = d < indices.rank() - 1 ? indices[d] : x[d - (indices.rank() - 1) + tuple];
    c.require_equal(updates[d], size, cat("the sizes of axis ", d, " of the updates, and of the slices they replace,"));
  }
  if (c.attrs<ScatterNdAttrs>().reduction == "none") move_values(c, 0b101, run_nd);
}

constexpr Traits kTraits = {.in_place = 1};

const Op kFamily[] = {
    {.domain = "",
     .name = "Scatter",
     .inputs = {3, 3},
     .outputs = {1, 1},
     .parse = Attrs::parse<ScatterAttrs>,
     .infer = infer_elements,
     .run = run_elements,
     .traits = kTraits,
     .since = 9},
    {.domain = "",
     .name = "ScatterElements",
     .inputs = {3, 3},
     .outputs = {1, 1},
     .parse = Attrs::parse<ScatterAttrs>,
     .infer = infer_elements,
     .run = run_elements,
     .traits = kTraits,
     .since = 11},
    {.domain = "",
     .name = "ScatterND",
     .inputs = {3, 3},
     .outputs = {1, 1},
     .parse = Attrs::parse<ScatterNdAttrs>,
     .infer = infer_nd,
     .run = run_nd,
     .traits = kTraits,
     .since = 11},
};

}  // namespace

std::span<const Op> scatter_family() { return kFamily; }

}  // namespace sdx::ops
