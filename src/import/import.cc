// Import: walking graphs, subgraphs and functions into ir::Graph.
#include "import/import.h"

#include <algorithm>
#include <map>
#include <set>
#include <unordered_map>

#include "import/convert.h"
#include "ir/infer_context.h"
#include "ops/op_table.h"

namespace sdx::import {
namespace {

using ir::Graph;
using ir::kNone;
using ir::ValueId;
using Opsets = std::map<std::string, int, std::less<>>;
using Attributes = std::map<std::string_view, const onnx::AttributeView*>;

constexpr int kNewestOpset = 27;
/// Nodes that inlined functions may add up to.
constexpr int64_t kMaxInlined = 300'000;

std::string_view plain(std::string_view domain) { return domain == "ai.onnx" ? "" : domain; }

Opsets read_opsets(const std::vector<onnx::OpsetView>& imports) {
  Opsets out;
  for (const auto& o : imports) {
    if (plain(o.domain).empty() && (o.version < 1 || o.version > kNewestOpset)) {
      fail(ErrorKind::kUnsupportedModel, "the model uses opset ", o.version, " of ai.onnx; 1 to ", kNewestOpset,
           " are supported");
    }
    out[std::string(plain(o.domain))] = static_cast<int>(std::clamp<int64_t>(o.version, 1, 1 << 20));
  }
  return out;
}

/// Values visible by name while one graph is built; a body sees its outer scope and captures from it.
struct Scope {
  Graph& graph;
  Scope* outer;  ///< nullptr for the main graph
  std::unordered_map<std::string_view, ValueId> names = {};
  std::vector<std::pair<ValueId, ValueId>> captures = {};  ///< value of the outer graph, input of this one

  void define(std::string_view name, ValueId id) {
    if (!names.try_emplace(name, id).second)
      fail(ErrorKind::kInvalidModel, "two values are named '", name, "'; names must be unique in a graph");
  }

  ValueId find(std::string_view name) {
    if (auto it = names.find(name); it != names.end()) return it->second;
    if (!outer) return kNone;
    const ValueId from = outer->find(name);
    if (from == kNone) return kNone;
    const ir::ValueInfo& info = outer->graph.value(from);
    ValueId id;
    if (info.fact.is_constant()) {
      id = graph.add_constant(info.name, info.fact.constant);
    } else {
      id = graph.add_input(info.name, info.fact);
      captures.emplace_back(from, id);
    }
    names.emplace(name, id);
    return id;
  }
};

/// What changes on entering a function: its opsets, the caller's attributes, the prefix of names.
struct Frame {
  const Opsets& opsets;
  const Attributes* attributes;  ///< nullptr outside functions
  std::string prefix;
  int depth;
};

class Importer {
 public:
  Importer(const onnx::ModelFile& file, const Options& options) : file_(file), options_(options) {
    for (const auto& f : file.model().functions) functions_[{plain(f.domain), f.name, f.overload}] = &f;
  }

  Graph run() {
    const onnx::GraphView& view = file_.model().graph;
    const Opsets opsets = read_opsets(file_.model().opset_imports);
    Graph graph(std::make_shared<SymbolTable>());
    graph.name = std::string(view.name);
    Scope scope{graph, nullptr};
    add_initializers(view, scope);
    std::set<std::string_view> given;
    for (const auto& input : view.inputs) {
      if (!given.insert(input.name).second)
        fail(ErrorKind::kInvalidModel, "two inputs are named '", input.name, "'; names must be unique in a graph");
      // Older files name initializers among the inputs.
      if (scope.names.contains(input.name)) continue;
      at(cat("input '", input.name, "'"), [&] { scope.define(input.name, add_input(input, graph)); });
    }
    add_nodes(view.nodes, scope, {opsets, nullptr, "", 0});
    add_outputs(view, scope);
    return graph;
  }

 private:
  template <class F>
  static void at(std::string place, F f) {
    try {
      f();
    } catch (Error& e) {
      e.within(std::move(place));
      throw;
    }
  }

  /// An input as the file declares it, but for what the caller knows better.
  ValueId add_input(const onnx::ValueInfoView& input, Graph& graph) {
    ir::Fact fact = to_fact(input.type, graph.symbols());
    if (auto it = options_.fixed.find(input.name); it != options_.fixed.end()) {
      if (fact.kind != ir::Kind::kTensor || fact.dtype != it->second.dtype()) {
        fail(ErrorKind::kInvalidInput, "it is ", fact.text(), " but is to be fixed as a ",
             dtype_name(it->second.dtype()));
      }
      return graph.add_constant(std::string(input.name), it->second);
    }
    if (auto it = options_.shapes.find(input.name); it != options_.shapes.end()) {
      std::vector<Dim> dims;
      for (const std::string& d : it->second) dims.push_back(graph.symbols().parse(d));
      if (fact.shape.has_rank() && fact.shape.rank() != static_cast<int>(dims.size())) {
        fail(ErrorKind::kUnsupportedModel, "it is ", fact.text(), " but must have ", dims.size(), " axes");
      }
      fact.shape = Shape(std::move(dims));
    }
    return graph.add_input(std::string(input.name), std::move(fact));
  }

