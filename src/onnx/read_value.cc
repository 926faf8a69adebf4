// Reading SequenceProto, MapProto and OptionalProto.
#include "onnx/fields.h"
#include "onnx/merge.h"
#include "onnx/value_view.h"
#include "onnx/wire.h"

namespace sdx::onnx {
namespace {

using Kind = TypeView::Kind;

/// The enum DataType that SequenceProto and OptionalProto share.
Kind element_kind(int64_t number) {
  switch (number) {
    case 0: return Kind::kNone;
    case 1: return Kind::kTensor;
    case 2: return Kind::kSparseTensor;
    case 3: return Kind::kSequence;
    case 4: return Kind::kMap;
    case 5: return Kind::kOptional;
    default: fail(ErrorKind::kInvalidModel, "elem_type is ", number, " but must be from 0 to 5; the file is damaged");
  }
}

const char* kind_text(Kind kind) {
  switch (kind) {
    case Kind::kTensor: return "tensor";
    case Kind::kSparseTensor: return "sparse tensor";
    case Kind::kSequence: return "sequence";
    case Kind::kMap: return "map";
    case Kind::kOptional: return "optional";
    default: return "nothing";
  }
}

void merge_value(std::string_view bytes, ValueView& out, ReadContext& context);

void add_element(std::string_view bytes, Kind kind, std::vector<ValueView>& list, ReadContext& context) {
  context.count_message();
  ValueView& element = list.emplace_back();
  element.kind = kind;
  context.at([&] { return cat("element ", list.size() - 1); }, [&] { merge_value(bytes, element, context); });
}

void check_elements(const ValueView& out, Kind declared) {
  for (const ValueView& element : out.elements) {
    if (element.kind == declared) continue;
    fail(ErrorKind::kInvalidModel, "is declared to hold ", kind_text(declared), " but holds ", kind_text(element.kind),
         "; the file is damaged");
  }
}

void merge_sequence(std::string_view bytes, ValueView& out, ReadContext& context) {
  Kind declared = Kind::kNone;
  FieldCursor cursor(bytes, "sequence");
  const auto add = [&](Kind kind, const char* name) { add_element(cursor.bytes(name), kind, out.elements, context); };
  while (cursor.next()) {
    switch (cursor.field()) {
      case fields::sequence::kName: out.name = cursor.bytes("name"); break;
      case fields::sequence::kElemType: declared = element_kind(cursor.integer("elem_type")); break;
      case fields::sequence::kTensors: add(Kind::kTensor, "tensor_values"); break;
      case fields::sequence::kSparseTensors: add(Kind::kSparseTensor, "sparse_tensor_values"); break;
      case fields::sequence::kSequences: add(Kind::kSequence, "sequence_values"); break;
      case fields::sequence::kMaps: add(Kind::kMap, "map_values"); break;
      case fields::sequence::kOptionals: add(Kind::kOptional, "optional_values"); break;
      default: cursor.skip();
    }
  }
  check_elements(out, declared);
}

void merge_map(std::string_view bytes, ValueView& out, ReadContext& context) {
  ValueView values;
  FieldCursor cursor(bytes, "map");
  while (cursor.next()) {
    switch (cursor.field()) {
      case fields::map::kName: out.name = cursor.bytes("name"); break;
      case fields::map::kKeyType: out.key_type = static_cast<DataType>(cursor.integer("key_type")); break;
      case fields::map::kKeys: cursor.integers("keys", out.keys); break;
      case fields::map::kStringKeys: out.string_keys.push_back(cursor.bytes("string_keys")); break;
      case fields::map::kValues: merge_sequence(cursor.bytes("values"), values, context); break;
      default: cursor.skip();
    }
  }
  out.elements = std::move(values.elements);
  const size_t keys = out.key_type == DataType::kString ? out.string_keys.size() : out.keys.size();
  if (keys != out.elements.size()) {
    fail(ErrorKind::kInvalidModel, "a map has ", keys, " keys of type ", type_name(out.key_type), " but ",
         out.elements.size(), " values; the file is damaged");
  }
}

void merge_optional(std::string_view bytes, ValueView& out, ReadContext& context) {
  Kind declared = Kind::kNone;
  FieldCursor cursor(bytes, "optional");
  const auto set = [&](Kind kind, const char* name) {
    if (!out.elements.empty() && out.elements.front().kind == kind) {
      merge_value(cursor.bytes(name), out.elements.front(), context);
      return;
    }
    out.elements.clear();
    add_element(cursor.bytes(name), kind, out.elements, context);
  };
  while (cursor.next()) {
    switch (cursor.field()) {
      case fields::optional::kName: out.name = cursor.bytes("name"); break;
      case fields::optional::kElemType: declared = element_kind(cursor.integer("elem_type")); break;
      case fields::optional::kTensor: set(Kind::kTensor, "tensor_value"); break;
      case fields::optional::kSparseTensor: set(Kind::kSparseTensor, "sparse_tensor_value"); break;
      case fields::optional::kSequence: set(Kind::kSequence, "sequence_value"); break;
      case fields::optional::kMap: set(Kind::kMap, "map_value"); break;
      case fields::optional::kOptional: set(Kind::kOptional, "optional_value"); break;
      default: cursor.skip();
    }
  }
  check_elements(out, declared);
}

void merge_value(std::string_view bytes, ValueView& out, ReadContext& context) {
  const ReadContext::Level level(context, "values");
  switch (out.kind) {
    case Kind::kTensor:
      merge(bytes, out.tensor, context);
      out.name = out.tensor.name;
      return;
    case Kind::kSparseTensor:
      if (out.sparse.empty()) out.sparse.emplace_back();
      merge(bytes, out.sparse.front(), context);
      return;
    case Kind::kSequence: merge_sequence(bytes, out, context); return;
    case Kind::kMap: merge_map(bytes, out, context); return;
    case Kind::kOptional: merge_optional(bytes, out, context); return;
    default: fail(ErrorKind::kUnsupportedModel, "values of an opaque or unknown type cannot be read from a file");
  }
}

}  // namespace

ValueView read_value(std::string_view bytes, TypeView::Kind kind) {
  ValueView value;
  value.kind = kind;
  ReadContext context;
  context.at([&] { return kind_text(kind); }, [&] { merge_value(bytes, value, context); });
  return value;
}

}  // namespace sdx::onnx
