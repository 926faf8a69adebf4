// give_hidden_states: what the head of a language model reads, as an output.
#include <algorithm>

#include "rewrite/decoder_passes.h"
#include "rewrite/passes.h"

namespace sdx::rewrite {
namespace {

using ir::Graph;
using ir::kNone;
using ir::Node;
using ir::ValueId;

/// The operand of a node that is computed from the inputs, where there is exactly one; else kNone.
ValueId only_computed(const Graph& graph, const Node& node) {
  ValueId found = kNone;
  for (ValueId v : node.inputs) {
    if (v == kNone || graph.fact(v).is_constant() || graph.value(v).producer == ir::kNone) continue;
    if (found != kNone && found != v) return kNone;
    found = v;
  }
  return found;
}

}  // namespace

bool give_hidden_states(Graph& graph, const std::string& name) {
  const auto it = std::ranges::find(graph.output_names(), name);
  if (it == graph.output_names().end()) return false;
  ValueId v = graph.outputs()[static_cast<size_t>(it - graph.output_names().begin())];
  const Shape logits = graph.fact(v).shape;
  if (!logits.has_rank() || logits.rank() != 3) return false;
  // Biases, scales and casts keep the vocabulary; the first operand without it is what the head reads.
  while (v != kNone && graph.value(v).producer != ir::kNone) {
    const Shape& shape = graph.fact(v).shape;
    if (shape.has_rank() && shape.rank() == 3 && shape[2].known() && !(shape[2] == logits[2])) {
      if (!(shape[0] == logits[0]) || !(shape[1] == logits[1]) || graph.fact(v).dtype != DType::kF32) return false;
      graph.add_output(kHiddenStates, v);
      verify(graph, "giving hidden states");
      return true;
    }
    v = only_computed(graph, graph.node(graph.value(v).producer));
  }
  return false;
}

}  // namespace sdx::rewrite
