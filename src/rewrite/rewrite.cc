// The driver: stages in order, rules to a fixed point, every hazard checked in one place.
#include "rewrite/rewrite.h"

#include <algorithm>
#include <map>

#include "rewrite/passes.h"
#include "rewrite/rule.h"

namespace sdx::rewrite {

using ir::Graph;
using ir::kNone;
using ir::Node;
using ir::NodeId;
using ir::ValueId;

namespace {

/// Sweeps over a graph in one stage; rules that still apply after that many feed each other.
constexpr int kMaxSweeps = 64;

#ifdef SARDONYX_VERIFY
constexpr bool kVerifyEach = true;
#else
constexpr bool kVerifyEach = false;
#endif

class Driver {
 public:
  Driver(Graph& graph, Progress& progress) : graph_(graph), progress_(progress) {}

  /// One application after the other until no rule of the stage, or of an earlier one, applies.
  bool run(Stage stage) {
    bool changed = false;
    for (int sweep = 0; sweep < kMaxSweeps; ++sweep) {
      bool any = false;
      for (NodeId id : graph_.order()) {
        // Earlier applications of this sweep may have removed the node.
        if (graph_.node(id).op) any |= visit(id, stage);
      }
      if (!any) return changed;
      changed = true;
      remove_dead(graph_);
    }
    fail(ErrorKind::kInternal, "rewriting does not come to rest after ", kMaxSweeps, " sweeps");
  }

 private:
  struct Start {
    const Rule* rule;
    const Pattern* pattern;
  };

  /// The rules of the stage whose patterns can end in that operator.
  const std::vector<Start>& starts(const ir::Op* op, Stage stage) {
    auto [it, is_new] = starts_.try_emplace({op, stage});
    if (!is_new) return it->second;
    for (const Rule& rule : all_rules()) {
      if (rule.stage() > stage) continue;
      for (const Pattern& p : rule.patterns()) {
        if (may_start(*p, *op)) it->second.push_back({&rule, &p});
      }
    }
    return it->second;
  }
  static bool may_start(const PatternNode& p, const ir::Op& op) {
    if (p.kind == PatternNode::Kind::kEither)
      return std::ranges::any_of(p.inputs, [&](const Pattern& a) { return may_start(*a, op); });
    return p.kind == PatternNode::Kind::kOp && op.domain == p.domain &&
           std::ranges::find(p.ops, op.name) != p.ops.end();
  }

  bool visit(NodeId id, Stage stage) {
    for (const auto& [rule, pattern] : starts(graph_.node(id).op, stage)) {
      if (progress_.allowed(rule->name()) && apply(*rule, *pattern, id)) return true;
    }
    return false;
  }

  bool apply(const Rule& rule, const Pattern& pattern, NodeId id) {
    const auto& outputs = graph_.node(id).outputs;
    const auto index = static_cast<size_t>(pattern->output);
    if (index >= outputs.size() || outputs[index] == kNone) return false;
    const ValueId root = outputs[index];
    auto found = match(graph_, pattern, root, rule.name(), progress_.stable);
    if (!found) return false;
    found->few_rows = progress_.options.few_rows;
    if (std::string reason = hazard(rule, *found); !reason.empty()) return miss(rule, id, reason);
    if (std::string reason = rule.failed_condition(*found); !reason.empty()) return miss(rule, id, reason);
    const ValueId result = rule.replacement()(*found);
    if (result == kNone || result == root) return miss(rule, id, "the replacement came to nothing");
    replace(rule, root, result);
    return true;
  }

  /// Why the matched intermediates cannot disappear; "" where they can.
  std::string hazard(const Rule& rule, const Match& m) const {
    if (rule.keeps_shared()) return "";
    for (NodeId id : m.nodes) {
      for (ValueId v : graph_.node(id).outputs) {
        if (v == kNone || v == m.root) continue;
        if (graph_.is_output(v)) return cat("'", graph_.value(v).name, "' is an output of the graph");
        for (NodeId user : graph_.users(v)) {
          if (std::ranges::find(m.nodes, user) != m.nodes.end()) continue;
          return cat("'", graph_.value(v).name, "' is also used by '", graph_.node(user).name, "' (",
                     graph_.node(user).op->name, ")");
        }
      }
    }
    return "";
  }

