// Inputs of a run from flags.
#include "cli/inputs.h"

#include <algorithm>
#include <charconv>
#include <map>
#include <set>

#include "cli/flags.h"
#include "cli/json_tensor.h"
#include "cli/npy.h"
#include "cli/npz.h"
#include "cli/random_inputs.h"
#include "tensor/memory_budget.h"

namespace sdx::cli {
namespace {

class InputReader {
 public:
  InputReader(const engine::Model& model, const InputFlags& flags)
      : model_(model), flags_(flags), values_(model.inputs().size()) {}

  std::vector<Value> read() {
    if (flags_.archive.ends_with(".json"))
      read_object(flags_.archive);
    else if (!flags_.archive.empty())
      read_archive(flags_.archive);
    for (const std::string& text : flags_.inputs) {
      const auto [name, value] = divide(text, "--input");
      at(name, [&, n = name, v = value] { set(n, read_value(v, model_.inputs()[index(n)].fact)); });
    }
    Sizes sizes(model_.program());
    for (size_t i = 0; i < values_.size(); ++i) {
      if (values_[i].is_tensor()) sizes.bind(model_.inputs()[i].fact.shape, values_[i].tensor().extents());
    }
    for (const std::string& text : flags_.shapes) bind_shape(text, sizes);
    fill_random(model_, sizes, flags_.seed, values_);
    return std::move(values_);
  }

 private:
  template <class F>
  static void at(const std::string& name, F f) {
    try {
      f();
    } catch (Error& e) {
      e.within(cat("input '", name, "'"));
      throw;
    }
  }

  static std::pair<std::string, std::string> divide(const std::string& text, const char* flag) {
    const size_t equals = text.find('=');
    if (equals == std::string::npos || equals == 0)
      throw UsageError{cat(flag, " takes NAME=VALUE but got '", text, "'")};
    return {text.substr(0, equals), text.substr(equals + 1)};
  }

  size_t index(const std::string& name) const {
    const auto& ports = model_.inputs();
    const auto it = std::ranges::find(ports, name, &engine::Port::name);
    if (it != ports.end()) return static_cast<size_t>(it - ports.begin());
    fail(ErrorKind::kInvalidInput, "the model has no input '", name, "'; its inputs are ", input_names());
  }

  std::string input_names() const {
    std::string list;
    for (const auto& p : model_.inputs()) list += cat(list.empty() ? "" : ", ", p.name);
    return list;
  }

  /// The symbols among the sizes of the inputs.
  std::string size_names() const {
    std::set<std::string> names;
    for (const auto& p : model_.inputs()) {
      for (int i = 0; p.fact.shape.has_rank() && i < p.fact.shape.rank(); ++i) {
        if (p.fact.shape[i].symbol()) names.insert(p.fact.shape[i].text());
      }
    }
    std::string list;
    for (const std::string& name : names) list += cat(list.empty() ? "" : ", ", name);
    return list.empty() ? "all known" : list;
  }

  void set(const std::string& name, Tensor value) { values_[index(name)] = std::move(value); }

  static std::string file_text(const std::string& path) {
    const auto file = MappedFile::open(path);
    return std::string(MappedFile::share(file).text());
  }

  static Tensor read_value(const std::string& value, const ir::Fact& fact) {
    if (value.ends_with(".npy")) return read_npy(file_text(value), fact.dtype);
    if (value.ends_with(".json")) return to_tensor(parse_json(file_text(value)), fact);
    const bool bare = fact.dtype == DType::kString && !value.starts_with('"') && !value.starts_with('[');
    return to_tensor(bare ? Json(value) : parse_json(value), fact);
  }

  void read_archive(const std::string& path) {
    for (const auto& [name, bytes] : read_npz(path)) {
      at(name, [&, n = name, &b = bytes] { set(n, read_npy(b, model_.inputs()[index(n)].fact.dtype)); });
    }
  }

  void read_object(const std::string& path) {
    const Json object = parse_json(file_text(path));
    if (!object.is_object()) fail(ErrorKind::kInvalidInput, "'", path, "' must hold an object of inputs by name");
    for (const auto& [name, json] : object.items()) {
      at(name, [&, n = name, &j = json] { set(n, to_tensor(j, model_.inputs()[index(n)].fact)); });
    }
  }

  void bind_shape(const std::string& text, Sizes& sizes) const {
    const auto [name, value] = divide(text, "--shape");
    Extents extents;
    for (const std::string& word : split(value, 'x')) {
      int64_t size = 0;
      const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), size);
      const bool whole = error == std::errc() && end == word.data() + word.size() && size >= 0;
      if (!whole && !value.empty()) throw UsageError{cat("'", text, "' in --shape must look like NAME=1x128")};
      if (whole) extents.push_back(size);
    }
    const auto it = std::ranges::find(model_.inputs(), name, &engine::Port::name);
    if (it == model_.inputs().end()) {
      if (extents.rank() != 1 || !sizes.bind_symbol(name, extents[0])) {
        fail(ErrorKind::kInvalidInput, "the model has no input and no size '", name, "'; its inputs are ",
             input_names(), " and its sizes ", size_names());
      }
      return;
    }
    sizes.bind_input(name, it->fact.shape, extents);
  }

  const engine::Model& model_;
  const InputFlags& flags_;
  std::vector<Value> values_;
};

}  // namespace

void add_input_flags(Subcommand& command, InputFlags& flags) {
  command.add_option("--input", flags.inputs, "an input: NAME=FILE.npy, NAME=FILE.json or NAME=[[1,2,3]]")
      ->repeatable();
  command.add_option("--inputs", flags.archive, "an archive of inputs by name: FILE.npz, or FILE.json with an object");
  command.add_option("--shape", flags.shapes, "sizes of a random input: NAME=1x128; or of one symbol: batch=2")
      ->repeatable();
  command.add_option("--seed", flags.seed, "seed of the random inputs and of operators that sample");
}

std::vector<Value> make_inputs(const engine::Model& model, const InputFlags& flags) {
  MemoryScope scope(model.budget());
  return InputReader(model, flags).read();
}

}  // namespace sdx::cli
