// The subcommands that work on models; each runs when parsing chose it.
#pragma once

#include <CLI/CLI.hpp>

namespace sdx::cli {

void add_run_command(CLI::App& app);
void add_test_onnx_command(CLI::App& app);
void add_bench_command(CLI::App& app);
void add_profile_command(CLI::App& app);
void add_compare_command(CLI::App& app);
void add_report_command(CLI::App& app);
void add_explain_command(CLI::App& app);
void add_inspect_command(CLI::App& app);
void add_dump_command(CLI::App& app);
void add_optimize_command(CLI::App& app);
void add_ops_command(CLI::App& app);
void add_generate_command(CLI::App& app);

}  // namespace sdx::cli
