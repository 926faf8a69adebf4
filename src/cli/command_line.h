// CommandLine: the program's subcommands and their flags; what parses them is included by one file only.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace sdx::cli {

/// Says "" of a value that is good, otherwise what is wrong with it; `description` stands in the help.
struct Check {
  std::function<std::string(const std::string&)> problem;
  std::string description;
};

Check range(double least, double most);
Check at_least_zero();
Check positive();
Check one_of(std::vector<std::string> words);

/// A flag or an argument of a subcommand.
class Option {
 public:
  Option* required();
  Option* check(Check check);
  /// Values are numbers of bytes that may end in a unit: 64MB, 1.5GiB.
  Option* byte_sizes();
  /// May be given several times, with one value each time.
  Option* repeatable();
  /// May stand without a value, which then is this one.
  Option* value_if_bare(const std::string& value);
  /// Useless without that other flag.
  Option* needs(const std::string& name);
  /// Not in the help.
  Option* hidden();

 private:
  friend class Subcommand;
  explicit Option(void* option) : option_(option) {}
  void* option_;
};

class Subcommand {
 public:
  Subcommand(const Subcommand&) = delete;
  Subcommand& operator=(const Subcommand&) = delete;

  /// Targets keep their values where the flag is not given. Types: std::string, int, int64_t, uint64_t, double,
  /// optionals and vectors of some of them; no others.
  template <class T>
  Option* add_option(const std::string& name, T& target, const std::string& help = "");
  Option* add_flag(const std::string& name, bool& target, const std::string& help = "");
  void footer(const std::string& text);
  /// What runs after everything is parsed.
  void final_callback(std::function<void()> run);

 private:
  friend class CommandLine;
  explicit Subcommand(void* command) : command_(command) {}
  Option* keep(void* option);

  void* command_;
  std::vector<std::unique_ptr<Option>> options_;
};

/// The command line cannot be understood.
struct UsageError {
  std::string message;
};

/// Thrown by a command to end the program with that code after its output is complete.
struct Exit {
  int code;
};

class CommandLine {
 public:
  CommandLine(const std::string& description, const std::string& program);
  ~CommandLine();

  Subcommand* add_subcommand(const std::string& name, const std::string& help);
  /// Parses and runs the chosen command; the exit code where nothing is thrown. Throws UsageError, Exit, and what the
  /// command throws.
  int run(int argc, char** argv);

 private:
  struct Parser;
  std::unique_ptr<Parser> parser_;
  std::vector<std::unique_ptr<Subcommand>> commands_;
};

}  // namespace sdx::cli
