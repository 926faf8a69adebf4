// A graph or a program for Graphviz.
#pragma once

#include <string>

#include "ir/graph.h"
#include "plan/program.h"

namespace sdx::cli {

/// Nodes as boxes, with the facts of values on the edges; constants and bodies are left out.
std::string graph_dot(const ir::Graph& graph);
std::string program_dot(const plan::Program& program);

}  // namespace sdx::cli
