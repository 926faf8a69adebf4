// Footprint: load time and memory of one runtime with one model, measured in a process of its own.
#pragma once

#include <string>
#include <vector>

#include "cli/flags.h"
#include "cli/json_tensor.h"

namespace sdx::cli {

/// What a process measures about itself: "load_ms" and "first_ms", and in bytes "loaded" (resident after loading, less
/// before), "peak" (the most until after two runs, less before) and "anonymous" (at the end, less before).
/// `side` is "ours" or "peer"; `archive` an .npz with the inputs.
Json own_footprint(const std::string& side, const ModelFlags& flags, const std::string& archive,
                   const std::string& library);

/// The same from a new process. Throws Resource where that process fails.
Json child_footprint(const std::string& side, const ModelFlags& flags, const std::string& archive,
                     const std::string& library);

/// Bytes of the model's file and of the files with its weights.
int64_t file_bytes(const engine::Model& model, const std::string& path);

}  // namespace sdx::cli
