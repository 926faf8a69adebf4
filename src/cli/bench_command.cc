// `sardonyx bench`: latency percentiles of a model.
#include <algorithm>
#include <cstdio>
#include <memory>

#include "cli/commands.h"
#include "cli/json_tensor.h"
#include "cli/runner.h"

namespace sdx::cli {
namespace {

struct BenchFlags {
  ModelFlags model;
  InputFlags inputs;
  int warmup = 3;
  int runs = 0;
  double seconds = 3;
};

/// The smallest value that at least `share` of the sorted values do not exceed.
double percentile(const std::vector<double>& sorted, double share) {
  const auto rank = static_cast<size_t>(share * static_cast<double>(sorted.size()) + 0.999999);
  return sorted[std::clamp<size_t>(rank, 1, sorted.size()) - 1];
}

void run(const BenchFlags& flags) {
  Runner runner(flags.model, flags.inputs);
  std::vector<Value> outputs;
  for (int i = 0; i < flags.warmup; ++i) runner.run(outputs);
  std::vector<double> times;
  double spent = 0;
  while (flags.runs > 0 ? static_cast<int>(times.size()) < flags.runs : spent < flags.seconds * 1000 || times.empty()) {
    times.push_back(runner.run(outputs));
    spent += times.back();
  }
  std::ranges::sort(times);
  Json report{{"model", flags.model.path}, {"threads", Parallel(flags.model.threads).threads()}, {"runs", times.size()}, {"load_ms", runner.load_ms()}};
  for (size_t i = 0; i < runner.inputs().size(); ++i) {
    if (!runner.inputs()[i].is_tensor()) continue;
    const Extents& e = runner.inputs()[i].tensor().extents();
    report["shapes"][runner.model().inputs()[i].name] = std::vector<int64_t>(e.begin(), e.end());
  }
  report["min_ms"] = times.front();
  for (int p : {50, 90, 95, 99}) report[cat("p", p, "_ms")] = percentile(times, p / 100.0);
  report["max_ms"] = times.back();
  report["mean_ms"] = spent / static_cast<double>(times.size());
  if (flags.model.json) {
    std::printf("%s\n", report.dump().c_str());
    return;
  }
  for (const auto& [key, value] : report.items()) std::printf("%-8s %s\n", key.c_str(), value.dump().c_str());
}

}  // namespace

void add_bench_command(CommandLine& app) {
  auto flags = std::make_shared<BenchFlags>();
  Subcommand* command = app.add_subcommand("bench", "measure latency percentiles");
  add_model_path(*command, flags->model);
  add_model_flags(*command, flags->model);
  add_input_flags(*command, flags->inputs);
  command->add_option("--warmup", flags->warmup, "runs that are not measured")->check(at_least_zero());
  command->add_option("--runs", flags->runs, "runs to measure; 0: as many as fit into --seconds")->check(at_least_zero());
  command->add_option("--seconds", flags->seconds, "how long to measure")->check(positive());
  command->final_callback([flags] { run(*flags); });
}

}  // namespace sdx::cli
