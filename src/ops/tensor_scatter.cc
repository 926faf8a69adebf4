// TensorScatter: new steps written into a cache at one position per sequence of the batch.
#include "ops/movement.h"

namespace sdx::ops {
namespace {

struct CacheAttrs {
  int64_t axis = -2;
  std::string mode = "linear";
  bool operator==(const CacheAttrs&) const = default;
  static constexpr auto fields() {
    return std::tuple{field("axis", &CacheAttrs::axis), field("mode", &CacheAttrs::mode)};
  }
};

void infer(InferContext& c) {
  const auto& a = c.attrs<CacheAttrs>();
  if (a.mode != "linear" && a.mode != "circular")
    c.invalid("attribute 'mode' is '", a.mode, "' but must be linear or circular");
  c.require_same_dtype(0, 1);
  const Shape &cache = c.input(0).shape, &update = c.input(1).shape;
  if (cache.has_rank()) {
    const int axis = c.axis(a.axis, cache.rank());
    if (axis == 0) c.invalid("attribute 'axis' must not be the batch");
    if (update.has_rank() && update.rank() != cache.rank()) c.invalid("cache and update must have the same rank");
    for (int d = 0; d < cache.rank() && update.has_rank(); ++d) {
      if (d == axis) {
        c.require_at_most(update[d], cache[d], "the steps of the update, and of the cache");
      } else {
        c.require_equal(update[d], cache[d], cat("the sizes of axis ", d, " of cache and update"));
      }
    }
  }
  if (c.has(2)) {
    c.require_dtype(2, {DType::kI64});
    c.require_rank(2, 1, 1);
    if (cache.has_rank() && c.input(2).shape.has_rank())
      c.require_equal(c.input(2).shape[0], cache[0], "the positions and the batch");
  }
  infer_same_as_input(c);
}

void run(RunContext& c) {
  if (unpacked(c, run)) return;
  const auto& a = c.attrs<CacheAttrs>();
  const ConstView cache = c.input(0), update = c.input(1);
  const View y = c.output(0);
  const int axis = static_cast<int>(a.axis < 0 ? a.axis + y.rank() : a.axis);
  const int64_t steps = y.extents[axis], added = update.extents[axis], inner = y.extents.product(axis + 1, y.rank());
  const int64_t middle = y.extents.product(1, axis);
  ir::copy_elements(cache, y);
  for (int64_t b = 0; b < y.extents[0]; ++b) {
    const int64_t first = c.has_input(2) ? c.input(2).as<int64_t>()[b] : 0;
    if (first < 0 || (a.mode == "linear" ? first > steps - added : first >= std::max<int64_t>(steps, 1))) {
      fail(ErrorKind::kInvalidInput, "steps ", first, " to ", first + added, " are outside a cache of ", steps,
           " steps");
    }
    for_width(y.dtype, [&]<class T>() {
      for (int64_t i = 0; i < middle * added; ++i) {
        const int64_t plane = b * middle + i / added, t = i % added;
        std::copy_n(update.as<T>() + (plane * added + t) * inner, inner,
                    y.as<T>() + (plane * steps + (first + t) % steps) * inner);
      }
    });
  }
}

const Op kFamily[] = {
    {.domain = "",
     .name = "TensorScatter",
     .inputs = {2, 3},
     .outputs = {1, 1},
     .parse = Attrs::parse<CacheAttrs>,
     .infer = infer,
     .run = run,
     .traits = {.in_place = 1},
     .since = 24},
};

}  // namespace

std::span<const Op> tensor_scatter_family() { return kFamily; }

}  // namespace sdx::ops
