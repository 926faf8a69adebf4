// Export: a typed graph back to the structs of an ONNX file.
#include "import/export.h"

#include <map>
#include <set>

namespace sdx::import {
namespace {

using ir::Graph;
using ir::kNone;
using ir::ValueId;
using Names = std::map<ValueId, std::string_view>;

class Exporter {
 public:
  explicit Exporter(Exported& out) : out_(out) {}

  void run(const Graph& graph, int opset) {
    for (ValueId v : graph.inputs()) used_.insert(graph.value(v).name);
    for (const std::string& name : graph.output_names()) used_.insert(name);
    Names names;
    for (ValueId v : graph.inputs()) {
      names[v] = keep(graph.value(v).name);
      out_.model.graph.inputs.push_back({names[v], {}, type_of(graph.fact(v))});
    }
    out_.model.graph.name = keep(graph.name.empty() ? "graph" : graph.name);
    write_graph(graph, names, out_.model.graph);
    out_.model.ir_version = 10;
    out_.model.producer_name = "sardonyx";
    out_.model.opset_imports.push_back({"", opset});
    for (const std::string& domain : domains_) out_.model.opset_imports.push_back({keep(domain), 1});
  }

 private:
  std::string_view keep(std::string text) { return out_.strings.emplace_back(std::move(text)); }

  std::string_view fresh(const std::string& wish) {
    std::string name = wish.empty() ? "value" : wish;
    for (int i = 1; !used_.insert(name).second; ++i) name = cat(wish.empty() ? "value" : wish, "_", i);
    return keep(std::move(name));
  }

  onnx::TypeView type_of(const ir::Fact& fact) {
    onnx::TypeView tensor;
    tensor.kind = onnx::TypeView::Kind::kTensor;
    tensor.elem_type = static_cast<onnx::DataType>(fact.dtype);
    tensor.has_shape = fact.shape.has_rank();
    for (int d = 0; tensor.has_shape && d < fact.shape.rank(); ++d) {
      onnx::DimView dim;
      dim.kind = fact.shape[d].known() ? onnx::DimView::Kind::kValue : onnx::DimView::Kind::kParam;
      if (fact.shape[d].known())
        dim.value = fact.shape[d].value();
      else
        dim.param = keep(fact.shape[d].text());
      tensor.dims.push_back(dim);
    }
    const bool optional = fact.kind == ir::Kind::kOptional;
    if (fact.kind == ir::Kind::kSequence || (optional && fact.optional_sequence))
      tensor = wrapped(onnx::TypeView::Kind::kSequence, tensor);
    return optional ? wrapped(onnx::TypeView::Kind::kOptional, tensor) : tensor;
  }
  static onnx::TypeView wrapped(onnx::TypeView::Kind kind, const onnx::TypeView& inner) {
    onnx::TypeView out;
    out.kind = kind;
    out.element.push_back(inner);
    return out;
  }

  onnx::TensorView tensor_view(const Tensor& tensor, std::string_view name) {
    const Tensor& kept = out_.tensors.emplace_back(tensor);
    onnx::TensorView view;
    view.name = name;
    view.type = static_cast<onnx::DataType>(kept.dtype());
    view.dims.assign(kept.extents().begin(), kept.extents().end());
    if (kept.dtype() == DType::kString) {
      view.field = onnx::DataField::kString;
      for (int64_t i = 0; i < kept.extents().count(); ++i) view.strings.push_back(kept.as<std::string>()[i]);
    } else {
      view.field = onnx::DataField::kRaw;
      view.raw = {reinterpret_cast<const char*>(kept.view().data), static_cast<size_t>(kept.view().bytes())};
    }
    return view;
  }

  std::string_view name_of(const Graph& graph, ValueId v, Names& names, onnx::GraphView& view) {
    if (v == kNone) return "";
    if (auto it = names.find(v); it != names.end()) return it->second;
    const ir::ValueInfo& info = graph.value(v);
    const std::string_view name = names[v] = fresh(info.name);
    if (info.fact.is_constant())
      view.initializers.push_back(tensor_view(info.fact.constant, name));
    else if (info.producer == kNone)
      fail(ErrorKind::kUnsupportedModel, "value '", info.name, "' is known only from symbols and cannot be saved");
    return name;
  }

  void write_graph(const Graph& graph, Names& names, onnx::GraphView& view) {
    std::set<ValueId> named;
    std::vector<bool> copied;
    for (size_t i = 0; i < graph.outputs().size(); ++i) {
      const ValueId v = graph.outputs()[i];
      copied.push_back(graph.value(v).producer == kNone || !named.insert(v).second);
      if (!copied.back()) names[v] = keep(graph.output_names()[i]);
    }
    for (ir::NodeId id : graph.order()) write_node(graph, graph.node(id), names, view);
    for (size_t i = 0; i < graph.outputs().size(); ++i) {
      const ValueId v = graph.outputs()[i];
      const std::string_view name = keep(graph.output_names()[i]);
      if (copied[i]) {
        onnx::NodeView& node = view.nodes.emplace_back();
        node.op_type = "Identity";
        node.inputs = {name_of(graph, v, names, view)};
        node.outputs = {name};
      }
      view.outputs.push_back({name, {}, type_of(graph.fact(v))});
    }
  }

