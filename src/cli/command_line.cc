// CommandLine over CLI11.
#include "cli/command_line.h"

#include <CLI/CLI.hpp>
#include <algorithm>

namespace sdx::cli {
namespace {

CLI::Option* option_of(void* option) { return static_cast<CLI::Option*>(option); }
CLI::App* app_of(void* command) { return static_cast<CLI::App*>(command); }

std::string number_text(double value) {
  std::string text = std::to_string(value);
  text.erase(text.find_last_not_of('0') + 1);
  if (text.back() == '.') text.pop_back();
  return text;
}

Check number_check(std::function<bool(double)> good, const std::string& description) {
  auto problem = [good = std::move(good), description](const std::string& text) -> std::string {
    double value = 0;
    if (!CLI::detail::lexical_cast(text, value)) return "'" + text + "' is no number";
    return good(value) ? "" : text + " must be " + description;
  };
  return {std::move(problem), description};
}

}  // namespace

Check range(double least, double most) {
  return number_check([=](double v) { return v >= least && v <= most; },
                      number_text(least) + " to " + number_text(most));
}

Check at_least_zero() {
  return number_check([](double v) { return v >= 0; }, "at least 0");
}

Check positive() {
  return number_check([](double v) { return v > 0; }, "more than 0");
}

Check one_of(std::vector<std::string> words) {
  std::string list;
  for (const std::string& w : words) list += (list.empty() ? "" : &w == &words.back() ? " or " : ", ") + w;
  auto problem = [words, list](const std::string& text) -> std::string {
    return std::ranges::find(words, text) != words.end() ? "" : "'" + text + "' must be " + list;
  };
  return {std::move(problem), list};
}

Option* Option::required() {
  option_of(option_)->required();
  return this;
}

Option* Option::check(Check check) {
  option_of(option_)->check(std::move(check.problem), std::move(check.description));
  return this;
}

Option* Option::byte_sizes() {
  option_of(option_)->transform(CLI::AsSizeValue(false));
  return this;
}

Option* Option::repeatable() {
  option_of(option_)->take_all()->allow_extra_args(false);
  return this;
}

Option* Option::value_if_bare(const std::string& value) {
  option_of(option_)->expected(0, 1)->default_str(value);
  return this;
}

Option* Option::needs(const std::string& name) {
  option_of(option_)->needs(name);
  return this;
}

Option* Option::hidden() {
  option_of(option_)->group("");
  return this;
}

Option* Subcommand::keep(void* option) {
  return options_.emplace_back(std::unique_ptr<Option>(new Option(option))).get();
}

template <class T>
Option* Subcommand::add_option(const std::string& name, T& target, const std::string& help) {
  return keep(app_of(command_)->add_option(name, target, help));
}

#define SARDONYX_TARGET(...) \
  template Option* Subcommand::add_option(const std::string&, __VA_ARGS__&, const std::string&)
SARDONYX_TARGET(std::string);
SARDONYX_TARGET(int);
SARDONYX_TARGET(int64_t);
SARDONYX_TARGET(uint64_t);
SARDONYX_TARGET(double);
SARDONYX_TARGET(std::optional<std::string>);
SARDONYX_TARGET(std::optional<uint64_t>);
SARDONYX_TARGET(std::vector<std::string>);
SARDONYX_TARGET(std::vector<int64_t>);
#undef SARDONYX_TARGET

Option* Subcommand::add_flag(const std::string& name, bool& target, const std::string& help) {
  return keep(app_of(command_)->add_flag(name, target, help));
}

void Subcommand::footer(const std::string& text) { app_of(command_)->footer(text); }

void Subcommand::final_callback(std::function<void()> run) { app_of(command_)->final_callback(std::move(run)); }

struct CommandLine::Parser {
  Parser(const std::string& description, const std::string& program) : app(description, program) {}
  CLI::App app;
};

CommandLine::CommandLine(const std::string& description, const std::string& program)
    : parser_(std::make_unique<Parser>(description, program)) {
  parser_->app.require_subcommand(1);
}

CommandLine::~CommandLine() = default;

Subcommand* CommandLine::add_subcommand(const std::string& name, const std::string& help) {
  CLI::App* const app = parser_->app.add_subcommand(name, help);
  return commands_.emplace_back(std::unique_ptr<Subcommand>(new Subcommand(app))).get();
}

int CommandLine::run(int argc, char** argv) try {
  parser_->app.parse(argc, argv);
  return 0;
} catch (const CLI::Success& e) {
  return parser_->app.exit(e);
} catch (const CLI::ParseError& e) {
  throw UsageError{e.what()};
}

}  // namespace sdx::cli
