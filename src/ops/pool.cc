// MaxPool, AveragePool and LpPool: windows that slide over the spatial axes.
#include <algorithm>
#include <cmath>
#include <limits>

#include "kernels/pool.h"
#include "ops/family.h"
#include "ops/window.h"

namespace sdx::ops {
namespace {

struct PoolAttrs : WindowAttrs {
  bool ceil_mode = false, count_include_pad = false;
  int64_t storage_order = 0, p = 2;
  bool operator==(const PoolAttrs&) const = default;
  static constexpr auto fields() {
    return std::tuple_cat(
        WindowAttrs::fields(),
        std::tuple{field("ceil_mode", &PoolAttrs::ceil_mode), field("count_include_pad", &PoolAttrs::count_include_pad),
                   field("storage_order", &PoolAttrs::storage_order), field("p", &PoolAttrs::p)});
  }
};

void infer_windows(InferContext& c) {
  const auto& a = c.attrs<PoolAttrs>();
  if (a.kernel_shape.empty()) c.invalid("attribute 'kernel_shape' is required but missing");
  const int spatial = static_cast<int>(a.kernel_shape.size());
  check_window(c, a, spatial);
  c.require_rank(0, spatial + 2, spatial + 2);
  const Shape& x = c.input(0).shape;
  Shape out = c.fresh_shape(spatial + 2);
  if (x.has_rank()) {
    out[0] = x[0];
    out[1] = x[1];
    for (int i = 0; i < spatial; ++i) {
      out[i + 2] = window_count(c, a, i, x[i + 2], a.kernel_shape[static_cast<size_t>(i)], a.ceil_mode);
    }
  }
  if (c.output_count() > 1) c.set(1, DType::kI64, out);
  c.set(0, c.input(0).dtype, std::move(out));
}

void infer_max(InferContext& c) {
  c.require_dtype(0, {DType::kF32, DType::kF64, DType::kF16, DType::kBF16, DType::kI8, DType::kU8});
  infer_windows(c);
}

void infer_float(InferContext& c) {
  c.require_dtype(0, kFloats);
  if (c.attrs<PoolAttrs>().p < 1) c.invalid("attribute 'p' is ", c.attrs<PoolAttrs>().p, " but must be at least 1");
  infer_windows(c);
}

/// The part of a window along one axis that lies inside the input: taps [first, last) from input position `start`.
struct Taps {
  int64_t start, step, first, last;
  int64_t padded;  ///< taps inside the input or its padding

  Taps(const Geometry& g, int axis, int64_t out) : start(out * g.stride[axis] - g.pad[axis]), step(g.dilation[axis]) {
    const auto below = [&](int64_t limit) {  // taps at positions < limit
      if (limit <= start) return int64_t{0};
      const bool all = limit - start > (g.kernel[axis] - 1) * step;
      return all ? g.kernel[axis] : (limit - start + step - 1) / step;
    };
    first = below(0);
    last = std::max(first, below(g.in[axis]));
    padded = below(g.in[axis] + g.pad_end[axis]);
  }
  int64_t at(int64_t tap) const { return start + tap * step; }
};

/// The window of one output position.
struct Window {
  Taps z, y, x;

