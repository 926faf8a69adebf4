// Single elements of tensors of any numeric type.
#include "cli/elements.h"

#include <cmath>
#include <limits>

#include "base/float8.h"
#include "base/packed.h"

namespace sdx::cli {
namespace {

template <class T>
void store(const View& view, int64_t i, double value) {
  if constexpr (std::is_integral_v<T>) {
    constexpr double kLow = static_cast<double>(std::numeric_limits<T>::min()),
                     kHigh = static_cast<double>(std::numeric_limits<T>::max());
    view.as<T>()[i] = std::isnan(value) ? T{0}
                      : value <= kLow   ? std::numeric_limits<T>::min()
                      : value >= kHigh  ? std::numeric_limits<T>::max()
                                        : static_cast<T>(std::nearbyint(value));
  } else {
    view.as<T>()[i] = static_cast<T>(value);
  }
}

void store_code(const View& view, int64_t i, double value) {
  const int bits = dtype_bits(view.dtype);
  const bool is_signed = view.dtype == DType::kI4 || view.dtype == DType::kI2;
  const double low = is_signed ? -(1 << (bits - 1)) : 0, high = is_signed ? (1 << (bits - 1)) - 1 : (1 << bits) - 1;
  const auto code = static_cast<int>(std::nearbyint(std::isnan(value) ? 0 : std::fmin(std::fmax(value, low), high)));
  packed_set(view.as<uint8_t>(), i, bits, static_cast<uint8_t>(code));
}

double load_code(const ConstView& view, int64_t i) {
  const int bits = dtype_bits(view.dtype);
  const uint8_t code = packed_get(view.as<uint8_t>(), i, bits);
  return view.dtype == DType::kI4 || view.dtype == DType::kI2 ? sign_extend(code, bits) : code;
}

}  // namespace

double element(const ConstView& view, int64_t i) {
  switch (view.dtype) {
    case DType::kF32: return view.as<float>()[i];
    case DType::kF64: return view.as<double>()[i];
    case DType::kF16: return to_float(view.as<Half>()[i]);
    case DType::kBF16: return to_float(view.as<BFloat16>()[i]);
    case DType::kBool:
    case DType::kU8: return view.as<uint8_t>()[i];
    case DType::kI8: return view.as<int8_t>()[i];
    case DType::kU16: return view.as<uint16_t>()[i];
    case DType::kI16: return view.as<int16_t>()[i];
    case DType::kU32: return view.as<uint32_t>()[i];
    case DType::kI32: return view.as<int32_t>()[i];
    case DType::kU64: return static_cast<double>(view.as<uint64_t>()[i]);
    case DType::kI64: return static_cast<double>(view.as<int64_t>()[i]);
    case DType::kF8E4M3FN: return to_float(Float8E4M3FN{view.as<uint8_t>()[i]});
    case DType::kF8E4M3FNUZ: return to_float(Float8E4M3FNUZ{view.as<uint8_t>()[i]});
    case DType::kF8E5M2: return to_float(Float8E5M2{view.as<uint8_t>()[i]});
    case DType::kF8E5M2FNUZ: return to_float(Float8E5M2FNUZ{view.as<uint8_t>()[i]});
    case DType::kF8E8M0: return to_float(Float8E8M0{view.as<uint8_t>()[i]});
    case DType::kF4E2M1: return float4_value(packed_get(view.as<uint8_t>(), i, 4));
    case DType::kU4:
    case DType::kI4:
    case DType::kU2:
    case DType::kI2: return load_code(view, i);
    default: return 0;
  }
}

void set_element(const View& view, int64_t i, double value) {
  const auto f = static_cast<float>(value);
  switch (view.dtype) {
    case DType::kF32: return store<float>(view, i, value);
    case DType::kF64: return store<double>(view, i, value);
    case DType::kF16: view.as<Half>()[i] = to_half(f); return;
    case DType::kBF16: view.as<BFloat16>()[i] = to_bfloat16(f); return;
    case DType::kBool: view.as<uint8_t>()[i] = value != 0; return;
    case DType::kU8: return store<uint8_t>(view, i, value);
    case DType::kI8: return store<int8_t>(view, i, value);
    case DType::kU16: return store<uint16_t>(view, i, value);
    case DType::kI16: return store<int16_t>(view, i, value);
    case DType::kU32: return store<uint32_t>(view, i, value);
    case DType::kI32: return store<int32_t>(view, i, value);
    case DType::kU64: return store<uint64_t>(view, i, value);
    case DType::kI64: return store<int64_t>(view, i, value);
    case DType::kF8E4M3FN: view.as<uint8_t>()[i] = to_float8_e4m3fn(f).bits; return;
    case DType::kF8E4M3FNUZ: view.as<uint8_t>()[i] = to_float8_e4m3fnuz(f).bits; return;
    case DType::kF8E5M2: view.as<uint8_t>()[i] = to_float8_e5m2(f).bits; return;
    case DType::kF8E5M2FNUZ: view.as<uint8_t>()[i] = to_float8_e5m2fnuz(f).bits; return;
    case DType::kF8E8M0: view.as<uint8_t>()[i] = to_float8_e8m0(f).bits; return;
    case DType::kF4E2M1: packed_set(view.as<uint8_t>(), i, 4, float4_code(f)); return;
    case DType::kU4:
    case DType::kI4:
    case DType::kU2:
    case DType::kI2: return store_code(view, i, value);
    default: return;
  }
}

void set_integer(const View& view, int64_t i, int64_t value) {
  if (view.dtype == DType::kI64)
    view.as<int64_t>()[i] = value;
  else if (view.dtype == DType::kU64)
    view.as<uint64_t>()[i] = value < 0 ? 0 : static_cast<uint64_t>(value);
  else
    set_element(view, i, static_cast<double>(value));
}

}  // namespace sdx::cli
