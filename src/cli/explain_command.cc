// `sardonyx explain`: why a model is as fast as it is.
#include <algorithm>
#include <cstdio>
#include <map>
#include <memory>

#include "base/join_pages.h"
#include "cli/commands.h"
#include "cli/json_tensor.h"
#include "cli/runner.h"
#include "cli/svg.h"
#include "measure/bounds.h"
#include "measure/pairs.h"

namespace sdx::cli {
namespace {

using measure::Group;

struct ExplainFlags {
  ModelFlags model;
  InputFlags inputs;
  int top = 25;
  int repeat = 7;
};

/// Times `repeat` profiled runs, instruction by instruction.
std::vector<std::vector<engine::Sample>> profile(Runner& runner, int repeat) {
  std::vector<Value> outputs;
  runner.run(outputs);
  std::vector<std::vector<engine::Sample>> runs(static_cast<size_t>(repeat));
  for (auto& samples : runs) runner.run(outputs, &samples);
  return runs;
}

double typical_run(Runner& runner, int repeat) {
  std::vector<Value> outputs;
  std::vector<double> times;
  runner.run(outputs);
  for (int i = 0; i < repeat; ++i) times.push_back(runner.run(outputs));
  return measure::quantile(times, 0.5);
}

Json instructions(const std::vector<Group>& groups) {
  Json out = Json::array();
  for (const Group& g : groups) {
    const double seconds = std::max(g.ms, 1e-6) / 1e3;
    out.push_back({{"op", g.op},
                   {"sizes", g.sizes},
                   {"count", g.count},
                   {"example", g.example},
                   {"rule", g.rule},
                   {"ms", g.ms},
                   {"attainable_ms", g.attainable.ms},
                   {"bound", measure::bound_name(g.attainable.bound)},
                   {"operations", g.cost.operations},
                   {"weight_bytes", g.cost.weight_bytes},
                   {"moved_bytes", g.cost.moved_bytes},
                   {"flops", g.cost.operations / seconds},
                   {"bytes_per_second", (g.cost.weight_bytes + g.cost.moved_bytes) / seconds}});
  }
  return out;
}

/// The condition with the names of nodes and values in it left out, so that layers of a model miss alike.
std::string without_names(const std::string& condition) {
  std::string out;
  bool quoted = false;
  for (size_t i = 0; i < condition.size(); ++i) {
    const bool mark = condition[i] == '\'' && (quoted || i == 0 || condition[i - 1] == ' ');
    if (mark && !quoted) out += "…";
    if (mark)
      quoted = !quoted;
    else if (!quoted)
      out += condition[i];
  }
  return quoted ? condition : out;
}

/// Near misses by rule and reason: those of fusions first, then those that happened most often.
Json misses_of(const rewrite::Report& report) {
  struct Miss {
    int count = 0;
    std::string example;
  };
  std::map<std::pair<std::string, std::string>, Miss> misses;
  for (const auto& m : report.misses) {
    Miss& miss = misses[{m.rule, without_names(m.reason)}];
    if (miss.count++ == 0) miss.example = m.node;
  }
  Json out = Json::array();
  for (const auto& [key, miss] : misses) {
    out.push_back({{"rule", key.first}, {"condition", key.second}, {"count", miss.count}, {"example", miss.example}});
  }
  auto rank = [](const Json& m) {
    return std::pair(m["rule"].get_ref<const std::string&>().starts_with("fuse"), m["count"].get<int>());
  };
  std::stable_sort(out.begin(), out.end(), [&](const Json& a, const Json& b) { return rank(a) > rank(b); });
  return out;
}

/// Each group would take its time times the growth of its limit.
double with_twice_the_rows(const std::vector<Group>& groups) {
  double ms = 0;
  for (const Group& g : groups) ms += g.attainable.ms > 0 ? g.ms * g.attainable_twice_ms / g.attainable.ms : g.ms;
  return ms;
}

Json explain(const ExplainFlags& flags) {
  ModelFlags wanted = flags.model;
  wanted.collect_misses = true;
  Runner runner(wanted, flags.inputs);
  const int threads = Parallel(wanted.threads).threads();
  measure::CeilingProbe probe{Parallel(wanted.threads)};
  join_waiting_pages();
  const auto runs = profile(runner, flags.repeat);
  const auto ceiling = probe.measure();
  const auto groups = measure::explain(runner.model().program(), runs, ceiling);
  double ms = 0, attainable = 0;
  for (const Group& g : groups) {
    ms += g.ms;
    attainable += g.attainable.ms;
  }
  Json out{{"model", wanted.path},
           {"threads", threads},
           {"run_ms", typical_run(runner, flags.repeat)},
           {"instructions_ms", ms},
           {"attainable_ms", attainable}};
  out["ceiling"] = {{"flops", ceiling.flops}, {"memory", ceiling.memory}, {"cache", ceiling.cache}};
  out["instructions"] = instructions(groups);
  out["fired"] = runner.model().rewrites().applied;
  out["missed"] = misses_of(runner.model().rewrites());
  runner.set_threads(1);
  if (threads > 1) out["one_thread_ms"] = typical_run(runner, std::min(flags.repeat, 3));
  out["twice_the_rows_ms"] = with_twice_the_rows(groups);
  return out;
}

double at(const Json& json, const char* field) { return json[field].get<double>(); }

void print_instructions(const Json& report, int top) {
  std::printf("\n%-24s %5s %9s %6s %9s %8s %10s %7s  %s\n", "operator", "count", "ms", "%", "GFLOP/s", "GB/s", "bound",
              "of it", "sizes");
  int shown = 0;
  for (const Json& g : report["instructions"]) {
    if (shown++ == top) {
      std::printf("… and %zu more; --top shows them\n", report["instructions"].size() - static_cast<size_t>(top));
      return;
    }
    std::printf("%-24s %5d %9.3f %5.1f%% %9s %8s %10s %6.0f%%  %s\n", g["op"].get<std::string>().c_str(),
                g["count"].get<int>(), at(g, "ms"), 100 * at(g, "ms") / at(report, "instructions_ms"),
                shortened(at(g, "flops") / 1e9).c_str(), shortened(at(g, "bytes_per_second") / 1e9).c_str(),
                g["bound"].get<std::string>().c_str(), 100 * at(g, "attainable_ms") / std::max(at(g, "ms"), 1e-9),
                g["sizes"].get<std::string>().c_str());
  }
}

void print_rules(const Json& report) {
  std::printf("\nfired: ");
  if (report["fired"].empty()) std::printf("no rule");
  for (const auto& [rule, count] : report["fired"].items()) std::printf("%s %d  ", rule.c_str(), count.get<int>());
  std::printf("\n");
  for (const Json& m : report["missed"]) {
    std::printf("nearly: %s %d times, for example at '%s': not \"%s\"\n", m["rule"].get<std::string>().c_str(),
                m["count"].get<int>(), m["example"].get<std::string>().c_str(),
                m["condition"].get<std::string>().c_str());
  }
}

void print_advice(const Json& report) {
  const double run = at(report, "run_ms");
  std::printf("\n");
  if (report.contains("one_thread_ms")) {
    std::printf("threads: %d threads take %.3f ms, one takes %.3f ms: %.2fx\n", report["threads"].get<int>(), run,
                at(report, "one_thread_ms"), at(report, "one_thread_ms") / run);
  }
  const double growth = at(report, "twice_the_rows_ms") / at(report, "instructions_ms");
  std::printf("batching: two times the rows would take about %.2fx the time, %.2fx for each row%s\n", growth,
              growth / 2,
              growth < 1.5 ? "; the weights are read once for all rows, so more rows at once pay"
                           : "; arithmetic dominates, so a larger batch gains little");
}

void run(const ExplainFlags& flags) {
  const Json report = explain(flags);
  if (flags.model.json) {
    std::printf("%s\n", report.dump().c_str());
    return;
  }
  const Json& c = report["ceiling"];
  std::printf(
      "a run takes %.3f ms; its %zu kinds of instructions take %.3f ms, of which the machine's limits explain %.3f ms "
      "(%.0f%%)\n",
      at(report, "run_ms"), report["instructions"].size(), at(report, "instructions_ms"), at(report, "attainable_ms"),
      100 * at(report, "attainable_ms") / at(report, "instructions_ms"));
  std::printf("limits now, on %d threads: %.0f GFLOP/s, %.1f GB/s from memory, %.0f GB/s from caches\n",
              report["threads"].get<int>(), at(c, "flops") / 1e9, at(c, "memory") / 1e9, at(c, "cache") / 1e9);
  print_instructions(report, flags.top);
  print_rules(report);
  print_advice(report);
}

}  // namespace

void add_explain_command(CommandLine& app) {
  auto flags = std::make_shared<ExplainFlags>();
  Subcommand* command =
      app.add_subcommand("explain", "show each instruction against the machine's limits, and what rules did");
  add_model_path(*command, flags->model);
  add_model_flags(*command, flags->model);
  add_input_flags(*command, flags->inputs);
  command->add_option("--top", flags->top, "kinds of instructions to show; those that lose most come first")
      ->check(range(1, 100'000));
  command->add_option("--repeat", flags->repeat, "runs of which the median counts")->check(range(1, 10'000));
  command->final_callback([flags] { run(*flags); });
}

}  // namespace sdx::cli
