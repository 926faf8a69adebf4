// RowWise: which nodes work on rows, and the same nodes on other rows.
#include "rewrite/row_wise.h"

#include "ops/op_table.h"

namespace sdx::rewrite {

using ir::kNone;
using ir::Node;
using ir::ValueId;

namespace {

bool shared_by_rows(const Shape& shape, int rank) {
  for (int d = 0; d < shape.rank(); ++d) {
    if (d + rank - shape.rank() < 2 && !shape[d].is(1)) return false;
  }
  return shape.rank() <= rank;
}

/// A norm or softmax must be over the last axis: [texts, length] are then only counted.
bool is_over_last_axis(const Node& n, int rank) {
  const ir::AttrMap attrs = n.attrs.map();
  const auto it = attrs.find("axis");
  if (it == attrs.end() || !std::holds_alternative<int64_t>(it->second)) return true;
  const int64_t axis = std::get<int64_t>(it->second);
  return axis == -1 || axis == rank - 1;
}

}  // namespace

bool RowWise::has_rows(ValueId v) const {
  const Shape& shape = graph_.fact(v).shape;
  return shape.has_rank() && shape.rank() >= 2 && shape[0] == texts_ && shape[1] == length_;
}

bool RowWise::is_operand(ValueId v, int rank) const {
  return v != kNone && has_rows(v) && graph_.fact(v).shape.rank() == rank && !graph_.fact(v).is_constant();
}

bool RowWise::fits(const Node& n) const {
  if (n.outputs.size() != 1 || n.outputs[0] == kNone || !has_rows(n.outputs[0]) || n.captures > 0) return false;
  const ir::Traits& t = n.op->traits;
  if (t.view_of == 0) return has_rows(n.inputs[0]);
  if (!t.elementwise && !t.row_local) return false;
  const int rank = graph_.fact(n.outputs[0]).shape.rank();
  bool any = false;
  for (ValueId v : n.inputs) {
    if (v == kNone) continue;
    if (is_operand(v, rank)) {
      any = true;
      continue;
    }
    const ir::Fact& fact = graph_.fact(v);
    if (!fact.is_constant() || (t.elementwise && !shared_by_rows(fact.shape, rank))) return false;
  }
  return any && (t.elementwise || has_rows(n.inputs[0])) && is_over_last_axis(n, rank);
}

ValueId RowWise::remake(ir::NodeId id, const std::function<ValueId(ValueId)>& rows_of, const Dim& texts,
                        const Dim& length) {
  // Adding nodes moves the others.
  const ir::Op* op = graph_.node(id).op;
  const ir::Attrs attrs = graph_.node(id).attrs;
  const std::string name = graph_.node(id).name;
  std::vector<ValueId> inputs = graph_.node(id).inputs;
  const Shape shape = graph_.fact(graph_.node(id).outputs[0]).shape;
  if (op->traits.view_of == 0) {
    std::vector<Dim> dims(shape.dims().begin(), shape.dims().end());
    dims[0] = texts;
    dims[1] = length;
    return reshape(rows_of(inputs[0]), std::move(dims));
  }
  for (ValueId& v : inputs) {
    if (is_operand(v, shape.rank())) v = rows_of(v);
  }
  return graph_.call(*op, attrs, std::move(inputs), {.name = name, .rule = rule_});
}

ValueId RowWise::call(std::string_view op, const ir::AttrMap& attrs, std::vector<ValueId> inputs,
                      std::string_view domain) {
  const ir::Op& what = ops::get(op, domain);
  return graph_.call(what, what.parse(attrs), std::move(inputs), {.name = rule_, .rule = rule_});
}

ValueId RowWise::reshape(ValueId v, std::vector<Dim> dims) {
  return call("Reshape", {{"allowzero", int64_t{1}}}, {v, graph_.add_known("", ir::Fact::known(std::move(dims)))});
}

}  // namespace sdx::rewrite
