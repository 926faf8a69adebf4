// group_products: queries, keys and values of one operand are one instruction.
#include <algorithm>
#include <map>

#include "ops/op_table.h"
#include "rewrite/own_nodes.h"
#include "rewrite/passes.h"

namespace sdx::rewrite {
namespace {

constexpr const char* kPass = "group-products";
/// Products of a group: more would keep results of other attentions alive.
constexpr size_t kMost = 3;

using ir::Graph;
using ir::kNone;
using ir::Node;
using ir::NodeId;
using ir::ValueId;

/// A product of float32 with packed weights and at most a bias, both constant.
bool fits(const Graph& graph, const Node& n) {
  if (!is_own(n, "PackedMatMul")) return false;
  if (graph.fact(n.inputs[0]).dtype != DType::kF32 || n.inputs.size() > 3) return false;
  if (!std::all_of(n.inputs.begin() + 1, n.inputs.end(),
                   [&](ValueId v) { return v == kNone || graph.fact(v).is_constant(); })) {
    return false;
  }
  constexpr auto kF32 = static_cast<int64_t>(DType::kF32);
  return attribute<int64_t>(n, "type", kF32) == kF32 && attribute<std::string>(n, "activation", "").empty();
}

void group(Graph& graph, const std::vector<NodeId>& nodes) {
  const Node& first = graph.node(nodes.front());
  ir::AttrMap attrs = first.attrs.map();
  attrs.erase("type");
  attrs.erase("activation");
  attrs["count"] = static_cast<int64_t>(nodes.size());
  std::vector<ValueId> inputs = {first.inputs[0]};
  ir::NodeOptions options{first.name, static_cast<int>(nodes.size()), {}, {}, {}, kPass};
  for (NodeId id : nodes) {
    const Node& n = graph.node(id);
    inputs.insert(inputs.end(), {n.inputs[1], n.inputs.size() > 2 ? n.inputs[2] : kNone});
    options.output_names.push_back(graph.value(n.outputs[0]).name);
  }
  const ir::Op& op = ops::get("PackedMatMulGroup", ops::kOwnDomain);
  const NodeId made = graph.add(op, op.parse(attrs), std::move(inputs), std::move(options));
  for (size_t i = 0; i < nodes.size(); ++i) {
    const ValueId old = graph.node(nodes[i]).outputs[0];
    graph.replace_uses(old, graph.node(made).outputs[i]);
  }
}

}  // namespace

bool group_products(Graph& graph, Progress& progress) {
  std::map<ValueId, std::vector<std::vector<NodeId>>> groups;
  for (NodeId id : graph.order()) {
    const Node& n = graph.node(id);
    if (!fits(graph, n)) continue;
    auto& of_operand = groups[n.inputs[0]];
    const auto open = std::ranges::find_if(of_operand, [&](const std::vector<NodeId>& g) {
      return g.size() < kMost && graph.node(g.front()).attrs == n.attrs;
    });
    if (open != of_operand.end())
      open->push_back(id);
    else
      of_operand.push_back({id});
  }
  bool changed = false;
  for (const auto& [operand, of_operand] : groups) {
    for (const auto& nodes : of_operand) {
      if (nodes.size() < 2 || !progress.allowed(kPass)) continue;
      group(graph, nodes);
      progress.count(kPass);
      changed = true;
    }
  }
  return changed && (remove_dead(graph), true);
}

}  // namespace sdx::rewrite
