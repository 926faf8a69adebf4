// The subcommands tokenize and detokenize.
#pragma once

#include "cli/command_line.h"

namespace sardonyx::cli {

/// Adds the subcommands; each runs when parsing chose it.
void add_tokenize_commands(sdx::cli::CommandLine& app);

}  // namespace sardonyx::cli
