// `sardonyx profile`: where a run spends its time, as a table and as a trace.
#include <algorithm>
#include <cstdio>
#include <map>
#include <memory>

#include "base/atomic_file.h"
#include "cli/commands.h"
#include "cli/json_tensor.h"
#include "cli/runner.h"
#include "kernels/isa.h"

namespace sdx::cli {
namespace {

struct ProfileFlags {
  ModelFlags model;
  InputFlags inputs;
  std::string trace;
  int repeat = 5;
};

struct Row {
  std::string op;
  int calls = 0;
  double ms = 0;
};

double ms_of(const engine::Sample& s) { return std::chrono::duration<double, std::milli>(s.end - s.begin).count(); }

std::string types_of(const std::vector<std::pair<DType, Extents>>& values) {
  std::string out;
  for (const auto& [dtype, extents] : values) out += cat(out.empty() ? "" : ", ", dtype_name(dtype), extents.text());
  return out;
}

/// Operators by the time they take in all, the longest first.
std::vector<Row> rows_of(const std::vector<engine::Sample>& samples) {
  std::map<std::string, Row> by_op;
  for (const auto& s : samples) {
    Row& row = by_op[std::string(s.instruction->op->name)];
    row.op = s.instruction->op->name;
    ++row.calls;
    row.ms += ms_of(s);
  }
  std::vector<Row> rows;
  for (auto& [name, row] : by_op) rows.push_back(row);
  std::ranges::sort(rows, std::ranges::greater(), &Row::ms);
  return rows;
}

/// The Trace Event format ("X" events, microseconds), which chrome://tracing and Perfetto open.
void write_trace(const std::string& path, const std::vector<engine::Sample>& samples) {
  Json events = Json::array();
  for (const auto& s : samples) {
    events.push_back(
        {{"name", s.instruction->op->name},
         {"cat", "op"},
         {"ph", "X"},
         {"pid", 1},
         {"tid", 1},
         {"ts", std::chrono::duration<double, std::micro>(s.begin - samples.front().begin).count()},
         {"dur", ms_of(s) * 1000},
         {"args", {{"node", s.instruction->name}, {"inputs", types_of(s.inputs)}, {"outputs", types_of(s.outputs)}}}});
  }
  AtomicFile file(path);
  file.write(
      Json{{"traceEvents", events}, {"displayTimeUnit", "ms"}}.dump(-1, ' ', false, Json::error_handler_t::replace));
  file.commit();
}

void run(const ProfileFlags& flags) {
  Runner runner(flags.model, flags.inputs);
  std::vector<Value> outputs;
  runner.run(outputs);
  std::vector<engine::Sample> all, samples;
  double total = 0;
  for (int i = 0; i < flags.repeat; ++i) {
    samples.clear();
    total += runner.run(outputs, &samples);
    all.insert(all.end(), samples.begin(), samples.end());
  }
  if (!flags.trace.empty()) write_trace(flags.trace, samples);
  Json report{{"model", flags.model.path},
              {"runs", flags.repeat},
              {"run_ms", total / flags.repeat},
              {"operators", Json::array()}};
  for (const Row& row : rows_of(all)) {
    report["operators"].push_back({{"op", row.op},
                                   {"calls", row.calls / flags.repeat},
                                   {"ms", row.ms / flags.repeat},
                                   {"percent", 100 * row.ms / total}});
  }
  report["isa"] = kernels::isa_name(kernels::active_isa());
  report["threads"] = Parallel(flags.model.threads).threads();
  if (flags.model.json) {
    std::printf("%s\n", report.dump().c_str());
    return;
  }
  std::printf("%-28s %6s %10s %7s\n", "operator", "calls", "ms", "%");
  for (const Json& row : report["operators"]) {
    std::printf("%-28s %6d %10.3f %6.1f%%\n", row["op"].get<std::string>().c_str(), row["calls"].get<int>(),
                row["ms"].get<double>(), row["percent"].get<double>());
  }
  std::printf("%-28s %6zu %10.3f\n", "one run", samples.size(), report["run_ms"].get<double>());
  std::printf("instruction set %s, threads %d\n", report["isa"].get<std::string>().c_str(),
              report["threads"].get<int>());
}

}  // namespace

void add_profile_command(CommandLine& app) {
  auto flags = std::make_shared<ProfileFlags>();
  Subcommand* command = app.add_subcommand("profile", "show where a run spends its time");
  add_model_path(*command, flags->model);
  add_model_flags(*command, flags->model);
  add_input_flags(*command, flags->inputs);
  command->add_option("--trace", flags->trace,
                      "write the last run for chrome://tracing and Perfetto to this .json file");
  command->add_option("--repeat", flags->repeat, "runs to average over")->check(range(1, 1'000'000));
  command->final_callback([flags] { run(*flags); });
}

}  // namespace sdx::cli
