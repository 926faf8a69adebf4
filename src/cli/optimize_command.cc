// `sardonyx optimize`: saves the rewritten graph as ONNX, with standard operators alone.
#include <algorithm>
#include <cstdio>
#include <memory>
#include <set>

#include "cli/commands.h"
#include "cli/flags.h"
#include "cli/json_tensor.h"
#include "import/export.h"
#include "import/import.h"
#include "onnx/tensor_data.h"
#include "onnx/writer.h"
#include "ops/op_table.h"

namespace sdx::cli {
namespace {

struct OptimizeFlags {
  ModelFlags model;
  std::string output;
};

/// A value that only the planner computes.
bool is_known(const ir::Graph& graph, ir::ValueId v) {
  return v != ir::kNone && graph.value(v).producer == ir::kNone && !graph.fact(v).is_constant() &&
         std::ranges::find(graph.inputs(), v) == graph.inputs().end();
}

/// The rules that made nodes which a file cannot hold.
void collect_own(const ir::Graph& graph, std::set<std::string>& rules) {
  for (ir::NodeId id = 0; id < graph.node_count(); ++id) {
    const ir::Node& n = graph.node(id);
    if (!n.op) continue;
    const bool known = std::ranges::any_of(n.inputs, [&](ir::ValueId v) { return is_known(graph, v); });
    // Swish is of the standard, but too new for the runtimes that read such files.
    const bool too_new = n.op->name == "Swish" && !n.rule.empty();
    if (n.op->domain == ops::kOwnDomain || known || too_new) rules.insert(n.rule);
    for (const ir::Graph& body : n.bodies) collect_own(body, rules);
  }
}

/// Rewrites without the rules whose results no other runtime knows: those are found by trying.
ir::Graph rewrite_portably(const onnx::ModelFile& file, rewrite::Options options, rewrite::Report& report) {
  options.known_values = false;
  while (true) {
    report = {};
    ir::Graph graph = rewrite::rewrite(import::import_model(file), options, report);
    std::set<std::string> rules;
    collect_own(graph, rules);
    if (rules.empty()) return graph;
    const size_t before = options.off.size();
    for (const std::string& r : rules) {
      if (!r.empty()) options.off.push_back(r);
    }
    if (options.off.size() == before)
      fail(ErrorKind::kUnsupportedModel, "the graph needs operators that the standard does not have");
  }
}

void run(const OptimizeFlags& flags) {
  const onnx::ModelFile file = onnx::ModelFile::open(model_path(flags.model.path));
  rewrite::Report report;
  const ir::Graph graph = rewrite_portably(file, rewrite_options(flags.model), report);
  const import::Exported out = import::export_model(graph);
  onnx::save_model(out.model, flags.output, [](const onnx::TensorView& t) { return onnx::inline_bytes(t); });
  const Json result{{"output", flags.output},
                    {"nodes_before", file.model().graph.nodes.size()},
                    {"nodes_after", graph.live_nodes()},
                    {"applied", report.applied}};
  if (flags.model.json)
    std::printf("%s\n", result.dump().c_str());
  else
    std::printf("%s: %d nodes, before %zu\n", flags.output.c_str(), graph.live_nodes(),
                file.model().graph.nodes.size());
}

}  // namespace

void add_optimize_command(CommandLine& app) {
  auto flags = std::make_shared<OptimizeFlags>();
  Subcommand* command = app.add_subcommand("optimize", "save the rewritten graph as ONNX");
  add_model_path(*command, flags->model);
  add_model_flags(*command, flags->model);
  command->add_option("-o,--output", flags->output, "the .onnx file to write; weights over 1 GiB go beside it")
      ->required();
  command->final_callback([flags] { run(*flags); });
}

}  // namespace sdx::cli
