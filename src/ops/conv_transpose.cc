// ConvTranspose: the gradient of a convolution, as a product and the sum of its overlapping windows.
#include <algorithm>

#include "ops/family.h"
#include "ops/product.h"
#include "ops/window.h"

namespace sdx::ops {
namespace {

struct ConvTransposeAttrs : WindowAttrs {
  int64_t group = 1;
  std::vector<int64_t> output_padding, output_shape;
  bool operator==(const ConvTransposeAttrs&) const = default;
  static constexpr auto fields() {
    return std::tuple_cat(WindowAttrs::fields(),
                          std::tuple{field("group", &ConvTransposeAttrs::group),
                                     field("output_padding", &ConvTransposeAttrs::output_padding),
                                     field("output_shape", &ConvTransposeAttrs::output_shape)});
  }
  /// Size without padding of the output along a spatial axis.
  Dim full(int axis, const Dim& in, const Dim& kernel) const {
    const int64_t extra = output_padding.empty() ? 0 : output_padding[static_cast<size_t>(axis)];
    return (in - 1) * stride(axis) + extra + (kernel - 1) * dilation(axis) + 1;
  }
};

void check_lists(const InferContext& c, const ConvTransposeAttrs& a, int spatial) {
  check_window(c, a, spatial);
  if (a.group < 1) c.invalid("attribute 'group' is ", a.group, " but must be at least 1");
  const auto n = static_cast<size_t>(spatial);
  for (const auto* list : {&a.output_padding, &a.output_shape}) {
    if (!list->empty() && list->size() != n && !(list == &a.output_shape && list->size() == n + 2)) {
      c.invalid("a list of ", list->size(), " sizes for ", n, " spatial axes");
    }
    for (int64_t v : *list) {
      if (v < 0) c.invalid("an output size or padding is ", v, " but must be >= 0");
    }
  }
}

/// output_shape's entry for a spatial axis; some exporters list the batch and the channels, too.
int64_t asked_size(const ConvTransposeAttrs& a, int spatial, int axis) {
  return a.output_shape[a.output_shape.size() - static_cast<size_t>(spatial) + static_cast<size_t>(axis)];
}

Dim output_size(InferContext& c, const ConvTransposeAttrs& a, int spatial, int axis, const Dim& in, const Dim& kernel) {
  if (!a.output_shape.empty()) return asked_size(a, spatial, axis);
  if (a.same_padding()) return in * a.stride(axis);
  Dim out = a.full(axis, in, kernel);
  if (a.auto_pad == "NOTSET") out = out - (a.pad_begin(axis) + a.pad_end(axis));
  c.require_at_most(0, out, "0 and an output size of ConvTranspose");
  return out;
}

void infer(InferContext& c) {
  const auto& a = c.attrs<ConvTransposeAttrs>();
  c.require_dtype(0, kFloats);
  c.require_same_dtype(0, 1);
  c.require_rank(0, 3);
  c.require_rank(1, 3);
  const Shape &x = c.input(0).shape, &w = c.input(1).shape;
  if (!x.has_rank() && !w.has_rank()) return c.set(0, c.input(0).dtype, Shape());
  const int rank = x.has_rank() ? x.rank() : w.rank();
  c.require_rank(1, rank, rank);
  check_lists(c, a, rank - 2);
  Shape out = c.fresh_shape(rank);
  if (x.has_rank()) out[0] = x[0];
  if (w.has_rank()) {
    out[1] = w[1] * a.group;
    if (x.has_rank()) c.require_equal(x[1], w[0], "the input channels and those of the weight");
    c.require_equal(floor_mod(w[0], a.group), 0, "the input channels modulo the groups and 0");
  }
  if (c.has(2)) {
    c.require_same_dtype(0, 2);
    c.require_rank(2, 1, 1);
    if (c.input(2).shape.has_rank())
      c.require_equal(c.input(2).shape[0], out[1], "the sizes of the bias and the output channels");
  }
  for (int i = 0; i < rank - 2; ++i) {
    const bool given = !a.kernel_shape.empty();
    if (given && w.has_rank()) {
      c.require_equal(a.kernel_shape[static_cast<size_t>(i)], w[i + 2], "kernel_shape and the sizes of the weight");
    }
    if (!x.has_rank() || (!given && !w.has_rank())) continue;
    const Dim kernel = given ? Dim(a.kernel_shape[static_cast<size_t>(i)]) : w[i + 2];
    c.require_at_most(1, kernel, "1 and the size of the window");
    out[i + 2] = output_size(c, a, rank - 2, i, x[i + 2], kernel);
  }
  c.set(0, c.input(0).dtype, std::move(out));
}

/// The geometry of the convolution whose gradient this is: its input is this operator's output.
Geometry gradient_geometry(const ConvTransposeAttrs& a, const Extents& x, const Extents& y, const Extents& w) {
  Geometry g = geometry(a, y, x, w.span().subspan(2));
  const int spatial = x.rank() - 2;
  for (int i = 0; i < spatial; ++i) {
    if (a.auto_pad == "VALID" || (a.auto_pad == "NOTSET" && a.output_shape.empty())) continue;
    const int64_t total = std::max<int64_t>(0, a.full(i, x[i + 2], w[i + 2]).value() - y[i + 2]);
    g.pad[kMaxSpatial - spatial + i] = a.auto_pad == "SAME_UPPER" ? total / 2 : total - total / 2;
  }
  return g;
}

/// Adds rows [tap][position of x] to the image y of one channel.
template <class T>
void add_windows(const Geometry& g, const T* columns, T* y) {
  for (int64_t tap = 0; tap < g.kernel_count(); ++tap) {
    const int64_t kz = tap / (g.kernel[1] * g.kernel[2]), ky = tap / g.kernel[2] % g.kernel[1], kx = tap % g.kernel[2];
    const int64_t shift = kx * g.dilation[2] - g.pad[2], s = g.stride[2];
    const int64_t lo = std::min(shift < 0 ? (-shift + s - 1) / s : 0, g.out[2]);
    const int64_t last = g.in[2] - 1 - shift;
    const int64_t hi = last < 0 ? 0 : std::min(last / s + 1, g.out[2]);
    for (int64_t row = 0; row < g.out[0] * g.out[1]; ++row) {
      const int64_t z = row / g.out[1] * g.stride[0] + kz * g.dilation[0] - g.pad[0];
      const int64_t r = row % g.out[1] * g.stride[1] + ky * g.dilation[1] - g.pad[1];
      if (z < 0 || z >= g.in[0] || r < 0 || r >= g.in[1]) continue;
      T* to = y + (z * g.in[1] + r) * g.in[2] + shift;
      const T* from = columns + (tap * g.out[0] * g.out[1] + row) * g.out[2];
      for (int64_t i = lo; i < hi; ++i) to[i * s] += from[i];
    }
  }
}

/// One block of output channels of one group of one image.
struct Block {
  int64_t m, k, n;  ///< rows (channel, tap), channels of x, positions of x
  const void *w, *x;
};

void multiply(const Block& b, int64_t all_rows, float* columns, std::byte* scratch) {
  kernels::Gemm gemm{.m = b.m, .n = b.n, .k = b.k};
  gemm.a = {static_cast<const float*>(b.w), 1, all_rows};
  gemm.b = {static_cast<const float*>(b.x), b.n, 1};
  gemm.c = columns;
  gemm.c_stride = b.n;
  const kernels::GemmPlan plan = kernels::gemm_plan(gemm, 1);
  kernels::gemm_run(gemm, plan, 0, plan.tiles(), scratch);
}

void multiply(const Block& b, int64_t all_rows, double* columns, std::byte*) {
  kernels::GenericGemm<double> gemm{.m = b.m, .n = b.n, .k = b.k};
  gemm.a = static_cast<const double*>(b.w);
  gemm.a_row_stride = 1;
  gemm.a_column_stride = all_rows;
  gemm.b = static_cast<const double*>(b.x);
  gemm.b_row_stride = b.n;
  gemm.c = columns;
  gemm.c_stride = b.n;
  kernels::gemm_rows(gemm, 0, b.m);
}

template <class T>
void run_typed(RunContext& c) {
  const auto& a = c.attrs<ConvTransposeAttrs>();
  const Extents &x = c.input(0).extents, &w = c.input(1).extents;
  const Geometry g = gradient_geometry(a, x, c.output(0).extents, w);
  const int64_t channels = x[1] / a.group, filters = w[1], taps = g.kernel_count(), positions = g.out_count();
  constexpr int64_t kColumnBytes = 1024 * 1024;
  const int64_t one = std::max<int64_t>(taps * positions, 1) * static_cast<int64_t>(sizeof(T));
  const int64_t block = std::clamp<int64_t>(kColumnBytes / one, 1, filters), blocks = (filters + block - 1) / block;
  const kernels::Gemm largest{.m = block * taps, .n = positions, .k = channels, .a = {nullptr, 1, filters * taps}};
  const auto gemm_bytes = static_cast<int64_t>(kernels::gemm_plan(largest, 1).scratch_bytes + 63) / 64 * 64;
  const int64_t bytes = gemm_bytes + (block * one + 63) / 64 * 64;
  auto* scratch = c.scratch<std::byte>(bytes * c.parallel().threads());
  c.parallel().run(x[0] * a.group * blocks, 1, [&](int64_t begin, int64_t end, int worker) {
    std::byte* mine = scratch + worker * bytes;
    T* columns = reinterpret_cast<T*>(mine + gemm_bytes);
    for (int64_t i = begin; i < end; ++i) {
      const int64_t at = i / blocks, group = at % a.group, first = i % blocks * block;
      const int64_t count = std::min(block, filters - first);
      const T* weights = c.input(1).as<T>() + (group * channels * filters + first) * taps;
      if (positions > 0) {
        multiply({count * taps, channels, positions, weights, c.input(0).as<T>() + at * channels * positions},
                 filters * taps, columns, mine);
      }
      for (int64_t m = 0; m < count; ++m) {
        T* y = c.output(0).as<T>() + (at * filters + first + m) * g.in_count();
        std::fill_n(y, g.in_count(), c.has_input(2) ? c.input(2).as<T>()[group * filters + first + m] : T{});
        add_windows(g, columns + m * taps * positions, y);
      }
    }
  });
}

void run(RunContext& c) {
  if (widened(c, run)) return;
  if (c.output(0).count() == 0) return;
  c.input(0).dtype == DType::kF64 ? run_typed<double>(c) : run_typed<float>(c);
}

const Op kFamily[] = {
    {.domain = "",
     .name = "ConvTranspose",
     .inputs = {2, 3},
     .outputs = {1, 1},
     .parse = Attrs::parse<ConvTransposeAttrs>,
     .infer = infer,
     .run = run,
     .accuracy = Accuracy::kAccumulated},
};

}  // namespace

std::span<const Op> conv_transpose_family() { return kFamily; }

}  // namespace sdx::ops
