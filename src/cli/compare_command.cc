// `sardonyx compare`: this runtime beside ONNX Runtime on one model, measured in turns.
#include <algorithm>
#include <cstdio>
#include <memory>

#include "base/atomic_file.h"
#include "cli/commands.h"
#include "cli/compare.h"
#include "cli/footprint.h"
#include "cli/html_report.h"

namespace sdx::cli {
namespace {

double at(const Json& json, const char* group, const char* field) { return json[group][field].get<double>(); }

void print_rates(const Json& r) {
  const double operations = at(r, "work", "operations"), bytes = at(r, "work", "weight_bytes");
  const double flops = at(r, "ceiling", "flops"), memory = at(r, "ceiling", "memory");
  for (const char* side : {"ours_ms", "peer_ms"}) {
    const double seconds = at(r, side, "median") / 1e3;
    std::printf("%-14s %.1f GFLOP/s (%.0f%% of %.1f), weights at %.1f GB/s (%.0f%% of %.1f)\n",
                side[0] == 'o' ? "Sardonyx" : "ONNX Runtime", operations / seconds / 1e9,
                100 * operations / seconds / flops, flops / 1e9, bytes / seconds / 1e9, 100 * bytes / seconds / memory,
                memory / 1e9);
  }
}

void print_footprint(const Json& r) {
  if (!r.contains("load")) return;
  const Json& load = r["load"];
  std::printf("load           %.1f ms, ONNX Runtime %.1f ms: %.2fx\n", at(load, "ours_ms", "median"),
              at(load, "peer_ms", "median"), load["ratio"].get<double>());
  const Json& memory = r["memory"];
  std::printf("peak memory    %.1f MB, ONNX Runtime %.1f MB; files %.1f MB; beyond them %.0f%% and %.0f%%\n",
              at(memory, "ours", "peak") / 1e6, at(memory, "peer", "peak") / 1e6, memory["weights"].get<double>() / 1e6,
              100 * at(memory, "ours", "beyond"), 100 * at(memory, "peer", "beyond"));
}

void print_text(const Json& r) {
  std::printf("%s on %d threads, %s; ONNX Runtime %s: %s\n", r["model"].get<std::string>().c_str(),
              r["threads"].get<int>(), r["isa"].get<std::string>().c_str(),
              r["peer"]["version"].get<std::string>().c_str(), r["peer"]["settings"].get<std::string>().c_str());
  std::printf("inputs         %s\n", r.contains("shapes") ? r["shapes"].dump().c_str() : "none");
  if (r["peer"].contains("pieces_ms")) {
    std::printf("pieces         ONNX Runtime's ms by texts at a time: %s; compared with the best\n",
                r["peer"]["pieces_ms"].dump().c_str());
  }
  std::printf("ratio          %.3f  (quartiles %.3f .. %.3f over %zu %s of %d pairs; of the least times %.3f)\n",
              at(r, "ratio", "median"), at(r, "ratio", "first"), at(r, "ratio", "third"), r["pairs"].get<size_t>(),
              r["quiet"].get<bool>() ? "quiet" : "disturbed", r["measured"].get<int>(),
              at(r, "peer_ms", "least") / at(r, "ours_ms", "least"));
  for (const char* side : {"ours_ms", "peer_ms"}) {
    std::printf("%-14s median %.3f ms, quartiles %.3f .. %.3f, least %.3f\n",
                side[0] == 'o' ? "Sardonyx" : "ONNX Runtime", at(r, side, "median"), at(r, side, "first"),
                at(r, side, "third"), at(r, side, "least"));
  }
  print_rates(r);
  print_footprint(r);
  for (const Json& out : r["outputs"]) {
    std::printf("output         %s: largest difference %s of scale %.3g\n", out["name"].get<std::string>().c_str(),
                out["difference"].dump().c_str(), out["scale"].get<double>());
  }
}

void run(const CompareFlags& flags) {
  if (!flags.only.empty()) {
    const FootprintTask task{flags.only, flags.inputs.archive, flags.library, flags.load_only};
    std::printf("%s\n", own_footprint(task, flags.model).dump().c_str());
    return;
  }
  const Json report = compare_runtimes(flags);
  if (!flags.html.empty()) {
    AtomicFile page(flags.html);
    page.write(html_report({report}));
    page.commit();
  }
  if (flags.model.json)
    std::printf("%s\n", report.dump().c_str());
  else
    print_text(report);
  if (report["agree"].get<bool>()) return;
  std::fflush(stdout);
  fail(ErrorKind::kInternal,
       "the two runtimes do not agree on the outputs; sardonyx run --rules=none tells whether a rewrite is wrong");
}

}  // namespace

void add_compare_command(CommandLine& app) {
  auto flags = std::make_shared<CompareFlags>();
  Subcommand* command = app.add_subcommand("compare", "measure this runtime beside ONNX Runtime on the same inputs");
  add_model_path(*command, flags->model);
  add_model_flags(*command, flags->model);
  add_input_flags(*command, flags->inputs);
  command->add_option("--pairs", flags->pairs.pairs, "pairs of measurements")->check(range(1, 10'000));
  command->add_option("--block-ms", flags->pairs.block_ms, "repeat shorter runs until a measurement lasts that long")
      ->check(positive());
  command->add_option("--seconds", flags->pairs.most_seconds, "start no further pair after this time")
      ->check(positive());
  command->add_option(
      "--mixed", flags->mixed,
      "a padded batch of texts: 16x8..128; ONNX Runtime gets its best of 1, 4 and all at a time, sorted");
  command->add_option("--ort", flags->library,
                      "path of libonnxruntime.so.1; otherwise where tools/peer/install.sh put it");
  command->add_option("--html", flags->html, "write the report as a page that needs nothing else");
  command->add_flag("--no-memory", flags->no_memory,
                    "leave out load time and memory, which take processes of their own");
  command->add_option("--only", flags->only)->check(one_of({"ours", "peer"}))->hidden();
  command->add_flag("--load-only", flags->load_only)->hidden();
  command->final_callback([flags] { run(*flags); });
}

}  // namespace sdx::cli
