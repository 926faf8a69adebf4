// quantize, dequantize: cuts the range into runs with one scale, or with scales side by side.
#include "kernels/quantize.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/packed.h"
#include "kernels/cast.h"

namespace sdx::kernels {
namespace {

constexpr int64_t kBlock = 256;

/// A run of elements whose scales stand `stride` (0 or more) apart, starting at `scale`.
struct Run {
  int64_t begin, n;
  int64_t scale, stride;
};

/// Calls body(run) for runs of at most `limit` elements that cover [begin, end).
template <class Body>
void for_scale_runs(const QuantLayout& l, int64_t begin, int64_t end, int64_t limit, const Body& body) {
  const bool single = l.outer_stride == 0 && l.axis_stride == 0 && l.inner_stride == 0;
  for (int64_t at = begin; at < end;) {
    Run run{at, std::min(end - at, limit), 0, 0};
    if (!single) {
      const int64_t i = at % l.inner, a = at / l.inner % l.axis, o = at / l.inner / l.axis;
      run.scale = o * l.outer_stride + a / l.block * l.axis_stride + i * l.inner_stride;
      if (l.inner > 1) {
        run.n = std::min(run.n, l.inner - i);
        run.stride = l.inner_stride;
      } else if (l.block > 1) {
        run.n = std::min({run.n, l.block - a % l.block, l.axis - a});
      } else {
        run.n = std::min(run.n, l.axis - a);
        run.stride = l.axis_stride;
      }
    }
    body(run);
    at += run.n;
  }
}

struct Limits {
  float low, high;
};

Limits limits_of(Element type) {
  switch (type) {
    case Element::kUint2: return {0, 3};
    case Element::kInt2: return {-2, 1};
    case Element::kUint4: return {0, 15};
    case Element::kInt4: return {-8, 7};
    case Element::kUint8: return {0, 255};
    case Element::kInt8: return {-128, 127};
    case Element::kUint16: return {0, 65535};
    default: return {-32768, 32767};
  }
}

bool is_floating(Element type) {
  switch (type) {
    case Element::kFloat8E4M3FN:
    case Element::kFloat8E4M3FNUZ:
    case Element::kFloat8E5M2:
    case Element::kFloat8E5M2FNUZ:
    case Element::kFloat4E2M1: return true;
    default: return false;
  }
}

int32_t zero_point_of(const Quantized& q, int64_t i) {
  if (q.zero_point == nullptr) return 0;
  const uint8_t* bytes = static_cast<const uint8_t*>(q.zero_point);
  switch (q.type) {
    case Element::kUint2: return packed_get(bytes, i, 2);
    case Element::kInt2: return sign_extend(packed_get(bytes, i, 2), 2);
    case Element::kUint4: return packed_get(bytes, i, 4);
    case Element::kInt4: return sign_extend(packed_get(bytes, i, 4), 4);
    case Element::kUint8: return bytes[i];
    case Element::kInt8: return static_cast<const int8_t*>(q.zero_point)[i];
    case Element::kUint16: return static_cast<const uint16_t*>(q.zero_point)[i];
    case Element::kInt16: return static_cast<const int16_t*>(q.zero_point)[i];
    case Element::kInt32: return static_cast<const int32_t*>(q.zero_point)[i];
    default: return 0;
  }
}

/// The quantised values of a run, still as floats.
void quantize_block(const float* x, float* y, const Quantized& q, const Run& run) {
  if (is_floating(q.type)) {
    for (int64_t i = 0; i < run.n; ++i) y[i] = x[i] / q.scale[run.scale + i * run.stride];
    return;
  }
  const Limits limits = limits_of(q.type);
  for (int64_t i = 0; i < run.n; ++i) {
    const int64_t s = run.scale + i * run.stride;
    const float v = std::nearbyint(x[i] / q.scale[s]) + static_cast<float>(zero_point_of(q, s));
    y[i] = v > limits.low ? std::min(v, limits.high) : limits.low;
  }
}

/// One byte per element and one scale per run: the vector loops. False where they do not apply.
bool quantize_bytes(const float* x, void* y, const Quantized& q, const Run& run) {
  if (run.stride != 0 && run.n > 1) return false;
  const float scale = q.scale[run.scale];
  const int32_t zero = zero_point_of(q, run.scale);
  if (q.type == Element::kUint8) return quantize_run(x, static_cast<uint8_t*>(y) + run.begin, run.n, scale, zero), true;
  if (q.type == Element::kInt8) return quantize_run(x, static_cast<int8_t*>(y) + run.begin, run.n, scale, zero), true;
  return false;
}

/// (x - zero point) scale for one native integer type.
template <class T>
void dequantize_native(const T* x, float* y, const Quantized& q, const Run& run) {
  const T* zero = static_cast<const T*>(q.zero_point);
  if (run.stride == 0) {
    const float scale = q.scale[run.scale];
    const int32_t z = zero == nullptr ? 0 : static_cast<int32_t>(zero[run.scale]);
    for (int64_t i = 0; i < run.n; ++i) y[i] = static_cast<float>(static_cast<int32_t>(x[i]) - z) * scale;
    return;
  }
  for (int64_t i = 0; i < run.n; ++i) {
    const int64_t s = run.scale + i * run.stride;
    const int32_t z = zero == nullptr ? 0 : static_cast<int32_t>(zero[s]);
    y[i] = static_cast<float>(static_cast<int32_t>(x[i]) - z) * q.scale[s];
  }
}

/// int32 differences may need 33 bits.
void dequantize_int32(const int32_t* x, float* y, const Quantized& q, const Run& run) {
  for (int64_t i = 0; i < run.n; ++i) {
    const int64_t s = run.scale + i * run.stride;
    y[i] = static_cast<float>(int64_t{x[i]} - zero_point_of(q, s)) * q.scale[s];
  }
}

void dequantize_packed(const void* x, float* y, const Quantized& q, const Run& run) {
  const int bits = element_bits(q.type);
  const bool sign = q.type == Element::kInt4 || q.type == Element::kInt2;
  const uint8_t* bytes = static_cast<const uint8_t*>(x);
  for (int64_t i = 0; i < run.n; ++i) {
    const uint8_t code = packed_get(bytes, run.begin + i, bits);
    const int64_t s = run.scale + i * run.stride;
    const float scale = q.scale[s];
    if (q.type == Element::kFloat4E2M1) {
      y[i] = float4_value(code) * scale;
    } else {
      y[i] = static_cast<float>((sign ? sign_extend(code, bits) : code) - zero_point_of(q, s)) * scale;
    }
  }
}

void dequantize_float8(const void* x, float* y, const Quantized& q, const Run& run) {
  cast(q.type, static_cast<const uint8_t*>(x) + run.begin, Element::kFloat, y, 0, run.n);
  for (int64_t i = 0; i < run.n; ++i) y[i] *= q.scale[run.scale + i * run.stride];
}

}  // namespace

void quantize(const float* x, void* y, const Quantized& q, const QuantLayout& layout, int64_t begin, int64_t end) {
  if (q.type == Element::kUint8 || q.type == Element::kInt8) {
    for_scale_runs(layout, begin, end, end - begin, [&](const Run& run) {
      if (quantize_bytes(x + run.begin, y, q, run)) return;
      float block[kBlock];
      for (int64_t i = 0; i < run.n; i += kBlock) {
        const Run part{run.begin + i, std::min(kBlock, run.n - i), run.scale + i * run.stride, run.stride};
        quantize_block(x + part.begin, block, q, part);
        cast(Element::kFloat, block, q.type, static_cast<uint8_t*>(y) + part.begin, 0, part.n);
      }
    });
    return;
  }
  // Whole blocks are gathered before they are narrowed, so that packed bytes are written once.
  float block[kBlock];
  const int64_t bytes_per_block = packed_bytes(kBlock, element_bits(q.type));
  char* to = static_cast<char*>(y) + begin * element_bits(q.type) / 8;
  for (int64_t at = begin; at < end; at += kBlock, to += bytes_per_block) {
    const int64_t n = std::min(kBlock, end - at);
    for_scale_runs(layout, at, at + n, n,
                   [&](const Run& run) { quantize_block(x + run.begin, block + (run.begin - at), q, run); });
    cast(Element::kFloat, block, q.type, to, 0, n, {q.overflow});
  }
}

void dequantize(const void* x, float* y, const Quantized& q, const QuantLayout& layout, int64_t begin, int64_t end) {
  for_scale_runs(layout, begin, end, end - begin, [&](const Run& run) {
    float* to = y + run.begin;
    switch (q.type) {
      case Element::kUint8: return dequantize_native(static_cast<const uint8_t*>(x) + run.begin, to, q, run);
      case Element::kInt8: return dequantize_native(static_cast<const int8_t*>(x) + run.begin, to, q, run);
      case Element::kUint16: return dequantize_native(static_cast<const uint16_t*>(x) + run.begin, to, q, run);
      case Element::kInt16: return dequantize_native(static_cast<const int16_t*>(x) + run.begin, to, q, run);
      case Element::kInt32: return dequantize_int32(static_cast<const int32_t*>(x) + run.begin, to, q, run);
      case Element::kUint2:
      case Element::kInt2:
      case Element::kUint4:
      case Element::kInt4:
      case Element::kFloat4E2M1: return dequantize_packed(x, to, q, run);
      default: return dequantize_float8(x, to, q, run);
    }
  });
}

DynamicScale dynamic_scale(float min, float max) {
  min = std::min(min, 0.0f);
  max = std::max(max, 0.0f);
  const float scale = max == min ? 1.0f : (max - min) / 255.0f;
  const float zero = std::nearbyint(0.0f - min / scale);
  return {scale, static_cast<uint8_t>(std::clamp(zero, 0.0f, 255.0f))};
}

}  // namespace sdx::kernels
