// The tiny models of the shared folder, where it is there.
#pragma once

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <vector>

namespace sdx::onnx::test {

/// The folder of shared test data: $SARDONYX_SHARED, or ../shared next to the source tree.
inline std::filesystem::path shared_folder() {
  if (const char* set = std::getenv("SARDONYX_SHARED")) return set;
  return std::filesystem::path(SARDONYX_SOURCE_DIR) / ".." / "shared";
}

/// All .onnx files under models/tiny, sorted; empty when the shared folder is absent.
inline std::vector<std::filesystem::path> tiny_models() {
  std::vector<std::filesystem::path> files;
  const std::filesystem::path root = shared_folder() / "models" / "tiny";
  if (!std::filesystem::exists(root)) return files;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(root)) {
    if (entry.path().extension() == ".onnx") files.push_back(entry.path());
  }
  std::sort(files.begin(), files.end());
  return files;
}

}  // namespace sdx::onnx::test
