// Gather and GatherElements: elements picked along one axis.
#include "kernels/copy.h"
#include "ops/indices.h"

namespace sdx::ops {
namespace {

struct GatherAttrs {
  int64_t axis = 0;
  bool operator==(const GatherAttrs&) const = default;
  static constexpr auto fields() { return std::tuple{field("axis", &GatherAttrs::axis)}; }
};

int axis_of(const RunContext& c) {
  const int64_t axis = c.attrs<GatherAttrs>().axis;
  return static_cast<int>(axis < 0 ? axis + c.input(0).rank() : axis);
}

void run_gather(RunContext& c) {
  if (unpacked(c, run_gather)) return;
  const ConstView x = c.input(0);
  const View y = c.output(0);
  const int axis = axis_of(c);
  const int64_t n = x.extents[axis], inner = x.extents.product(axis + 1, x.rank());
  const int64_t* index = read_indices(c, c.input(1), n);
  const int64_t count = c.input(1).count(), outer = x.extents.product(0, axis);
  const int64_t bytes = inner * element_bytes(x.dtype);
  if (y.count() == 0) return;
  if (x.dtype == DType::kString) {
    for (int64_t i = 0; i < outer * count; ++i) {
      std::copy_n(x.as<std::string>() + (i / count * n + index[i % count]) * inner, inner,
                  y.as<std::string>() + i * inner);
    }
    return;
  }
  c.parallel().run(outer * count, grain_for(bytes / 8), [&](int64_t begin, int64_t end, int) {
    for (int64_t i = begin; i < end;) {
      const int64_t block = i / count, first = i % count, last = std::min(count, first + end - i);
      kernels::gather_rows(y.data + block * count * bytes, x.data + block * n * bytes, bytes, index, n, first, last);
      i += last - first;
    }
  });
}

void infer_gather(InferContext& c) {
  require_indices(c, 1);
  const Shape &x = c.input(0).shape, &indices = c.input(1).shape;
  c.require_rank(0, 1);
  if (!x.has_rank() || !indices.has_rank()) return c.set(0, c.input(0).dtype, Shape());
  const int axis = c.axis(c.attrs<GatherAttrs>().axis, x.rank());
  std::vector<Dim> out(x.dims().begin(), x.dims().begin() + axis);
  out.insert(out.end(), indices.dims().begin(), indices.dims().end());
  out.insert(out.end(), x.dims().begin() + axis + 1, x.dims().end());
  c.set(0, c.input(0).dtype, std::move(out));
  move_values(c, 1, run_gather);
}

template <class T>
void gather_elements(RunContext& c, int axis, const int64_t* index) {
  const ConstView x = c.input(0);
  const View y = c.output(0);
  const Strides from = strides_of(x.extents), to = strides_of(y.extents);
  const int last = y.rank() - 1;
  const int64_t line = y.extents[last], step = last == axis ? 0 : from[static_cast<size_t>(last)];
  const int64_t stride = from[static_cast<size_t>(axis)];
  c.parallel().run(y.count() / line, grain_for(line), [&](int64_t begin, int64_t end, int) {
    for (int64_t i = begin; i < end; ++i) {
      int64_t base = 0;
      for (int d = 0; d < last; ++d) {
        const auto at = static_cast<size_t>(d);
        if (d != axis) base += i * line / to[at] % y.extents[d] * from[at];
      }
      for (int64_t k = 0; k < line; ++k) {
        y.as<T>()[i * line + k] = x.as<T>()[base + k * step + index[i * line + k] * stride];
      }
    }
  });
}

void run_gather_elements(RunContext& c) {
  if (unpacked(c, run_gather_elements)) return;
  const int axis = axis_of(c);
  const int64_t* index = read_indices(c, c.input(1), c.input(0).extents[axis]);
  if (c.output(0).count() == 0) return;
  for_width(c.input(0).dtype, [&]<class T>() { gather_elements<T>(c, axis, index); });
}

void infer_gather_elements(InferContext& c) {
  require_indices(c, 1);
  const Shape &x = c.input(0).shape, &indices = c.input(1).shape;
  c.require_rank(0, 1);
  if (x.has_rank() && indices.has_rank()) {
    const int axis = c.axis(c.attrs<GatherAttrs>().axis, x.rank());
    require_inside(c, indices, x, axis, "indices");
  }
  c.set(0, c.input(0).dtype, indices.has_rank() || !x.has_rank() ? indices : c.fresh_shape(x.rank()));
  move_values(c, 1, run_gather_elements);
}

const Op kFamily[] = {
    {.domain = "",
     .name = "Gather",
     .inputs = {2, 2},
     .outputs = {1, 1},
     .parse = Attrs::parse<GatherAttrs>,
     .infer = infer_gather,
     .run = run_gather,
     .traits = {.misaligned = 1}},
    {.domain = "",
     .name = "GatherElements",
     .inputs = {2, 2},
     .outputs = {1, 1},
     .parse = Attrs::parse<GatherAttrs>,
     .infer = infer_gather_elements,
     .run = run_gather_elements,
     .since = 11},
};

}  // namespace

std::span<const Op> gather_family() { return kFamily; }

}  // namespace sdx::ops
