// A graph or a program for Graphviz.
#include "cli/graph_dot.h"

#include <map>

namespace sdx::cli {
namespace {

std::string quoted(const std::string& text) {
  std::string out = "\"";
  for (char c : text) out += c == '"' || c == '\\' ? std::string("\\") + c : std::string(1, c);
  return out + "\"";
}

/// Nodes and edges of a graph whose edges carry the facts.
class Dot {
 public:
  void node(const std::string& id, const std::string& label, const char* shape) {
    text_ += cat("  ", id, " [label=", quoted(label), ", shape=", shape, "];\n");
  }
  void edge(const std::string& from, const std::string& to, const std::string& label) {
    text_ += cat("  ", from, " -> ", to, " [label=", quoted(label), "];\n");
  }
  std::string take() const {
    return "digraph {\n  node [fontname=\"sans\", fontsize=10];\n  edge [fontname=\"sans\", fontsize=8];\n" + text_ +
           "}\n";
  }

 private:
  std::string text_;
};

}  // namespace

std::string graph_dot(const ir::Graph& graph) {
  Dot dot;
  auto source = [&](ir::ValueId v) {
    return graph.value(v).producer == ir::kNone ? cat("v", v) : cat("n", graph.value(v).producer);
  };
  for (ir::ValueId v : graph.inputs()) dot.node(cat("v", v), graph.value(v).name, "oval");
  for (ir::NodeId id : graph.order()) {
    const ir::Node& n = graph.node(id);
    dot.node(cat("n", id), std::string(n.op->name), "box");
    for (ir::ValueId v : n.inputs) {
      if (v != ir::kNone && !graph.fact(v).is_constant() && !graph.fact(v).values)
        dot.edge(source(v), cat("n", id), graph.fact(v).text());
    }
  }
  for (size_t i = 0; i < graph.outputs().size(); ++i) {
    dot.node(cat("o", i), graph.output_names()[i], "oval");
    dot.edge(source(graph.outputs()[i]), cat("o", i), graph.fact(graph.outputs()[i]).text());
  }
  return dot.take();
}

std::string program_dot(const plan::Program& program) {
  Dot dot;
  std::map<plan::SlotId, std::string> source;
  auto fact = [&](plan::SlotId s) { return program.slots[static_cast<size_t>(s)].fact.text(); };
  for (plan::SlotId s : program.inputs)
    dot.node(source[s] = cat("v", s), program.slots[static_cast<size_t>(s)].name, "oval");
  auto find = [&](plan::SlotId s) {
    auto it = source.find(s);
    if (it == source.end()) it = source.find(program.slots[static_cast<size_t>(s)].alias_of);
    return it == source.end() ? std::string() : it->second;
  };
  for (size_t i = 0; i < program.instructions.size(); ++i) {
    const plan::Instruction& n = program.instructions[i];
    dot.node(cat("n", i), cat(i, ": ", n.op->name), "box");
    for (plan::SlotId s : n.inputs) {
      if (s != plan::kNoSlot && !find(s).empty()) dot.edge(find(s), cat("n", i), fact(s));
    }
    for (plan::SlotId s : n.outputs) {
      if (s != plan::kNoSlot) source[s] = cat("n", i);
    }
  }
  for (size_t i = 0; i < program.outputs.size(); ++i) {
    dot.node(cat("o", i), program.output_names[i], "oval");
    if (!find(program.outputs[i]).empty()) dot.edge(find(program.outputs[i]), cat("o", i), fact(program.outputs[i]));
  }
  return dot.take();
}

}  // namespace sdx::cli
