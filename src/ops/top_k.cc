// TopK: the largest or smallest elements along an axis, with their positions.
#include "kernels/top_k.h"
#include "ops/dispatch.h"
#include "ops/family.h"

namespace sdx::ops {
namespace {

/// `sorted` = 0 allows any order, the sorted one included.
struct TopKAttrs {
  int64_t axis = -1;
  bool largest = true;
  bool sorted = true;
  bool operator==(const TopKAttrs&) const = default;
  static constexpr auto fields() {
    return std::tuple{field("axis", &TopKAttrs::axis), field("largest", &TopKAttrs::largest),
                      field("sorted", &TopKAttrs::sorted)};
  }
};

void upgrade(Call& c) {
  if (c.version < 10) c.ints_to_input("k", 1);
}

void infer(InferContext& c) {
  c.require_dtype(0, kNumbers);
  c.require_dtype(1, {DType::kI64, DType::kI32});
  const Shape &x = c.input(0).shape, &count = c.input(1).shape;
  if (count.has_rank()) c.require_equal(count.count(), 1, "the number of values of k and 1");
  Shape out = x;
  if (x.has_rank()) {
    if (x.rank() == 0) c.invalid("a scalar has no axis to search");
    const int axis = c.axis(c.attrs<TopKAttrs>().axis, x.rank());
    const auto k = c.values(1);
    const Dim size = k && k->size() == 1 ? k->front() : c.symbols().fresh();
    if (size.known() && size.value() < 0) c.invalid("k is ", size.value(), "; it must be >= 0");
    c.require_at_most(size, x[axis], "k and the size of the axis");
    out[axis] = size;
  }
  c.set(0, c.input(0).dtype, out);
  c.set(1, DType::kI64, out);
}

void run(RunContext& c) {
  const auto& a = c.attrs<TopKAttrs>();
  const ConstView x = c.input(0);
  const int axis = static_cast<int>(a.axis < 0 ? a.axis + x.rank() : a.axis);
  const Extents& y = c.wants(0) ? c.output(0).extents : c.output(1).extents;
  if (y.count() == 0) return;
  const int64_t k = y[axis];
  const kernels::LineShape shape{x.extents[axis], x.extents.product(axis + 1, x.rank())};
  auto* scratch = c.scratch<kernels::TopKEntry>(k * c.parallel().threads());
  int64_t* indices = c.wants(1) ? c.output(1).as<int64_t>() : c.scratch<int64_t>(y.count());
  with_number(x.dtype, [&](auto* tag) {
    using T = Pointee<decltype(tag)>;
    T* values = c.wants(0) ? c.output(0).as<T>() : c.scratch<T>(y.count());
    c.parallel().run(y.count() / k, grain_for(shape.length * 4), [&](int64_t begin, int64_t end, int worker) {
      kernels::top_k(a.largest, k, x.as<T>(), shape, values, indices, scratch + worker * k, begin, end);
    });
  });
}

const Op kFamily[] = {
    {.domain = "",
     .name = "TopK",
     .inputs = {2, 2},
     .outputs = {1, 2},
     .parse = Attrs::parse<TopKAttrs>,
     .infer = infer,
     .run = run,
     .traits = {.shape_only = 0b10},
     .upgrade = upgrade},
};

}  // namespace

std::span<const Op> top_k_family() { return kFamily; }

}  // namespace sdx::ops
