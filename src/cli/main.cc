// The command line program: subcommands, and one translation of errors to exit codes.
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <string>

#include "cli/json_text.h"
#include "cli/tokenize.h"
#include "sardonyx/error.h"

namespace {

constexpr int kFailed = 1, kUsage = 2, kBadModel = 3, kNoResource = 4, kInterrupted = 130;

int exit_code(sardonyx::ErrorKind kind) {
  switch (kind) {
    case sardonyx::ErrorKind::InvalidModel:
    case sardonyx::ErrorKind::UnsupportedModel: return kBadModel;
    case sardonyx::ErrorKind::Resource: return kNoResource;
    case sardonyx::ErrorKind::Cancelled: return kInterrupted;
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

}  // namespace

int main(int argc, char** argv) {
  std::signal(SIGINT, [](int) { _exit(kInterrupted); });
  CLI::App app("Sardonyx runs models of the Hugging Face Hub.", "sardonyx");
  app.require_subcommand(1);
  sardonyx::cli::add_tokenize_commands(app);
  const bool json = std::any_of(argv, argv + argc, [](const char* a) { return std::strcmp(a, "--json") == 0; });
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& e) {
    return app.exit(e) == 0 ? 0 : kUsage;
  } catch (const sardonyx::Error& e) {
    std::fflush(stdout);
    report(e, json);
    return exit_code(e.kind());
  } catch (const std::exception& e) {
    std::fflush(stdout);
    report(sardonyx::Error(sardonyx::ErrorKind::Internal, e.what(), e.what(), {}), json);
    return kFailed;
  }
  return 0;
}
