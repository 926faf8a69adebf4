// select_row: where of [texts, length, ...] one row of each text is all that is read, as heads of classifiers do, only
// that row is computed, back to the keys and values of the last attention.
#include <algorithm>
#include <cstring>
#include <map>
#include <set>

#include "ops/op_table.h"
#include "rewrite/own_nodes.h"
#include "rewrite/passes.h"
#include "rewrite/row_wise.h"

namespace sdx::rewrite {
namespace {

constexpr const char* kPass = "select-row";
/// Elementwise nodes behind a mask that are computed again for one row; longer chains are read where they end.
constexpr int kMaskDepth = 8;

using ir::Graph;
using ir::kNone;
using ir::Node;
using ir::NodeId;
using ir::ValueId;

/// The row of axis 1 that a node reads of each text, counted from the end where negative.
std::optional<int64_t> selected_row(const Graph& graph, const Node& n) {
  if (n.op == nullptr || n.op->name != "Gather" || !n.op->domain.empty()) return std::nullopt;
  const Shape& x = graph.fact(n.inputs[0]).shape;
  if (!x.has_rank()) return std::nullopt;
  const int rank = x.rank();
  const int64_t axis = attribute<int64_t>(n, "axis", 0);
  const ir::Fact& index = graph.fact(n.inputs[1]);
  if (rank < 3 || (axis != 1 && axis != 1 - rank) || !index.is_constant() || index.rank() > 1) return std::nullopt;
  const Tensor& row = index.constant;
  if (row.extents().count() != 1) return std::nullopt;
  return row.dtype() == DType::kI32 ? row.as<int32_t>()[0] : row.as<int64_t>()[0];
}

class RowSelector {
 public:
  RowSelector(Graph& graph, const Progress& progress, NodeId selection, int64_t row)
      : graph_(graph),
        progress_(progress),
        selection_(selection),
        whole_(graph.node(selection).inputs[0]),
        texts_(graph.fact(whole_).shape[0]),
        length_(graph.fact(whole_).shape[1]),
        row_(row),
        rows_(graph, texts_, length_, kPass) {}

  bool run() {
    const std::vector<NodeId> order = graph_.order();
    find_narrow(order);
    if (narrow_.empty()) return false;
    index_ = graph_.add_constant("", Tensor::ints(std::vector<int64_t>{row_}));
    for (NodeId id : order) {
      if (narrow_.contains(id)) narrow(id);
    }
    graph_.set_operand(selection_, 0, row_of(whole_));
    graph_.set_operand(selection_, 1, first_of(graph_.node(selection_).inputs[1]));
    return true;
  }

 private:
  /// Attention whose queries are rows; keys and values stay whole.
  bool is_attention(const Node& n) const {
    if (!is_own(n, "FusedAttention") || n.inputs.size() > 5) return false;
    const auto rows_second = [&](const char* name) {
      const auto layout = attribute<std::string>(n, name, "bhsd");
      return layout == "bshd" || layout == "bsm";
    };
    return rows_second("q_layout") && rows_second("out_layout") && attribute<int64_t>(n, "causal", 0) == 0 &&
           rows_.has_rows(n.inputs[0]) && rows_.has_rows(n.outputs[0]) &&
           std::all_of(n.inputs.begin() + 3, n.inputs.end(), [&](ValueId v) { return by_query(v, 4, 2); });
  }

  /// Of a value that is broadcast to `rank` axes: whether that axis is known to be absent, 1, or as long as the texts.
  bool by_query(ValueId v, int rank, int axis) const {
    if (v == kNone) return true;
    const Shape& shape = graph_.fact(v).shape;
    if (!shape.has_rank()) return false;
    const int at = axis - rank + shape.rank();
    return at < 0 || shape[at].is(1) || shape[at] == length_;
  }

  /// The nodes of which only that row is needed.
  void find_narrow(const std::vector<NodeId>& order) {
    std::set<ValueId> wanted = {whole_};
    for (auto it = order.rbegin(); it != order.rend(); ++it) {
      const Node& n = graph_.node(*it);
      if (n.outputs.empty() || !wanted.contains(n.outputs[0]) || graph_.is_output(n.outputs[0])) continue;
      const bool attends = is_attention(n);
      if (!attends && !(rows_.fits(n) && (n.op->traits.view_of != 0 || progress_.knows(dims_of(n.outputs[0])))))
        continue;
      if (!std::ranges::all_of(graph_.users(n.outputs[0]),
                               [&](NodeId user) { return user == selection_ || narrow_.contains(user); })) {
        continue;
      }
      narrow_.insert(*it);
      for (size_t i = 0; i < (attends ? 1 : n.inputs.size()); ++i) {
        if (n.inputs[i] != kNone && rows_.has_rows(n.inputs[i])) wanted.insert(n.inputs[i]);
      }
    }
  }

