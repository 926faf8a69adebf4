// Reading NodeProto, GraphProto, FunctionProto and ModelProto, and the entry points of the reader.
#include "base/limits.h"
#include "onnx/fields.h"
#include "onnx/merge.h"
#include "onnx/reader.h"
#include "onnx/wire.h"

namespace sdx::onnx {
namespace {

/// "node 'x'", or "node 3" for the fourth one when it has no name.
std::string place(const char* what, std::string_view name, size_t index) {
  if (name.empty()) return cat(what, " ", index);
  return cat(what, " ", quoted(name));
}

/// Appends a message whose name is in field `name_field` to `list`; errors in it say where it is.
template <class View>
void append_named(const char* what, std::string_view bytes, uint32_t name_field, std::vector<View>& list,
                  ReadContext& context) {
  context.at([&] { return place(what, peek_string(bytes, name_field), list.size() - 1); },
             [&] { append(bytes, list, context); });
}

void append_node(std::string_view bytes, std::vector<NodeView>& list, ReadContext& context) {
  context.at(
      [&] {
        const std::string_view name = peek_string(bytes, fields::node::kName);
        const std::string_view op_type = peek_string(bytes, fields::node::kOpType);
        return place("node", name, list.size() - 1) + (op_type.empty() ? "" : cat(" (", escaped(op_type), ")"));
      },
      [&] { append(bytes, list, context); });
}

void append_value(const char* what, std::string_view bytes, std::vector<ValueInfoView>& list, ReadContext& context) {
  append_named(what, bytes, fields::value_info::kName, list, context);
}

template <class View>
View read_whole(std::string_view bytes, const char* what) {
  View view;
  ReadContext context;
  context.at([&] { return what; }, [&] { merge(bytes, view, context); });
  return view;
}

void require_plausible(std::string_view bytes) {
  if (bytes.empty()) {
    fail(ErrorKind::kInvalidModel, "the file is empty; download or export it again");
  }
  if (bytes.starts_with("version https://git-lfs")) {
    fail(ErrorKind::kInvalidModel,
         "the file is a Git LFS pointer, not the model itself; fetch the content with `git lfs pull`");
  }
  if (bytes.front() == '<' || bytes.front() == '{') {
    fail(ErrorKind::kInvalidModel, "the file is text, not an ONNX model; download it again");
  }
}

}  // namespace

const int ReadContext::kMaxDepth = kMaxGraphDepth;

void ReadContext::too_many() const {
  fail(ErrorKind::kResource, "the file has more than ", kMaxMessages,
       " nodes, attributes, tensors and types, the most that is read; split the model");
}

void ReadContext::too_deep(const char* what) {
  --depth_;
  fail(ErrorKind::kInvalidModel, what, " are nested more than ", kMaxDepth, " deep; flatten the model");
}

void merge(std::string_view bytes, OpsetView& out, ReadContext&) {
  FieldCursor cursor(bytes, "opset import");
  while (cursor.next()) {
    switch (cursor.field()) {
      case fields::opset::kDomain: out.domain = cursor.bytes("domain"); break;
      case fields::opset::kVersion: out.version = cursor.integer("version"); break;
      default: cursor.skip();
    }
  }
}

void merge(std::string_view bytes, NodeView& out, ReadContext& context) {
  FieldCursor cursor(bytes, "node");
  while (cursor.next()) {
    switch (cursor.field()) {
      case fields::node::kInput: out.inputs.push_back(cursor.bytes("input")); break;
      case fields::node::kOutput: out.outputs.push_back(cursor.bytes("output")); break;
      case fields::node::kName: out.name = cursor.bytes("name"); break;
      case fields::node::kOpType: out.op_type = cursor.bytes("op_type"); break;
      case fields::node::kAttribute:
        append_named("attribute", cursor.bytes("attribute"), fields::attribute::kName, out.attributes, context);
        break;
      case fields::node::kDoc: out.doc = cursor.bytes("doc_string"); break;
      case fields::node::kDomain: out.domain = cursor.bytes("domain"); break;
      case fields::node::kOverload: out.overload = cursor.bytes("overload"); break;
      default: cursor.skip();
    }
  }
  if (out.op_type.empty()) fail(ErrorKind::kInvalidModel, "has no op_type; the file is damaged");
}

void merge(std::string_view bytes, GraphView& out, ReadContext& context) {
  const ReadContext::Level level(context, "graphs");
  FieldCursor cursor(bytes, "graph");
  while (cursor.next()) {
    switch (cursor.field()) {
      case fields::graph::kNode: append_node(cursor.bytes("node"), out.nodes, context); break;
      case fields::graph::kName: out.name = cursor.bytes("name"); break;
      case fields::graph::kInitializer:
        append_named("initializer", cursor.bytes("initializer"), fields::tensor::kName, out.initializers, context);
        break;
      case fields::graph::kDoc: out.doc = cursor.bytes("doc_string"); break;
      case fields::graph::kInput: append_value("input", cursor.bytes("input"), out.inputs, context); break;
      case fields::graph::kOutput: append_value("output", cursor.bytes("output"), out.outputs, context); break;
      case fields::graph::kValueInfo:
        append_value("value info", cursor.bytes("value_info"), out.value_info, context);
        break;
      case fields::graph::kSparseInitializer: {
        const std::string_view message = cursor.bytes("sparse_initializer");
        context.at([&] { return cat("sparse initializer ", out.sparse_initializers.size() - 1); },
                   [&] { append(message, out.sparse_initializers, context); });
        break;
      }
      case fields::graph::kMetadataProps: append(cursor.bytes("metadata_props"), out.metadata_props, context); break;
      default: cursor.skip();
    }
  }
}

void merge(std::string_view bytes, FunctionView& out, ReadContext& context) {
  FieldCursor cursor(bytes, "function");
  while (cursor.next()) {
    switch (cursor.field()) {
      case fields::function::kName: out.name = cursor.bytes("name"); break;
      case fields::function::kInput: out.inputs.push_back(cursor.bytes("input")); break;
      case fields::function::kOutput: out.outputs.push_back(cursor.bytes("output")); break;
      case fields::function::kAttribute: out.attributes.push_back(cursor.bytes("attribute")); break;
      case fields::function::kNode: append_node(cursor.bytes("node"), out.nodes, context); break;
      case fields::function::kDoc: out.doc = cursor.bytes("doc_string"); break;
      case fields::function::kOpsetImport: append(cursor.bytes("opset_import"), out.opset_imports, context); break;
      case fields::function::kDomain: out.domain = cursor.bytes("domain"); break;
      case fields::function::kAttributeProto:
        append_named("attribute", cursor.bytes("attribute_proto"), fields::attribute::kName, out.attribute_protos,
                     context);
        break;
      case fields::function::kValueInfo:
        append_value("value info", cursor.bytes("value_info"), out.value_info, context);
        break;
      case fields::function::kOverload: out.overload = cursor.bytes("overload"); break;
      case fields::function::kMetadataProps: append(cursor.bytes("metadata_props"), out.metadata_props, context); break;
      default: cursor.skip();
    }
  }
}

void merge(std::string_view bytes, ModelView& out, ReadContext& context) {
  bool has_graph = false;
  FieldCursor cursor(bytes, "model");
  while (cursor.next()) {
    switch (cursor.field()) {
      case fields::model::kIrVersion: out.ir_version = cursor.integer("ir_version"); break;
      case fields::model::kProducerName: out.producer_name = cursor.bytes("producer_name"); break;
      case fields::model::kProducerVersion: out.producer_version = cursor.bytes("producer_version"); break;
      case fields::model::kDomain: out.domain = cursor.bytes("domain"); break;
      case fields::model::kModelVersion: out.model_version = cursor.integer("model_version"); break;
      case fields::model::kDoc: out.doc = cursor.bytes("doc_string"); break;
      case fields::model::kGraph: {
        const std::string_view message = cursor.bytes("graph");
        has_graph = true;
        context.at([&] { return cat("graph ", quoted(peek_string(message, fields::graph::kName))); },
                   [&] { merge(message, out.graph, context); });
        break;
      }
      case fields::model::kOpsetImport: append(cursor.bytes("opset_import"), out.opset_imports, context); break;
      case fields::model::kMetadataProps: append(cursor.bytes("metadata_props"), out.metadata_props, context); break;
      case fields::model::kFunctions:
        append_named("function", cursor.bytes("functions"), fields::function::kName, out.functions, context);
        break;
      default: cursor.skip();
    }
  }
  if (!has_graph) fail(ErrorKind::kInvalidModel, "there is no graph; the file is incomplete or not an ONNX model");
}

ModelView read_model(std::string_view bytes) {
  require_plausible(bytes);
  return read_whole<ModelView>(bytes, "model");
}

GraphView read_graph(std::string_view bytes) { return read_whole<GraphView>(bytes, "graph"); }
NodeView read_node(std::string_view bytes) { return read_whole<NodeView>(bytes, "node"); }
TensorView read_tensor(std::string_view bytes) { return read_whole<TensorView>(bytes, "tensor"); }
SparseTensorView read_sparse_tensor(std::string_view bytes) {
  return read_whole<SparseTensorView>(bytes, "sparse tensor");
}
TypeView read_type(std::string_view bytes) { return read_whole<TypeView>(bytes, "type"); }

}  // namespace sdx::onnx
