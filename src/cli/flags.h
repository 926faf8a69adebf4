// Flags that the commands which load a model share.
#pragma once

#include <string>
#include <vector>

#include "cli/command_line.h"
#include "engine/model.h"

namespace sdx::cli {

/// Bytes of memory that this machine, or the control group of the process, has; 0 where that cannot be told.
int64_t machine_memory();

struct ModelFlags {
  std::string path;
  std::string rules;
  std::string isa;
  int rewrite_limit = -1;
  std::string padding = "exact";
  std::string weight_folder;
  int threads = 0;
  int64_t memory_limit = machine_memory();
  bool explain_rules = false;
  bool collect_misses = false;  ///< near misses go into the model's report, unprinted
  bool json = false;
};

/// Adds the flags without the path: --threads, --rules, --rewrite-limit, --explain-rules, --memory-limit,
/// --weight-folder, --isa, --json.
void add_model_flags(Subcommand& command, ModelFlags& flags);
/// Adds the positional MODEL: a .onnx file, or a folder that holds one as model.onnx or onnx/model.onnx.
void add_model_path(Subcommand& command, ModelFlags& flags);

/// `rules` as options: a comma list of -name (off), +name (on again), and none (all off; +name then switches on).
/// Throws UsageError for a name that is no rule or pass.
rewrite::Options rewrite_options(const ModelFlags& flags);
engine::ModelOptions model_options(const ModelFlags& flags);
/// Tells on standard error why the folder of packed weights could not be written to, if so.
void note_weight_problem(const engine::ModelOptions& options);

/// Lets kernels use nothing better than the set of that name; "" and "auto" change nothing. Throws UsageError.
void limit_isa(const std::string& name);

/// The model file that MODEL means. Throws InvalidInput where there is none.
std::filesystem::path model_path(const std::string& given);

/// Limits the instruction set, loads the model, and prints the near misses to standard error where asked.
std::shared_ptr<const engine::Model> load_model(const ModelFlags& flags);

/// The parts of `text` between separators; one empty part of an empty text.
std::vector<std::string> split(const std::string& text, char separator);

/// Ends the program's command with that exit code after its output is complete.
[[noreturn]] void exit_with(int code);

}  // namespace sdx::cli
