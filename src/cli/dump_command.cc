// `sardonyx dump`: a model after any stage, as text or for Graphviz.
#include <cstdio>
#include <memory>

#include "cli/commands.h"
#include "cli/flags.h"
#include "cli/graph_dot.h"
#include "cli/json_tensor.h"
#include "import/import.h"
#include "ir/text.h"

namespace sdx::cli {
namespace {

struct DumpFlags {
  ModelFlags model;
  std::string after = "plan";
  bool dot = false;
};

std::string dump(const DumpFlags& flags) {
  const onnx::ModelFile file = onnx::ModelFile::open(model_path(flags.model.path));
  ir::Graph graph = import::import_model(file);
  if (flags.after == "import") return flags.dot ? graph_dot(graph) : ir::print(graph);
  rewrite::Report report;
  graph = rewrite::rewrite(std::move(graph), rewrite_options(flags.model), report);
  for (const auto& m : report.misses)
    std::fprintf(stderr, "missed %s at '%s': %s\n", m.rule.c_str(), m.node.c_str(), m.reason.c_str());
  if (flags.after == "rewrite") return flags.dot ? graph_dot(graph) : ir::print(graph);
  const auto program = plan::make_program(std::move(graph));
  return flags.dot ? program_dot(*program) : program->text();
}

}  // namespace

void add_dump_command(CommandLine& app) {
  auto flags = std::make_shared<DumpFlags>();
  Subcommand* command = app.add_subcommand("dump", "print a model after a stage of compiling");
  add_model_path(*command, flags->model);
  add_model_flags(*command, flags->model);
  command->add_option("--after", flags->after, "import, rewrite or plan")->check(one_of({"import", "rewrite", "plan"}));
  command->add_flag("--dot", flags->dot, "Graphviz instead of text");
  command->final_callback([flags] {
    const std::string text = dump(*flags);
    if (flags->model.json)
      std::printf(
          "%s\n",
          Json{{"after", flags->after}, {"text", text}}.dump(-1, ' ', false, Json::error_handler_t::replace).c_str());
    else
      std::fwrite(text.data(), 1, text.size(), stdout);
  });
}

}  // namespace sdx::cli
