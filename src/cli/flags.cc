// Flags that the commands which load a model share: reading them and loading.
#include "cli/flags.h"

#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <fstream>
#include <set>

#include "base/mapped_file.h"
#include "kernels/isa.h"
#include "rewrite/rule.h"

namespace sdx::cli {
namespace {

namespace fs = std::filesystem;

/// Steps of rewriting that are no rules but can be switched like them.
constexpr const char* kPasses[] = {"fold-constant",     "fold-known",     "merge-equal", "remove-padding",
                                   "choose-candidates", "pack-recurrent", "select-row",  "group-products"};

std::set<std::string> rule_names() {
  std::set<std::string> out(std::begin(kPasses), std::end(kPasses));
  for (const auto& rule : rewrite::all_rules()) out.insert(rule.name());
  return out;
}

}  // namespace

int64_t machine_memory() {
  const int64_t pages = sysconf(_SC_PHYS_PAGES), page = sysconf(_SC_PAGE_SIZE);
  const int64_t all = pages > 0 && page > 0 ? pages * page : 0;
  int64_t group = 0;
  const bool limited = static_cast<bool>(std::ifstream("/sys/fs/cgroup/memory.max") >> group) && group > 0;
  return limited && (all == 0 || group < all) ? group : all;
}

void limit_isa(const std::string& name) {
  using kernels::Isa;
  if (name.empty() || name == "auto") return;
  for (Isa isa : {Isa::kNeon, Isa::kSse4, Isa::kAvx2, Isa::kAvx512, Isa::kVnni, Isa::kAmx}) {
    if (kernels::isa_name(isa) != name) continue;
    kernels::limit_isa(isa);
    return;
  }
  throw UsageError{cat("'", name, "' is no instruction set; --isa takes sse4, avx2, avx512, vnni, amx, neon or auto")};
}

void add_model_flags(Subcommand& command, ModelFlags& flags) {
  command.add_option("--threads", flags.threads, "threads to use; 0: every CPU of this process")->check(range(0, 1024));
  command.add_option("--rules", flags.rules,
                     "rewrite rules: none, or a comma list of -name and +name (write --rules=-name)");
  command.add_option("--rewrite-limit", flags.rewrite_limit, "stop rewriting after this many applications");
  command
      .add_option("--padding", flags.padding,
                  "exact: compute rows of padding as the graph does; zero: leave them out, zeros instead")
      ->check(one_of({"exact", "zero"}));
  command.add_flag("--explain-rules", flags.explain_rules,
                   "print applications and near misses of rules to standard error");
  command
      .add_option("--memory-limit", flags.memory_limit,
                  "bytes that loading and running may allocate; not given: what the machine has; 0: no limit")
      ->byte_sizes();
  command.add_option("--weight-folder", flags.weight_folder,
                     "keep packed weights in this folder, so that later processes load faster and share them; "
                     "may be deleted at any time");
  command.add_option("--isa", flags.isa, "best instruction set to use: sse4, avx2, avx512, vnni, amx, neon or auto");
  command.add_flag("--json", flags.json, "machine-readable output");
}

void add_model_path(Subcommand& command, ModelFlags& flags) {
  command.add_option("model", flags.path, "a .onnx file, or a folder with model.onnx or onnx/model.onnx")->required();
}

rewrite::Options rewrite_options(const ModelFlags& flags) {
  rewrite::Options out;
  out.limit = flags.rewrite_limit;
  out.zero_padding = flags.padding == "zero";
  out.explain = flags.explain_rules || flags.collect_misses;
  const auto known = rule_names();
  std::set<std::string> off;
  bool none = false;
  for (const std::string& word : split(flags.rules, ',')) {
    if (word.empty() || word == "all") continue;
    if (word == "none") {
      none = true;
      off = known;
      continue;
    }
    const std::string name = word.substr(1);
    if ((word[0] != '-' && word[0] != '+') || !known.contains(name)) {
      std::string list;
      for (const auto& n : known) list += cat(list.empty() ? "" : ", ", n);
      throw UsageError{
          cat("'", word, "' in --rules is neither none, nor -name or +name of a rule; the rules are ", list)};
    }
    if (word[0] == '-')
      off.insert(name);
    else
      off.erase(name);
  }
  out.enabled = !(none && off.size() == known.size());
  out.off.assign(off.begin(), off.end());
  return out;
}

engine::ModelOptions model_options(const ModelFlags& flags) {
  engine::ModelOptions options;
  options.rewrite = rewrite_options(flags);
  options.memory_limit = flags.memory_limit;
  if (!flags.weight_folder.empty())
    options.rewrite.weights = std::make_shared<rewrite::WeightFolder>(flags.weight_folder);
  return options;
}

void note_weight_problem(const engine::ModelOptions& options) {
  if (const auto& weights = options.rewrite.weights; weights && !weights->problem().empty())
    std::fprintf(stderr, "note: packed weights are not kept: %s\n", weights->problem().c_str());
}

fs::path model_path(const std::string& given) {
  const fs::path path(given);
  std::error_code ignored;
  if (!fs::exists(path, ignored)) fail(ErrorKind::kInvalidInput, "there is no '", given, "'; check the path");
  if (!fs::is_directory(path, ignored)) return path;
  for (const char* name : {"model.onnx", "onnx/model.onnx"}) {
    if (path_exists(path / name)) return path / name;
  }
  fail(ErrorKind::kInvalidInput, "folder '", given,
       "' holds neither model.onnx nor onnx/model.onnx; name the .onnx file");
}

std::shared_ptr<const engine::Model> load_model(const ModelFlags& flags) {
  limit_isa(flags.isa);
  const fs::path path = model_path(flags.path);
  const engine::ModelOptions options = model_options(flags);
  auto model = engine::Model::load(path, options);
  note_weight_problem(options);
  if (!flags.explain_rules) return model;
  for (const auto& [rule, count] : model->rewrites().applied)
    std::fprintf(stderr, "applied %s %d times\n", rule.c_str(), count);
  for (const auto& m : model->rewrites().misses) {
    std::fprintf(stderr, "missed %s at '%s': %s\n", m.rule.c_str(), m.node.c_str(), m.reason.c_str());
  }
  return model;
}

std::vector<std::string> split(const std::string& text, char separator) {
  std::vector<std::string> parts(1);
  for (char c : text) {
    if (c == separator)
      parts.emplace_back();
    else
      parts.back() += c;
  }
  return parts;
}

void exit_with(int code) { throw Exit{code}; }

}  // namespace sdx::cli
