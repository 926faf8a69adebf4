// Gather and GatherElements: elements picked along one axis.
#include <atomic>
#include <utility>

#include "kernels/copy.h"
#include "kernels/scatter.h"
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

template <class Index>
void gather_strings(const ConstView& x, const View& y, const kernels::AxisIndex<Index>& at) {
  kernels::for_runs(at.loop, 0, y.count(), [&](int64_t first, const std::array<int64_t, 1>& offset, int64_t count) {
    for (int64_t i = 0; i < count; ++i) {
      const auto index = static_cast<int64_t>(at.index[first + i]);
      const int64_t row = index < 0 ? index + at.limit : index;
      y.as<std::string>()[first + i] = x.as<std::string>()[offset[0] + i * at.loop.inner(0) + row * at.axis_stride];
    }
  });
}

template <class Index>
void gather_elements(RunContext& c) {
  const ConstView x = c.input(0), indices = c.input(1);
  const View y = c.output(0);
  const auto axis = static_cast<size_t>(axis_of(c)), rank = static_cast<size_t>(y.rank());
  Strides from = strides_of(x.extents);
  const int64_t axis_stride = std::exchange(from[axis], 0);
  const kernels::AxisIndex<Index> at{kernels::make_loop<1>(y.extents.span(), {std::span(from.data(), rank)}),
                                     axis_stride, x.extents[static_cast<int>(axis)], indices.as<Index>()};
  if (x.dtype == DType::kString) {
    read_indices(c, indices, at.limit);
    return gather_strings(x, y, at);
  }
  const int bytes = static_cast<int>(element_bytes(x.dtype));
  std::atomic<bool> inside = true;
  c.parallel().run(y.count(), grain_for(4), [&](int64_t begin, int64_t end, int) {
    if (!kernels::gather_elements(at, y.data, x.data, bytes, begin, end)) {
      inside.store(false, std::memory_order_relaxed);
    }
  });
  if (!inside) read_indices(c, indices, at.limit);  // says which index it is
}

void run_gather_elements(RunContext& c) {
  if (unpacked(c, run_gather_elements)) return;
  if (c.input(1).dtype == DType::kI64) return gather_elements<int64_t>(c);
  gather_elements<int32_t>(c);
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
