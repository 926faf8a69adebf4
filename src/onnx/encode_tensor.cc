// Encoding of tensors and types.
#include <memory>

#include <protozero/buffer_string.hpp>
#include <protozero/varint.hpp>

#include "onnx/encode.h"
#include "onnx/fields.h"
#include "onnx/numbers.h"

namespace sdx::onnx {
namespace {

uint32_t field_number(DataField field) {
  switch (field) {
    case DataField::kFloat: return fields::tensor::kFloatData;
    case DataField::kInt32: return fields::tensor::kInt32Data;
    case DataField::kInt64: return fields::tensor::kInt64Data;
    case DataField::kDouble: return fields::tensor::kDoubleData;
    default: return fields::tensor::kUint64Data;
  }
}

/// The numbers of all runs as one packed payload.
SharedBytes packed(const TensorView& tensor) {
  if (tensor.runs.size() == 1 && !tensor.runs.front().tagged) {
    return {std::as_bytes(std::span(tensor.runs.front().bytes)), nullptr};
  }
  auto payload = std::make_shared<std::string>();
  const auto add_fixed = [&](auto bits) { payload->append(reinterpret_cast<const char*>(&bits), sizeof bits); };
  switch (tensor.field) {
    case DataField::kFloat: for_each_fixed<uint32_t>(tensor.runs, add_fixed); break;
    case DataField::kDouble: for_each_fixed<uint64_t>(tensor.runs, add_fixed); break;
    default:
      for_each_varint(tensor.runs, [&](uint64_t value) { protozero::add_varint_to_buffer(payload.get(), value); });
  }
  const std::span<const std::byte> bytes = std::as_bytes(std::span(*payload));
  return {bytes, std::move(payload)};
}

Rope encode(const DimView& dim) {
  Rope out;
  if (dim.kind == DimView::Kind::kValue) out.integer(fields::dim::kValue, dim.value);
  if (dim.kind == DimView::Kind::kParam) out.bytes(fields::dim::kParam, dim.param);
  return out;
}

Rope encode_tensor_type(const TypeView& type) {
  Rope out;
  out.integer(fields::tensor_type::kElemType, static_cast<int64_t>(type.elem_type));
  if (!type.has_shape) return out;
  Rope shape;
  for (const DimView& dim : type.dims) shape.message(fields::shape::kDim, encode(dim));
  out.message(fields::tensor_type::kShape, std::move(shape));
  return out;
}

Rope encode_container_type(const TypeView& type) {
  Rope out;
  if (!type.element.empty()) out.message(fields::element_type::kElement, encode(type.element.front()));
  return out;
}

Rope encode_map_type(const TypeView& type) {
  Rope out;
  out.integer(fields::map_type::kKeyType, static_cast<int64_t>(type.elem_type));
  if (!type.element.empty()) out.message(fields::map_type::kValueType, encode(type.element.front()));
  return out;
}

}  // namespace

Rope encode_tensor_head(const TensorView& tensor) {
  Rope out;
  for (const int64_t dim : tensor.dims) out.integer(fields::tensor::kDims, dim);
  out.integer(fields::tensor::kDataType, static_cast<int64_t>(tensor.type));
  out.text(fields::tensor::kName, tensor.name);
  out.text(fields::tensor::kDoc, tensor.doc);
  return out;
}

Rope encode_tensor(const TensorView& tensor) {
  Rope out = encode_tensor_head(tensor);
  switch (tensor.field) {
    case DataField::kNone: break;
    case DataField::kRaw: out.bytes(fields::tensor::kRawData, tensor.raw); break;
    case DataField::kString:
      for (const std::string_view text : tensor.strings) out.bytes(fields::tensor::kStringData, text);
      break;
    default: out.bytes(field_number(tensor.field), packed(tensor));
  }
  for (const StringPair& entry : tensor.external_data) {
    out.message(fields::tensor::kExternalData, encode(entry));
  }
  if (tensor.external) out.integer(fields::tensor::kDataLocation, 1);
  return out;
}

Rope encode(const TypeView& type) {
  using Kind = TypeView::Kind;
  Rope out;
  switch (type.kind) {
    case Kind::kNone: break;
    case Kind::kTensor: out.message(fields::type::kTensor, encode_tensor_type(type)); break;
    case Kind::kSparseTensor: out.message(fields::type::kSparseTensor, encode_tensor_type(type)); break;
    case Kind::kSequence: out.message(fields::type::kSequence, encode_container_type(type)); break;
    case Kind::kOptional: out.message(fields::type::kOptional, encode_container_type(type)); break;
    case Kind::kMap: out.message(fields::type::kMap, encode_map_type(type)); break;
    case Kind::kOpaque: out.message(fields::type::kOpaque, Rope()); break;
  }
  return out;
}

Rope encode(const ValueInfoView& value) {
  Rope out;
  out.bytes(fields::value_info::kName, value.name);
  if (value.type.kind != TypeView::Kind::kNone) out.message(fields::value_info::kType, encode(value.type));
  out.text(fields::value_info::kDoc, value.doc);
  return out;
}

Rope encode(const StringPair& entry) {
  Rope out;
  out.bytes(fields::entry::kKey, entry.key);
  out.bytes(fields::entry::kValue, entry.value);
  return out;
}

}  // namespace sdx::onnx
