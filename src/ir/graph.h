// Graph: nodes and values, typed by construction.
#pragma once

#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "ir/op.h"

namespace sdx::ir {

/// Index of a value in its graph; kNone stands for an absent optional input or output.
using ValueId = int32_t;
using NodeId = int32_t;
inline constexpr ValueId kNone = -1;

class Graph;

/// A condition on sizes that infer could not decide: the plan checks it for every binding.
struct Constraint {
  enum class Kind : uint8_t { kEqual, kBroadcast, kAtMost } kind;
  Dim a, b;
  std::string what;  ///< names the sizes, for the error
};

struct ValueInfo {
  std::string name;
  Fact fact;
  NodeId producer = kNone;  ///< kNone: an input, a constant or a value known from symbols
  int output = 0;           ///< which output of the producer
};

struct Node {
  const Op* op = nullptr;  ///< nullptr: removed
  Attrs attrs;
  std::vector<ValueId> inputs;   ///< the operator's inputs, then the values its bodies capture
  std::vector<ValueId> outputs;  ///< kNone where not wanted
  std::vector<Graph> bodies;     ///< each takes its formal inputs, then all captures of the node in order
  int captures = 0;              ///< how many of `inputs` are captures
  std::vector<Constraint> constraints;
  std::string name;
  std::string rule;  ///< the rewrite rule that made it; empty: from the file

  std::span<const ValueId> operands() const { return {inputs.data(), inputs.size() - static_cast<size_t>(captures)}; }
};

/// What add() needs beside the operator and its inputs.
struct NodeOptions {
  std::string name;
  int outputs = 1;                        ///< how many outputs to make
  std::vector<std::string> output_names;  ///< fresh names where shorter
  std::vector<Graph> bodies;
  std::vector<ValueId> captures;
  std::string rule;
};

class Graph {
 public:
  explicit Graph(std::shared_ptr<SymbolTable> symbols) : symbols_(std::move(symbols)) {}
  Graph(Graph&&) = default;
  Graph& operator=(Graph&&) = default;

  SymbolTable& symbols() const { return *symbols_; }
  const std::shared_ptr<SymbolTable>& symbol_table() const { return symbols_; }

  ValueId add_input(std::string name, Fact fact);
  ValueId add_constant(std::string name, Tensor value);
  /// A value without a producer whose elements are expressions over symbols: the plan computes it for each binding.
  ValueId add_known(std::string name, Fact fact);

  /// Adds a node and infers the facts of its outputs; small constant results are computed at once. Throws
  /// InvalidModel or UnsupportedModel, with the node in the trail.
  NodeId add(const Op& op, Attrs attrs, std::vector<ValueId> inputs, NodeOptions options = {});
  /// add() for a node with one output; returns that value.
  ValueId call(const Op& op, Attrs attrs, std::vector<ValueId> inputs, NodeOptions options = {});

  void add_output(std::string name, ValueId value);

  const Node& node(NodeId id) const { return nodes_[static_cast<size_t>(id)]; }
  /// The bodies of a node, for rewriting them in place.
  std::vector<Graph>& bodies(NodeId id) { return nodes_[static_cast<size_t>(id)].bodies; }
  const ValueInfo& value(ValueId id) const { return values_[static_cast<size_t>(id)]; }
  ValueInfo& value(ValueId id) { return values_[static_cast<size_t>(id)]; }
  const Fact& fact(ValueId id) const { return value(id).fact; }
  int value_count() const { return static_cast<int>(values_.size()); }
  int node_count() const { return static_cast<int>(nodes_.size()); }
  /// Nodes that were not removed.
  int live_nodes() const;

  const std::vector<ValueId>& inputs() const { return inputs_; }
  const std::vector<ValueId>& outputs() const { return outputs_; }
  const std::vector<std::string>& output_names() const { return output_names_; }
  /// The inputs in another order or fewer of them; a dropped one must have no use.
  void set_inputs(std::vector<ValueId> inputs) { inputs_ = std::move(inputs); }

  /// Every use of `from`, in nodes and among the outputs, becomes a use of `to`.
  void replace_uses(ValueId from, ValueId to);
  /// Input `index` of the node becomes `value`.
  void set_operand(NodeId id, size_t index, ValueId value);
  /// Drops a capture, which is input `index` of the node, there and in the bodies; no body may use it.
  void drop_capture(NodeId id, size_t index);
  /// The node is gone; nothing may use its outputs.
  void remove(NodeId id);
  /// Live nodes that use the value, once for each use.
  const std::vector<NodeId>& users(ValueId id) const { return users_[static_cast<size_t>(id)]; }
  bool is_output(ValueId id) const;
  /// Live nodes so that producers come before users. Throws InvalidModel on a cycle.
  std::vector<NodeId> order() const;

  std::string name;

 private:
  ValueId new_value(std::string name, Fact fact, NodeId producer, int output);
  void forget_use(ValueId value, NodeId user);

  std::shared_ptr<SymbolTable> symbols_;
  std::vector<ValueInfo> values_;
  std::vector<std::vector<NodeId>> users_;  ///< of each value
  std::vector<Node> nodes_;
  std::vector<ValueId> inputs_;
  std::vector<ValueId> outputs_;
  std::vector<std::string> output_names_;
};

}  // namespace sdx::ir
