// Inputs of a run from flags: files, JSON, inline values, and seeded random ones for the rest.
#pragma once

#include <string>
#include <vector>

#include "cli/command_line.h"
#include "engine/model.h"

namespace sdx::cli {

struct InputFlags {
  std::vector<std::string> inputs;  ///< NAME=FILE.npy, NAME=FILE.json or NAME=VALUE in JSON
  std::string archive;              ///< .npz, or .json with an object
  std::vector<std::string> shapes;  ///< NAME=1x128 for an input, SYMBOL=128 for a size
  uint64_t seed = 0;
};

/// Adds --input, --inputs, --shape and --seed.
void add_input_flags(Subcommand& command, InputFlags& flags);

/// One value for each of the model's inputs. Inputs that no flag gives are random: see random_inputs.h. Throws
/// InvalidInput for names that the model does not have and for values that do not fit.
std::vector<Value> make_inputs(const engine::Model& model, const InputFlags& flags);

}  // namespace sdx::cli
