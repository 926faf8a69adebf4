// The subcommands that work on models; each runs when parsing chose it.
#pragma once

#include "cli/command_line.h"

namespace sdx::cli {

void add_run_command(CommandLine& app);
void add_test_onnx_command(CommandLine& app);
void add_bench_command(CommandLine& app);
void add_profile_command(CommandLine& app);
void add_compare_command(CommandLine& app);
void add_report_command(CommandLine& app);
void add_explain_command(CommandLine& app);
void add_inspect_command(CommandLine& app);
void add_dump_command(CommandLine& app);
void add_optimize_command(CommandLine& app);
void add_ops_command(CommandLine& app);
void add_generate_command(CommandLine& app);

}  // namespace sdx::cli
