// What passes ask of single nodes: operators of the project's own domain and their attributes.
#pragma once

#include <string_view>

#include "ir/graph.h"
#include "ops/op_table.h"

namespace sdx::rewrite {

inline bool is_own(const ir::Node& n, std::string_view op) {
  return n.op != nullptr && n.op->domain == ops::kOwnDomain && n.op->name == op;
}

/// The attribute of a node, or `absent` where the node has none of that name.
template <class T>
T attribute(const ir::Node& n, std::string_view name, T absent) {
  const ir::AttrMap map = n.attrs.map();
  const auto it = map.find(name);
  return it == map.end() ? absent : std::get<T>(it->second);
}

}  // namespace sdx::rewrite