  bool miss(const Rule& rule, NodeId id, const std::string& reason) {
    if (progress_.options.explain) {
      Report::Miss m{rule.name(), graph_.node(id).name, reason};
      auto same = [&](const Report::Miss& o) { return o.rule == m.rule && o.node == m.node && o.reason == m.reason; };
      if (std::ranges::none_of(progress_.report.misses, same)) progress_.report.misses.push_back(std::move(m));
    }
    return false;
  }

  void replace(const Rule& rule, ValueId root, ValueId result) {
    const ir::Fact old = graph_.fact(root);
    ir::Fact& made = graph_.value(result).fact;
    const bool same_rank = !old.shape.has_rank() || !made.shape.has_rank() || old.shape.rank() == made.shape.rank();
    if (old.kind != made.kind || old.dtype != made.dtype || !same_rank) {
      fail(ErrorKind::kInternal, "rule '", rule.name(), "' replaces ", old.text(), " by ", made.text());
    }
    keep_precision(old, made, result);
    if (graph_.value(result).producer != kNone) graph_.value(result).name = graph_.value(root).name;
    graph_.replace_uses(root, result);
    progress_.count(rule.name());
    if (kVerifyEach) verify(graph_, cat("rule '", rule.name(), "'"));
  }

  /// What was known of the old value is known of the new one too.
  void keep_precision(const ir::Fact& old, ir::Fact& made, ValueId result) {
    const ir::NodeId producer = graph_.value(result).producer;
    if (producer == kNone) return;
    if (!made.shape.has_rank()) {
      made.shape = old.shape;
    } else if (old.shape.has_rank()) {
      for (int d = 0; d < made.shape.rank(); ++d) {
        if (!made.shape[d].known()) made.shape[d] = old.shape[d];
      }
    }
    if (!made.values) made.values = old.values;
  }

  Graph& graph_;
  Progress& progress_;
  std::map<std::pair<const ir::Op*, Stage>, std::vector<Start>> starts_;
};

void rewrite_graph(Graph& graph, Progress& progress, bool is_body) {
  auto bodies = [&] {
    for (NodeId id = 0; id < graph.node_count(); ++id) {
      if (!graph.node(id).op) continue;
      for (Graph& body : graph.bodies(id)) rewrite_graph(body, progress, true);
    }
  };
  bodies();
  Driver driver(graph, progress);
  if (progress.options.widen_half) widen_half(graph, progress);
  for (int round = 0; round < 4; ++round) {
    bool changed = fold(graph, progress);
    changed |= merge_equal(graph, progress);
    changed |= driver.run(Stage::kCanonicalise);
    if (!changed) break;
  }
  if (driver.run(Stage::kFuse)) {
    fold(graph, progress);
    merge_equal(graph, progress);
  }
  driver.run(Stage::kLayout);
  if (!is_body) choose_candidates(graph, progress);
  pack_recurrent(graph, progress);
  fold(graph, progress);
  merge_equal(graph, progress);
  select_row(graph, progress);
  remove_padding(graph, progress);
  group_products(graph, progress);
  remove_dead(graph);
  verify(graph, "rewriting");
}

std::vector<bool> stable_symbols(const Graph& graph) {
  std::vector<bool> stable(static_cast<size_t>(graph.symbols().count()), false);
  for (ValueId v : graph.inputs()) {
    if (!graph.fact(v).shape.has_rank()) continue;
    for (const Dim& d : graph.fact(v).shape.dims()) {
      if (auto s = d.symbol()) stable[static_cast<size_t>(*s)] = true;
    }
  }
  return stable;
}

}  // namespace

Graph rewrite(Graph graph, const Options& options, Report& report) {
  if (!options.enabled) return graph;
  Progress progress{options, report, options.fold_bytes, stable_symbols(graph)};
  rewrite_graph(graph, progress, false);
  progress.folded.check_all();
  return graph;
}

}  // namespace sdx::rewrite
