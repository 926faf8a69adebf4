// MaxUnpool: the elements that MaxPool kept, put back where they were.
#include <cstring>

#include "ops/family.h"
#include "ops/window.h"

namespace sdx::ops {
namespace {

/// The size before pooling along a spatial axis.
Dim unpooled(const WindowAttrs& a, int axis, const Dim& size) {
  return (size - 1) * a.stride(axis) - a.pad_begin(axis) - a.pad_end(axis) + a.kernel_shape[static_cast<size_t>(axis)];
}

void infer(InferContext& c) {
  const auto& a = c.attrs<WindowAttrs>();
  c.require_dtype(0, kFloats);
  c.require_dtype(1, {DType::kI64});
  if (a.kernel_shape.empty()) c.invalid("attribute 'kernel_shape' is required but missing");
  const int rank = static_cast<int>(a.kernel_shape.size()) + 2;
  check_window(c, a, rank - 2);
  c.require_rank(0, rank, rank);
  c.require_rank(1, rank, rank);
  const Shape &x = c.input(0).shape, &indices = c.input(1).shape;
  Shape out = c.fresh_shape(rank);
  for (int i = 0; i < rank && x.has_rank(); ++i) {
    if (indices.has_rank()) c.require_equal(x[i], indices[i], "the sizes of the values and their indices");
    out[i] = i < 2 ? x[i] : unpooled(a, i - 2, x[i]);
    c.require_at_most(0, out[i], "0 and a size before pooling");
  }
  if (c.has(2)) {
    c.require_dtype(2, {DType::kI64});
    auto given = c.values(2);
    if (given && static_cast<int>(given->size()) != rank)
      c.invalid("output_shape has ", given->size(), " sizes but must have ", rank);
    for (int i = 0; i < rank; ++i) {
      if (given && x.has_rank())
        c.require_at_most(out[i], (*given)[static_cast<size_t>(i)], "a size before pooling and output_shape");
      out[i] = given ? (*given)[static_cast<size_t>(i)] : c.symbols().fresh();
    }
  }
  c.set(0, c.input(0).dtype, std::move(out));
}

/// Where flat index `index` of a tensor of the sizes `from` lies in one of the sizes `to`, at least as large.
int64_t moved(int64_t index, const Extents& from, const Extents& to) {
  int64_t at = 0, step = 1;
  for (int i = from.rank(); i-- > 0;) {
    at += index % from[i] * step;
    index /= from[i];
    step *= to[i];
  }
  return at;
}

template <class T>
void scatter(RunContext& c, const Extents& natural) {
  const ConstView x = c.input(0);
  const int64_t *indices = c.input(1).as<int64_t>(), count = natural.count();
  const Extents& full = c.output(0).extents;
  T* y = c.output(0).as<T>();
  std::memset(c.output(0).data, 0, static_cast<size_t>(c.output(0).bytes()));
  for (int64_t i = 0; i < x.count(); ++i) {
    // An index outside names no element; it is left out.
    if (indices[i] >= 0 && indices[i] < count) y[moved(indices[i], natural, full)] = x.as<T>()[i];
  }
}

void run(RunContext& c) {
  const auto& a = c.attrs<WindowAttrs>();
  if (c.output(0).count() == 0) return;
  Extents natural = c.input(0).extents;
  for (int i = 2; i < natural.rank(); ++i) natural[i] = unpooled(a, i - 2, natural[i]).value();
  switch (dtype_bits(c.input(0).dtype)) {
    case 16: return scatter<uint16_t>(c, natural);
    case 32: return scatter<uint32_t>(c, natural);
    default: return scatter<uint64_t>(c, natural);
  }
}

const Op kFamily[] = {
    {.domain = "",
     .name = "MaxUnpool",
     .inputs = {2, 3},
     .outputs = {1, 1},
     .parse = Attrs::parse<WindowAttrs>,
     .infer = infer,
     .run = run,
     .traits = {.shape_only = 0b100},
     .since = 9},
};

}  // namespace

std::span<const Op> max_unpool_family() { return kFamily; }

}  // namespace sdx::ops
