// QuantizeLinear and DequantizeLinear, with one scale, one per channel or one per block.
#include "kernels/quantize.h"

#include <algorithm>

#include "kernels/cast.h"
#include "ops/family.h"

namespace sdx::ops {
namespace {

/// `precision` allows the division in another type; it is always done in float32, the widest of those allowed.
struct QuantizeAttrs {
  int64_t axis = 1;
  int64_t block_size = 0;
  DType output = DType::kUndefined;
  bool saturate = true;
  int64_t precision = 0;
  bool operator==(const QuantizeAttrs&) const = default;
  static constexpr auto fields() {
    return std::tuple{field("axis", &QuantizeAttrs::axis), field("block_size", &QuantizeAttrs::block_size),
                      field("output_dtype", &QuantizeAttrs::output), field("saturate", &QuantizeAttrs::saturate),
                      field("precision", &QuantizeAttrs::precision)};
  }
};

struct DequantizeAttrs {
  int64_t axis = 1;
  int64_t block_size = 0;
  DType output = DType::kUndefined;
  bool operator==(const DequantizeAttrs&) const = default;
  static constexpr auto fields() {
    return std::tuple{field("axis", &DequantizeAttrs::axis), field("block_size", &DequantizeAttrs::block_size),
                      field("output_dtype", &DequantizeAttrs::output)};
  }
};

constexpr std::array kNarrow = {DType::kU8,         DType::kI8,         DType::kU16,   DType::kI16,      DType::kU4,
                                DType::kI4,         DType::kU2,         DType::kI2,    DType::kF8E4M3FN, DType::kF8E5M2,
                                DType::kF8E4M3FNUZ, DType::kF8E5M2FNUZ, DType::kF4E2M1};
constexpr std::array kScales = {DType::kF32, DType::kF16, DType::kBF16, DType::kF8E8M0};

/// 0 stands for "not given".
void drop_zero_type(Call& c) {
  if (c.int_attr("output_dtype") == 0) c.drop("output_dtype");
}

bool is_narrow(DType type) { return std::ranges::find(kNarrow, type) != kNarrow.end(); }

void require_blocks(InferContext& c, const Shape& x, const Shape& scale, int axis, int64_t block) {
  if (x.rank() != scale.rank()) {
    c.invalid("the scale of a blocked quantization has shape ", scale.text(), " but needs the rank of ", x.text());
  }
  for (int i = 0; i < x.rank(); ++i) {
    const Dim expected = i == axis ? ceil_div(x[i], block) : x[i];
    c.require_equal(scale[i], expected, "the sizes of the scale and the number of blocks");
  }
}

/// Checks scale and zero point against the quantized tensor.
void require_layout(InferContext& c, int64_t given_axis, int64_t block) {
  c.require_dtype(1, kScales);
  const Shape &x = c.input(0).shape, &scale = c.input(1).shape;
  if (block < 0) c.invalid("attribute 'block_size' is ", block, "; it must be >= 0");
  if (c.has(2) && scale.has_rank() && c.input(2).shape.has_rank()) {
    const Shape& zero = c.input(2).shape;
    c.require_equal(zero.count(), scale.count(), "the number of zero points and the number of scales");
  }
  if (!x.has_rank() || !scale.has_rank()) return;
  if (block > 0) return require_blocks(c, x, scale, c.axis(given_axis, x.rank()), block);
  if (scale.rank() == 0 || scale.count().is(1)) return;
  if (scale.rank() != 1) {
    c.invalid("the scale has shape ", scale.text(),
              " but must be a scalar or of one dimension where there are no blocks");
  }
  const Dim& channels = x[c.axis(given_axis, x.rank())];
  const std::string_view what = "the number of scales and the size of the quantized axis";
  if (scale[0].known()) return c.require_equal(scale[0], channels, what);
  c.require_at_most(scale[0], channels, what);
  c.broadcast(Shape({scale[0]}), Shape({channels}));
}

void infer_quantize(InferContext& c) {
  const auto& a = c.attrs<QuantizeAttrs>();
  c.require_dtype(0, {DType::kF32, DType::kF16, DType::kBF16, DType::kI32});
  require_layout(c, a.axis, a.block_size);
  const DType type = c.has(2) ? c.input(2).dtype : a.output == DType::kUndefined ? DType::kU8 : a.output;
  if (a.output != DType::kUndefined && a.output != type) {
    c.invalid("attribute 'output_dtype' is ", dtype_name(a.output), ", but the zero point is ", dtype_name(type));
  }
  if (!is_narrow(type)) c.invalid("a quantization to ", dtype_name(type), " does not exist");
  c.set(0, type, c.input(0).shape);
}

void infer_dequantize(InferContext& c) {
  const auto& a = c.attrs<DequantizeAttrs>();
  const DType type = c.input(0).dtype;
  if (!is_narrow(type) && type != DType::kI32) c.invalid("a quantization from ", dtype_name(type), " does not exist");
  if (c.has(2)) c.require_same_dtype(0, 2);
  require_layout(c, a.axis, a.block_size);
  const DType scale = c.input(1).dtype;
  const DType out = a.output != DType::kUndefined ? a.output : scale == DType::kF8E8M0 ? DType::kF32 : scale;
  if (out != DType::kF32 && !is_half(out))
    c.invalid("attribute 'output_dtype' is ", dtype_name(out), ", which is no float type");
  c.set(0, out, c.input(0).shape);
}

/// The elements as float32; those that are already are not copied.
const float* as_floats(RunContext& c, const ConstView& x) {
  if (x.dtype == DType::kF32) return x.as<float>();
  auto* wide = c.scratch<float>(x.count());
  c.parallel().run(x.count(), grain_for(1), [&](int64_t begin, int64_t end, int) {
    kernels::cast(static_cast<Element>(x.dtype), x.data, Element::kFloat, wide, begin, end);
  });
  return wide;
}

/// For float4e2m1 the standard adds a zero point of 0 to the quotient, which makes -0 a 0.
const float* without_negative_zero(RunContext& c, const float* x) {
  const int64_t n = c.input(0).count();
  auto* out = c.scratch<float>(n);
  std::transform(x, x + n, out, [](float v) { return v + 0.0f; });
  return out;
}

kernels::QuantLayout layout_of(RunContext& c, int64_t given_axis, int64_t block) {
  const Extents &x = c.input(0).extents, &scale = c.input(1).extents;
  if (block == 0 && scale.count() <= 1) return kernels::QuantLayout::per_tensor();
  const int axis = static_cast<int>(given_axis < 0 ? given_axis + x.rank() : given_axis);
  const int64_t inner = x.product(axis + 1, x.rank());
  return block > 0 ? kernels::QuantLayout::blocked(x[axis], inner, block)
                   : kernels::QuantLayout::per_axis(x[axis], inner);
}

kernels::Quantized quantized(RunContext& c, DType type) {
  kernels::Quantized q{static_cast<Element>(type), as_floats(c, c.input(1))};
  if (c.has_input(2)) q.zero_point = c.input(2).data;
  return q;
}

void run_quantize(RunContext& c) {
  const auto& a = c.attrs<QuantizeAttrs>();
  const View& y = c.output(0);
  if (y.count() == 0) return;
  const float* x = as_floats(c, c.input(0));
  if (y.dtype == DType::kF4E2M1) x = without_negative_zero(c, x);
  const auto layout = layout_of(c, a.axis, a.block_size);
  auto q = quantized(c, y.dtype);
  q.overflow = a.saturate ? Overflow::kSaturate : Overflow::kSpecial;
  c.parallel().run(y.count(), grain_for(2),
                   [&](int64_t begin, int64_t end, int) { kernels::quantize(x, y.data, q, layout, begin, end); });
}

void run_dequantize(RunContext& c) {
  const auto& a = c.attrs<DequantizeAttrs>();
  const View& y = c.output(0);
  if (y.count() == 0) return;
  const auto layout = layout_of(c, a.axis, a.block_size);
  const auto q = quantized(c, c.input(0).dtype);
  float* wide = y.dtype == DType::kF32 ? y.as<float>() : c.scratch<float>(y.count());
  c.parallel().run(y.count(), grain_for(2), [&](int64_t begin, int64_t end, int) {
    kernels::dequantize(c.input(0).data, wide, q, layout, begin, end);
    if (y.dtype != DType::kF32) kernels::cast(Element::kFloat, wide, static_cast<Element>(y.dtype), y.data, begin, end);
  });
}

constexpr Op quantize(std::string_view domain) {
  return {.domain = domain,
          .name = "QuantizeLinear",
          .inputs = {2, 3},
          .outputs = {1, 1},
          .parse = Attrs::parse<QuantizeAttrs>,
          .infer = infer_quantize,
          .run = run_quantize,
          .upgrade = drop_zero_type};
}

constexpr Op dequantize(std::string_view domain) {
  return {.domain = domain,
          .name = "DequantizeLinear",
          .inputs = {2, 3},
          .outputs = {1, 1},
          .parse = Attrs::parse<DequantizeAttrs>,
          .infer = infer_dequantize,
          .run = run_dequantize,
          .accuracy = Accuracy::kRounded,
          .upgrade = drop_zero_type};
}

const Op kFamily[] = {quantize(""), dequantize(""), quantize(kMicrosoft), dequantize(kMicrosoft)};

}  // namespace

std::span<const Op> quantize_family() { return kFamily; }

}  // namespace sdx::ops
