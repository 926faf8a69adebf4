// `sardonyx test-onnx`: verdicts for folders in the layout of the ONNX backend tests.
#include <algorithm>
#include <cstdio>
#include <map>
#include <memory>

#include "cli/commands.h"
#include "cli/flags.h"
#include "cli/json_tensor.h"
#include "cli/test_onnx.h"

namespace sdx::cli {
namespace {

namespace fs = std::filesystem;

struct TestFlags {
  ModelFlags model;
  std::vector<std::string> folders;
};

/// The test folders that a name means: itself, or those below it.
std::vector<fs::path> tests_of(const std::string& given) {
  const fs::path root(given);
  if (!fs::is_directory(root)) fail(ErrorKind::kInvalidInput, "'", given, "' is no folder");
  if (fs::exists(root / "model.onnx")) return {root};
  std::vector<fs::path> out;
  std::error_code unreadable;  // folders that may not be entered and links in a circle hold no tests
  const auto options = fs::directory_options::skip_permission_denied;
  for (const auto& entry : fs::recursive_directory_iterator(root, options)) {
    if (entry.is_directory(unreadable) && fs::exists(entry.path() / "model.onnx", unreadable))
      out.push_back(entry.path());
  }
  std::ranges::sort(out);
  if (out.empty()) fail(ErrorKind::kInvalidInput, "neither '", given, "' nor a folder below it holds a model.onnx");
  return out;
}

void run(const TestFlags& flags) {
  const engine::ModelOptions options = model_options(flags.model);
  const Parallel parallel(flags.model.threads);
  std::map<std::string, int> counts;
  int total = 0;
  for (const std::string& given : flags.folders) {
    for (const fs::path& folder : tests_of(given)) {
      const Verdict verdict = test_folder(folder, options, parallel);
      ++counts[verdict.status];
      ++total;
      const std::string name = folder.filename().empty() ? folder.parent_path().filename() : folder.filename();
      if (flags.model.json) {
        const Json line{{"test", name}, {"status", verdict.status}, {"detail", verdict.detail}};
        std::printf("%s\n", line.dump(-1, ' ', false, Json::error_handler_t::replace).c_str());
      } else {
        std::printf("%-12s %s%s%s\n", verdict.status.c_str(), name.c_str(), verdict.detail.empty() ? "" : ": ",
                    verdict.detail.c_str());
      }
      std::fflush(stdout);
    }
  }
  if (!flags.model.json) {
    std::printf("%d tests", total);
    for (const auto& [status, count] : counts) std::printf(", %d %s", count, status.c_str());
    std::printf("\n");
  }
  if (counts["pass"] != total) exit_with(1);
}

}  // namespace

void add_test_onnx_command(CommandLine& app) {
  auto flags = std::make_shared<TestFlags>();
  Subcommand* command = app.add_subcommand("test-onnx", "run folders in the layout of the ONNX backend tests");
  command
      ->add_option("folder", flags->folders, "folders that hold model.onnx and test_data_set_*, or hold such folders")
      ->required();
  add_model_flags(*command, flags->model);
  command->final_callback([flags] { run(*flags); });
}

}  // namespace sdx::cli