  void add_initializers(const onnx::GraphView& view, Scope& scope) {
    for (const auto& t : view.initializers) {
      scope.define(t.name, scope.graph.add_constant(std::string(t.name), to_tensor(file_, t)));
    }
    for (const auto& t : view.sparse_initializers) {
      scope.define(t.values.name, scope.graph.add_constant(std::string(t.values.name), to_tensor(file_, t)));
    }
  }

  void add_outputs(const onnx::GraphView& view, Scope& scope) {
    for (const auto& output : view.outputs) {
      const ValueId id = scope.find(output.name);
      if (id == kNone) fail(ErrorKind::kInvalidModel, "output '", output.name, "' is produced by no node");
      if (!scope.outer)
        at(cat("output '", output.name, "'"), [&] { check_declared(output.type, scope.graph.fact(id)); });
      scope.graph.add_output(std::string(output.name), id);
    }
  }

  /// A declared shape is only a hint, as exporters write what they traced; a declared type must be the one that is
  /// computed.
  static void check_declared(const onnx::TypeView& type, const ir::Fact& fact) {
    if (type.kind != onnx::TypeView::Kind::kTensor || type.elem_type == onnx::DataType::kUndefined) return;
    SymbolTable unused;
    const ir::Fact declared = to_fact({type.kind, type.elem_type, false, {}, {}}, unused);
    if (fact.kind == declared.kind && fact.dtype == declared.dtype) return;
    fail(ErrorKind::kInvalidModel, "it is declared as a tensor of ", dtype_name(declared.dtype),
         " but the graph computes ", fact.text(), "; export the model again");
  }

  void add_nodes(const std::vector<onnx::NodeView>& nodes, Scope& scope, const Frame& frame) {
    if (frame.depth > kMaxGraphDepth)
      fail(ErrorKind::kInvalidModel, "graphs and functions are nested deeper than ", kMaxGraphDepth);
    for (const auto& node : nodes) {
      const std::string name = frame.prefix + (node.name.empty() && !node.outputs.empty() ? std::string(node.outputs[0])
                                                                                          : std::string(node.name));
      std::vector<ValueId> inputs;
      for (std::string_view input : node.inputs) {
        const ValueId id = input.empty() ? kNone : scope.find(input);
        if (id == kNone && !input.empty() && !scope.names.contains(input)) {
          fail(ErrorKind::kInvalidModel, "node '", name, "' (", node.op_type, ") uses '", input,
               "', which no node before it produces and which is neither an input nor an initializer");
        }
        inputs.push_back(id);
      }
      auto it = functions_.find({plain(node.domain), node.op_type, node.overload});
      if (it != functions_.end()) {
        at(cat("function '", node.op_type, "' called by '", name, "'"),
           [&] { inline_function(*it->second, node, inputs, scope, frame, name); });
      } else {
        add_node(node, name, std::move(inputs), scope, frame);
      }
    }
  }

  void inline_function(const onnx::FunctionView& function, const onnx::NodeView& call,
                       const std::vector<ValueId>& inputs, Scope& scope, const Frame& frame, const std::string& name) {
    inlined_ += static_cast<int64_t>(function.nodes.size());
    if (inlined_ > kMaxInlined) fail(ErrorKind::kResource, "functions expand to more than ", kMaxInlined, " nodes");
    if (inputs.size() > function.inputs.size()) {
      fail(ErrorKind::kInvalidModel, "it is given ", inputs.size(), " inputs but takes ", function.inputs.size());
    }
    Attributes attributes;
    for (const auto& a : function.attribute_protos) attributes[a.name] = &a;
    for (const auto& a : call.attributes) {
      const onnx::AttributeView* given = resolve(a, frame);
      if (given) attributes[a.name] = given;
    }
    const Opsets opsets = read_opsets(function.opset_imports);
    Scope inner{scope.graph, nullptr};
    // An input that the call leaves out is known by name and absent by value.
    for (size_t i = 0; i < function.inputs.size(); ++i)
      inner.names.emplace(function.inputs[i], i < inputs.size() ? inputs[i] : kNone);
    add_nodes(function.nodes, inner, {opsets, &attributes, name + "/", frame.depth + 1});
    for (size_t i = 0; i < call.outputs.size(); ++i) {
      if (call.outputs[i].empty()) continue;
      const ValueId id = i < function.outputs.size() ? inner.find(function.outputs[i]) : kNone;
      if (id == kNone) fail(ErrorKind::kInvalidModel, "it does not produce output ", i, " ('", call.outputs[i], "')");
      scope.define(call.outputs[i], id);
    }
  }

