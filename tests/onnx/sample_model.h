// Parts of models, and one small model that has a bit of everything, as hand-built bytes.
#pragma once

#include "onnx/fields.h"
#include "onnx/model_view.h"
#include "wire_builder.h"

namespace sdx::onnx::test {

inline Message node(std::string_view op_type) { return Message().bytes(fields::node::kOpType, op_type); }

inline Message attribute(std::string_view name, AttributeView::Kind kind) {
  return Message().bytes(fields::attribute::kName, name).integer(fields::attribute::kType, static_cast<int64_t>(kind));
}

inline Message model_of(const Message& graph) {
  return Message().integer(fields::model::kIrVersion, 13).message(fields::model::kGraph, graph);
}

inline Message small_model() {
  Message tensor;
  tensor.integer(fields::tensor::kDims, 2).integer(fields::tensor::kDataType, 1).bytes(fields::tensor::kName, "w");
  tensor.packed_floats(fields::tensor::kFloatData, {1.5f, -2.0f});
  Message dims = Message().message(fields::shape::kDim, Message().bytes(fields::dim::kParam, "batch"));
  dims.message(fields::shape::kDim, Message().integer(fields::dim::kValue, 2)).message(fields::shape::kDim, Message());
  const Message tensor_type =
      Message().integer(fields::tensor_type::kElemType, 1).message(fields::tensor_type::kShape, dims);
  const Message input = Message()
                            .bytes(fields::value_info::kName, "x")
                            .message(fields::value_info::kType, Message().message(fields::type::kTensor, tensor_type));
  Message body = Message().message(fields::graph::kNode, node("Identity")).bytes(fields::graph::kName, "then");
  Message branch = attribute("then_branch", AttributeView::Kind::kGraph).message(fields::attribute::kG, body);
  Message alpha = attribute("alpha", AttributeView::Kind::kFloat).float32(fields::attribute::kF, 0.25f);
  Message pads = attribute("pads", AttributeView::Kind::kInts).integer(fields::attribute::kInts, -1);
  pads.packed(fields::attribute::kInts, {2, 3});
  Message op =
      node("If").bytes(fields::node::kInput, "x").bytes(fields::node::kInput, "").bytes(fields::node::kOutput, "y");
  op.bytes(fields::node::kName, "cond").bytes(fields::node::kDomain, "my").bytes(fields::node::kOverload, "o");
  op.message(fields::node::kAttribute, branch)
      .message(fields::node::kAttribute, alpha)
      .message(fields::node::kAttribute, pads);
  Message graph = Message().message(fields::graph::kNode, op).bytes(fields::graph::kName, "main");
  graph.message(fields::graph::kInitializer, tensor).message(fields::graph::kInput, input);
  Message function = Message().bytes(fields::function::kName, "F").bytes(fields::function::kDomain, "my");
  function.bytes(fields::function::kAttribute, "axis").message(fields::function::kNode, node("Relu"));
  const Message opset = Message().integer(fields::opset::kVersion, 21);
  return model_of(graph)
      .bytes(fields::model::kProducerName, "test")
      .message(fields::model::kOpsetImport, opset)
      .message(fields::model::kMetadataProps,
               Message().bytes(fields::entry::kKey, "k").bytes(fields::entry::kValue, "v"))
      .message(fields::model::kFunctions, function);
}

}  // namespace sdx::onnx::test
