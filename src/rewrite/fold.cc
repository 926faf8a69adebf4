// Folding constants and known values.
#include <algorithm>

#include "ir/evaluate.h"
#include "rewrite/passes.h"

namespace sdx::rewrite {

using ir::Graph;
using ir::kNone;
using ir::Node;
using ir::NodeId;
using ir::ValueId;

namespace {

constexpr int64_t kAlwaysBytes = 1 << 20;

bool foldable(const Graph& graph, const Node& n) {
  const ir::Traits& t = n.op->traits;
  if (t.impure || t.data_dependent || t.returns_values || n.op->bodies > 0 || n.outputs.empty()) return false;
  return std::ranges::all_of(n.inputs, [&](ValueId v) { return v == kNone || graph.fact(v).is_constant(); }) &&
         std::ranges::all_of(n.outputs, [&](ValueId v) {
           return v == kNone || (graph.fact(v).kind == ir::Kind::kTensor && graph.fact(v).shape.extents().has_value());
         });
}

int64_t bytes_of(const Graph& graph, std::span<const ValueId> values) {
  int64_t total = 0;
  for (ValueId v : values) {
    if (v != kNone) total += dtype_bytes(graph.fact(v).dtype, graph.fact(v).shape.extents()->count());
  }
  return total;
}

bool same_memory(const Tensor& a, const Tensor& b) {
  return a.dtype() == b.dtype() && a.extents() == b.extents() && a.view().data == b.view().data;
}

std::vector<Tensor> inputs_of(const Graph& graph, const Node& n) {
  std::vector<Tensor> out;
  for (ValueId v : n.inputs) out.push_back(v == kNone ? Tensor() : graph.fact(v).constant);
  return out;
}

const Progress::Folded* find_folded(const Progress& progress, const Node& n, const std::vector<Tensor>& inputs) {
  for (const auto& f : progress.folded) {
    if (f.op == n.op && f.attrs == n.attrs && std::ranges::equal(f.inputs, inputs, same_memory) && f.outputs.size() == n.outputs.size()) return &f;
  }
  return nullptr;
}

std::vector<Tensor> evaluate(const Node& n, const std::vector<Tensor>& inputs) {
  std::vector<ir::Slot> slots(n.inputs.size() + n.outputs.size());
  std::vector<ir::Slot*> in, out;
  for (size_t i = 0; i < inputs.size(); ++i) {
    in.push_back(n.inputs[i] == kNone ? nullptr : &slots[i]);
    if (!in.back()) continue;
    Tensor given = inputs[i];
    const bool bytewise = i < 32 && (n.op->traits.misaligned >> i & 1);
    if (!bytewise && !is_aligned(given.view())) {
      Tensor copy(given.dtype(), given.extents());
      ir::copy_elements(given.view(), copy.mutable_view());
      given = copy;
    }
    ir::fill(slots[i], given);
  }
  for (size_t i = 0; i < n.outputs.size(); ++i) out.push_back(n.outputs[i] == kNone ? nullptr : &slots[inputs.size() + i]);
  ir::PlainHost host;
  ir::run_concrete({*n.op, n.attrs, {}}, in, out, host, Parallel(0));
  std::vector<Tensor> results;
  for (ir::Slot* s : out) results.push_back(s ? ir::to_value(*s).tensor() : Tensor());
  return results;
}

/// The fact without what says how it was computed: known from symbols that every run binds.
bool is_stable(const ir::Fact& fact, const Progress& progress) {
  if (fact.kind != ir::Kind::kTensor || !fact.values || !fact.shape.has_rank()) return false;
  std::vector<int> symbols;
  for (const Dim& d : *fact.values) d.collect_symbols(symbols);
  for (const Dim& d : fact.shape.dims()) d.collect_symbols(symbols);
  return std::ranges::all_of(symbols, [&](int s) { return static_cast<size_t>(s) < progress.stable.size() && progress.stable[static_cast<size_t>(s)]; });
}

bool fold_node(Graph& graph, NodeId id, Progress& progress) {
  const Node& n = graph.node(id);
  const int64_t bytes = bytes_of(graph, n.outputs);
  auto inputs = inputs_of(graph, n);
  const Progress::Folded* known = find_folded(progress, n, inputs);
  if (!known) {
    if (bytes > kAlwaysBytes && bytes > progress.fold_left) return false;
    std::vector<Tensor> results;
    try {
      results = evaluate(n, inputs);
    } catch (Error& e) {
      e.within(cat("node '", n.name, "' (", n.op->name, ")"));
      throw;
    }
    progress.fold_left -= bytes;
    progress.folded.push_back({n.op, n.attrs, std::move(inputs), std::move(results)});
    known = &progress.folded.back();
  }
  const std::vector<ValueId> outputs = n.outputs;
  for (size_t i = 0; i < outputs.size(); ++i) {
    if (outputs[i] == kNone) continue;
    const std::string name = graph.value(outputs[i]).name;
    graph.replace_uses(outputs[i], graph.add_constant(name, known->outputs[i]));
  }
  graph.remove(id);
  return true;
}

}  // namespace

bool fold(Graph& graph, Progress& progress) {
  bool changed = false;
  for (NodeId id : graph.order()) {
    const Node& n = graph.node(id);
    if (progress.allowed("fold-constant") && foldable(graph, n) && fold_node(graph, id, progress)) {
      progress.count("fold-constant");
      changed = true;
      continue;
    }
    const std::vector<ValueId> outputs = graph.node(id).outputs;
    for (ValueId v : outputs) {
      if (v == kNone || !progress.allowed("fold-known")) continue;
      const ir::Fact fact = graph.fact(v);
      const bool constant = fact.is_constant();
      if (!constant && (!progress.options.known_values || !is_stable(fact, progress))) continue;
      const std::string name = graph.value(v).name;
      graph.replace_uses(v, constant ? graph.add_constant(name, fact.constant) : graph.add_known(name, fact));
      progress.count("fold-known");
      changed = true;
    }
  }
  return remove_dead(graph) || changed;
}

}  // namespace sdx::rewrite
