// Conv, com.microsoft's FusedConv, and PackConvWeights with PackedConv, which rewriting makes of a Conv with constant
// weights.
#include <algorithm>
#include <cstring>

#include "kernels/conv.h"
#include "ops/family.h"
#include "ops/fused_activation.h"
#include "ops/kernel_activation.h"
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

/// Filter by filter: float64.
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

/// A convolution of single positions is one of a single row: runs of neighbours then are as long as can be.
void flatten_positions(kernels::ConvShape& s) {
  for (int i = 0; i < kMaxSpatial; ++i) {
    if (s.kernel[i] != 1 || s.stride[i] != 1 || s.pad_begin[i] != 0 || s.in[i] != s.out[i]) return;
  }
  const int64_t plane = s.in_plane();
  for (int i = 0; i < kMaxSpatial; ++i) s.in[i] = s.out[i] = i + 1 < kMaxSpatial ? 1 : plane;
}

kernels::ConvShape conv_shape(const Geometry& g, int64_t group, int64_t channels, int64_t filters) {
  kernels::ConvShape s;
  s.groups = group;
  s.in_channels = channels * group;
  s.out_channels = filters * group;
  for (int i = 0; i < kMaxSpatial; ++i) {
    s.in[i] = g.in[i];
    s.kernel[i] = g.kernel[i];
    s.stride[i] = g.stride[i];
    s.dilation[i] = g.dilation[i];
    s.pad_begin[i] = g.pad[i];
    s.out[i] = g.out[i];
  }
  flatten_positions(s);
  return s;
}

void pack(const RunContext& c, const kernels::ConvShape& shape, const void* weights, void* packed) {
  c.parallel().run(kernels::conv_pack_parts(shape), 1,
                   [&](int64_t begin, int64_t end, int) { kernels::conv_pack(shape, weights, begin, end, packed); });
}

void run_tiles(const RunContext& c, const kernels::Conv& conv) {
  const kernels::ConvPlan plan = kernels::conv_plan(conv.shape, c.parallel().threads());
  const auto stride = static_cast<int64_t>((plan.scratch_bytes + 63) / 64 * 64);
  auto* scratch = c.scratch<std::byte>(stride * c.parallel().threads());
  c.parallel().run(plan.tiles, 1, [&](int64_t begin, int64_t end, int worker) {
    kernels::conv_run(conv, plan, begin, end, scratch + worker * stride);
  });
}

void run_float(RunContext& c) {
  const Operands<float> o = operands<float>(c);
  if (o.channels == 0) return run_direct(c, o);
  kernels::Conv conv{.shape = conv_shape(o.g, o.group, o.channels, o.filters)};
  conv.shape.batch = o.batch;
  auto* packed = c.scratch<std::byte>(static_cast<int64_t>(kernels::conv_packed_bytes(conv.shape)));
  pack(c, conv.shape, o.w, packed);
  conv.packed = packed;
  conv.x = o.x;
  conv.bias = o.bias;
  conv.residual = o.summand;
  conv.y = o.y;
  run_tiles(c, conv);
}

void run(RunContext& c) {
  if (widened(c, run)) return;
  if (c.output(0).count() == 0) return;
  if (c.input(0).dtype == DType::kF64) return run_direct(c, operands<double>(c));
  run_float(c);
  const auto& a = c.attrs<ConvAttrs>();
  if (!a.activation.empty()) apply(activation_of(a), c.parallel(), c.output(0).as<float>(), c.output(0).count());
}

struct PackedConvAttrs : WindowAttrs {
  int64_t group = 1;
  int64_t channels = 0, filters = 0;  ///< of the whole convolution
  std::string activation;
  bool activation_last = false;  ///< after the residual is added
  bool operator==(const PackedConvAttrs&) const = default;
  static constexpr auto fields() {
    return std::tuple_cat(
        WindowAttrs::fields(),
        std::tuple{field("group", &PackedConvAttrs::group), required("channels", &PackedConvAttrs::channels),
                   required("filters", &PackedConvAttrs::filters), field("activation", &PackedConvAttrs::activation),
                   field("activation_last", &PackedConvAttrs::activation_last)});
  }
};

/// The shape that decides how weights are packed: without the batch and the sizes of images.
kernels::ConvShape packing_shape(const PackedConvAttrs& a) {
  Extents image{1, a.channels};
  for (size_t i = 0; i < a.kernel_shape.size(); ++i) image.push_back(1);
  return conv_shape(geometry(a, image, image, a.kernel_shape), a.group, a.channels / a.group, a.filters / a.group);
}

