// Footprint: load time and memory of one runtime with one model, measured in a process of its own.
#pragma once

#include <string>
#include <vector>

#include "cli/flags.h"
#include "cli/json_tensor.h"

namespace sdx::cli {

/// What a process of its own is to do.
struct FootprintTask {
  std::string side;     ///< "ours" or "peer"
  std::string archive;  ///< an .npz with the inputs
  std::string library;  ///< of the peer; empty: where it is installed
  bool load_only = false;
};

/// What a process measures about itself: "load_ms", and in bytes "loaded" (resident after loading, less before), "peak"
/// (the most until after two runs, less before) and "anonymous" (at the end, less before).
Json own_footprint(const FootprintTask& task, const ModelFlags& flags);

/// The same from a new process. Throws Resource where that process fails.
Json child_footprint(const FootprintTask& task, const ModelFlags& flags);

/// Bytes of the model's file and of the files with its weights.
int64_t file_bytes(const engine::Model& model, const std::string& path);

}  // namespace sdx::cli
