// Quantize: between floats and narrow integers or floats, with one scale, one per channel or one per block.
#pragma once

#include <cstdint>

#include "base/element.h"
#include "base/float8.h"

namespace sdx::kernels {

/// Where the scale and zero point of element x[o][a][i] of x [outer, axis, inner] stand in their tensors:
/// at o outer_stride + (a / block) axis_stride + i inner_stride.
struct QuantLayout {
  int64_t axis = 1;
  int64_t inner = 1;
  int64_t block = 1;
  int64_t outer_stride = 0;
  int64_t axis_stride = 0;
  int64_t inner_stride = 0;

  static QuantLayout per_tensor() { return {}; }
  static QuantLayout per_axis(int64_t axis, int64_t inner) { return {axis, inner, 1, 0, 1, 0}; }
  /// The scales are [outer, ceil(axis / block), inner].
  static QuantLayout blocked(int64_t axis, int64_t inner, int64_t block) {
    return {axis, inner, block, (axis / block + (axis % block != 0)) * inner, inner, 1};
  }
};

/// The narrow side: 8- and 16-bit integers, (u)int4, (u)int2, the 8-bit floats with a fraction, float4e2m1; for
/// dequantize also int32. Sub-byte types are packed, the zero points too.
struct Quantized {
  Element type;
  const float* scale;
  const void* zero_point = nullptr;  ///< of `type`; null means 0; not read for floating types
  Overflow overflow = Overflow::kSaturate;
};

/// y = saturate(round(x / scale) + zero point), ties to even, for elements [begin, end) of x and y; floating types are
/// x / scale converted as Cast does it. NaN becomes the lowest integer. Where the type is packed, begin and end are
/// multiples of the elements in a byte (end may also be the last element).
void quantize(const float* x, void* y, const Quantized& q, const QuantLayout& layout, int64_t begin, int64_t end);

/// y = (x - zero point) scale for elements [begin, end).
void dequantize(const void* x, float* y, const Quantized& q, const QuantLayout& layout, int64_t begin, int64_t end);

/// Scale and zero point that DynamicQuantizeLinear derives from the extrema of its input; a range of nothing has
/// scale 1.
struct DynamicScale {
  float scale;
  uint8_t zero_point;
};
DynamicScale dynamic_scale(float min, float max);

/// The inner loops: one scale for n elements, as above, for uint8 and int8.
void quantize_run(const float* x, uint8_t* y, int64_t n, float scale, int32_t zero_point);
void quantize_run(const float* x, int8_t* y, int64_t n, float scale, int32_t zero_point);

}  // namespace sdx::kernels