  /// The attribute, or the caller's where it refers to one; nullptr where the caller gave none.
  static const onnx::AttributeView* resolve(const onnx::AttributeView& a, const Frame& frame) {
    if (a.ref_attr_name.empty()) return &a;
    if (!frame.attributes)
      fail(ErrorKind::kInvalidModel, "attribute '", a.name, "' refers to '", a.ref_attr_name, "' outside a function");
    auto it = frame.attributes->find(a.ref_attr_name);
    return it == frame.attributes->end() ? nullptr : it->second;
  }

  void add_node(const onnx::NodeView& node, const std::string& name, std::vector<ValueId> inputs, Scope& scope,
                const Frame& frame) {
    const ir::Op* op = ops::find(node.domain, node.op_type);
    at(cat("node '", name, "' (", node.op_type, ")"), [&] {
      if (!op) fail(ErrorKind::kUnsupportedModel, "no such operator in this build");
      auto it = frame.opsets.find(plain(node.domain));
      ir::Call call{it == frame.opsets.end() ? 1 : it->second, {}, std::move(inputs), scope.graph};
      std::map<std::string_view, const onnx::GraphView*> graphs;
      for (const auto& a : node.attributes) {
        const onnx::AttributeView* given = resolve(a, frame);
        if (!given) continue;
        if (given->kind == onnx::AttributeView::Kind::kGraph)
          graphs[a.name] = &given->graphs.at(0);
        else
          call.attrs.insert_or_assign(std::string(a.name), to_attr(file_, *given));
      }
      if (op->upgrade) op->upgrade(call);
      ir::NodeOptions options{name, std::max(1, static_cast<int>(node.outputs.size())), {}, {}, {}, ""};
      for (std::string_view o : node.outputs) options.output_names.emplace_back(o);
      if (const onnx::GraphView* branch = known_branch(*op, graphs, call)) {
        if (inline_branch(*branch, node, scope, frame)) return;
      }
      if (op->bodies > 0)
        add_bodies(*op, graphs, call, scope, frame, options);
      else if (!graphs.empty())
        fail(ErrorKind::kInvalidModel, "attribute '", graphs.begin()->first,
             "' is a graph, which this operator does not take");
      ir::Attrs attrs = op->parse(call.attrs);
      finish(*op, std::move(attrs), std::move(call.inputs), std::move(options), node, scope);
    });
  }

  /// The branch that an If with a known condition takes; nullptr for every other node.
  static const onnx::GraphView* known_branch(const ir::Op& op,
                                             const std::map<std::string_view, const onnx::GraphView*>& graphs,
                                             const ir::Call& call) {
    if (op.name != "If" || !op.domain.empty() || call.inputs.empty() || call.inputs[0] == kNone) return nullptr;
    const auto& condition = call.graph.fact(call.inputs[0]).values;
    if (!condition || condition->size() != 1 || !condition->front().known()) return nullptr;
    auto it = graphs.find(condition->front().is(0) ? "else_branch" : "then_branch");
    return it == graphs.end() ? nullptr : it->second;
  }

  /// Puts the nodes of a branch in place of its If, so that the other branch need not even be valid for these sizes.
  /// False, having done nothing, where a name of the branch is already taken.
  bool inline_branch(const onnx::GraphView& branch, const onnx::NodeView& node, Scope& scope, const Frame& frame) {
    std::vector<std::string_view> names;
    for (const auto& t : branch.initializers) names.push_back(t.name);
    for (const auto& t : branch.sparse_initializers) names.push_back(t.values.name);
    for (const auto& n : branch.nodes)
      std::ranges::copy_if(n.outputs, std::back_inserter(names), [](auto o) { return !o.empty(); });
    if (std::ranges::any_of(names, [&](std::string_view n) { return scope.names.contains(n); })) return false;
    if (!branch.inputs.empty() || branch.outputs.size() < node.outputs.size()) return false;
    add_initializers(branch, scope);
    add_nodes(branch.nodes, scope, {frame.opsets, frame.attributes, frame.prefix, frame.depth + 1});
    std::vector<ValueId> results;
    for (const auto& output : branch.outputs) results.push_back(scope.find(output.name));
    for (std::string_view n : names) scope.names.erase(n);
    for (size_t i = 0; i < node.outputs.size(); ++i) {
      if (results[i] == kNone)
        fail(ErrorKind::kInvalidModel, "output '", branch.outputs[i].name, "' is produced by no node");
      if (!node.outputs[i].empty()) scope.define(node.outputs[i], results[i]);
    }
    return true;
  }