  void write_node(const Graph& graph, const ir::Node& node, Names& names, onnx::GraphView& view) {
    onnx::NodeView out;
    out.name = keep(node.name);
    out.op_type = node.op->name;
    out.domain = node.op->domain;
    if (!node.op->domain.empty()) domains_.insert(std::string(node.op->domain));
    for (ValueId v : node.operands()) out.inputs.push_back(name_of(graph, v, names, view));
    while (!out.inputs.empty() && out.inputs.back().empty()) out.inputs.pop_back();
    std::vector<std::string_view> captures;
    for (size_t i = node.operands().size(); i < node.inputs.size(); ++i)
      captures.push_back(name_of(graph, node.inputs[i], names, view));
    for (size_t i = 0; i < node.bodies.size(); ++i) {
      onnx::AttributeView& a = out.attributes.emplace_back();
      a.name = node.op->body_names[i];
      a.kind = onnx::AttributeView::Kind::kGraph;
      write_body(node.bodies[i], captures, a.graphs.emplace_back());
    }
    const bool typed = node.op->name == "Optional" && node.operands().empty();
    for (const auto& [name, value] : node.attrs.map()) {
      // Members that only older opsets or a sibling operator use; 0 is what the standard means without them.
      const bool sibling = node.op->name == "InstanceNormalization" && name != "epsilon";
      const bool older = (name == "flatten" || name == "per_group") && value == ir::AttrValue(int64_t{0});
      if (sibling || older) continue;
      if (typed && name == "type")
        write_element_type(graph.fact(node.outputs[0]), out);
      else
        write_attribute(name, value, out);
    }
    for (ValueId v : node.outputs) out.outputs.push_back(name_of(graph, v, names, view));
    view.nodes.push_back(std::move(out));
  }

  /// A body's last inputs are its captures; in the file they are uses of the outer names.
  void write_body(const Graph& body, const std::vector<std::string_view>& captures, onnx::GraphView& view) {
    Names names;
    const size_t formals = body.inputs().size() - captures.size();
    for (size_t i = 0; i < body.inputs().size(); ++i) {
      const ValueId v = body.inputs()[i];
      names[v] = i < formals ? fresh(body.value(v).name) : captures[i - formals];
      if (i < formals) view.inputs.push_back({names[v], {}, type_of(body.fact(v))});
    }
    view.name = keep(body.name.empty() ? "body" : body.name);
    // Names of outputs may repeat those of the outer graph or of another body.
    Graph const& graph = body;
    for (ir::NodeId id : graph.order()) write_node(graph, graph.node(id), names, view);
    for (size_t i = 0; i < graph.outputs().size(); ++i) {
      const std::string_view name = fresh(graph.output_names()[i]);
      onnx::NodeView& node = view.nodes.emplace_back();
      node.op_type = "Identity";
      node.outputs = {name};
      const std::string_view from = name_of(graph, graph.outputs()[i], names, view);
      view.nodes.back().inputs = {from};
      view.outputs.push_back({name, {}, type_of(graph.fact(graph.outputs()[i]))});
    }
  }

  /// The attribute that tells what an optional without an input would hold.
  void write_element_type(const ir::Fact& optional, onnx::NodeView& node) {
    onnx::AttributeView a;
    a.name = "type";
    a.kind = onnx::AttributeView::Kind::kType;
    a.types = type_of(optional).element;
    node.attributes.push_back(std::move(a));
  }

  /// Empty lists and texts are how an operator's struct says "not given".
  void write_attribute(const std::string& name, const ir::AttrValue& value, onnx::NodeView& node) {
    using Kind = onnx::AttributeView::Kind;
    onnx::AttributeView a;
    a.name = keep(name);
    if (const auto* i = std::get_if<int64_t>(&value))
      a.kind = Kind::kInt, a.i = *i;
    else if (const auto* f = std::get_if<float>(&value))
      a.kind = Kind::kFloat, a.f = *f;
    else if (const auto* s = std::get_if<std::string>(&value))
      a.kind = s->empty() ? Kind::kUndefined : Kind::kString, a.s = keep(*s);
    else if (const auto* t = std::get_if<Tensor>(&value))
      a.kind = Kind::kTensor, a.tensors.push_back(tensor_view(*t, ""));
    else if (const auto* list = std::get_if<std::vector<int64_t>>(&value))
      a.kind = list->empty() ? Kind::kUndefined : Kind::kInts, a.ints = *list;
    else if (const auto* floats = std::get_if<std::vector<float>>(&value))
      a.kind = floats->empty() ? Kind::kUndefined : Kind::kFloats, a.floats = *floats;
    else if (const auto* texts = std::get_if<std::vector<std::string>>(&value)) {
      a.kind = texts->empty() ? Kind::kUndefined : Kind::kStrings;
      for (const std::string& text : *texts) a.strings.push_back(keep(text));
    }
    if (a.kind != Kind::kUndefined) node.attributes.push_back(std::move(a));
  }

  Exported& out_;
  std::set<std::string> used_;
  std::set<std::string> domains_;
};

}  // namespace

Exported export_model(const ir::Graph& graph, int opset) {
  Exported out;
  Exporter(out).run(graph, opset);
  return out;
}

}  // namespace sdx::import
