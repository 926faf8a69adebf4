// SingleOp: a case as a graph of one operator, and the ways of running it.
#pragma once

#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "base/parallel.h"
#include "case.h"
#include "ir/graph.h"

namespace sdx::ops {

/// The fact of input `index` for a tensor that only the run knows.
using FactOf = std::function<ir::Fact(int index, const Tensor& value)>;

/// The fact with the tensor's own sizes.
ir::Fact concrete_fact(int index, const Tensor& value);

class SingleOp {
 public:
  /// Adds the call, upgraded from the case's opset, to a graph. Throws as loading the model would.
  SingleOp(const Case& c, std::shared_ptr<SymbolTable> symbols, const FactOf& fact_of);

  /// Runs the graph's nodes one after the other. `inputs` are one per input line.
  std::vector<Value> run(std::span<const Value> inputs, const Parallel& parallel) const;

  const ir::Graph& graph() const { return graph_; }
  const ir::Node& node() const { return graph_.node(node_); }
  /// The fact of an output.
  const ir::Fact& fact(size_t output) const { return graph_.fact(node().outputs[output]); }
  /// The line that gives the node's operand, or -1 for a constant that the upgrade made.
  int line_of(size_t operand) const;
  /// The value of the node's operand: the case's, or the constant that the upgrade made.
  Value operand(const Case& c, size_t i) const;

 private:
  ir::Graph graph_;
  std::vector<ir::ValueId> lines_;  ///< value of each input line
  std::vector<bool> wanted_;
  ir::NodeId node_ = ir::kNone;
};

/// The values of a case's input lines.
std::vector<Value> input_values(const Case& c);

}  // namespace sdx::ops
