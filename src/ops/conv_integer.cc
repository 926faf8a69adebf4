// ConvInteger: convolution of bytes, exact in 32 bits.
#include <cstring>

#include "ops/broadcast_copy.h"
#include "ops/int8_product.h"
#include "ops/window.h"

namespace sdx::ops {
namespace {

struct ConvIntegerAttrs : WindowAttrs {
  int64_t group = 1;
  bool operator==(const ConvIntegerAttrs&) const = default;
  static constexpr auto fields() {
    return std::tuple_cat(WindowAttrs::fields(), std::tuple{field("group", &ConvIntegerAttrs::group)});
  }
};

void infer(InferContext& c) {
  const auto& a = c.attrs<ConvIntegerAttrs>();
  for (int i : {0, 1}) {
    c.require_dtype(i, {DType::kU8, DType::kI8});
    c.require_rank(i, 3);
    if (c.has(i + 2)) c.require_same_dtype(i, i + 2);
  }
  if (a.group < 1) c.invalid("attribute 'group' is ", a.group, " but must be at least 1");
  const Shape &x = c.input(0).shape, &w = c.input(1).shape;
  if (!x.has_rank() || !w.has_rank()) return c.set(0, DType::kI32, Shape());
  c.require_rank(1, x.rank(), x.rank());
  check_window(c, a, x.rank() - 2);
  c.require_equal(x[1], w[1] * a.group, "the input channels and those of the weight");
  c.require_equal(floor_mod(w[0], a.group), 0, "the output channels modulo the groups and 0");
  if (c.has(2) && c.input(2).shape.has_rank())
    c.require_equal(c.input(2).shape.count(), 1, "the elements of x_zero_point and 1");
  if (c.has(3)) require_broadcasts_to(c, c.input(3).shape, Shape({w[0]}), "w_zero_point");
  Shape out({x[0], w[0]});
  for (int i = 0; i < x.rank() - 2; ++i) {
    if (!a.kernel_shape.empty()) {
      c.require_equal(a.kernel_shape[static_cast<size_t>(i)], w[i + 2], "kernel_shape and the sizes of the weight");
    }
    out.push_back(window_count(c, a, i, x[i + 2], w[i + 2], false));
  }
  c.set(0, DType::kI32, std::move(out));
}

/// Row (channel, tap) of the unrolled image: the input under each output position, `zero` outside.
void unroll_row(const Geometry& g, const uint8_t* plane, int64_t tap, uint8_t zero, uint8_t* out) {
  const int64_t kz = tap / (g.kernel[1] * g.kernel[2]), ky = tap / g.kernel[2] % g.kernel[1], kx = tap % g.kernel[2];
  for (int64_t row = 0; row < g.out[0] * g.out[1]; ++row) {
    const int64_t z = row / g.out[1] * g.stride[0] + kz * g.dilation[0] - g.pad[0];
    const int64_t y = row % g.out[1] * g.stride[1] + ky * g.dilation[1] - g.pad[1];
    const bool inside = z >= 0 && z < g.in[0] && y >= 0 && y < g.in[1];
    for (int64_t i = 0; i < g.out[2]; ++i) {
      const int64_t x = i * g.stride[2] + kx * g.dilation[2] - g.pad[2];
      *out++ = inside && x >= 0 && x < g.in[2] ? plane[(z * g.in[1] + y) * g.in[2] + x] : zero;
    }
  }
}

void run(RunContext& c) {
  const auto& a = c.attrs<ConvIntegerAttrs>();
  if (c.output(0).count() == 0) return;
  const Extents &x = c.input(0).extents, &w = c.input(1).extents;
  const Geometry g = geometry(a, x, c.output(0).extents, w.span().subspan(2));
  const int64_t channels = w[1], filters = w[0] / a.group, taps = g.kernel_count(), positions = g.out_count();
  const uint8_t zero = c.has_input(2) ? *c.input(2).as<uint8_t>() : 0;
  ByteProduct p{.m = filters, .n = positions, .k = channels * taps};
  p.a_signed = c.input(1).dtype == DType::kI8;
  p.b_signed = c.input(0).dtype == DType::kI8;
  p.b_zero = {&zero, 0};
  auto* columns = c.scratch<uint8_t>(p.k * positions);
  p.b = columns;
  for (int64_t i = 0; i < x[0] * a.group; ++i) {
    const uint8_t* image = c.input(0).as<uint8_t>() + i * channels * g.in_count();
    c.parallel().run(p.k, grain_for(positions * 2), [&](int64_t begin, int64_t end, int) {
      for (int64_t row = begin; row < end; ++row) {
        unroll_row(g, image + row / taps * g.in_count(), row % taps, zero, columns + row * positions);
      }
    });
    const int64_t first = i % a.group * filters;
    p.a = c.input(1).as<uint8_t>() + first * p.k;
    if (c.has_input(3)) {
      const bool each = c.input(3).count() != 1;
      p.a_zero = {c.input(3).data + (each ? first : 0), each ? 1 : 0};
    }
    p.c = c.output(0).as<int32_t>() + i * filters * positions;
    run_byte_product(c, p);
  }
}

const Op kFamily[] = {
    {.domain = "",
     .name = "ConvInteger",
     .inputs = {2, 4},
     .outputs = {1, 1},
     .parse = Attrs::parse<ConvIntegerAttrs>,
     .infer = infer,
     .run = run,
     .since = 10},
};

}  // namespace

std::span<const Op> conv_integer_family() { return kFamily; }

}  // namespace sdx::ops
