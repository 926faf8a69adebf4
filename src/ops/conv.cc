// Conv and com.microsoft's FusedConv: products over unrolled windows, and direct sums for depthwise filters.
#include <algorithm>
#include <cstring>

#include "ops/family.h"
#include "ops/fused_activation.h"
#include "ops/product.h"
#include "ops/unroll.h"
#include "ops/window.h"

namespace sdx::ops {
namespace {

struct ConvAttrs : WindowAttrs {
  int64_t group = 1;
  std::string activation;
  std::vector<float> activation_params;
  bool operator==(const ConvAttrs&) const = default;
  static constexpr auto fields() {
    return std::tuple_cat(WindowAttrs::fields(),
                          std::tuple{field("group", &ConvAttrs::group), field("activation", &ConvAttrs::activation),
                                     field("activation_params", &ConvAttrs::activation_params)});
  }
};

FusedActivation activation_of(const ConvAttrs& a) {
  ActivationParameters p;
  if (!a.activation_params.empty()) p.alpha = a.activation_params[0];
  if (a.activation_params.size() > 1) p.beta = a.activation_params[1];
  return fused_activation(a.activation, p);
}

void check_inputs(InferContext& c, const ConvAttrs& a) {
  c.require_dtype(0, kFloats);
  c.require_same_dtype(0, 1);
  c.require_rank(0, 3);
  c.require_rank(1, 3);
  if (c.has(2)) {
    c.require_same_dtype(0, 2);
    c.require_rank(2, 1, 1);
  }
  if (a.group < 1) c.invalid("attribute 'group' is ", a.group, " but must be at least 1");
  if (!a.activation.empty()) activation_of(a);
}

void infer(InferContext& c) {
  const auto& a = c.attrs<ConvAttrs>();
  check_inputs(c, a);
  const Shape &x = c.input(0).shape, &w = c.input(1).shape;
  if (!x.has_rank() && !w.has_rank()) return c.set(0, c.input(0).dtype, Shape());
  const int rank = x.has_rank() ? x.rank() : w.rank();
  c.require_rank(1, rank, rank);
  check_window(c, a, rank - 2);
  Shape out = c.fresh_shape(rank);
  if (x.has_rank()) out[0] = x[0];
  if (w.has_rank()) {
    out[1] = w[0];
    c.require_equal(floor_mod(w[0], a.group), 0, "the output channels modulo the groups and 0");
    if (x.has_rank()) c.require_equal(x[1], w[1] * a.group, "the input channels and those of the weight");
    if (c.has(2) && c.input(2).shape.has_rank()) {
      c.require_equal(c.input(2).shape[0], w[0], "the sizes of the bias and the output channels");
    }
  }
  for (int i = 0; i < rank - 2; ++i) {
    const auto at = static_cast<size_t>(i);
    const bool given = !a.kernel_shape.empty();
    if (!given && !w.has_rank()) continue;
    const Dim kernel = given ? Dim(a.kernel_shape[at]) : w[i + 2];
    if (given && w.has_rank()) c.require_equal(kernel, w[i + 2], "kernel_shape and the sizes of the weight");
    if (x.has_rank()) out[i + 2] = window_count(c, a, i, x[i + 2], kernel, false);
  }
  if (c.has(3)) {
    c.require_same_dtype(0, 3);
    if (const Shape& z = c.input(3).shape; z.has_rank()) {
      c.require_rank(3, rank, rank);
      for (int i = 0; i < rank; ++i) c.require_equal(z[i], out[i], "the sizes of the summand and the output");
    }
  }
  c.set(0, c.input(0).dtype, std::move(out));
}

/// The operands of one convolution; filters are [group][m][k].
template <class T>
struct Operands {
  const T *x, *w, *bias, *summand;
  T* y;
  int64_t batch, group, channels, filters;  ///< channels and filters of one group
  Geometry g;
};

template <class T>
Operands<T> operands(RunContext& c) {
  const auto& a = c.attrs<ConvAttrs>();
  const Extents &x = c.input(0).extents, &w = c.input(1).extents;
  Operands<T> o;
  o.x = c.input(0).as<T>();
  o.w = c.input(1).as<T>();
  o.bias = c.has_input(2) ? c.input(2).as<T>() : nullptr;
  o.summand = c.has_input(3) ? c.input(3).as<T>() : nullptr;
  o.y = c.output(0).as<T>();
  o.batch = x[0];
  o.group = a.group;
  o.channels = w[1];
  o.filters = w[0] / a.group;
  o.g = geometry(a, x, c.output(0).extents, w.span().subspan(2));
  return o;
}

/// Positions [lo, hi) of an output row whose input element of tap `k` lies inside the input.
struct Span {
  int64_t lo, hi;
  Span(const Geometry& g, int axis, int64_t k) {
    const int64_t shift = g.pad[axis] - k * g.dilation[axis], s = g.stride[axis];
    lo = std::min(shift > 0 ? (shift + s - 1) / s : 0, g.out[axis]);
    const int64_t last = g.in[axis] - 1 + shift;
    hi = std::max(lo, std::min(last < 0 ? 0 : last / s + 1, g.out[axis]));
  }
};

/// Adds one plane [in] filtered by one kernel to one plane [out], tap by tap.
template <class T>
void add_filtered(const Geometry& g, const T* x, const T* w, T* y) {
  for (int64_t tap = 0; tap < g.kernel_count(); ++tap) {
    const int64_t kz = tap / (g.kernel[1] * g.kernel[2]), ky = tap / g.kernel[2] % g.kernel[1], kx = tap % g.kernel[2];
    const Span sz(g, 0, kz), sy(g, 1, ky), sx(g, 2, kx);
    const T factor = w[tap];
    const int64_t shift = kx * g.dilation[2] - g.pad[2], step = g.stride[2];
    for (int64_t z = sz.lo; z < sz.hi; ++z) {
      for (int64_t r = sy.lo; r < sy.hi; ++r) {
        const int64_t iz = z * g.stride[0] + kz * g.dilation[0] - g.pad[0];
        const int64_t iy = r * g.stride[1] + ky * g.dilation[1] - g.pad[1];
        const T* from = x + (iz * g.in[1] + iy) * g.in[2] + shift;
        T* to = y + (z * g.out[1] + r) * g.out[2];
        for (int64_t i = sx.lo; i < sx.hi; ++i) to[i] += factor * from[i * step];
      }
    }
  }
}

/// Filter by filter without unrolling: for depthwise filters, and for float64.
template <class T>
void run_direct(RunContext& c, const Operands<T>& o) {
  const Geometry& g = o.g;
  const int64_t all = o.group * o.filters, size = g.out_count();
  const int64_t cost = size * g.kernel_count() * o.channels;
  c.parallel().run(o.batch * all, grain_for(cost), [&](int64_t begin, int64_t end, int) {
    for (int64_t i = begin; i < end; ++i) {
      const int64_t n = i / all, filter = i % all;
      T* y = o.y + i * size;
      std::fill(y, y + size, o.bias ? o.bias[filter] : T{});
      if (o.summand) std::transform(y, y + size, o.summand + i * size, y, std::plus<T>());
      const T* x = o.x + (n * o.group + filter / o.filters) * o.channels * g.in_count();
      const T* w = o.w + filter * o.channels * g.kernel_count();
      for (int64_t ch = 0; ch < o.channels; ++ch) {
        add_filtered(g, x + ch * g.in_count(), w + ch * g.kernel_count(), y);
      }
    }
  });
}

/// The product of the filters of group `at % group` of image `at / group` with columns from `column` on.
void place_product(const Operands<float>& o, int64_t at, int64_t column, kernels::Gemm& gemm) {
  const int64_t first = at % o.group * o.filters, size = o.g.out_count();
  gemm.a.data = o.w + first * gemm.k;
  gemm.c = o.y + at * o.filters * size + column;
  gemm.epilogue.row_bias = o.bias ? o.bias + first : nullptr;
  gemm.epilogue.addend = o.summand ? o.summand + at * o.filters * size + column : nullptr;
}

kernels::Gemm product_of(const Operands<float>& o, int64_t columns) {
  kernels::Gemm gemm{.m = o.filters, .n = columns, .k = o.channels * o.g.kernel_count()};
  gemm.a = {o.w, gemm.k, 1};
  gemm.c_stride = o.g.out_count();
  gemm.epilogue.addend_stride = gemm.c_stride;
  return gemm;
}

/// 1 x 1 filters over every element: the input is the second operand as it is.
void run_pointwise(RunContext& c, const Operands<float>& o) {
  const int64_t size = o.g.out_count();
  kernels::Gemm gemm = product_of(o, size);
  gemm.b = {o.x, size, 1};
  run_products(c, gemm, o.batch * o.group, [&](int64_t at, kernels::Gemm& one) {
    place_product(o, at, 0, one);
    one.b.data = o.x + at * o.channels * size;
  });
}

/// Unrolls a whole image at once: for images so small that blocks of columns would not fill the threads.
void run_whole(RunContext& c, const Operands<float>& o) {
  const int64_t size = o.g.out_count();
  kernels::Gemm gemm = product_of(o, size);
  float* columns = c.scratch<float>(gemm.k * size);
  gemm.b = {columns, size, 1};
  for (int64_t at = 0; at < o.batch * o.group; ++at) {
    const float* x = o.x + at * o.channels * o.g.in_count();
    c.parallel().run(gemm.k, grain_for(size), [&](int64_t begin, int64_t end, int) {
      unroll(o.g, x, {begin, end}, {0, size}, columns + begin * size);
    });
    place_product(o, at, 0, gemm);
    run_product(c, gemm);
  }
}

/// Unrolls and multiplies block of columns by block of columns; each worker has its own.
void run_blocks(RunContext& c, const Operands<float>& o, int64_t block) {
  const int64_t size = o.g.out_count(), blocks = (size + block - 1) / block;
  const kernels::Gemm whole = product_of(o, block);
  const auto plan_bytes = static_cast<int64_t>(kernels::gemm_plan(whole, 1).scratch_bytes + 63) / 64 * 64;
  const int64_t bytes = (whole.k * block * 4 + 63) / 64 * 64 + plan_bytes;
  auto* scratch = c.scratch<std::byte>(bytes * c.parallel().threads());
  c.parallel().run(o.batch * o.group * blocks, 1, [&](int64_t begin, int64_t end, int worker) {
    std::byte* mine = scratch + worker * bytes;
    for (int64_t i = begin; i < end; ++i) {
      const int64_t at = i / blocks, column = i % blocks * block;
      kernels::Gemm gemm = product_of(o, std::min(block, size - column));
      auto* columns = reinterpret_cast<float*>(mine + plan_bytes);
      unroll(o.g, o.x + at * o.channels * o.g.in_count(), {0, gemm.k}, {column, column + gemm.n}, columns);
      gemm.b = {columns, gemm.n, 1};
      place_product(o, at, column, gemm);
      const kernels::GemmPlan plan = kernels::gemm_plan(gemm, 1);
      kernels::gemm_run(gemm, plan, 0, plan.tiles(), mine);
    }
  });
}

void run_float(RunContext& c) {
  const Operands<float> o = operands<float>(c);
  const Geometry& g = o.g;
  const int64_t k = o.channels * g.kernel_count(), size = g.out_count();
  const bool dense = g.stride[0] * g.stride[1] * g.stride[2] == 1 && g.in_count() == size;
  if (o.channels == 1 && o.filters <= 2) return run_direct(c, o);
  if (g.kernel_count() == 1 && dense) return run_pointwise(c, o);
  constexpr int64_t kBlockBytes = 512 * 1024, kWholeBytes = 4 * 1024 * 1024;
  const int64_t block = std::clamp<int64_t>(kBlockBytes / (4 * std::max<int64_t>(k, 1)) / 64 * 64, 64, size + 64);
  if (k * size * 4 <= kWholeBytes && o.batch * o.group * ((size + block - 1) / block) < 4 * c.parallel().threads()) {
    return run_whole(c, o);
  }
  run_blocks(c, o, block);
}

void run(RunContext& c) {
  if (widened(c, run)) return;
  if (c.output(0).count() == 0) return;
  if (c.input(0).dtype == DType::kF64) return run_direct(c, operands<double>(c));
  run_float(c);
  const auto& a = c.attrs<ConvAttrs>();
  if (!a.activation.empty()) apply(activation_of(a), c.parallel(), c.output(0).as<float>(), c.output(0).count());
}

const Op kFamily[] = {
    {.domain = "",
     .name = "Conv",
     .inputs = {2, 3},
     .outputs = {1, 1},
     .parse = Attrs::parse<ConvAttrs>,
     .infer = infer,
     .run = run,
     .accuracy = Accuracy::kAccumulated},
    {.domain = kMicrosoft,
     .name = "FusedConv",
     .inputs = {2, 4},
     .outputs = {1, 1},
     .parse = Attrs::parse<ConvAttrs>,
     .infer = infer,
     .run = run,
     .accuracy = Accuracy::kAccumulated},
};

}  // namespace

std::span<const Op> conv_family() { return kFamily; }

}  // namespace sdx::ops
