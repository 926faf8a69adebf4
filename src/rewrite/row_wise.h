// Row-wise nodes: those that compute row i of a batch of texts from row i alone, so that they can compute fewer rows.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "ir/graph.h"

namespace sdx::rewrite {

/// The nodes of a graph between values [texts, length, ...].
class RowWise {
 public:
  /// Nodes that it adds are called, and said to come from, `rule`.
  RowWise(ir::Graph& graph, Dim texts, Dim length, std::string rule)
      : graph_(graph), texts_(std::move(texts)), length_(std::move(length)), rule_(std::move(rule)) {}

  bool has_rows(ir::ValueId v) const;
  /// Row i of the output depends on row i of the operands with rows, and else on constants that all rows share.
  bool fits(const ir::Node& n) const;
  /// The output of a node that fits for values [texts, length, ...] other than the graph's: `rows_of` gives them for
  /// each operand with rows.
  ir::ValueId remake(ir::NodeId id, const std::function<ir::ValueId(ir::ValueId)>& rows_of, const Dim& texts,
                     const Dim& length);

  /// The first output of an added node.
  ir::ValueId call(std::string_view op, const ir::AttrMap& attrs, std::vector<ir::ValueId> inputs,
                   std::string_view domain = "");
  ir::ValueId reshape(ir::ValueId v, std::vector<Dim> dims);

 private:
  bool is_operand(ir::ValueId v, int rank) const;

  ir::Graph& graph_;
  Dim texts_, length_;
  std::string rule_;
};

}  // namespace sdx::rewrite
