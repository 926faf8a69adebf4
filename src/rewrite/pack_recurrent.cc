// pack_recurrent: constant weights of RNN, GRU and LSTM are packed once at load.
#include "ops/op_table.h"
#include "rewrite/own_nodes.h"
#include "rewrite/passes.h"

namespace sdx::rewrite {
namespace {

constexpr const char* kPass = "pack-recurrent";

using ir::Graph;
using ir::Node;
using ir::NodeId;
using ir::ValueId;

/// Whether the weights are constant floats that are not empty.
bool fits(const Graph& graph, const Node& n) {
  if (n.op == nullptr || !n.op->domain.empty()) return false;
  if (n.op->name != "RNN" && n.op->name != "GRU" && n.op->name != "LSTM") return false;
  for (size_t i = 1; i < 3; ++i) {
    const ir::Fact& fact = graph.fact(n.inputs[i]);
    if (!fact.is_constant() || fact.dtype != DType::kF32 || fact.shape.count() == Dim(0)) return false;
  }
  return true;
}

ValueId packed(Graph& graph, const std::string& name, ValueId weights, int64_t first) {
  const ir::Op& op = ops::get("PackRecurrentWeights", ops::kOwnDomain);
  const NodeId made = graph.add(op, op.parse({{"first", first}}), {weights}, {name, 1, {}, {}, {}, kPass});
  return graph.node(made).outputs[0];
}

void pack(Graph& graph, NodeId id) {
  const Node& n = graph.node(id);
  const std::string name = n.name;
  const ir::Op& op = ops::get("Packed" + std::string(n.op->name), ops::kOwnDomain);
  const int64_t hidden = graph.fact(n.inputs[2]).constant.extents()[2];
  const bool split = n.op->name == "GRU" && attribute<int64_t>(n, "linear_before_reset", 0) == 0;
  ir::AttrMap attrs = n.attrs.map();
  attrs["hidden_size"] = hidden;
  attrs["input_size"] = graph.fact(n.inputs[1]).constant.extents()[2];
  std::vector<ValueId> inputs = n.inputs;
  const std::vector<ValueId> outputs = n.outputs;
  ir::NodeOptions options{name, static_cast<int>(outputs.size()), {}, {}, {}, kPass};
  for (ValueId v : outputs) options.output_names.push_back(v == ir::kNone ? "" : graph.value(v).name);
  // Adding nodes moves the others.
  inputs[1] = packed(graph, name, inputs[1], 0);
  inputs[2] = packed(graph, name, inputs[2], split ? 2 * hidden : 0);
  const NodeId made = graph.add(op, op.parse(attrs), std::move(inputs), std::move(options));
  for (size_t i = 0; i < outputs.size(); ++i) {
    if (outputs[i] != ir::kNone) graph.replace_uses(outputs[i], graph.node(made).outputs[i]);
  }
}

}  // namespace

bool pack_recurrent(Graph& graph, Progress& progress) {
  bool changed = false;
  for (NodeId id : graph.order()) {
    if (!fits(graph, graph.node(id)) || !progress.allowed(kPass)) continue;
    pack(graph, id);
    progress.count(kPass);
    changed = true;
  }
  return changed && (remove_dead(graph), true);
}

}  // namespace sdx::rewrite
