// choose_candidates: the head of a language model, where only its largest results count, reads fewer bytes.
#include <algorithm>

#include "ops/op_table.h"
#include "rewrite/own_nodes.h"
#include "rewrite/passes.h"

namespace sdx::rewrite {
namespace {

constexpr const char* kPass = "choose-candidates";

using ir::Graph;
using ir::Node;
using ir::NodeId;
using ir::ValueId;

/// A product of split weights without an activation or a residual.
bool fits(const Graph& graph, const Node& product, int64_t least) {
  if (!is_own(product, "PackedMatMul") || attribute<int64_t>(product, "split", 0) == 0) return false;
  if (!attribute<std::string>(product, "activation", "").empty()) return false;
  if (product.inputs.size() > 3 && product.inputs[3] != ir::kNone) return false;
  if (graph.fact(product.inputs[0]).dtype != DType::kF32) return false;
  return attribute<int64_t>(product, "k", 0) * attribute<int64_t>(product, "n", 0) >= least;
}

}  // namespace

bool choose_candidates(Graph& graph, Progress& progress) {
  const Options& options = progress.options;
  const auto name = std::ranges::find(graph.output_names(), options.candidates);
  if (options.candidates.empty() || name == graph.output_names().end() || !progress.allowed(kPass)) return false;
  const ValueId output = graph.outputs()[static_cast<size_t>(name - graph.output_names().begin())];
  const NodeId id = graph.value(output).producer;
  if (id == ir::kNone || !graph.users(output).empty()) return false;
  if (!fits(graph, graph.node(id), options.candidate_weights)) return false;
  std::vector<ValueId> inputs = graph.node(id).inputs;
  const NodeId pack_id = graph.value(inputs[1]).producer;
  if (pack_id == ir::kNone || !is_own(graph.node(pack_id), "PackMatrix")) return false;
  ir::AttrMap pack_attrs = graph.node(pack_id).attrs.map();
  pack_attrs["apart"] = int64_t{1};
  const auto call = [&](const char* op_name, const ir::AttrMap& of, std::vector<ValueId> operands, NodeId like) {
    const ir::Op& op = ops::get(op_name, ops::kOwnDomain);
    const Node& node = graph.node(like);
    ir::NodeOptions named{node.name, 1, {graph.value(node.outputs[0]).name}, {}, {}, kPass};
    return graph.call(op, op.parse(of), std::move(operands), std::move(named));
  };
  inputs[1] = call("PackMatrix", pack_attrs, graph.node(pack_id).inputs, pack_id);
  if (inputs.size() > 2) inputs.resize(inputs[2] == ir::kNone ? 2 : 3);
  const ir::AttrMap wanted = {{"k", attribute<int64_t>(graph.node(id), "k", 0)},
                              {"n", attribute<int64_t>(graph.node(id), "n", 0)},
                              {"alpha", attribute<float>(graph.node(id), "alpha", 1.0f)}};
  const ValueId result = call("CandidateMatMul", wanted, inputs, id);
  graph.replace_uses(output, result);
  progress.count(kPass);
  remove_dead(graph);
  return true;
}

}  // namespace sdx::rewrite
