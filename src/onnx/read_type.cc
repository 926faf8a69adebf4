// Reading TypeProto and ValueInfoProto.
#include "onnx/fields.h"
#include "onnx/merge.h"
#include "onnx/wire.h"

namespace sdx::onnx {
namespace {

/// Makes `out` a type of `kind`: of several members of a oneof the last wins, repeated ones merge.
TypeView& become(TypeView& out, TypeView::Kind kind) {
  if (out.kind != kind) {
    out = {};
    out.kind = kind;
  }
  return out;
}

TypeView& element_of(TypeView& out, ReadContext& context) {
  if (out.element.empty()) {
    context.count_message();
    out.element.emplace_back();
  }
  return out.element.front();
}

DimView read_dim(std::string_view bytes) {
  DimView dim;
  FieldCursor cursor(bytes, "dimension");
  while (cursor.next()) {
    switch (cursor.field()) {
      case fields::dim::kValue: dim = {DimView::Kind::kValue, cursor.integer("dim_value"), {}}; break;
      case fields::dim::kParam: dim = {DimView::Kind::kParam, 0, cursor.bytes("dim_param")}; break;
      default: cursor.skip();
    }
  }
  if (dim.kind == DimView::Kind::kParam && dim.param.empty()) dim.kind = DimView::Kind::kUnknown;
  return dim;
}

void merge_shape(std::string_view bytes, TypeView& out) {
  out.has_shape = true;
  FieldCursor cursor(bytes, "shape");
  while (cursor.next()) {
    if (cursor.field() == fields::shape::kDim) {
      out.dims.push_back(read_dim(cursor.bytes("dim")));
    } else {
      cursor.skip();
    }
  }
}

void merge_tensor_type(std::string_view bytes, TypeView& out) {
  FieldCursor cursor(bytes, "tensor type");
  while (cursor.next()) {
    switch (cursor.field()) {
      case fields::tensor_type::kElemType: out.elem_type = static_cast<DataType>(cursor.integer("elem_type")); break;
      case fields::tensor_type::kShape: merge_shape(cursor.bytes("shape"), out); break;
      default: cursor.skip();
    }
  }
}

void merge_container_type(std::string_view bytes, TypeView& out, ReadContext& context) {
  FieldCursor cursor(bytes, "sequence or optional type");
  while (cursor.next()) {
    if (cursor.field() == fields::element_type::kElement) {
      merge(cursor.bytes("elem_type"), element_of(out, context), context);
    } else {
      cursor.skip();
    }
  }
}

void merge_map_type(std::string_view bytes, TypeView& out, ReadContext& context) {
  FieldCursor cursor(bytes, "map type");
  while (cursor.next()) {
    switch (cursor.field()) {
      case fields::map_type::kKeyType: out.elem_type = static_cast<DataType>(cursor.integer("key_type")); break;
      case fields::map_type::kValueType: merge(cursor.bytes("value_type"), element_of(out, context), context); break;
      default: cursor.skip();
    }
  }
}

}  // namespace

void merge(std::string_view bytes, TypeView& out, ReadContext& context) {
  using Kind = TypeView::Kind;
  const ReadContext::Level level(context, "types");
  FieldCursor cursor(bytes, "type");
  while (cursor.next()) {
    switch (cursor.field()) {
      case fields::type::kTensor: merge_tensor_type(cursor.bytes("tensor_type"), become(out, Kind::kTensor)); break;
      case fields::type::kSparseTensor:
        merge_tensor_type(cursor.bytes("sparse_tensor_type"), become(out, Kind::kSparseTensor));
        break;
      case fields::type::kSequence:
        merge_container_type(cursor.bytes("sequence_type"), become(out, Kind::kSequence), context);
        break;
      case fields::type::kOptional:
        merge_container_type(cursor.bytes("optional_type"), become(out, Kind::kOptional), context);
        break;
      case fields::type::kMap: merge_map_type(cursor.bytes("map_type"), become(out, Kind::kMap), context); break;
      case fields::type::kOpaque:
        become(out, Kind::kOpaque);
        cursor.bytes("opaque_type");
        break;
      default: cursor.skip();
    }
  }
}

void merge(std::string_view bytes, ValueInfoView& out, ReadContext& context) {
  FieldCursor cursor(bytes, "value info");
  while (cursor.next()) {
    switch (cursor.field()) {
      case fields::value_info::kName: out.name = cursor.bytes("name"); break;
      case fields::value_info::kType: merge(cursor.bytes("type"), out.type, context); break;
      case fields::value_info::kDoc: out.doc = cursor.bytes("doc_string"); break;
      default: cursor.skip();
    }
  }
}

}  // namespace sdx::onnx
