// The command line program: subcommands, and one translation of errors to exit codes.
#include <algorithm>
#include <cstdio>
#include <cstring>
#include <iostream>
#include <string>

#include "api/translate.h"
#include "cli/command_line.h"
#include "cli/commands.h"
#include "cli/interrupt.h"
#include "cli/json_text.h"
#include "cli/tokenize.h"

namespace {

constexpr int kFailed = 1, kUsage = 2, kBadModel = 3, kNoResource = 4;

int exit_code(sardonyx::ErrorKind kind) {
  switch (kind) {
    case sardonyx::ErrorKind::InvalidModel:
    case sardonyx::ErrorKind::UnsupportedModel: return kBadModel;
    case sardonyx::ErrorKind::Resource: return kNoResource;
    case sardonyx::ErrorKind::Cancelled: return sdx::cli::stop_flag() ? sdx::cli::kInterrupted : kNoResource;
    default: return kFailed;
  }
}

void report(const sardonyx::Error& error, bool json) {
  std::string out;
  if (json) {
    out = std::string("{\"kind\":\"") + sardonyx::kind_name(error.kind()) + "\",\"message\":";
    sardonyx::cli::append_json_string(out, error.message());
    out += ",\"where\":[";
    for (size_t i = 0; i < error.where().size(); ++i) {
      if (i > 0) out += ',';
      sardonyx::cli::append_json_string(out, error.where()[i]);
    }
    out += "]}";
  } else {
    out = std::string("sardonyx: ") + error.what();
    std::replace(out.begin(), out.end(), '\n', ' ');
  }
  std::fprintf(stderr, "%s\n", out.c_str());
}

/// Results that a full disk or a closed descriptor has swallowed are a failure.
void require_written() {
  std::cout.flush();
  if (std::fflush(stdout) == 0 && std::ferror(stdout) == 0 && std::cout.good()) return;
  const char* const message = "cannot write to standard output; is the disk full, or is it closed?";
  throw sardonyx::Error(sardonyx::ErrorKind::InvalidInput, message, message, {});
}

int run(int argc, char** argv, bool json) {
  sdx::cli::CommandLine app("Sardonyx runs models of the Hugging Face Hub.", "sardonyx");
  sdx::cli::add_run_command(app);
  sdx::cli::add_generate_command(app);
  sdx::cli::add_inspect_command(app);
  sdx::cli::add_bench_command(app);
  sdx::cli::add_profile_command(app);
  sdx::cli::add_compare_command(app);
  sdx::cli::add_report_command(app);
  sdx::cli::add_explain_command(app);
  sdx::cli::add_dump_command(app);
  sdx::cli::add_optimize_command(app);
  sdx::cli::add_ops_command(app);
  sdx::cli::add_test_onnx_command(app);
  sardonyx::cli::add_tokenize_commands(app);
  try {
    return app.run(argc, argv);
  } catch (const sdx::cli::Exit& e) {
    return e.code;
  } catch (const sdx::cli::UsageError& e) {
    report(sardonyx::Error(sardonyx::ErrorKind::InvalidInput, e.message, e.message, {"command line"}), json);
    return kUsage;
  }
}

}  // namespace

int main(int argc, char** argv) {
  sdx::cli::install_interrupt_handler();
  const bool json = std::any_of(argv, argv + argc, [](const char* a) { return std::strcmp(a, "--json") == 0; });
  try {
    const int code = run(argc, argv, json);
    require_written();
    return code;
  } catch (...) {
    const sardonyx::Error error = sdx::api::translate(std::current_exception());
    std::fflush(stdout);
    report(error, json);
    return exit_code(error.kind());
  }
}