  /// Calls use(flat index within the plane) for every element inside the input.
  template <class F>
  void each(const Geometry& g, F use) const {
    for (int64_t i = z.first; i < z.last; ++i) {
      for (int64_t j = y.first; j < y.last; ++j) {
        const int64_t row = (z.at(i) * g.in[1] + y.at(j)) * g.in[2];
        for (int64_t k = x.first; k < x.last; ++k) use(row + x.at(k));
      }
    }
  }
  int64_t inside() const { return (z.last - z.first) * (y.last - y.first) * (x.last - x.first); }
  int64_t padded() const { return z.padded * y.padded * x.padded; }
};

/// Calls one(plane, output index, window) for every output element, planes in parallel.
template <class F>
void each_window(RunContext& c, const Geometry& g, F one) {
  const int64_t planes = c.input(0).extents[0] * c.input(0).extents[1], rows = g.out[0] * g.out[1];
  c.parallel().run(planes * rows, grain_for(g.out[2] * g.kernel_count() * 2), [&](int64_t begin, int64_t end, int) {
    for (int64_t i = begin; i < end; ++i) {
      const int64_t row = i % rows;
      const Taps z(g, 0, row / g.out[1]), y(g, 1, row % g.out[1]);
      for (int64_t x = 0; x < g.out[2]; ++x) one(i / rows, i * g.out[2] + x, Window{z, y, Taps(g, 2, x)});
    }
  });
}

Geometry geometry_of(RunContext& c) {
  const auto& a = c.attrs<PoolAttrs>();
  return geometry(a, c.input(0).extents, c.output(0).extents, a.kernel_shape);
}

/// The index that storage_order 1 gives: the spatial axes in reverse order.
int64_t column_major(const Geometry& g, int64_t index) {
  const int64_t x = index % g.in[2], y = index / g.in[2] % g.in[1], z = index / g.in[2] / g.in[1];
  return (x * g.in[1] + y) * g.in[0] + z;
}

kernels::PoolShape shape_of(const Geometry& g, int64_t planes) {
  kernels::PoolShape shape{.planes = planes};
  for (int i = 0; i < kMaxSpatial; ++i) {
    shape.in[i] = g.in[i];
    shape.out[i] = g.out[i];
    shape.kernel[i] = g.kernel[i];
    shape.stride[i] = g.stride[i];
    shape.dilation[i] = g.dilation[i];
    shape.pad_begin[i] = g.pad[i];
  }
  return shape;
}

/// Calls pool(shape, scratch, begin, end) for ranges of output rows.
template <class T, class F>
void each_rows(RunContext& c, const Geometry& g, F pool) {
  const kernels::PoolShape shape = shape_of(g, c.input(0).extents[0] * c.input(0).extents[1]);
  const int64_t size = kernels::pool_scratch(shape, sizeof(T));
  T* scratch = c.scratch<T>(size * c.parallel().threads());
  const int64_t cost = (g.kernel[0] * g.kernel[1] * g.in[2] + g.kernel[2] * g.out[2]) / 4;
  c.parallel().run(shape.planes * g.out[0] * g.out[1], grain_for(cost),
                   [&](int64_t begin, int64_t end, int worker) { pool(shape, scratch + worker * size, begin, end); });
}

template <class T>
void max_with_indices(RunContext& c, const Geometry& g) {
  const bool reverse = c.attrs<PoolAttrs>().storage_order == 1;
  const T* x = c.input(0).as<T>();
  T* y = c.output(0).as<T>();
  int64_t* indices = c.output(1).as<int64_t>();
  each_window(c, g, [&](int64_t plane, int64_t out, const Window& window) {
    const T* from = x + plane * g.in_count();
    T best =
        std::numeric_limits<T>::has_infinity ? -std::numeric_limits<T>::infinity() : std::numeric_limits<T>::lowest();
    int64_t at = -1;
    window.each(g, [&](int64_t i) {
      const bool better = from[i] > best || at < 0 || from[i] != from[i];
      best = better ? from[i] : best;
      at = better ? i : at;
    });
    y[out] = best;
    indices[out] = plane * g.in_count() + (reverse ? column_major(g, at) : at);
  });
}

template <class T>
void run_max_typed(RunContext& c) {
  const Geometry g = geometry_of(c);
  if (c.wants(1)) return max_with_indices<T>(c, g);
  each_rows<T>(c, g, [&](const kernels::PoolShape& shape, T* scratch, int64_t begin, int64_t end) {
    kernels::max_pool(shape, c.input(0).as<T>(), c.output(0).as<T>(), scratch, begin, end);
  });
}

/// Positions that the windows along an axis count: those inside the input, or inside the padding too.
template <class T>
const T* count_positions(RunContext& c, const Geometry& g, int axis) {
  const bool all = c.attrs<PoolAttrs>().count_include_pad;
  T* counts = c.scratch<T>(g.out[axis]);
  for (int64_t i = 0; i < g.out[axis]; ++i) {
    const Taps taps(g, axis, i);
    counts[i] = static_cast<T>(all ? taps.padded : taps.last - taps.first);
  }
  return counts;
}

template <class T>
void run_average_typed(RunContext& c) {
  const Geometry g = geometry_of(c);
  kernels::PoolCounts<T> counts;
  for (int i = 0; i < kMaxSpatial; ++i) counts.axis[i] = count_positions<T>(c, g, i);
  each_rows<T>(c, g, [&](const kernels::PoolShape& shape, T* scratch, int64_t begin, int64_t end) {
    kernels::mean_pool(shape, counts, c.input(0).as<T>(), c.output(0).as<T>(), scratch, begin, end);
  });
}

template <class T>
void run_lp_typed(RunContext& c) {
  const Geometry g = geometry_of(c);
  const int64_t p = c.attrs<PoolAttrs>().p;
  each_window(c, g, [&](int64_t plane, int64_t out, const Window& window) {
    const T* from = c.input(0).as<T>() + plane * g.in_count();
    const auto power = static_cast<double>(p);
    double sum = 0;
    window.each(g, [&](int64_t i) {
      const double v = std::abs(static_cast<double>(from[i]));
      sum += p == 1 ? v : p == 2 ? v * v : std::pow(v, power);
    });
    c.output(0).as<T>()[out] = static_cast<T>(p == 1 ? sum : p == 2 ? std::sqrt(sum) : std::pow(sum, 1 / power));
  });
}

void run_max(RunContext& c) {
  if (c.output(0).count() == 0) return;
  if (widened(c, run_max)) return;
  switch (c.input(0).dtype) {
    case DType::kF64: return run_max_typed<double>(c);
    case DType::kI8: return run_max_typed<int8_t>(c);
    case DType::kU8: return run_max_typed<uint8_t>(c);
    default: return run_max_typed<float>(c);
  }
}
void run_average(RunContext& c) {
  if (c.output(0).count() == 0) return;
  if (widened(c, run_average)) return;
  c.input(0).dtype == DType::kF64 ? run_average_typed<double>(c) : run_average_typed<float>(c);
}
void run_lp(RunContext& c) {
  if (widened(c, run_lp)) return;
  c.input(0).dtype == DType::kF64 ? run_lp_typed<double>(c) : run_lp_typed<float>(c);
}

const Op kFamily[] = {
    {.domain = "",
     .name = "MaxPool",
     .inputs = {1, 1},
     .outputs = {1, 2},
     .parse = Attrs::parse<PoolAttrs>,
     .infer = infer_max,
     .run = run_max},
    {.domain = "",
     .name = "AveragePool",
     .inputs = {1, 1},
     .outputs = {1, 1},
     .parse = Attrs::parse<PoolAttrs>,
     .infer = infer_float,
     .run = run_average,
     .accuracy = Accuracy::kAccumulated},
    {.domain = "",
     .name = "LpPool",
     .inputs = {1, 1},
     .outputs = {1, 1},
     .parse = Attrs::parse<PoolAttrs>,
     .infer = infer_float,
     .run = run_lp,
     .accuracy = Accuracy::kAccumulated},
};

}  // namespace

std::span<const Op> pool_family() { return kFamily; }

}  // namespace sdx::ops
