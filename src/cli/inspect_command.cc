// `sardonyx inspect`: what a model is, what it needs and what of it this build cannot run.
#include <cstdio>
#include <map>
#include <memory>

#include "cli/commands.h"
#include "cli/json_tensor.h"
#include "cli/runner.h"
#include "import/import.h"
#include "onnx/tensor_data.h"

namespace sdx::cli {
namespace {

struct InspectFlags {
  ModelFlags model;
  InputFlags inputs;
};

Json ports(const std::vector<engine::Port>& list) {
  Json out = Json::array();
  for (const auto& p : list) out.push_back({{"name", p.name}, {"type", p.fact.text()}});
  return out;
}

void count_nodes(const std::vector<onnx::NodeView>& nodes, std::map<std::string, int>& counts) {
  for (const auto& node : nodes) {
    const bool standard = node.domain.empty() || node.domain == "ai.onnx";
    ++counts[standard ? std::string(node.op_type) : cat(node.domain, "::", node.op_type)];
    for (const auto& a : node.attributes) {
      for (const auto& g : a.graphs) count_nodes(g.nodes, counts);
    }
  }
}

void count_weights(const onnx::GraphView& graph, int64_t& elements, int64_t& bytes) {
  for (const auto& t : graph.initializers) {
    elements += onnx::element_count(t.dims);
    if (t.type != onnx::DataType::kString) bytes += static_cast<int64_t>(onnx::storage_bytes(t));
  }
  for (const auto& node : graph.nodes) {
    for (const auto& a : node.attributes) {
      for (const auto& g : a.graphs) count_weights(g, elements, bytes);
    }
  }
}

Json describe_file(const onnx::ModelFile& file) {
  const onnx::ModelView& model = file.model();
  Json out{{"ir_version", model.ir_version}, {"producer", cat(model.producer_name, " ", model.producer_version)}};
  for (const auto& o : model.opset_imports)
    out["opsets"][o.domain.empty() ? "ai.onnx" : std::string(o.domain)] = o.version;
  for (const auto& m : model.metadata_props) out["metadata"][std::string(m.key)] = m.value;
  int64_t elements = 0, bytes = 0;
  count_weights(model.graph, elements, bytes);
  out["parameters"] = elements;
  out["weight_bytes"] = bytes;
  std::map<std::string, int> counts;
  count_nodes(model.graph.nodes, counts);
  for (const auto& f : model.functions) count_nodes(f.nodes, counts);
  out["operators"] = counts;
  return out;
}

/// What compiling and one run on the given or default shapes tell. Fails as they do.
void describe_program(const InspectFlags& flags, Json& out) {
  const auto model = load_model(flags.model);
  out["inputs"] = ports(model->inputs());
  out["outputs"] = ports(model->outputs());
  out["instructions"] = model->program().instructions.size();
  out["constant_bytes"] = model->program().constant_bytes();
  out["load_ms"] = {{"read", model->times().read},
                    {"import", model->times().import},
                    {"rewrite", model->times().rewrite},
                    {"plan", model->times().plan}};
  try {
    const int64_t before = model->budget()->used();
    const std::vector<Value> inputs = make_inputs(*model, flags.inputs);
    for (size_t i = 0; i < inputs.size(); ++i) {
      if (inputs[i].is_tensor()) out["memory"]["shapes"][model->inputs()[i].name] = inputs[i].tensor().extents().text();
    }
    engine::RunSettings settings;
    settings.parallel = Parallel(flags.model.threads);
    engine::Session(model).run(inputs, settings);
    out["memory"]["loaded_bytes"] = before;
    out["memory"]["run_bytes"] = model->budget()->peak() - before;
  } catch (const Error& e) {
    out["memory"] = {{"unknown", e.what()}};
  }
}

void print_text(const Json& report) {
  for (const auto& [key, value] : report.items()) {
    if (value.is_array() && !value.empty()) {
      std::printf("%s\n", key.c_str());
      for (const Json& item : value) {
        std::string line;
        for (const auto& [name, part] : item.items())
          line += cat("  ", part.is_string() ? part.get<std::string>() : part.dump());
        std::printf("%s\n", line.c_str());
      }
    } else {
      std::printf("%-14s %s\n", key.c_str(),
                  value.is_string() ? value.get<std::string>().c_str() : value.dump().c_str());
    }
  }
}

void run(const InspectFlags& flags) {
  const auto path = model_path(flags.model.path);
  const onnx::ModelFile file = onnx::ModelFile::open(path);
  Json report{{"model", path.string()}};
  report.update(describe_file(file));
  report["unsupported"] = Json::array();
  for (const auto& gap : import::find_gaps(file.model())) {
    report["unsupported"].push_back(
        {{"op", gap.op}, {"reason", gap.reason}, {"count", gap.count}, {"where", gap.where}});
  }
  const bool supported = report["unsupported"].empty();
  if (supported) describe_program(flags, report);
  if (flags.model.json)
    std::printf("%s\n", report.dump(-1, ' ', false, Json::error_handler_t::replace).c_str());
  else
    print_text(report);
  std::fflush(stdout);
  // The error is the one that loading gives.
  if (!supported) import::import_model(file);
}

}  // namespace

void add_inspect_command(CommandLine& app) {
  auto flags = std::make_shared<InspectFlags>();
  Subcommand* command =
      app.add_subcommand("inspect", "show inputs, outputs, parameters, memory, operators and what is unsupported");
  add_model_path(*command, flags->model);
  add_model_flags(*command, flags->model);
  add_input_flags(*command, flags->inputs);
  command->final_callback([flags] { run(*flags); });
}

}  // namespace sdx::cli
