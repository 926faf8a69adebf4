// `sardonyx test-onnx`: runs folders in the layout of the ONNX backend tests.
#pragma once

#include <filesystem>
#include <string>

#include "engine/model.h"

namespace sdx::cli {

/// How one test folder ended: "pass", "fail" (wrong result), "unsupported" or "error" (threw where it should not).
struct Verdict {
  std::string status;
  std::string detail;
};

/// Runs `folder`/model.onnx on every `folder`/test_data_set_*: inputs and outputs by position, floats within rtol 1e-3
/// and atol 1e-7 (coarser for narrow types), everything else exactly.
Verdict test_folder(const std::filesystem::path& folder, const engine::ModelOptions& options, const Parallel& parallel);

}  // namespace sdx::cli
