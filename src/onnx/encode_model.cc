// Encoding of attributes, nodes, graphs, functions and models.
#include "onnx/encode.h"
#include "onnx/fields.h"

namespace sdx::onnx {

Rope encode(const OpsetView& opset) {
  Rope out;
  out.bytes(fields::opset::kDomain, opset.domain);
  out.integer(fields::opset::kVersion, opset.version);
  return out;
}

Rope Encoder::encode(const SparseTensorView& tensor) const {
  Rope out;
  out.message(fields::sparse_tensor::kValues, place_tensor_(tensor.values));
  out.message(fields::sparse_tensor::kIndices, place_tensor_(tensor.indices));
  for (const int64_t dim : tensor.dims) out.integer(fields::sparse_tensor::kDims, dim);
  return out;
}

Rope Encoder::encode(const AttributeView& attribute) const {
  using Kind = AttributeView::Kind;
  namespace f = fields::attribute;
  const Kind kind = attribute.kind;
  const bool has_value = attribute.ref_attr_name.empty();
  Rope out;
  out.bytes(f::kName, attribute.name);
  if (kind == Kind::kFloat && (has_value || attribute.f != 0)) out.float32(f::kF, attribute.f);
  if (kind == Kind::kInt && (has_value || attribute.i != 0)) out.integer(f::kI, attribute.i);
  if (kind == Kind::kString && (has_value || !attribute.s.empty())) out.bytes(f::kS, attribute.s);
  for (const float value : attribute.floats) out.float32(f::kFloats, value);
  for (const int64_t value : attribute.ints) out.integer(f::kInts, value);
  for (const std::string_view text : attribute.strings) out.bytes(f::kStrings, text);
  for (const TensorView& tensor : attribute.tensors) {
    out.message(kind == Kind::kTensor ? f::kT : f::kTensors, place_tensor_(tensor));
  }
  for (const GraphView& graph : attribute.graphs) {
    out.message(kind == Kind::kGraph ? f::kG : f::kGraphs, encode(graph));
  }
  for (const SparseTensorView& tensor : attribute.sparse_tensors) {
    out.message(kind == Kind::kSparseTensor ? f::kSparseTensor : f::kSparseTensors, encode(tensor));
  }
  for (const TypeView& type : attribute.types) {
    out.message(kind == Kind::kType ? f::kTp : f::kTypeProtos, onnx::encode(type));
  }
  out.text(f::kDoc, attribute.doc);
  if (kind != Kind::kUndefined) out.integer(f::kType, static_cast<int64_t>(kind));
  out.text(f::kRefAttrName, attribute.ref_attr_name);
  return out;
}

Rope Encoder::encode(const NodeView& node) const {
  Rope out;
  for (const std::string_view name : node.inputs) out.bytes(fields::node::kInput, name);
  for (const std::string_view name : node.outputs) out.bytes(fields::node::kOutput, name);
  out.text(fields::node::kName, node.name);
  out.bytes(fields::node::kOpType, node.op_type);
  for (const AttributeView& attribute : node.attributes) out.message(fields::node::kAttribute, encode(attribute));
  out.text(fields::node::kDoc, node.doc);
  out.text(fields::node::kDomain, node.domain);
  out.text(fields::node::kOverload, node.overload);
  return out;
}

Rope Encoder::encode(const GraphView& graph) const {
  namespace f = fields::graph;
  Rope out;
  for (const NodeView& node : graph.nodes) out.message(f::kNode, encode(node));
  out.text(f::kName, graph.name);
  for (const TensorView& tensor : graph.initializers) out.message(f::kInitializer, place_initializer_(tensor));
  out.text(f::kDoc, graph.doc);
  for (const ValueInfoView& value : graph.inputs) out.message(f::kInput, onnx::encode(value));
  for (const ValueInfoView& value : graph.outputs) out.message(f::kOutput, onnx::encode(value));
  for (const ValueInfoView& value : graph.value_info) out.message(f::kValueInfo, onnx::encode(value));
  for (const SparseTensorView& tensor : graph.sparse_initializers) out.message(f::kSparseInitializer, encode(tensor));
  for (const StringPair& entry : graph.metadata_props) out.message(f::kMetadataProps, onnx::encode(entry));
  return out;
}

Rope Encoder::encode(const FunctionView& function) const {
  namespace f = fields::function;
  Rope out;
  out.bytes(f::kName, function.name);
  for (const std::string_view name : function.inputs) out.bytes(f::kInput, name);
  for (const std::string_view name : function.outputs) out.bytes(f::kOutput, name);
  for (const std::string_view name : function.attributes) out.bytes(f::kAttribute, name);
  for (const NodeView& node : function.nodes) out.message(f::kNode, encode(node));
  out.text(f::kDoc, function.doc);
  for (const OpsetView& opset : function.opset_imports) out.message(f::kOpsetImport, onnx::encode(opset));
  out.text(f::kDomain, function.domain);
  for (const AttributeView& attribute : function.attribute_protos) {
    out.message(f::kAttributeProto, encode(attribute));
  }
  for (const ValueInfoView& value : function.value_info) out.message(f::kValueInfo, onnx::encode(value));
  out.text(f::kOverload, function.overload);
  for (const StringPair& entry : function.metadata_props) out.message(f::kMetadataProps, onnx::encode(entry));
  return out;
}

Rope Encoder::encode(const ModelView& model) const {
  namespace f = fields::model;
  Rope out;
  out.integer(f::kIrVersion, model.ir_version);
  out.text(f::kProducerName, model.producer_name);
  out.text(f::kProducerVersion, model.producer_version);
  out.text(f::kDomain, model.domain);
  if (model.model_version != 0) out.integer(f::kModelVersion, model.model_version);
  out.text(f::kDoc, model.doc);
  out.message(f::kGraph, encode(model.graph));
  for (const OpsetView& opset : model.opset_imports) out.message(f::kOpsetImport, onnx::encode(opset));
  for (const StringPair& entry : model.metadata_props) out.message(f::kMetadataProps, onnx::encode(entry));
  for (const FunctionView& function : model.functions) out.message(f::kFunctions, encode(function));
  return out;
}

}  // namespace sdx::onnx
