// Calling a generic function with the C++ element type of a tensor.
#pragma once

#include <cstdint>
#include <type_traits>

#include "base/half.h"
#include "tensor/dtype.h"

namespace sdx::ops {

/// Calls f(static_cast<T*>(nullptr)) for an integer type of at least 8 bits; returns false for other types.
template <class F>
bool with_integer(DType type, const F& f) {
  switch (type) {
    case DType::kI8: f(static_cast<int8_t*>(nullptr)); return true;
    case DType::kI16: f(static_cast<int16_t*>(nullptr)); return true;
    case DType::kI32: f(static_cast<int32_t*>(nullptr)); return true;
    case DType::kI64: f(static_cast<int64_t*>(nullptr)); return true;
    case DType::kU8: f(static_cast<uint8_t*>(nullptr)); return true;
    case DType::kU16: f(static_cast<uint16_t*>(nullptr)); return true;
    case DType::kU32: f(static_cast<uint32_t*>(nullptr)); return true;
    case DType::kU64: f(static_cast<uint64_t*>(nullptr)); return true;
    default: return false;
  }
}

/// Likewise for float, double, Half and BFloat16.
template <class F>
bool with_float(DType type, const F& f) {
  switch (type) {
    case DType::kF32: f(static_cast<float*>(nullptr)); return true;
    case DType::kF64: f(static_cast<double*>(nullptr)); return true;
    case DType::kF16: f(static_cast<Half*>(nullptr)); return true;
    case DType::kBF16: f(static_cast<BFloat16*>(nullptr)); return true;
    default: return false;
  }
}

/// Likewise for both kinds.
template <class F>
bool with_number(DType type, const F& f) {
  return with_float(type, f) || with_integer(type, f);
}

/// The type that such a pointer stands for: `using T = Pointee<decltype(tag)>`.
template <class P>
using Pointee = std::remove_pointer_t<P>;

}  // namespace sdx::ops
