// Standard form: how the operators of a graph are spelled in an ONNX file.
#pragma once

#include <string_view>

#include "ir/graph.h"

namespace sdx::import {

/// The name under which the newest opset has the operator: some were renamed, or moved into the standard.
struct OpName {
  std::string_view domain, name;
};
OpName standard_name(const ir::Op& op);

/// Whether a file may give the attribute to the operator. Structs are shared by sibling operators and also hold what
/// only older opsets mean, so they have more members than one operator has attributes.
bool is_standard_attribute(const ir::Op& op, std::string_view attribute, int opset);

/// The oldest opset, of at least 21, that has every operator, attribute and type of the graph: the newest ones are
/// known to few runtimes, and some of those lack the latest versions of old operators.
int needed_opset(const ir::Graph& graph);

/// Throws UnsupportedModel for a node with the meaning of an older opset that no newer one can say.
void require_exportable(const ir::Node& node);

}  // namespace sdx::import
