// Common subexpressions, dead code and the verifier.
#include <algorithm>
#include <map>

#include "rewrite/passes.h"

namespace sdx::rewrite {

using ir::Graph;
using ir::kNone;
using ir::Node;
using ir::NodeId;
using ir::ValueId;

bool Progress::allowed(const std::string& rule) const {
  if (options.limit >= 0 && applications >= options.limit) return false;
  if (std::ranges::find(options.off, rule) != options.off.end()) return false;
  return options.only.empty() || std::ranges::find(options.only, rule) != options.only.end();
}

bool Progress::knows(std::span<const Dim> sizes) const {
  std::vector<int> symbols;
  for (const Dim& d : sizes) d.collect_symbols(symbols);
  return std::ranges::all_of(
      symbols, [&](int s) { return static_cast<size_t>(s) < stable.size() && stable[static_cast<size_t>(s)]; });
}

namespace {

/// What tells one known value from another.
std::string known_text(const ir::Fact& fact) {
  std::string text = cat("known ", dtype_name(fact.dtype), fact.shape.extents()->text());
  for (const Dim& d : *fact.values)
    text += cat(",", d.known() ? cat(d.value()) : cat(static_cast<const void*>(d.expr())));
  return text;
}

}  // namespace

bool merge_equal(Graph& graph, Progress& progress) {
  bool changed = false;
  auto is_input = [&](ValueId v) { return std::ranges::find(graph.inputs(), v) != graph.inputs().end(); };
  // Equal small constants and known values count as one value, so that nodes that only differ in copies of them merge.
  std::map<std::string, ValueId> constants;
  auto canonical = [&](ValueId v) {
    if (v == kNone || graph.value(v).producer != kNone) return v;
    if (!graph.fact(v).is_constant()) {
      if (!graph.fact(v).values || is_input(v)) return v;
      return constants.try_emplace(known_text(graph.fact(v)), v).first->second;
    }
    const Tensor& c = graph.fact(v).constant;
    if (c.dtype() == DType::kString) return v;
    std::string key = cat(dtype_name(c.dtype()), c.extents().text());
    if (c.view().bytes() <= 1024)
      key.append(reinterpret_cast<const char*>(c.view().data), static_cast<size_t>(c.view().bytes()));
    else
      key += cat("@", static_cast<const void*>(c.view().data));
    return constants.try_emplace(std::move(key), v).first->second;
  };
  std::map<std::pair<const ir::Op*, std::vector<ValueId>>, std::vector<NodeId>> seen;
  for (NodeId id : graph.order()) {
    const Node& n = graph.node(id);
    for (size_t i = 0; i < n.inputs.size(); ++i) {
      if (const ValueId v = canonical(n.inputs[i]); v != n.inputs[i]) graph.set_operand(id, i, v);
    }
    if (n.op->traits.impure || !n.bodies.empty() || n.inputs.empty()) continue;
    auto& group = seen[{n.op, n.inputs}];
    auto same = std::ranges::find_if(group, [&](NodeId other) {
      return graph.node(other).attrs == n.attrs && graph.node(other).outputs.size() == n.outputs.size();
    });
    if (same == group.end()) {
      group.push_back(id);
      continue;
    }
    if (!progress.allowed("merge-equal")) continue;
    const std::vector<ValueId> from = n.outputs, to = graph.node(*same).outputs;
    for (size_t i = 0; i < from.size(); ++i) {
      if (from[i] != kNone && to[i] != kNone) graph.replace_uses(from[i], to[i]);
    }
    progress.count("merge-equal");
    changed = true;
  }
  return remove_dead(graph) || changed;
}

namespace {

bool is_used(const Graph& graph, ValueId v) { return !graph.users(v).empty() || graph.is_output(v); }

/// Captures that no body uses leave the node and the bodies.
bool drop_captures(Graph& graph, NodeId id) {
  const Node& n = graph.node(id);
  bool changed = false;
  const size_t operands = n.operands().size();
  for (size_t c = n.inputs.size(); c-- > operands;) {
    const size_t behind = n.inputs.size() - c;  // counted from the end, where captures stand in every body
    const bool used = std::ranges::any_of(
        n.bodies, [&](const Graph& body) { return is_used(body, body.inputs()[body.inputs().size() - behind]); });
    if (used) continue;
    graph.drop_capture(id, c);
    changed = true;
  }
  return changed;
}

/// Constants that nobody uses keep no memory.
void drop_unused_constants(Graph& graph) {
  for (ValueId v = 0; v < graph.value_count(); ++v) {
    if (graph.fact(v).constant.defined() && !is_used(graph, v)) graph.value(v).fact.constant = {};
  }
}

}  // namespace

bool remove_dead(Graph& graph) {
  bool changed = false;
  for (NodeId id = 0; id < graph.node_count(); ++id) {
    if (graph.node(id).op && graph.node(id).captures > 0) changed |= drop_captures(graph, id);
  }
  const std::vector<NodeId> order = graph.order();
  for (auto it = order.rbegin(); it != order.rend(); ++it) {
    const Node& n = graph.node(*it);
    if (std::ranges::any_of(n.outputs, [&](ValueId v) { return v != kNone && is_used(graph, v); })) continue;
    graph.remove(*it);
    changed = true;
  }
  drop_unused_constants(graph);
  return changed;
}

void verify(const Graph& graph, const std::string& after) {
  auto broken = [&](const auto&... what) { fail(ErrorKind::kInternal, "after ", after, ": ", cat(what...)); };
  auto check_use = [&](ValueId v, const std::string& user) {
    if (v == kNone) return;
    if (v < 0 || v >= graph.value_count()) broken(user, " uses value ", v, " of ", graph.value_count());
    const ir::ValueInfo& info = graph.value(v);
    if (info.producer != kNone) {
      const Node& producer = graph.node(info.producer);
      if (!producer.op || producer.outputs.at(static_cast<size_t>(info.output)) != v)
        broken(user, " uses '", info.name, "', whose node is gone");
    } else if (!info.fact.is_constant() && !info.fact.values &&
               std::ranges::find(graph.inputs(), v) == graph.inputs().end()) {
      broken(user, " uses '", info.name, "', which is neither made, nor an input, nor known");
    }
  };
  for (NodeId id : graph.order()) {
    const Node& n = graph.node(id);
    for (ValueId v : n.inputs) check_use(v, cat("node '", n.name, "' (", n.op->name, ")"));
    for (const Graph& body : n.bodies) verify(body, after);
  }
  for (ValueId v : graph.outputs()) check_use(v, "an output");
}

}  // namespace sdx::rewrite