  void finish(const ir::Op& op, ir::Attrs attrs, std::vector<ValueId> inputs, ir::NodeOptions options,
              const onnx::NodeView& node, Scope& scope) {
    const ir::NodeId id = scope.graph.add(op, std::move(attrs), std::move(inputs), std::move(options));
    const std::vector<ValueId>& outputs = scope.graph.node(id).outputs;
    for (size_t i = 0; i < node.outputs.size(); ++i) {
      if (!node.outputs[i].empty()) scope.define(node.outputs[i], outputs[i]);
    }
  }

  void add_bodies(const ir::Op& op, const std::map<std::string_view, const onnx::GraphView*>& graphs,
                  const ir::Call& call, Scope& scope, const Frame& frame, ir::NodeOptions& options) {
    std::vector<Scope> scopes;
    std::vector<size_t> formals;
    for (int i = 0; i < op.bodies; ++i) {
      auto it = graphs.find(op.body_names[i]);
      if (it == graphs.end())
        fail(ErrorKind::kInvalidModel, "attribute '", op.body_names[i], "' is required but missing");
      options.bodies.emplace_back(scope.graph.symbol_table());
    }
    for (int i = 0; i < op.bodies; ++i) {
      const onnx::GraphView& view = *graphs.at(op.body_names[i]);
      Graph& body = options.bodies[static_cast<size_t>(i)];
      body.name = std::string(view.name);
      scopes.push_back(Scope{body, &scope});
      at(cat("graph '", op.body_names[i], "'"), [&] {
        add_initializers(view, scopes.back());
        for (size_t f = 0; f < view.inputs.size(); ++f) add_formal(view.inputs[f], f, call, scopes.back());
        formals.push_back(view.inputs.size());
        add_nodes(view.nodes, scopes.back(), {frame.opsets, frame.attributes, frame.prefix, frame.depth + 1});
        add_outputs(view, scopes.back());
      });
    }
    unify_captures(scopes, formals, options);
  }

  /// A formal input of a body: only what must hold in every iteration is believed of its declared shape.
  void add_formal(const onnx::ValueInfoView& input, size_t index, const ir::Call& call, Scope& scope) {
    SymbolTable& symbols = scope.graph.symbols();
    ir::Fact fact;
    if (input.type.kind != onnx::TypeView::Kind::kNone) {
      fact = to_fact(input.type, symbols);
      if (fact.shape.has_rank()) {
        for (int d = 0; d < fact.shape.rank(); ++d) {
          if (!fact.shape[d].known()) fact.shape[d] = symbols.fresh();
        }
      }
    } else if (index < call.inputs.size() && call.inputs[index] != kNone) {
      const ir::Fact& given = call.graph.fact(call.inputs[index]);
      fact = ir::Fact::tensor(given.dtype, Shape());
      fact.kind = given.kind;
    } else {
      fail(ErrorKind::kInvalidModel, "input '", input.name, "' of the body has no type");
    }
    scope.define(input.name, scope.graph.add_input(std::string(input.name), std::move(fact)));
  }

  /// Gives every body the same captures in the same order, after its formal inputs.
  static void unify_captures(std::vector<Scope>& scopes, const std::vector<size_t>& formals, ir::NodeOptions& options) {
    for (const Scope& s : scopes) {
      for (const auto& [outer, inner] : s.captures) {
        if (std::ranges::find(options.captures, outer) == options.captures.end()) options.captures.push_back(outer);
      }
    }
    for (size_t i = 0; i < scopes.size(); ++i) {
      Graph& body = scopes[i].graph;
      std::vector<ValueId> inputs(body.inputs().begin(),
                                  body.inputs().begin() + static_cast<std::ptrdiff_t>(formals[i]));
      for (ValueId outer : options.captures) {
        auto it = std::ranges::find(scopes[i].captures, outer, &std::pair<ValueId, ValueId>::first);
        const ir::ValueInfo& info = scopes[i].outer->graph.value(outer);
        inputs.push_back(it != scopes[i].captures.end() ? it->second : body.add_input(info.name, info.fact));
      }
      body.set_inputs(std::move(inputs));
    }
  }

  using FunctionKey = std::tuple<std::string_view, std::string_view, std::string_view>;

  const onnx::ModelFile& file_;
  const Options& options_;
  std::map<FunctionKey, const onnx::FunctionView*> functions_;
  int64_t inlined_ = 0;
};

}  // namespace

ir::Graph import_model(const onnx::ModelFile& file, const Options& options) {
  const auto gaps = find_gaps(file.model());
  if (!gaps.empty()) {
    std::string list;
    for (const Gap& g : gaps)
      list += cat(list.empty() ? "" : ", ", g.op, " (", g.count, "x, first at '", g.where, "')");
    fail(ErrorKind::kUnsupportedModel, "the model uses ", gaps.size(), gaps.size() == 1 ? " operator" : " operators",
         " that this build does not have: ", list);
  }
  return Importer(file, options).run();
}

}  // namespace sdx::import
