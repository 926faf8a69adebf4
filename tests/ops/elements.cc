// Elements of tensors of any type as text and as numbers.
#include "elements.h"

#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "base/float8.h"
#include "base/packed.h"

namespace sdx::ops {
namespace {

template <class T>
T integer(const std::string& word) {
  char* end = nullptr;
  const T value = word[0] == '-' ? static_cast<T>(std::strtoll(word.c_str(), &end, 0))
                                 : static_cast<T>(std::strtoull(word.c_str(), &end, 0));
  if (*end) fail(ErrorKind::kInvalidInput, "'", word, "' is not an integer");
  return value;
}

double number(const std::string& word) {
  char* end = nullptr;
  const double value = std::strtod(word.c_str(), &end);
  if (word.empty() || *end) fail(ErrorKind::kInvalidInput, "'", word, "' is not a number");
  return value;
}

/// Numbers beyond the range become what the type has for them; float8e8m0 takes the nearest power of two.
uint8_t float8_code(DType type, float x) {
  switch (type) {
    case DType::kF8E4M3FN: return to_float8_e4m3fn(x, Overflow::kSpecial).bits;
    case DType::kF8E4M3FNUZ: return to_float8_e4m3fnuz(x, Overflow::kSpecial).bits;
    case DType::kF8E5M2: return to_float8_e5m2(x, Overflow::kSpecial).bits;
    case DType::kF8E5M2FNUZ: return to_float8_e5m2fnuz(x, Overflow::kSpecial).bits;
    default: return std::fpclassify(x) == FP_SUBNORMAL ? 0 : to_float8_e8m0(x, PowerRounding::kNearest).bits;
  }
}

double float8_number(DType type, uint8_t code) {
  switch (type) {
    case DType::kF8E4M3FN: return to_float(Float8E4M3FN{code});
    case DType::kF8E4M3FNUZ: return to_float(Float8E4M3FNUZ{code});
    case DType::kF8E5M2: return to_float(Float8E5M2{code});
    case DType::kF8E5M2FNUZ: return to_float(Float8E5M2FNUZ{code});
    default: return to_float(Float8E8M0{code});
  }
}

/// Results may be views of misaligned inputs.
template <class T>
T at(const ConstView& t, int64_t i) {
  T element;
  std::memcpy(&element, t.as<T>() + i, sizeof element);
  return element;
}

}  // namespace

void store_element(const View& t, int64_t i, const std::string& word) {
  switch (t.dtype) {
    case DType::kF32:
      t.as<float>()[i] = std::strtof(word.c_str(), nullptr);
      number(word);
      return;
    case DType::kF64: t.as<double>()[i] = number(word); return;
    case DType::kF16: t.as<Half>()[i] = to_half(number(word)); return;
    case DType::kBF16: t.as<BFloat16>()[i] = to_bfloat16(number(word)); return;
    case DType::kU8: t.as<uint8_t>()[i] = integer<uint8_t>(word); return;
    case DType::kI8: t.as<int8_t>()[i] = integer<int8_t>(word); return;
    case DType::kU16: t.as<uint16_t>()[i] = integer<uint16_t>(word); return;
    case DType::kI16: t.as<int16_t>()[i] = integer<int16_t>(word); return;
    case DType::kU32: t.as<uint32_t>()[i] = integer<uint32_t>(word); return;
    case DType::kI32: t.as<int32_t>()[i] = integer<int32_t>(word); return;
    case DType::kU64: t.as<uint64_t>()[i] = integer<uint64_t>(word); return;
    case DType::kI64: t.as<int64_t>()[i] = integer<int64_t>(word); return;
    case DType::kBool: t.as<bool>()[i] = word == "true" || (word != "false" && integer<int>(word) != 0); return;
    case DType::kString: t.as<std::string>()[i] = word; return;
    case DType::kU4:
    case DType::kI4: packed_set(t.as<uint8_t>(), i, 4, integer<uint8_t>(word)); return;
    case DType::kU2:
    case DType::kI2: packed_set(t.as<uint8_t>(), i, 2, integer<uint8_t>(word)); return;
    case DType::kF4E2M1: packed_set(t.as<uint8_t>(), i, 4, float4_code(static_cast<float>(number(word)))); return;
    default: t.as<uint8_t>()[i] = float8_code(t.dtype, static_cast<float>(number(word)));
  }
}

std::optional<double> load_element(const ConstView& t, int64_t i) {
  switch (t.dtype) {
    case DType::kF32: return at<float>(t, i);
    case DType::kF64: return at<double>(t, i);
    case DType::kF16: return to_float(at<Half>(t, i));
    case DType::kBF16: return to_float(at<BFloat16>(t, i));
    case DType::kU8: return t.as<uint8_t>()[i];
    case DType::kI8: return t.as<int8_t>()[i];
    case DType::kU16: return at<uint16_t>(t, i);
    case DType::kI16: return at<int16_t>(t, i);
    case DType::kU32: return at<uint32_t>(t, i);
    case DType::kI32: return at<int32_t>(t, i);
    case DType::kU64: return static_cast<double>(at<uint64_t>(t, i));
    case DType::kI64: return static_cast<double>(at<int64_t>(t, i));
    case DType::kBool: return t.as<uint8_t>()[i];
    case DType::kString: return std::nullopt;
    case DType::kU4: return packed_get(t.as<uint8_t>(), i, 4);
    case DType::kI4: return sign_extend(packed_get(t.as<uint8_t>(), i, 4), 4);
    case DType::kU2: return packed_get(t.as<uint8_t>(), i, 2);
    case DType::kI2: return sign_extend(packed_get(t.as<uint8_t>(), i, 2), 2);
    case DType::kF4E2M1: return float4_value(packed_get(t.as<uint8_t>(), i, 4));
    default: return float8_number(t.dtype, t.as<uint8_t>()[i]);
  }
}

uint64_t element_code(const ConstView& t, int64_t i) {
  const int bits = dtype_bits(t.dtype);
  if (bits < 8) return packed_get(t.as<uint8_t>(), i, bits);
  uint64_t code = 0;
  std::memcpy(&code, t.data + i * (bits / 8), static_cast<size_t>(std::min(bits, 64) / 8));
  return code;
}

std::string element_text(const ConstView& t, int64_t i) {
  if (t.dtype == DType::kString) return '"' + t.as<std::string>()[i] + '"';
  if (t.dtype == DType::kI64) return std::to_string(at<int64_t>(t, i));
  if (t.dtype == DType::kU64) return std::to_string(at<uint64_t>(t, i));
  char text[40];
  std::snprintf(text, sizeof text, t.dtype == DType::kF64 ? "%.17g" : "%.9g", load_element(t, i).value_or(0));
  return text;
}

double ulp(DType type, double value) {
  struct Format {
    int fraction, lowest;
  };
  const Format f = type == DType::kF64    ? Format{52, -1022}
                   : type == DType::kF16  ? Format{10, -14}
                   : type == DType::kBF16 ? Format{7, -126}
                                          : Format{23, -126};
  if (!std::isfinite(value)) return 0;
  const int exponent = value == 0 ? f.lowest : std::max(std::ilogb(value), f.lowest);
  return std::ldexp(1.0, exponent - f.fraction);
}

Tensor convert_float(const Tensor& tensor, DType type) {
  if (tensor.dtype() != DType::kF32 && !is_half(tensor.dtype())) return tensor;
  Tensor out(type, tensor.extents());
  const View to = out.mutable_view();
  for (int64_t i = 0; i < to.count(); ++i) {
    const auto x = static_cast<float>(*load_element(tensor.view(), i));
    if (type == DType::kF32) to.as<float>()[i] = x;
    if (type == DType::kF16) to.as<Half>()[i] = to_half(x);
    if (type == DType::kBF16) to.as<BFloat16>()[i] = to_bfloat16(x);
  }
  return out;
}

}  // namespace sdx::ops