  std::vector<Dim> dims_of(ValueId v) const {
    const auto dims = graph_.fact(v).shape.dims();
    return {dims.begin(), dims.end()};
  }
  /// 0 in the place of an index.
  ValueId first_of(ValueId index) {
    const Tensor& row = graph_.fact(index).constant;
    Tensor first(row.dtype(), row.extents());
    std::memset(first.mutable_view().data, 0, static_cast<size_t>(first.view().bytes()));
    return graph_.add_constant("", std::move(first));
  }
  /// Called as the selection, which an index out of range concerns.
  ValueId gather(ValueId v, int64_t axis) {
    const ir::Op& op = ops::get("Gather");
    return graph_.call(op, op.parse({{"axis", axis}}), {v, index_},
                       {.name = graph_.node(selection_).name, .rule = kPass});
  }

  ValueId row_of(ValueId v) {
    auto [it, is_new] = narrowed_.try_emplace(v, kNone);
    if (is_new) it->second = gather(v, 1);
    return it->second;
  }

  /// The row of a mask that is broadcast to [texts, heads, queries, keys].
  ValueId mask_row(ValueId v, int64_t axis, int depth = 0) {
    std::vector<Dim> dims = dims_of(v);
    if (axis < 0 || dims[static_cast<size_t>(axis)].is(1)) return v;
    const NodeId producer = graph_.value(v).producer;
    if (producer == kNone || depth == kMaskDepth) return gather(v, axis);
    const ir::Op* op = graph_.node(producer).op;
    const ir::Attrs attrs = graph_.node(producer).attrs;
    std::vector<ValueId> inputs = graph_.node(producer).inputs;
    const int rank = static_cast<int>(dims.size());
    const auto axis_of = [&](ValueId input) { return axis - rank + graph_.fact(input).rank(); };
    const auto reads = [&](ValueId input) { return by_query(input, rank, static_cast<int>(axis)); };
    if (op->name == "Expand" && op->domain.empty() && progress_.knows(dims) && reads(inputs[0])) {
      dims[static_cast<size_t>(axis)] = 1;
      return rows_.call(
          "Expand", {},
          {mask_row(inputs[0], axis_of(inputs[0]), depth + 1), graph_.add_known("", ir::Fact::known(std::move(dims)))});
    }
    const bool computes = op->traits.elementwise && graph_.node(producer).outputs.size() == 1;
    if (!computes || !std::ranges::all_of(inputs, reads)) return gather(v, axis);
    for (ValueId& input : inputs) {
      if (input != kNone) input = mask_row(input, axis_of(input), depth + 1);
    }
    return graph_.call(*op, attrs, std::move(inputs), {.name = kPass, .rule = kPass});
  }

  void narrow(NodeId id) {
    const ValueId old = graph_.node(id).outputs[0];
    if (!is_attention(graph_.node(id))) {
      narrowed_[old] = rows_.remake(
          id, [&](ValueId v) { return row_of(v); }, texts_, 1);
      return;
    }
    const ir::Op* op = graph_.node(id).op;
    const ir::Attrs attrs = graph_.node(id).attrs;
    const std::string name = graph_.node(id).name;
    std::vector<ValueId> inputs = graph_.node(id).inputs;
    inputs[0] = row_of(inputs[0]);
    for (size_t i = 3; i < inputs.size(); ++i) {
      if (inputs[i] != kNone) inputs[i] = mask_row(inputs[i], graph_.fact(inputs[i]).rank() - 2);
    }
    narrowed_[old] = graph_.call(*op, attrs, std::move(inputs), {.name = name, .rule = kPass});
  }

  Graph& graph_;
  const Progress& progress_;
  const NodeId selection_;
  const ValueId whole_;  ///< what one row is read of
  const Dim texts_, length_;
  const int64_t row_;
  RowWise rows_;
  ValueId index_ = kNone;
  std::set<NodeId> narrow_;
  std::map<ValueId, ValueId> narrowed_;  ///< [texts, length, ...] => [texts, 1, ...]
};

}  // namespace

bool select_row(Graph& graph, Progress& progress) {
  bool changed = false;
  for (NodeId id : graph.order()) {
    const auto row = selected_row(graph, graph.node(id));
    if (!row || !progress.allowed(kPass) || !RowSelector(graph, progress, id, *row).run()) continue;
    progress.count(kPass);
    changed = true;
  }
  return changed && (remove_dead(graph), true);
}

}  // namespace sdx::rewrite
