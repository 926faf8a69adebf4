// Reading TensorProto and SparseTensorProto.
#include <protozero/types.hpp>

#include "base/error.h"
#include "onnx/fields.h"
#include "onnx/merge.h"
#include "onnx/wire.h"

namespace sdx::onnx {
namespace {

const char* field_name(DataField field) {
  switch (field) {
    case DataField::kNone: return "nothing";
    case DataField::kRaw: return "raw_data";
    case DataField::kFloat: return "float_data";
    case DataField::kInt32: return "int32_data";
    case DataField::kInt64: return "int64_data";
    case DataField::kDouble: return "double_data";
    case DataField::kUint64: return "uint64_data";
    case DataField::kString: return "string_data";
  }
  return "nothing";
}

/// Says that `out` keeps its elements in `field`, and nowhere else.
void claim(TensorView& out, DataField field) {
  if (out.field == DataField::kNone || (out.field == DataField::kRaw && out.raw.empty())) out.field = field;
  if (out.field == field) return;
  fail(ErrorKind::kInvalidModel, "a tensor has values in both ", field_name(out.field), " and ", field_name(field),
       " but may have them in one place only; keep one of them");
}

/// Makes sure that packed varints can be decoded later without further checks.
void check_varints(std::string_view bytes, const char* name) {
  constexpr int kMostBytes = 10;
  int length = 0;
  for (const char c : bytes) {
    ++length;
    if (length > kMostBytes || (length == kMostBytes && c < 0)) {
      fail(ErrorKind::kInvalidModel, "field '", name, "' of a tensor holds a number of more than ", kMostBytes,
           " bytes; the file is damaged");
    }
    if (c >= 0) length = 0;
  }
  if (length == 0) return;
  fail(ErrorKind::kInvalidModel, "field '", name, "' of a tensor is cut off within a number; the file is damaged");
}

void add_run(FieldCursor& cursor, TensorView& out, DataField field, protozero::pbf_wire_type type) {
  const char* name = field_name(field);
  if (!cursor.packed()) {
    const std::string_view bytes = cursor.tagged(type, name);
    claim(out, field);
    NumberRun* last = out.runs.empty() ? nullptr : &out.runs.back();
    if (last != nullptr && last->tagged && last->bytes.data() + last->bytes.size() == bytes.data()) {
      last->bytes = {last->bytes.data(), last->bytes.size() + bytes.size()};
    } else {
      out.runs.push_back({bytes, true});
    }
    return;
  }
  const std::string_view bytes = cursor.bytes(name);
  if (bytes.empty()) return;
  const size_t unit = type == protozero::pbf_wire_type::fixed32 ? 4 : type == protozero::pbf_wire_type::fixed64 ? 8 : 1;
  if (bytes.size() % unit != 0) {
    fail(ErrorKind::kInvalidModel, "field '", name, "' of a tensor has ", bytes.size(),
         " bytes of packed numbers, not a multiple of ", unit, "; the file is damaged");
  }
  if (unit == 1) check_varints(bytes, name);
  claim(out, field);
  out.runs.push_back({bytes, false});
}

void set_raw(std::string_view bytes, TensorView& out) {
  if (bytes.empty() && out.field != DataField::kNone && out.field != DataField::kRaw) return;
  claim(out, DataField::kRaw);
  out.raw = bytes;
}

}  // namespace

void merge(std::string_view bytes, StringPair& out, ReadContext&) {
  FieldCursor cursor(bytes, "key-value entry");
  while (cursor.next()) {
    switch (cursor.field()) {
      case fields::entry::kKey: out.key = cursor.bytes("key"); break;
      case fields::entry::kValue: out.value = cursor.bytes("value"); break;
      default: cursor.skip();
    }
  }
}

void merge(std::string_view bytes, TensorView& out, ReadContext& context) {
  using protozero::pbf_wire_type;
  FieldCursor cursor(bytes, "tensor");
  while (cursor.next()) {
    switch (cursor.field()) {
      case fields::tensor::kDims: cursor.integers("dims", out.dims); break;
      case fields::tensor::kDataType: out.type = static_cast<DataType>(cursor.integer("data_type")); break;
      case fields::tensor::kSegment:
        fail(ErrorKind::kUnsupportedModel,
             "a tensor is stored in segments, which no exporter uses; save the model with whole tensors");
      case fields::tensor::kFloatData: add_run(cursor, out, DataField::kFloat, pbf_wire_type::fixed32); break;
      case fields::tensor::kInt32Data: add_run(cursor, out, DataField::kInt32, pbf_wire_type::varint); break;
      case fields::tensor::kStringData:
        claim(out, DataField::kString);
        out.strings.push_back(cursor.bytes("string_data"));
        break;
      case fields::tensor::kInt64Data: add_run(cursor, out, DataField::kInt64, pbf_wire_type::varint); break;
      case fields::tensor::kName: out.name = cursor.bytes("name"); break;
      case fields::tensor::kRawData: set_raw(cursor.bytes("raw_data"), out); break;
      case fields::tensor::kDoubleData: add_run(cursor, out, DataField::kDouble, pbf_wire_type::fixed64); break;
      case fields::tensor::kUint64Data: add_run(cursor, out, DataField::kUint64, pbf_wire_type::varint); break;
      case fields::tensor::kDoc: out.doc = cursor.bytes("doc_string"); break;
      case fields::tensor::kExternalData: append(cursor.bytes("external_data"), out.external_data, context); break;
      case fields::tensor::kDataLocation: out.external = cursor.integer("data_location") == 1; break;
      default: cursor.skip();
    }
  }
}

void merge(std::string_view bytes, SparseTensorView& out, ReadContext& context) {
  FieldCursor cursor(bytes, "sparse tensor");
  while (cursor.next()) {
    switch (cursor.field()) {
      case fields::sparse_tensor::kValues: merge(cursor.bytes("values"), out.values, context); break;
      case fields::sparse_tensor::kIndices: merge(cursor.bytes("indices"), out.indices, context); break;
      case fields::sparse_tensor::kDims: cursor.integers("dims", out.dims); break;
      default: cursor.skip();
    }
  }
}

}  // namespace sdx::onnx
