// keep_last_rows: a Slice at an output, moved up to where rows begin to depend on each other.
#include <algorithm>
#include <map>
#include <set>

#include "ops/op_table.h"
#include "rewrite/decoder_passes.h"
#include "rewrite/passes.h"

namespace sdx::rewrite {
namespace {

using ir::Graph;
using ir::kNone;
using ir::Node;
using ir::NodeId;
using ir::ValueId;

class RowKeeper {
 public:
  RowKeeper(Graph& graph, ValueId output) : graph_(graph), output_(output), tokens_(graph.fact(output).shape[1]) {}

  void run() {
    const Dim last = graph_.symbols().symbol("last");
    graph_.add_input(kLastRows, ir::Fact::tensor(DType::kU8, Shape({last})));
    first_ = graph_.add_known("last.first", ir::Fact::known({Dim(0) - last}));
    end_ = graph_.add_known("last.end", ir::Fact::known({tokens_}));
    axis_ = graph_.add_constant("last.axis", Tensor::ints(std::vector<int64_t>{1}));
    find_narrow();
    const std::vector<NodeId> order = graph_.order();
    for (NodeId id : order) {
      if (narrow_.contains(id)) narrow(id);
    }
    const ValueId result = last_rows(output_);
    graph_.value(result).name = graph_.value(output_).name;
    graph_.replace_uses(output_, result);
    // The Slice that reads the old output, if any, must go on doing so.
    if (const NodeId id = graph_.value(result).producer;
        graph_.node(id).op->name == "Slice" && graph_.node(id).inputs[0] == result) {
      graph_.set_operand(id, 0, output_);
    }
    remove_dead(graph_);
    verify(graph_, "keeping last rows");
  }

 private:
  bool has_rows(ValueId v) const {
    const Shape& s = graph_.fact(v).shape;
    return s.has_rank() && s.rank() == 3 && s[1] == tokens_;
  }
  /// Broadcast over the rows.
  bool without_rows(ValueId v) const {
    const Shape& s = graph_.fact(v).shape;
    return s.has_rank() && (s.rank() < 2 || (s.rank() <= 3 && s[s.rank() - 2].is(1)));
  }

  /// True where a row of the result needs that row of the operands with rows alone.
  bool by_rows(const Node& n) const {
    if (n.outputs.empty() || !has_rows(n.outputs[0])) return false;
    for (size_t i = 1; i < n.outputs.size(); ++i) {
      if (n.outputs[i] != kNone && (!graph_.users(n.outputs[i]).empty() || graph_.is_output(n.outputs[i])))
        return false;
    }
    if (n.op->name == "MatMul" && n.op->domain.empty()) {
      return has_rows(n.inputs[0]) && graph_.fact(n.inputs[1]).is_constant() && graph_.fact(n.inputs[1]).rank() == 2;
    }
    if (!n.op->traits.row_local && !n.op->traits.elementwise) return false;
    if (n.op->traits.row_local && !has_rows(n.inputs[0])) return false;
    return std::ranges::all_of(n.inputs, [&](ValueId v) {
      return v == kNone || has_rows(v) || (n.op->traits.row_local ? graph_.fact(v).is_constant() : without_rows(v));
    });
  }

  /// The nodes of which nothing but the last rows is needed.
  void find_narrow() {
    std::set<ValueId> wanted = {output_};
    const std::vector<NodeId> order = graph_.order();
    for (auto it = order.rbegin(); it != order.rend(); ++it) {
      const Node& n = graph_.node(*it);
      if (n.outputs.empty() || !wanted.contains(n.outputs[0]) || !by_rows(n)) continue;
      const ValueId v = n.outputs[0];
      if (v != output_ && graph_.is_output(v)) continue;
      if (!std::ranges::all_of(graph_.users(v), [&](NodeId user) { return narrow_.contains(user); })) continue;
      narrow_.insert(*it);
      for (ValueId input : n.inputs) {
        if (input != kNone && has_rows(input)) wanted.insert(input);
      }
    }
  }

  ValueId last_rows(ValueId v) {
    auto [it, is_new] = narrowed_.try_emplace(v, kNone);
    if (!is_new) return it->second;
    const ir::Op& op = ops::get("Slice");
    return it->second = graph_.call(op, op.parse({}), {v, first_, end_, axis_},
                                    {"last rows of " + graph_.value(v).name, 1, {}, {}, {}, "keep-last-rows"});
  }

  void narrow(NodeId id) {
    std::vector<ValueId> inputs = graph_.node(id).inputs;
    for (ValueId& v : inputs) {
      if (v != kNone && has_rows(v)) v = last_rows(v);
    }
    const Node& n = graph_.node(id);
    const ValueId old = n.outputs[0];
    ir::NodeOptions options{n.name, 1, {graph_.value(old).name}, {}, {}, "keep-last-rows"};
    narrowed_[old] = graph_.call(*n.op, n.attrs, std::move(inputs), std::move(options));
  }

  Graph& graph_;
  const ValueId output_;
  const Dim tokens_;
  ValueId first_ = kNone, end_ = kNone, axis_ = kNone;
  std::set<NodeId> narrow_;
  std::map<ValueId, ValueId> narrowed_;
};

}  // namespace

bool keep_last_rows(Graph& graph, const std::string& name) {
  const auto& names = graph.output_names();
  const auto it = std::ranges::find(names, name);
  if (it == names.end()) return false;
  const ValueId output = graph.outputs()[static_cast<size_t>(it - names.begin())];
  const Shape& shape = graph.fact(output).shape;
  if (!shape.has_rank() || shape.rank() != 3 || shape[1].known() || !graph.users(output).empty()) return false;
  RowKeeper(graph, output).run();
  return true;
}

}  // namespace sdx::rewrite
