// `sardonyx bench`: latency percentiles of a model.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <ctime>
#include <memory>
#include <thread>

#include "base/join_pages.h"
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
  double rate = 0;
};

/// The smallest value that at least `share` of the sorted values do not exceed.
double percentile(const std::vector<double>& sorted, double share) {
  const auto rank = static_cast<size_t>(share * static_cast<double>(sorted.size()) + 0.999999);
  return sorted[std::clamp<size_t>(rank, 1, sorted.size()) - 1];
}

struct Timings {
  std::vector<double> ms;  ///< of each run
  double total_ms = 0;     ///< of the runs
  double cpu_ms = 0;       ///< of the process, all threads, while runs were made and waited for
};

/// Runs one after the other, or flags.rate a second with sleep between them.
Timings measure(Runner& runner, const BenchFlags& flags) {
  using Clock = std::chrono::steady_clock;
  Timings out;
  std::vector<Value> outputs;
  const std::clock_t cpu = std::clock();
  const auto start = Clock::now();
  auto passed = [&] { return std::chrono::duration<double>(Clock::now() - start).count(); };
  while (flags.runs > 0 ? static_cast<int>(out.ms.size()) < flags.runs : passed() < flags.seconds || out.ms.empty()) {
    if (flags.rate > 0) {
      std::this_thread::sleep_until(start +
                                    std::chrono::duration<double>(static_cast<double>(out.ms.size()) / flags.rate));
    }
    out.ms.push_back(runner.run(outputs));
    out.total_ms += out.ms.back();
  }
  out.cpu_ms = 1000.0 * static_cast<double>(std::clock() - cpu) / CLOCKS_PER_SEC;
  return out;
}

void run(const BenchFlags& flags) {
  Runner runner(flags.model, flags.inputs);
  std::vector<Value> outputs;
  join_waiting_pages();
  for (int i = 0; i < flags.warmup; ++i) runner.run(outputs);
  Timings timings = measure(runner, flags);
  std::vector<double>& times = timings.ms;
  std::ranges::sort(times);
  Json report{{"model", flags.model.path},
              {"threads", Parallel(flags.model.threads).threads()},
              {"runs", times.size()},
              {"load_ms", runner.load_ms()}};
  for (size_t i = 0; i < runner.inputs().size(); ++i) {
    if (!runner.inputs()[i].is_tensor()) continue;
    const Extents& e = runner.inputs()[i].tensor().extents();
    report["shapes"][runner.model().inputs()[i].name] = std::vector<int64_t>(e.begin(), e.end());
  }
  report["min_ms"] = times.front();
  for (int p : {50, 90, 95, 99}) report[cat("p", p, "_ms")] = percentile(times, p / 100.0);
  report["max_ms"] = times.back();
  report["mean_ms"] = timings.total_ms / static_cast<double>(times.size());
  report["cpu_ms"] = timings.cpu_ms / static_cast<double>(times.size());
  // All threads at work throughout the runs, and asleep between them: 1.
  report["cpu_of_work"] = timings.cpu_ms / (timings.total_ms * Parallel(flags.model.threads).threads());
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
  command->add_option("--runs", flags->runs, "runs to measure; 0: as many as fit into --seconds")
      ->check(at_least_zero());
  command->add_option("--seconds", flags->seconds, "how long to measure")->check(positive());
  command
      ->add_option("--rate", flags->rate,
                   "runs a second, asleep between them (default: no pauses); cpu_of_work tells what waiting costs")
      ->check(positive());
  command->final_callback([flags] { run(*flags); });
}

}  // namespace sdx::cli
