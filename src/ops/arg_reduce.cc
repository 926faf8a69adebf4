// ArgMax and ArgMin: positions of the extrema along an axis.
#include "kernels/reduce.h"
#include "ops/dispatch.h"
#include "ops/elementwise.h"

namespace sdx::ops {
namespace {

struct ArgAttrs {
  int64_t axis = 0;
  bool keepdims = true;
  bool last = false;
  bool operator==(const ArgAttrs&) const = default;
  static constexpr auto fields() {
    return std::tuple{field("axis", &ArgAttrs::axis), field("keepdims", &ArgAttrs::keepdims),
                      field("select_last_index", &ArgAttrs::last)};
  }
};

void infer(InferContext& c) {
  c.require_dtype(0, kNumbers);
  const auto& a = c.attrs<ArgAttrs>();
  const Shape& x = c.input(0).shape;
  if (!x.has_rank()) return c.set(0, DType::kI64, Shape());
  if (x.rank() == 0) c.invalid("a scalar has no axis to search");
  const int axis = c.axis(a.axis, x.rank());
  c.require_at_most(1, x[axis], "1 and the size of the axis to search");
  std::vector<Dim> out = x.dims();
  if (a.keepdims)
    out[static_cast<size_t>(axis)] = 1;
  else
    out.erase(out.begin() + axis);
  c.set(0, DType::kI64, std::move(out));
}

template <bool kMax>
void run(RunContext& c) {
  const auto& a = c.attrs<ArgAttrs>();
  const ConstView x = c.input(0);
  const int axis = static_cast<int>(a.axis < 0 ? a.axis + x.rank() : a.axis);
  const kernels::ReduceShape shape{x.extents[axis], x.extents.product(axis + 1, x.rank())};
  const kernels::ArgMode mode{kMax, a.last};
  int64_t* const y = c.output(0).as<int64_t>();
  with_number(x.dtype, [&](auto* tag) {
    using T = Pointee<decltype(tag)>;
    c.parallel().run(c.output(0).count(), grain_for(shape.reduce), [&](int64_t begin, int64_t end, int) {
      kernels::arg_reduce(mode, x.as<T>(), y, shape, begin, end);
    });
  });
}

const Op kFamily[] = {
    {.domain = "",
     .name = "ArgMax",
     .inputs = {1, 1},
     .outputs = {1, 1},
     .parse = Attrs::parse<ArgAttrs>,
     .infer = infer,
     .run = run<true>},
    {.domain = "",
     .name = "ArgMin",
     .inputs = {1, 1},
     .outputs = {1, 1},
     .parse = Attrs::parse<ArgAttrs>,
     .infer = infer,
     .run = run<false>},
};

}  // namespace

std::span<const Op> arg_reduce_family() { return kFamily; }

}  // namespace sdx::ops
