// Indices: what gathering and scattering operators share.
#pragma once

#include "ops/movement.h"

namespace sdx::ops {

/// Throws InvalidModel unless input i holds int64 or int32.
inline void require_indices(const InferContext& c, int i) { c.require_dtype(i, {DType::kI64, DType::kI32}); }

/// Throws InvalidModel unless input i is a list of int64 or int32, or one such number.
void require_ints(const InferContext& c, int i);

/// Has infer called again in each run: sizes that are not known yet decide what it has to check.
void infer_in_run(InferContext& c);

/// The indices made non-negative, for an axis of size n; in scratch memory. Throws InvalidInput where one is outside
/// [-n, n).
const int64_t* read_indices(const RunContext& c, const ConstView& indices, int64_t n);

/// Row-major positions of `count` index tuples in a tensor with those axes; in scratch memory. Throws InvalidInput
/// where an index is outside its axis.
const int64_t* read_tuples(const RunContext& c, const ConstView& indices, int64_t count, const Extents& axes);

/// States that `inner` has the rank of `outer` and is nowhere larger, except along `axis`.
void require_inside(InferContext& c, const Shape& inner, const Shape& outer, int axis, std::string_view name);

/// What a scattered update does to the element that is there.
enum class Reduction : uint8_t { kNone, kAdd, kMul, kMin, kMax };

/// Throws InvalidModel for a name that is none.
Reduction reduction_of(std::string_view name);

/// Throws unless elements of that type can be reduced so.
void require_reducible(const InferContext& c, Reduction reduction);

/// Calls body.operator()<T>() with the arithmetic type of `dtype` (bool as uint8_t).
template <class Body>
void for_number(DType dtype, const Body& body) {
  switch (dtype) {
    case DType::kF32: return body.template operator()<float>();
    case DType::kF64: return body.template operator()<double>();
    case DType::kI8: return body.template operator()<int8_t>();
    case DType::kI16: return body.template operator()<int16_t>();
    case DType::kI32: return body.template operator()<int32_t>();
    case DType::kI64: return body.template operator()<int64_t>();
    case DType::kU16: return body.template operator()<uint16_t>();
    case DType::kU32: return body.template operator()<uint32_t>();
    case DType::kU64: return body.template operator()<uint64_t>();
    case DType::kBool:
    case DType::kU8: return body.template operator()<uint8_t>();
    default: fail(ErrorKind::kInternal, "no arithmetic for ", dtype_name(dtype));
  }
}

/// `old` and `update` reduced. Integers wrap; NaN of either wins.
template <class T>
T reduced(Reduction reduction, T old, T update) {
  auto wrap = [&](auto f) {
    if constexpr (std::is_floating_point_v<T>) {
      return f(old, update);
    } else {
      return static_cast<T>(f(static_cast<uint64_t>(old), static_cast<uint64_t>(update)));
    }
  };
  switch (reduction) {
    case Reduction::kAdd: return wrap([](auto a, auto b) { return a + b; });
    case Reduction::kMul: return wrap([](auto a, auto b) { return a * b; });
    case Reduction::kMin: return old < update || old != old ? old : update;
    case Reduction::kMax: return old > update || old != old ? old : update;
    case Reduction::kNone: break;
  }
  return update;
}

}  // namespace sdx::ops
