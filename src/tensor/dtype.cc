// DType: names and sizes.
#include "tensor/dtype.h"

#include <array>
#include <string>

namespace sdx {
namespace {

struct Row {
  std::string_view name;
  int bits;
  bool floating;
  bool integer;
};

constexpr std::array<Row, kDTypeCount> kRows = {{
    {"undefined", 0, false, false},     {"float32", 32, true, false},   {"uint8", 8, false, true},
    {"int8", 8, false, true},           {"uint16", 16, false, true},    {"int16", 16, false, true},
    {"int32", 32, false, true},         {"int64", 64, false, true},     {"string", 0, false, false},
    {"bool", 8, false, false},          {"float16", 16, true, false},   {"float64", 64, true, false},
    {"uint32", 32, false, true},        {"uint64", 64, false, true},    {"complex64", 64, false, false},
    {"complex128", 128, false, false},  {"bfloat16", 16, true, false},  {"float8e4m3fn", 8, true, false},
    {"float8e4m3fnuz", 8, true, false}, {"float8e5m2", 8, true, false}, {"float8e5m2fnuz", 8, true, false},
    {"uint4", 4, false, true},          {"int4", 4, false, true},       {"float4e2m1", 4, true, false},
    {"float8e8m0", 8, true, false},     {"uint2", 2, false, true},      {"int2", 2, false, true},
}};

const Row& row(DType type) {
  const auto index = static_cast<size_t>(type);
  return kRows[index < kRows.size() ? index : 0];
}

}  // namespace

std::string_view dtype_name(DType type) { return row(type).name; }

std::optional<DType> dtype_from_name(std::string_view name) {
  if (name == "float") return DType::kF32;
  if (name == "double") return DType::kF64;
  for (size_t i = 1; i < kRows.size(); ++i) {
    if (kRows[i].name == name) return static_cast<DType>(i);
  }
  return std::nullopt;
}

std::optional<DType> dtype_from_onnx(int64_t number) {
  if (number < 1 || number >= kDTypeCount) return std::nullopt;
  return static_cast<DType>(number);
}

int dtype_bits(DType type) { return row(type).bits; }

int64_t dtype_bytes(DType type, int64_t count) {
  if (type == DType::kString) return count * static_cast<int64_t>(sizeof(std::string));
  return (count * dtype_bits(type) + 7) / 8;
}

bool is_float(DType type) { return row(type).floating; }
bool is_integer(DType type) { return row(type).integer; }

}  // namespace sdx
