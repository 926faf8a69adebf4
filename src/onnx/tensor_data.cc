// Elements of a tensor: the checks, and the decoders of raw and typed fields.
#include "onnx/tensor_data.h"

#include <algorithm>
#include <cstring>
#include <memory>

#include "base/checked.h"
#include "base/error.h"
#include "base/limits.h"
#include "onnx/numbers.h"
#include "onnx/wire.h"

namespace sdx::onnx {
namespace {

std::string dims_text(std::span<const int64_t> dims) {
  std::string text = "[";
  for (size_t i = 0; i < dims.size(); ++i) text += (i == 0 ? "" : ", ") + std::to_string(dims[i]);
  return text + "]";
}

/// Numbers encoded in the typed field that the tensor uses.
int64_t count_numbers(const TensorView& tensor) {
  int64_t count = 0;
  switch (tensor.field) {
    case DataField::kFloat:
    case DataField::kDouble: {
      const size_t width = tensor.field == DataField::kFloat ? 4 : 8;
      for (const NumberRun& run : tensor.runs) {
        if (!run.tagged) count += static_cast<int64_t>(run.bytes.size() / width);
      }
      const std::span<const NumberRun> runs = tensor.runs;
      for (size_t i = 0; i < runs.size(); ++i) {
        if (!runs[i].tagged) continue;
        if (width == 4) for_each_fixed<uint32_t>(runs.subspan(i, 1), [&](uint32_t) { ++count; });
        if (width == 8) for_each_fixed<uint64_t>(runs.subspan(i, 1), [&](uint64_t) { ++count; });
      }
      return count;
    }
    case DataField::kInt32:
    case DataField::kInt64:
    case DataField::kUint64:
      for (const NumberRun& run : tensor.runs) {
        const auto ends = std::count_if(run.bytes.begin(), run.bytes.end(), [](char c) { return c >= 0; });
        count += run.tagged ? ends / 2 : ends;
      }
      return count;
    default: return 0;
  }
}

/// The typed field in which the standard stores elements of `type`.
DataField home_of(DataType type) {
  switch (type) {
    case DataType::kFloat:
    case DataType::kComplex64: return DataField::kFloat;
    case DataType::kDouble:
    case DataType::kComplex128: return DataField::kDouble;
    case DataType::kInt64: return DataField::kInt64;
    case DataType::kUint32:
    case DataType::kUint64: return DataField::kUint64;
    case DataType::kString: return DataField::kString;
    default: return DataField::kInt32;
  }
}

/// How many numbers of its typed field `elements` elements of `type` take.
int64_t numbers_for(DataType type, int64_t elements) {
  if (type == DataType::kComplex64 || type == DataType::kComplex128) return 2 * elements;
  const int bits = element_bits(type);
  return bits < 8 ? (elements * bits + 7) / 8 : elements;
}

/// Checks that the data are in a proper place and complete; the number of elements.
int64_t check(const TensorView& tensor) {
  const int64_t elements = element_count(tensor.dims);
  const size_t wanted = storage_bytes(tensor.type, elements);
  if (tensor.external) fail(ErrorKind::kInternal, "external data were asked for as inline data");
  if (tensor.field == DataField::kRaw) {
    if (tensor.raw.size() == wanted) return elements;
    fail(ErrorKind::kInvalidModel, "raw_data has ", tensor.raw.size(), " bytes but ", type_name(tensor.type),
         dims_text(tensor.dims), " takes ", wanted, "; export the model again");
  }
  if (tensor.field != DataField::kNone && tensor.field != home_of(tensor.type)) {
    fail(ErrorKind::kInvalidModel, "elements of type ", type_name(tensor.type),
         " are stored in a field for other types; export the model again");
  }
  const int64_t numbers = count_numbers(tensor);
  const int64_t wanted_numbers = numbers_for(tensor.type, elements);
  if (numbers != wanted_numbers) {
    fail(ErrorKind::kInvalidModel, "has ", numbers, " stored numbers but ", type_name(tensor.type),
         dims_text(tensor.dims), " takes ", wanted_numbers, "; export the model again");
  }
  return elements;
}

/// Writes numbers as elements of `Bits` width. Accepts the signed and the unsigned reading of the same bits.
template <class Bits>
void fill_narrow(const TensorView& tensor, std::byte* out) {
  constexpr int kWidth = 8 * sizeof(Bits);
  constexpr int64_t kLowest = -(int64_t{1} << (kWidth - 1));
  constexpr int64_t kHighest = (int64_t{1} << kWidth) - 1;
  int64_t index = 0;
  for_each_varint(tensor.runs, [&](uint64_t encoded) {
    const auto value = static_cast<int64_t>(encoded);
    if (value < kLowest || value > kHighest) {
      fail(ErrorKind::kInvalidModel, "the stored number ", value, " at position ", index, " does not fit ",
           type_name(tensor.type), "; export the model again");
    }
    const Bits bits = static_cast<Bits>(value);
    std::memcpy(out + index * sizeof(Bits), &bits, sizeof bits);
    ++index;
  });
}

void fill_64(const TensorView& tensor, std::byte* out) {
  for_each_varint(tensor.runs, [&](uint64_t bits) {
    std::memcpy(out, &bits, sizeof bits);
    out += sizeof bits;
  });
}

template <class Bits>
void fill_fixed(const TensorView& tensor, std::byte* out) {
  for (const NumberRun& run : tensor.runs) {
    if (!run.tagged) {
      std::memcpy(out, run.bytes.data(), run.bytes.size());
      out += run.bytes.size();
      continue;
    }
    for_each_fixed<Bits>({&run, 1}, [&](Bits bits) {
      std::memcpy(out, &bits, sizeof bits);
      out += sizeof bits;
    });
  }
}

void fill_varints(const TensorView& tensor, std::byte* out) {
  const int bits = element_bits(tensor.type);
  if (tensor.type == DataType::kBool) {
    for_each_varint(tensor.runs, [&](uint64_t value) { *out++ = std::byte{value != 0}; });
  } else if (bits <= 8) {
    fill_narrow<uint8_t>(tensor, out);
  } else if (bits == 16) {
    fill_narrow<uint16_t>(tensor, out);
  } else if (bits == 32) {
    fill_narrow<uint32_t>(tensor, out);
  } else {
    fill_64(tensor, out);
  }
}

void fill_typed(const TensorView& tensor, std::byte* out) {
  switch (tensor.field) {
    case DataField::kFloat: fill_fixed<uint32_t>(tensor, out); break;
    case DataField::kDouble: fill_fixed<uint64_t>(tensor, out); break;
    default: fill_varints(tensor, out);
  }
}

void fill_raw(const TensorView& tensor, std::span<std::byte> out) {
  if (tensor.type == DataType::kBool) {
    std::transform(tensor.raw.begin(), tensor.raw.end(), out.begin(), [](char c) { return std::byte{c != 0}; });
  } else if (!out.empty()) {
    std::memcpy(out.data(), tensor.raw.data(), out.size());
  }
}

}  // namespace

int64_t element_count(std::span<const int64_t> dims) {
  bool empty = false;
  for (const int64_t dim : dims) {
    if (dim < 0) {
      fail(ErrorKind::kInvalidModel, "has dimensions ", dims_text(dims),
           " but none may be negative; export the model again");
    }
    empty = empty || dim == 0;
  }
  if (empty) return 0;
  int64_t count = 1;
  for (const int64_t dim : dims) {
    const auto product = checked_mul(count, dim);
    if (!product || *product > kMaxElements) {
      fail(ErrorKind::kResource, "has dimensions ", dims_text(dims), ", more than the ", kMaxElements,
           " elements that a tensor may have; split it");
    }
    count = *product;
  }
  return count;
}

size_t storage_bytes(DataType type, int64_t elements) {
  const int bits = element_bits(type);
  if (bits == 0) {
    fail(ErrorKind::kInvalidModel, "elements of type ", type_name(type), " have no size in bytes");
  }
  // kMaxElements * 128 bits is below 2^63.
  return (static_cast<size_t>(elements) * static_cast<size_t>(bits) + 7) / 8;
}

size_t storage_bytes(const TensorView& tensor) { return storage_bytes(tensor.type, element_count(tensor.dims)); }

SharedBytes plain_bytes(DataType type, SharedBytes raw) {
  const auto is_bool = [](std::byte b) { return b <= std::byte{1}; };
  if (type != DataType::kBool || std::all_of(raw.bytes.begin(), raw.bytes.end(), is_bool)) return raw;
  auto owner = std::make_shared<std::vector<std::byte>>(raw.bytes.begin(), raw.bytes.end());
  for (std::byte& b : *owner) b = std::byte{b != std::byte{0}};
  const std::span<const std::byte> bytes = *owner;
  return {bytes, std::move(owner)};
}

SharedBytes inline_bytes(const TensorView& tensor) {
  const size_t size = storage_bytes(tensor.type, check(tensor));
  if (tensor.field == DataField::kRaw) {
    return plain_bytes(tensor.type, {std::as_bytes(std::span(tensor.raw)), nullptr});
  }
  auto owner = std::make_shared<std::vector<std::byte>>(size);
  if (size > 0) fill_typed(tensor, owner->data());
  const std::span<const std::byte> bytes = *owner;
  return {bytes, std::move(owner)};
}

void fill_inline(const TensorView& tensor, std::span<std::byte> out) {
  const size_t size = storage_bytes(tensor.type, check(tensor));
  if (out.size() != size) {
    fail(ErrorKind::kInternal, "a buffer of ", out.size(), " bytes was given for a tensor of ", size);
  }
  if (tensor.field == DataField::kRaw) {
    fill_raw(tensor, out);
  } else {
    fill_typed(tensor, out.data());
  }
}

std::span<const std::string_view> string_elements(const TensorView& tensor) {
  if (tensor.type != DataType::kString) {
    fail(ErrorKind::kInternal, "strings were asked for but the tensor holds ", type_name(tensor.type));
  }
  const int64_t elements = element_count(tensor.dims);
  if (tensor.external || tensor.field == DataField::kRaw) {
    fail(ErrorKind::kInvalidModel, "strings must be stored in string_data; export the model again");
  }
  if (static_cast<int64_t>(tensor.strings.size()) != elements) {
    fail(ErrorKind::kInvalidModel, "has ", tensor.strings.size(), " strings but ", dims_text(tensor.dims), " takes ",
         elements, "; export the model again");
  }
  return tensor.strings;
}

bool TensorView::operator==(const TensorView& other) const {
  const auto same = [](const TensorView& a, const TensorView& b) {
    return a.name == b.name && a.doc == b.doc && a.dims == b.dims && a.type == b.type && a.field == b.field &&
           a.external == b.external && a.raw == b.raw && a.strings == b.strings && a.external_data == b.external_data;
  };
  if (!same(*this, other)) return false;
  const auto numbers = [](const TensorView& tensor) {
    std::vector<uint64_t> values;
    const auto take = [&](uint64_t value) { values.push_back(value); };
    switch (tensor.field) {
      case DataField::kFloat: for_each_fixed<uint32_t>(tensor.runs, take); break;
      case DataField::kDouble: for_each_fixed<uint64_t>(tensor.runs, take); break;
      default: for_each_varint(tensor.runs, take);
    }
    return values;
  };
  return numbers(*this) == numbers(other);
}

}  // namespace sdx::onnx
