// DataType: the table of names and sizes.
#include "onnx/data_type.h"

#include <array>
#include <cstddef>
#include <string_view>

namespace sdx::onnx {
namespace {

struct Row {
  std::string_view name;
  int bits;
};

constexpr std::array<Row, 27> kTypes = {{
    {"undefined", 0},      {"float", 32},    {"uint8", 8},        {"int8", 8},           {"uint16", 16},
    {"int16", 16},         {"int32", 32},    {"int64", 64},       {"string", 0},         {"bool", 8},
    {"float16", 16},       {"double", 64},   {"uint32", 32},      {"uint64", 64},        {"complex64", 64},
    {"complex128", 128},   {"bfloat16", 16}, {"float8e4m3fn", 8}, {"float8e4m3fnuz", 8}, {"float8e5m2", 8},
    {"float8e5m2fnuz", 8}, {"uint4", 4},     {"int4", 4},         {"float4e2m1", 4},     {"float8e8m0", 8},
    {"uint2", 2},          {"int2", 2},
}};

const Row* find(DataType type) {
  const auto index = static_cast<uint32_t>(type);
  return index < kTypes.size() ? &kTypes[index] : nullptr;
}

}  // namespace

int element_bits(DataType type) {
  const Row* row = find(type);
  return row == nullptr ? 0 : row->bits;
}

std::string type_name(DataType type) {
  const Row* row = find(type);
  if (row == nullptr) return "data type " + std::to_string(static_cast<int32_t>(type));
  return std::string(row->name);
}

}  // namespace sdx::onnx
