// DataType: the element types of the ONNX standard (IR version 13) and their sizes.
#pragma once

#include <cstdint>
#include <string>

namespace sdx::onnx {

/// TensorProto.DataType with its numbers on the wire. A value outside the list can come from a file.
enum class DataType : int32_t {
  kUndefined = 0,
  kFloat = 1,
  kUint8 = 2,
  kInt8 = 3,
  kUint16 = 4,
  kInt16 = 5,
  kInt32 = 6,
  kInt64 = 7,
  kString = 8,
  kBool = 9,
  kFloat16 = 10,
  kDouble = 11,
  kUint32 = 12,
  kUint64 = 13,
  kComplex64 = 14,
  kComplex128 = 15,
  kBfloat16 = 16,
  kFloat8E4M3FN = 17,
  kFloat8E4M3FNUZ = 18,
  kFloat8E5M2 = 19,
  kFloat8E5M2FNUZ = 20,
  kUint4 = 21,
  kInt4 = 22,
  kFloat4E2M1 = 23,
  kFloat8E8M0 = 24,
  kUint2 = 25,
  kInt2 = 26,
};

/// Bits of one stored element: 2 and 4 for the packed types, 1 byte for bool; 0 for strings and unknown types.
int element_bits(DataType type);

/// The standard's name in lower case ("float", "bfloat16", "float8e4m3fn"), or "data type 99" for an unknown number.
std::string type_name(DataType type);

}  // namespace sdx::onnx
