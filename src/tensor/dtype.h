// DType: the element types of ONNX IR 13, numbered as TensorProto.DataType.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace sdx {

enum class DType : uint8_t {
  kUndefined = 0,
  kF32 = 1,
  kU8 = 2,
  kI8 = 3,
  kU16 = 4,
  kI16 = 5,
  kI32 = 6,
  kI64 = 7,
  kString = 8,
  kBool = 9,
  kF16 = 10,
  kF64 = 11,
  kU32 = 12,
  kU64 = 13,
  kC64 = 14,
  kC128 = 15,
  kBF16 = 16,
  kF8E4M3FN = 17,
  kF8E4M3FNUZ = 18,
  kF8E5M2 = 19,
  kF8E5M2FNUZ = 20,
  kU4 = 21,
  kI4 = 22,
  kF4E2M1 = 23,
  kF8E8M0 = 24,
  kU2 = 25,
  kI2 = 26,
};

inline constexpr int kDTypeCount = 27;

/// Name as printed and parsed: "float32", "int64", "bfloat16", "float8e4m3fn", "string", ….
std::string_view dtype_name(DType type);

/// The type with that name, also by ONNX's short names ("float", "double"); nothing where there is none.
std::optional<DType> dtype_from_name(std::string_view name);

/// The type with ONNX's number; nothing for a number outside 1…26.
std::optional<DType> dtype_from_onnx(int64_t number);

/// Bits of one element; 0 for strings and kUndefined.
int dtype_bits(DType type);

/// Bytes of `count` elements in ONNX's storage: sub-byte types are packed, low bits first, rounded up to a byte.
/// Strings are std::string objects in memory.
int64_t dtype_bytes(DType type, int64_t count);

/// float16, bfloat16, float32, float64 and the 8- and 4-bit floats.
bool is_float(DType type);
/// Signed or unsigned integers of any width; not bool.
bool is_integer(DType type);
/// float16 or bfloat16, which operators compute in float32.
inline bool is_half(DType type) { return type == DType::kF16 || type == DType::kBF16; }

/// The DType of a C++ element type.
template <class T>
inline constexpr DType dtype_of = DType::kUndefined;
template <>
inline constexpr DType dtype_of<float> = DType::kF32;
template <>
inline constexpr DType dtype_of<double> = DType::kF64;
template <>
inline constexpr DType dtype_of<uint8_t> = DType::kU8;
template <>
inline constexpr DType dtype_of<int8_t> = DType::kI8;
template <>
inline constexpr DType dtype_of<uint16_t> = DType::kU16;
template <>
inline constexpr DType dtype_of<int16_t> = DType::kI16;
template <>
inline constexpr DType dtype_of<uint32_t> = DType::kU32;
template <>
inline constexpr DType dtype_of<int32_t> = DType::kI32;
template <>
inline constexpr DType dtype_of<uint64_t> = DType::kU64;
template <>
inline constexpr DType dtype_of<int64_t> = DType::kI64;
template <>
inline constexpr DType dtype_of<bool> = DType::kBool;

}  // namespace sdx
