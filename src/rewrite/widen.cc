// Widening: operators on float16 and bfloat16 compute in float32 anyway; here the graph says so.
#include <algorithm>

#include "ops/op_table.h"
#include "rewrite/passes.h"

namespace sdx::rewrite {

using ir::Graph;
using ir::kNone;
using ir::Node;
using ir::NodeId;
using ir::ValueId;

namespace {

bool is_half_tensor(const Graph& graph, ValueId v) {
  return v != kNone && graph.fact(v).kind == ir::Kind::kTensor && is_half(graph.fact(v).dtype);
}

/// Operators whose result type follows from the operands, so that float32 operands make it a float32 operator.
bool widenable(const Graph& graph, const Node& n) {
  if (n.op->traits.returns_values || n.op->bodies > 0) return false;
  if (std::ranges::none_of(n.inputs, [&](ValueId v) { return is_half_tensor(graph, v); })) return false;
  const std::string_view name = n.op->name;
  constexpr std::string_view kTyped[] = {"Cast",
                                         "CastLike",
                                         "BitCast",
                                         "QuantizeLinear",
                                         "DequantizeLinear",
                                         "RandomNormalLike",
                                         "RandomUniformLike",
                                         "Bernoulli",
                                         "Shape",
                                         "Size",
                                         "IsNaN",
                                         "IsInf",
                                         "MatMulNBits"};
  return std::ranges::find(kTyped, name) == std::end(kTyped);
}

ValueId cast(Graph& graph, ValueId v, DType type, const std::string& name) {
  const ir::Op& op = ops::get("Cast");
  ir::NodeOptions options;
  options.name = name;
  options.rule = "widen-half";
  return graph.call(op, op.parse({{"to", static_cast<int64_t>(type)}}), {v}, std::move(options));
}

void widen_node(Graph& graph, NodeId id) {
  const Node n{graph.node(id).op,
               graph.node(id).attrs,
               graph.node(id).inputs,
               graph.node(id).outputs,
               {},
               0,
               {},
               graph.node(id).name,
               {}};
  std::vector<ValueId> inputs;
  for (ValueId v : n.inputs) inputs.push_back(is_half_tensor(graph, v) ? cast(graph, v, DType::kF32, n.name) : v);
  ir::NodeOptions options;
  options.name = n.name;
  options.rule = "widen-half";
  options.outputs = static_cast<int>(n.outputs.size());
  const std::vector<ValueId> wide =
      graph.node(graph.add(*n.op, n.attrs, std::move(inputs), std::move(options))).outputs;
  for (size_t i = 0; i < wide.size(); ++i) {
    if (n.outputs[i] == kNone) continue;
    const DType type = graph.fact(n.outputs[i]).dtype;
    const bool same = graph.fact(wide[i]).dtype == type;
    const ValueId result = same ? wide[i] : cast(graph, wide[i], type, n.name);
    graph.value(result).name = graph.value(n.outputs[i]).name;
    graph.replace_uses(n.outputs[i], result);
  }
}

}  // namespace

bool widen_half(Graph& graph, Progress& progress) {
  bool changed = false;
  for (NodeId id : graph.order()) {
    if (!progress.allowed("widen-half")) return changed;
    if (!widenable(graph, graph.node(id))) continue;
    widen_node(graph, id);
    progress.count("widen-half");
    changed = true;
  }
  return remove_dead(graph) || changed;
}

}  // namespace sdx::rewrite
