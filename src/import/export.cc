// Export: a typed graph back to the structs of an ONNX file.
#include "import/export.h"

#include <algorithm>
#include <map>
#include <set>

#include "import/standard_form.h"

namespace sdx::import {
namespace {

using ir::Graph;
using ir::kNone;
using ir::ValueId;
using Names = std::map<ValueId, std::string_view>;

class Exporter {
 public:
  Exporter(Exported& out, int opset) : out_(out), opset_(opset) {}

  void run(const Graph& graph) {
    for (ValueId v : graph.inputs()) used_.insert(graph.value(v).name);
    for (const std::string& name : graph.output_names()) used_.insert(name);
    Names names;
    for (ValueId v : graph.inputs()) {
      names[v] = keep(graph.value(v).name);
      out_.model.graph.inputs.push_back({names[v], {}, type_of(graph.fact(v))});
    }
    out_.model.graph.name = keep(graph.name.empty() ? "graph" : graph.name);
    write_graph(graph, names, out_.model.graph);
    out_.model.ir_version = ir_version_;
    out_.model.producer_name = "sardonyx";
    out_.model.opset_imports.push_back({"", opset_});
    for (const std::string& domain : domains_) out_.model.opset_imports.push_back({keep(domain), 1});
  }

 private:
  std::string_view keep(std::string text) { return out_.strings.emplace_back(std::move(text)); }

  std::string_view fresh(const std::string& wish) { return fresh(wish, "value", used_); }

  std::string_view fresh(const std::string& wish, const char* otherwise, std::set<std::string>& used) {
    const std::string base = wish.empty() ? otherwise : wish;
    std::string name = base;
    for (int i = 1; !used.insert(name).second; ++i) name = cat(base, "_", i);
    return keep(std::move(name));
  }

  /// Later versions of the format brought the narrowest types.
  onnx::DataType kept_type(DType dtype) {
    if (dtype == DType::kF4E2M1) ir_version_ = std::max(ir_version_, 11);
    if (dtype == DType::kF8E8M0) ir_version_ = std::max(ir_version_, 12);
    if (dtype == DType::kI2 || dtype == DType::kU2) ir_version_ = std::max(ir_version_, 13);
    return static_cast<onnx::DataType>(dtype);
  }

  onnx::TypeView type_of(const ir::Fact& fact) {
    onnx::TypeView tensor;
    tensor.kind = onnx::TypeView::Kind::kTensor;
    tensor.elem_type = kept_type(fact.dtype);
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
    view.type = kept_type(kept.dtype());
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

  /// Whether all that the node gives is known: its results are saved instead of itself.
  static bool is_computed(const Graph& graph, const ir::Node& node) {
    return !node.op->traits.impure &&
           std::ranges::all_of(node.outputs, [&](ValueId v) { return v == kNone || graph.fact(v).is_constant(); });
  }
  static bool is_saved(const Graph& graph, ValueId v) {
    const ir::NodeId producer = graph.value(v).producer;
    return producer == kNone || is_computed(graph, graph.node(producer));
  }

  std::string_view name_of(const Graph& graph, ValueId v, Names& names, onnx::GraphView& view) {
    if (v == kNone) return "";
    if (auto it = names.find(v); it != names.end()) return it->second;
    const ir::ValueInfo& info = graph.value(v);
    const std::string_view name = names[v] = fresh(info.name);
    if (info.fact.is_constant() && is_saved(graph, v))
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
      copied.push_back(is_saved(graph, v) || !named.insert(v).second);
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
    if (is_computed(graph, node)) return;
    require_exportable(node);
    onnx::NodeView out;
    out.name = fresh(node.name, "node", node_names_);
    const OpName spelled = standard_name(*node.op);
    out.op_type = spelled.name;
    out.domain = spelled.domain;
    if (!spelled.domain.empty()) domains_.insert(std::string(spelled.domain));
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
      if (!is_standard_attribute(*node.op, name, opset_)) continue;
      if (typed && name == "type")
        write_element_type(graph.fact(node.outputs[0]), out);
      else
        write_attribute(name, value, out);
    }
    for (ValueId v : node.outputs) out.outputs.push_back(name_of(graph, v, names, view));
    // Before opset 18 the parts of a Split went without saying.
    const auto counts = [](const onnx::AttributeView& a) { return a.name == "num_outputs"; };
    if (node.op->name == "Split" && out.inputs.size() < 2 && std::ranges::none_of(out.attributes, counts)) {
      write_attribute("num_outputs", static_cast<int64_t>(out.outputs.size()), out);
    }
    if (is_set(node, "flatten")) return write_flattened(std::move(out), view);
    if (is_set(node, "wide_mask") && out.outputs.size() > 1 && !out.outputs[1].empty())
      return write_wide_mask(std::move(out), graph.fact(node.outputs[1]), view);
    view.nodes.push_back(std::move(out));
  }

  static bool is_set(const ir::Node& node, std::string_view attribute) {
    const ir::AttrMap attrs = node.attrs.map();
    const auto it = attrs.find(attribute);
    return it != attrs.end() && it->second == ir::AttrValue(int64_t{1});
  }

  onnx::NodeView& add_node(std::string_view op, std::vector<std::string_view> inputs, std::string_view output,
                           std::string_view base, onnx::GraphView& view) {
    onnx::NodeView& node = view.nodes.emplace_back();
    node.name = fresh(cat(base, "/", op), "node", node_names_);
    node.op_type = op;
    node.inputs = std::move(inputs);
    node.outputs = {output};
    return node;
  }

  /// The softmax of opset 11, over all axes from `axis` on: as a matrix and back.
  void write_flattened(onnx::NodeView node, onnx::GraphView& view) {
    const std::string_view x = node.inputs[0], y = node.outputs[0], base = node.name;
    const std::string_view shape = fresh(cat(y, "_shape")), flat = fresh(cat(y, "_flat")),
                           matrix = fresh(cat(y, "_matrix"));
    add_node("Shape", {x}, shape, base, view);
    // Flatten knows the attribute under the same name.
    add_node("Flatten", {x}, matrix, base, view).attributes = std::exchange(node.attributes, {});
    node.inputs = {matrix};
    node.outputs = {flat};
    write_attribute("axis", int64_t{1}, node);
    view.nodes.push_back(std::move(node));
    add_node("Reshape", {flat, shape}, y, base, view);
  }

  /// The Dropout of opset 7, whose mask has the type of the data.
  void write_wide_mask(onnx::NodeView node, const ir::Fact& mask, onnx::GraphView& view) {
    const std::string_view wide = std::exchange(node.outputs[1], fresh(cat(node.outputs[1], "_bool")));
    const std::string_view narrow = node.outputs[1], base = node.name;
    view.nodes.push_back(std::move(node));
    write_attribute("to", static_cast<int64_t>(mask.dtype), add_node("Cast", {narrow}, wide, base, view));
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
  const int opset_;
  int ir_version_ = 10;
  std::set<std::string> used_, node_names_;
  std::set<std::string> domains_;
};

}  // namespace

Exported export_model(const ir::Graph& graph) {
  Exported out;
  Exporter(out, needed_opset(graph)).run(graph);
  return out;
}

}  // namespace sdx::import
