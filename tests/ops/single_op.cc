// SingleOp: a case as a graph of one operator, and the ways of running it.
#include "single_op.h"

#include <algorithm>

#include "ir/evaluate.h"
#include "ir/infer_context.h"
#include "ops/op_table.h"

namespace sdx::ops {
namespace {

ir::ValueId add_line(ir::Graph& graph, const CaseInput& line, int index, const FactOf& fact_of) {
  if (line.absent) return ir::kNone;
  const std::string name = cat("input", index);
  if (line.value.is_tensor()) {
    const Tensor& tensor = line.value.tensor();
    return line.constant ? graph.add_constant(name, tensor) : graph.add_input(name, fact_of(index, tensor));
  }
  ir::Fact fact;
  fact.kind = line.value.empty() ? ir::Kind::kOptional : ir::Kind::kSequence;
  if (line.value.is_sequence()) fact.dtype = line.value.sequence().dtype;
  return graph.add_input(name, fact);
}

}  // namespace

ir::Fact concrete_fact(int, const Tensor& value) { return ir::Fact::tensor(value.dtype(), Shape(value.extents())); }

SingleOp::SingleOp(const Case& c, std::shared_ptr<SymbolTable> symbols, const FactOf& fact_of)
    : graph_(std::move(symbols)) {
  const ir::Op* op = find(c.domain, c.name);
  if (!op) fail(ErrorKind::kUnsupportedModel, "operator ", c.domain, "::", c.name, " is not in the table");
  for (const CaseInput& line : c.inputs) {
    lines_.push_back(add_line(graph_, line, static_cast<int>(lines_.size()), fact_of));
  }
  ir::Call call{c.version, c.attrs, lines_, graph_};
  if (op->upgrade) op->upgrade(call);
  ir::NodeOptions options;
  options.outputs = 1;
  for (size_t i = 0; i < c.outputs.size(); ++i) {
    wanted_.push_back(c.outputs[i].wanted);
    if (c.outputs[i].wanted) options.outputs = static_cast<int>(i) + 1;
  }
  if (wanted_.empty()) wanted_ = {true};
  node_ = graph_.add(*op, op->parse(call.attrs), call.inputs, std::move(options));
}

int SingleOp::line_of(size_t operand) const {
  const auto it = std::ranges::find(lines_, node().inputs[operand]);
  return it == lines_.end() || *it == ir::kNone ? -1 : static_cast<int>(it - lines_.begin());
}

Value SingleOp::operand(const Case& c, size_t i) const {
  const int line = line_of(i);
  if (line >= 0) return c.inputs[static_cast<size_t>(line)].value;
  return graph_.fact(node().inputs[i]).constant;
}

std::vector<Value> SingleOp::run(std::span<const Value> inputs, const Parallel& parallel) const {
  std::vector<ir::Slot> slots(static_cast<size_t>(graph_.value_count()));
  for (ir::ValueId id = 0; id < graph_.value_count(); ++id) {
    const Tensor& constant = graph_.fact(id).constant;
    if (constant.defined()) ir::fill(slots[static_cast<size_t>(id)], constant);
  }
  for (size_t i = 0; i < lines_.size(); ++i) {
    if (lines_[i] != ir::kNone) ir::fill(slots[static_cast<size_t>(lines_[i])], inputs[i]);
  }
  auto slot = [&](ir::ValueId id) { return id == ir::kNone ? nullptr : &slots[static_cast<size_t>(id)]; };
  ir::PlainHost host;
  for (ir::NodeId id : graph_.order()) {
    const ir::Node& n = graph_.node(id);
    std::vector<ir::Slot*> in, out;
    std::ranges::transform(n.inputs, std::back_inserter(in), slot);
    std::ranges::transform(n.outputs, std::back_inserter(out), slot);
    for (size_t i = 0; i < out.size(); ++i) {
      if (id == node_ && i < wanted_.size() && !wanted_[i]) out[i] = nullptr;
      if (out[i]) *out[i] = {};
    }
    ir::run_concrete({*n.op, n.attrs, n.bodies}, in, out, host, parallel);
  }
  std::vector<Value> results;
  for (ir::ValueId id : node().outputs) results.push_back(ir::to_value(*slot(id)));
  return results;
}

std::vector<Value> input_values(const Case& c) {
  std::vector<Value> out;
  for (const CaseInput& line : c.inputs) out.push_back(line.value);
  return out;
}

}  // namespace sdx::ops
