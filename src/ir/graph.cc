// Graph: adding typed nodes, replacing uses, topological order.
#include "ir/graph.h"

#include <algorithm>

#include "ir/evaluate.h"
#include "ir/infer_context.h"

namespace sdx::ir {
namespace {

/// Constant results up to this many bytes are computed while the graph is built.
constexpr int64_t kEagerBytes = 4096;

void check_arity(const Op& op, size_t count, Arity arity, std::string_view what) {
  if (static_cast<int>(count) >= arity.least && static_cast<int>(count) <= arity.most) return;
  fail(ErrorKind::kInvalidModel, op.name, " has ", count, " ", what, " but takes ", arity.least,
       arity.most == arity.least ? ""
       : arity.most >= kVariadic ? " or more"
                                 : cat(" to ", arity.most));
}

/// The outputs' values where all inputs are small constants and the operator is pure; empty otherwise.
std::vector<Tensor> evaluate_small(const OpCall& call, std::span<const Fact* const> inputs,
                                   std::span<const Fact> outputs) {
  const Traits& t = call.op.traits;
  if (t.impure || t.data_dependent || t.returns_values || call.op.bodies > 0) return {};
  std::vector<Slot> slots(inputs.size() + outputs.size());
  std::vector<Slot*> in, out;
  for (size_t i = 0; i < inputs.size(); ++i) {
    in.push_back(inputs[i] ? &slots[i] : nullptr);
    if (!inputs[i]) continue;
    const Tensor& c = inputs[i]->constant;
    if (!c.defined() || c.dtype() == DType::kString || c.view().bytes() > kEagerBytes || !is_aligned(c.view()))
      return {};
    fill(slots[i], c);
  }
  for (size_t i = 0; i < outputs.size(); ++i) {
    auto extents = outputs[i].shape.extents();
    if (outputs[i].kind != Kind::kTensor || !extents || outputs[i].dtype == DType::kString) return {};
    if (dtype_bytes(outputs[i].dtype, extents->count()) > kEagerBytes) return {};
    out.push_back(&slots[inputs.size() + i]);
  }
  PlainHost host;
  run_concrete(call, in, out, host, Parallel());
  std::vector<Tensor> results;
  for (Slot* s : out) results.push_back(to_value(*s).tensor());
  return results;
}

}  // namespace

ValueId Graph::new_value(std::string value_name, Fact fact, NodeId producer, int output) {
  const auto id = static_cast<ValueId>(values_.size());
  if (value_name.empty()) value_name = cat("v", id);
  values_.push_back({std::move(value_name), std::move(fact), producer, output});
  users_.emplace_back();
  return id;
}

ValueId Graph::add_input(std::string value_name, Fact fact) {
  inputs_.push_back(new_value(std::move(value_name), std::move(fact), kNone, 0));
  return inputs_.back();
}

ValueId Graph::add_constant(std::string value_name, Tensor value) {
  return new_value(std::move(value_name), Fact::of(std::move(value)), kNone, 0);
}

ValueId Graph::add_known(std::string value_name, Fact fact) {
  return new_value(std::move(value_name), std::move(fact), kNone, 0);
}

NodeId Graph::add(const Op& op, Attrs attrs, std::vector<ValueId> inputs, NodeOptions options) try {
  while (!inputs.empty() && inputs.back() == kNone) inputs.pop_back();
  check_arity(op, inputs.size(), op.inputs, "inputs");
  check_arity(op, static_cast<size_t>(options.outputs), op.outputs, "outputs");
  std::vector<const Fact*> given;
  for (size_t i = 0; i < inputs.size(); ++i) {
    given.push_back(inputs[i] == kNone ? nullptr : &fact(inputs[i]));
    if (inputs[i] == kNone && static_cast<int>(i) < op.inputs.least) {
      fail(ErrorKind::kInvalidModel, op.name, " needs input ", i, ", which is absent");
    }
  }
  InferContext infer(op, attrs, given, options.outputs, *symbols_, options.bodies);
  op.infer(infer);
  if (options.bodies.empty()) {
    auto results = evaluate_small({op, attrs, {}}, given, infer.outputs());
    for (size_t i = 0; i < results.size(); ++i) infer.outputs()[i] = Fact::of(std::move(results[i]));
  }

  const auto id = static_cast<NodeId>(nodes_.size());
  Node node;
  node.op = &op;
  node.attrs = std::move(attrs);
  node.inputs = std::move(inputs);
  node.captures = static_cast<int>(options.captures.size());
  node.inputs.insert(node.inputs.end(), options.captures.begin(), options.captures.end());
  node.bodies = std::move(options.bodies);
  node.constraints = std::move(infer.constraints());
  node.name = options.name;
  node.rule = std::move(options.rule);
  for (int i = 0; i < options.outputs; ++i) {
    const auto at = static_cast<size_t>(i);
    std::string output_name = at < options.output_names.size() ? options.output_names[at] : std::string();
    node.outputs.push_back(new_value(std::move(output_name), std::move(infer.outputs()[at]), id, i));
  }
  for (ValueId v : node.inputs) {
    if (v != kNone) users_[static_cast<size_t>(v)].push_back(id);
  }
  nodes_.push_back(std::move(node));
  return id;
} catch (Error& e) {
  e.within(cat("node '", options.name, "' (", op.name, ")"));
  throw;
}

ValueId Graph::call(const Op& op, Attrs attrs, std::vector<ValueId> inputs, NodeOptions options) {
  return node(add(op, std::move(attrs), std::move(inputs), std::move(options))).outputs[0];
}

void Graph::add_output(std::string output_name, ValueId value) {
  outputs_.push_back(value);
  output_names_.push_back(std::move(output_name));
}

int Graph::live_nodes() const {
  return static_cast<int>(std::ranges::count_if(nodes_, [](const Node& n) { return n.op != nullptr; }));
}

void Graph::replace_uses(ValueId from, ValueId to) {
  if (from == to) return;
  auto& moved = users_[static_cast<size_t>(from)];
  for (NodeId id : moved) std::ranges::replace(nodes_[static_cast<size_t>(id)].inputs, from, to);
  auto& users = users_[static_cast<size_t>(to)];
  users.insert(users.end(), moved.begin(), moved.end());
  moved.clear();
  std::ranges::replace(outputs_, from, to);
}

void Graph::forget_use(ValueId value_id, NodeId user) {
  if (value_id == kNone) return;
  auto& users = users_[static_cast<size_t>(value_id)];
  users.erase(std::ranges::find(users, user));
}

void Graph::set_operand(NodeId id, size_t index, ValueId to) {
  ValueId& operand = nodes_[static_cast<size_t>(id)].inputs[index];
  forget_use(operand, id);
  operand = to;
  if (to != kNone) users_[static_cast<size_t>(to)].push_back(id);
}

void Graph::drop_capture(NodeId id, size_t index) {
  Node& n = nodes_[static_cast<size_t>(id)];
  forget_use(n.inputs[index], id);
  const auto from_end = static_cast<std::ptrdiff_t>(n.inputs.size() - index);
  for (Graph& body : n.bodies) body.inputs_.erase(body.inputs_.end() - from_end);
  n.inputs.erase(n.inputs.end() - from_end);
  --n.captures;
}

void Graph::remove(NodeId id) {
  for (ValueId v : node(id).inputs) forget_use(v, id);
  nodes_[static_cast<size_t>(id)] = Node{};
}

bool Graph::is_output(ValueId id) const { return std::ranges::find(outputs_, id) != outputs_.end(); }

std::vector<NodeId> Graph::order() const {
  std::vector<int> waiting(nodes_.size(), 0);
  std::vector<std::vector<NodeId>> users(nodes_.size());
  std::vector<NodeId> ready, out;
  for (NodeId id = 0; id < node_count(); ++id) {
    const Node& n = node(id);
    if (!n.op) continue;
    for (ValueId v : n.inputs) {
      const NodeId producer = v == kNone ? kNone : value(v).producer;
      if (producer == kNone) continue;
      ++waiting[static_cast<size_t>(id)];
      users[static_cast<size_t>(producer)].push_back(id);
    }
    if (waiting[static_cast<size_t>(id)] == 0) ready.push_back(id);
  }
  // A min-heap keeps the file's order wherever dependencies allow it, so that printing and memory plans are stable.
  auto later = std::greater<NodeId>();
  std::ranges::make_heap(ready, later);
  while (!ready.empty()) {
    std::ranges::pop_heap(ready, later);
    const NodeId id = ready.back();
    ready.pop_back();
    out.push_back(id);
    for (NodeId user : users[static_cast<size_t>(id)]) {
      if (--waiting[static_cast<size_t>(user)] > 0) continue;
      ready.push_back(user);
      std::ranges::push_heap(ready, later);
    }
  }
  if (static_cast<int>(out.size()) != live_nodes()) {
    fail(ErrorKind::kInvalidModel, "the graph has a cycle through ", live_nodes() - static_cast<int>(out.size()),
         " nodes");
  }
  return out;
}

}  // namespace sdx::ir
