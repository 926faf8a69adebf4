// The subcommands tokenize and detokenize.
#pragma once

#include <CLI/CLI.hpp>

namespace sardonyx::cli {

/// Adds the subcommands; each runs when parsing chose it.
void add_tokenize_commands(CLI::App& app);

}  // namespace sardonyx::cli
