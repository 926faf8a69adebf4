// `sardonyx run`: runs a model once or more and shows or saves its outputs.
#include <cstdio>
#include <memory>

#include "cli/commands.h"
#include "cli/flags.h"
#include "cli/inputs.h"
#include "cli/json_tensor.h"
#include "cli/npz.h"
#include "cli/runner.h"

namespace sdx::cli {
namespace {

struct RunFlags {
  ModelFlags model;
  InputFlags inputs;
  std::string output;
  int repeat = 1;
  double deadline = 0;
};

void print_text(const Json& report) {
  for (const Json& out : report["outputs"]) {
    std::string line = cat(out["name"].get<std::string>(), "  ", out["type"].get<std::string>(), out["shape"].dump());
    for (const char* key : {"min", "max", "mean", "nan", "values"}) {
      if (out.contains(key)) line += cat("  ", key, " ", out[key].dump());
    }
    std::printf("%s\n", line.c_str());
  }
  std::printf("load %.1f ms, first run %.2f ms, last run %.2f ms\n", report["load_ms"].get<double>(),
              report["first_ms"].get<double>(), report["last_ms"].get<double>());
}

void run(const RunFlags& flags) {
  Runner runner(flags.model, flags.inputs);
  runner.set_deadline(flags.deadline);
  std::vector<Value> outputs;
  Json report;
  report["model"] = flags.model.path;
  report["runs"] = flags.repeat;
  report["load_ms"] = runner.load_ms();
  for (int i = 0; i < flags.repeat; ++i) {
    const double ms = runner.run(outputs);
    if (i == 0) report["first_ms"] = ms;
    report["last_ms"] = ms;
  }
  std::vector<std::pair<std::string, Tensor>> arrays;
  report["outputs"] = Json::array();
  for (size_t i = 0; i < outputs.size(); ++i) {
    Json out{{"name", runner.model().outputs()[i].name}};
    if (outputs[i].is_tensor()) {
      out.update(summary(outputs[i].tensor()));
      arrays.emplace_back(runner.model().outputs()[i].name, outputs[i].tensor());
    } else {
      out["type"] = runner.model().outputs()[i].fact.text();
      out["shape"] = Json::array();
      const size_t count = outputs[i].is_sequence() ? outputs[i].sequence().items.size() : 0;
      if (outputs[i].is_sequence()) out["elements"] = count;
      for (size_t k = 0; k < count; ++k)
        arrays.emplace_back(cat(runner.model().outputs()[i].name, ".", k), outputs[i].sequence().items[k]);
    }
    report["outputs"].push_back(std::move(out));
  }
  if (!flags.output.empty()) write_npz(flags.output, arrays);
  if (flags.model.json)
    std::printf("%s\n", report.dump().c_str());
  else
    print_text(report);
}

}  // namespace

void add_run_command(CommandLine& app) {
  auto flags = std::make_shared<RunFlags>();
  Subcommand* command = app.add_subcommand("run", "run a model and show or save its outputs");
  add_model_path(*command, flags->model);
  add_model_flags(*command, flags->model);
  add_input_flags(*command, flags->inputs);
  command->add_option("--output", flags->output, "save the outputs to this .npz archive");
  command->add_option("--repeat", flags->repeat, "how many times to run")->check(range(1, 1'000'000'000));
  command->add_option("--deadline", flags->deadline, "seconds after which a run ends with an error; 0: none")
      ->check(range(0, 1e9));
  command->final_callback([flags] { run(*flags); });
}

}  // namespace sdx::cli
