// Element: the type of one tensor element, numbered as in the standard, with its width.
#pragma once

#include <cstdint>

namespace sdx {

/// Values equal those of TensorProto.DataType, so a type from the wire converts by a cast after a range check.
enum class Element : uint8_t {
  kFloat = 1,
  kUint8 = 2,
  kInt8 = 3,
  kUint16 = 4,
  kInt16 = 5,
  kInt32 = 6,
  kInt64 = 7,
  kBool = 9,
  kHalf = 10,
  kDouble = 11,
  kUint32 = 12,
  kUint64 = 13,
  kBFloat16 = 16,
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

/// Bits that one element takes: 2, 4, 8, 16, 32 or 64.
constexpr int element_bits(Element type) {
  switch (type) {
    case Element::kUint2:
    case Element::kInt2: return 2;
    case Element::kUint4:
    case Element::kInt4:
    case Element::kFloat4E2M1: return 4;
    case Element::kUint16:
    case Element::kInt16:
    case Element::kHalf:
    case Element::kBFloat16: return 16;
    case Element::kFloat:
    case Element::kInt32:
    case Element::kUint32: return 32;
    case Element::kDouble:
    case Element::kInt64:
    case Element::kUint64: return 64;
    default: return 8;
  }
}

}  // namespace sdx
