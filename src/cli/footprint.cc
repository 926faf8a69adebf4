// Footprint: a process that loads, runs twice and tells what it took.
#include "cli/footprint.h"

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <set>

#include "cli/contest.h"
#include "cli/npy.h"
#include "cli/npz.h"
#include "cli/peer_flags.h"
#include "measure/process.h"

extern char** environ;

namespace sdx::cli {
namespace {

using Clock = std::chrono::steady_clock;

double ms_since(Clock::time_point start) {
  return std::chrono::duration<double, std::milli>(Clock::now() - start).count();
}

struct Timeline {
  measure::ProcessMemory before = measure::process_memory();
  Clock::time_point start = Clock::now();
  Json report;

  void loaded() {
    report["load_ms"] = ms_since(start);
    report["loaded"] = measure::process_memory().resident - before.resident;
  }
  Json finish() {
    const auto now = measure::process_memory();
    report["peak"] = now.peak - before.resident;
    report["anonymous"] = now.anonymous - before.anonymous;
    return report;
  }
};

/// A second run shows what is kept between runs; after a long first one it would show nothing more.
void run_twice(const std::function<void()>& work) {
  const auto start = Clock::now();
  work();
  if (ms_since(start) < 1000) work();
}

Json our_footprint(const FootprintTask& task, const ModelFlags& flags) {
  InputFlags inputs;
  inputs.archive = task.archive;
  Timeline timeline;
  const auto model = load_model(flags);
  timeline.loaded();
  if (task.load_only) return timeline.finish();
  const std::vector<Value> values = make_inputs(*model, inputs);
  engine::Session session(model);
  engine::RunSettings settings;
  settings.parallel = Parallel(flags.threads);
  run_twice([&] { session.run(values, settings); });
  return timeline.finish();
}

Json peer_footprint(const FootprintTask& task, const ModelFlags& flags) {
  const auto library = open_peer(task.library);
  std::vector<std::string> names;
  std::vector<Value> values;
  if (!task.load_only) {
    for (const auto& [name, bytes] : read_npz(task.archive)) {
      names.push_back(name);
      values.emplace_back(read_npy(bytes));
    }
  }
  Timeline timeline;
  const peer::PeerSession session(library, model_path(flags.path), {Parallel(flags.threads).threads()});
  timeline.loaded();
  if (task.load_only) return timeline.finish();
  const PeerSide side(session, names, values);
  run_twice([&] { side.run(); });
  return timeline.finish();
}

/// Runs this program with other arguments; returns what it printed. Throws Resource where it does not end with 0.
std::string run_self(std::vector<std::string> arguments) {
  std::vector<char*> argv;
  for (auto& a : arguments) argv.push_back(a.data());
  argv.push_back(nullptr);
  std::array<int, 2> pipe_ends{};
  if (pipe2(pipe_ends.data(), O_CLOEXEC) != 0) fail(ErrorKind::kResource, "cannot make a pipe");
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, pipe_ends[1], STDOUT_FILENO);
  pid_t child = 0;
  const int error = posix_spawn(&child, "/proc/self/exe", &actions, nullptr, argv.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  close(pipe_ends[1]);
  std::string text;
  std::array<char, 4096> buffer{};
  for (ssize_t n = 0; error == 0 && (n = read(pipe_ends[0], buffer.data(), buffer.size())) > 0;)
    text.append(buffer.data(), static_cast<size_t>(n));
  close(pipe_ends[0]);
  int status = 0;
  if (error != 0 || waitpid(child, &status, 0) < 0 || status != 0) {
    fail(ErrorKind::kResource, "the process that measures load time and memory failed; --no-memory leaves it out");
  }
  return text;
}

void add_files(const std::vector<onnx::TensorView>& tensors, std::set<std::string>& locations) {
  for (const auto& t : tensors) {
    for (const auto& entry : t.external_data) {
      if (t.external && entry.key == "location") locations.emplace(entry.value);
    }
  }
}

}  // namespace

Json own_footprint(const FootprintTask& task, const ModelFlags& flags) {
  return task.side == "peer" ? peer_footprint(task, flags) : our_footprint(task, flags);
}

Json child_footprint(const FootprintTask& task, const ModelFlags& flags) {
  std::vector<std::string> arguments = {"sardonyx",
                                        "compare",
                                        flags.path,
                                        "--only",
                                        task.side,
                                        "--inputs",
                                        task.archive,
                                        "--threads",
                                        std::to_string(flags.threads),
                                        "--rules",
                                        flags.rules.empty() ? "all" : flags.rules,
                                        "--isa",
                                        flags.isa.empty() ? "auto" : flags.isa};
  if (!task.library.empty()) arguments.insert(arguments.end(), {"--ort", task.library});
  if (!flags.weight_folder.empty()) arguments.insert(arguments.end(), {"--weight-folder", flags.weight_folder});
  if (task.load_only) arguments.push_back("--load-only");
  return parse_json(run_self(std::move(arguments)));
}

int64_t file_bytes(const engine::Model& model, const std::string& path) {
  const std::filesystem::path file = model_path(path);
  std::set<std::string> names = {file.filename().string()};
  add_files(model.file().model().graph.initializers, names);
  int64_t total = 0;
  for (const auto& name : names) {
    std::error_code missing;
    const auto bytes = std::filesystem::file_size(file.parent_path() / name, missing);
    if (!missing) total += static_cast<int64_t>(bytes);
  }
  return total;
}

}  // namespace sdx::cli