void check_packed(const InferContext& c, const PackedConvAttrs& a) {
  check_window(c, a, static_cast<int>(a.kernel_shape.size()));
  if (a.group < 1 || a.channels < 1 || a.filters < 1 || a.channels % a.group != 0 || a.filters % a.group != 0) {
    c.invalid("a convolution of ", a.channels, " channels to ", a.filters, " in ", a.group, " groups");
  }
}

void infer_pack(InferContext& c) {
  const auto& a = c.attrs<PackedConvAttrs>();
  c.require_dtype(0, {DType::kF32});
  check_packed(c, a);
  Shape expected({a.filters, a.channels / a.group});
  for (int64_t k : a.kernel_shape) expected.push_back(k);
  c.require_rank(0, expected.rank(), expected.rank());
  if (const Shape& w = c.input(0).shape; w.has_rank()) {
    for (int i = 0; i < w.rank(); ++i) c.require_equal(w[i], expected[i], "the sizes of the weight and the attributes");
  }
  c.set(0, DType::kU8, Shape({static_cast<int64_t>(kernels::conv_packed_bytes(packing_shape(a)))}));
}

void run_pack(RunContext& c) { pack(c, packing_shape(c.attrs<PackedConvAttrs>()), c.input(0).data, c.output(0).data); }

void infer_packed(InferContext& c) {
  const auto& a = c.attrs<PackedConvAttrs>();
  c.require_dtype(0, {DType::kF32, DType::kF16, DType::kBF16});
  c.require_dtype(1, {DType::kU8});
  check_packed(c, a);
  kernel_activation(a.activation);
  const Shape& x = c.input(0).shape;
  const int rank = static_cast<int>(a.kernel_shape.size()) + 2;
  c.require_rank(0, rank, rank);
  if (c.input(1).shape.has_rank()) {
    c.require_equal(c.input(1).shape.count(), static_cast<int64_t>(kernels::conv_packed_bytes(packing_shape(a))),
                    "the bytes of the packed weights and those of this instruction set");
  }
  if (c.has(2) && c.input(2).shape.has_rank()) {
    c.require_equal(c.input(2).shape.count(), a.filters, "the sizes of the bias and the output channels");
  }
  Shape out = c.fresh_shape(rank);
  out[1] = a.filters;
  if (x.has_rank()) {
    out[0] = x[0];
    c.require_equal(x[1], a.channels, "the input channels and those of the weight");
    for (int i = 0; i < rank - 2; ++i) {
      out[i + 2] = window_count(c, a, i, x[i + 2], a.kernel_shape[static_cast<size_t>(i)], false);
    }
  }
  if (c.has(3) && c.input(3).shape.has_rank()) {
    c.require_rank(3, rank, rank);
    for (int i = 0; i < rank; ++i) {
      c.require_equal(c.input(3).shape[i], out[i], "the sizes of the residual and the output");
    }
  }
  c.set(0, c.input(0).dtype, std::move(out));
}

void run_packed(RunContext& c) {
  if (widened(c, run_packed)) return;
  if (c.output(0).count() == 0) return;
  const auto& a = c.attrs<PackedConvAttrs>();
  const Geometry g = geometry(a, c.input(0).extents, c.output(0).extents, a.kernel_shape);
  kernels::Conv conv{.shape = conv_shape(g, a.group, a.channels / a.group, a.filters / a.group)};
  conv.shape.batch = c.input(0).extents[0];
  conv.x = c.input(0).as<float>();
  conv.packed = c.input(1).data;
  conv.bias = c.has_input(2) ? c.input(2).as<float>() : nullptr;
  conv.activation = kernel_activation(a.activation);
  conv.residual = c.has_input(3) ? c.input(3).as<float>() : nullptr;
  conv.activates_last = a.activation_last;
  conv.y = c.output(0).as<float>();
  run_tiles(c, conv);
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
    {.domain = kOwnDomain,
     .name = "PackConvWeights",
     .inputs = {1, 1},
     .outputs = {1, 1},
     .parse = Attrs::parse<PackedConvAttrs>,
     .infer = infer_pack,
     .run = run_pack,
     .traits = {.misaligned = 1}},
    {.domain = kOwnDomain,
     .name = "PackedConv",
     .inputs = {2, 4},
     .outputs = {1, 1},
     .parse = Attrs::parse<PackedConvAttrs>,
     .infer = infer_packed,
     .run = run_packed,
     .traits = {.in_place = 0b1000},
     .accuracy = Accuracy::kAccumulated},
};

}  // namespace

std::span<const Op> conv_family() { return kFamily; }

}  // namespace sdx::ops
