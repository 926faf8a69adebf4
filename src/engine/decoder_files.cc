// Finding the files of a language model.
#include "engine/decoder_files.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/mapped_file.h"

namespace sdx::engine {
namespace {

namespace fs = std::filesystem;

/// What follows the first of the prefixes that the name has.
std::string after(std::string_view name, std::initializer_list<std::string_view> prefixes) {
  for (std::string_view p : prefixes) {
    if (name.starts_with(p)) return std::string(name.substr(p.size()));
  }
  return "";
}

class Finder {
 public:
  Finder(const fs::path& folder, const std::string& variant)
      : folder_(folder), suffix_(variant.empty() ? "" : "_" + variant) {
    if (!fs::is_directory(folder))
      fail(ErrorKind::kInvalidInput, "'", folder.string(), "' is not a folder; name the folder that holds the model");
  }

  DecoderFiles find(DecoderLayout wanted) {
    DecoderFiles files;
    files.model_type = model_type();
    files.encoder = open("encoder_model");
    const bool automatic = wanted == DecoderLayout::kAutomatic;
    if ((automatic || wanted == DecoderLayout::kMerged) && merged(files)) return files;
    if ((automatic || wanted == DecoderLayout::kSplit) && split(files)) return files;
    if ((automatic || wanted == DecoderLayout::kSingle) && single(files)) return files;
    if ((automatic || wanted == DecoderLayout::kNoPast) && no_past(files)) return files;
    std::string list;
    for (const std::string& name : looked_for_) list += (list.empty() ? "" : ", ") + name;
    fail(ErrorKind::kInvalidInput, "there is no decoder of that layout; looked for ", list,
         " in the folder and in its onnx folder");
  }

 private:
  SharedFile open(const std::string& stem) {
    const std::string name = stem + suffix_ + ".onnx";
    if (std::ranges::find(looked_for_, name) == looked_for_.end()) looked_for_.push_back(name);
    for (const fs::path& path : {folder_ / name, folder_ / "onnx" / name}) {
      if (path_exists(path)) return std::make_shared<const onnx::ModelFile>(onnx::ModelFile::open(path));
    }
    return nullptr;
  }

  std::string model_type() const {
    const fs::path path = folder_ / "config.json";
    if (!path_exists(path)) return "";
    const SharedBytes text = MappedFile::share(MappedFile::open(path));
    const auto json = nlohmann::json::parse(text.text(), nullptr, false);
    if (!json.is_object()) fail(ErrorKind::kInvalidInput, "'", path.string(), "' is not a JSON object");
    auto it = json.find("model_type");
    return it != json.end() && it->is_string() ? it->get<std::string>() : "";
  }

  bool merged(DecoderFiles& files) {
    SharedFile file = open("decoder_model_merged");
    if (!file || !has_input(*file, "use_cache_branch")) return false;
    files.layout = DecoderLayout::kMerged;
    files.first = files.step = std::move(file);
    files.first_branches = files.step_branches = true;
    return true;
  }
  bool split(DecoderFiles& files) {
    SharedFile first = open("decoder_model"), step = open("decoder_with_past_model");
    if (!first || !step || !takes_past(*step)) return false;
    files.layout = DecoderLayout::kSplit;
    files.first = std::move(first);
    files.step = std::move(step);
    return true;
  }
  bool single(DecoderFiles& files) {
    for (const char* stem : {"model", "decoder_model_merged"}) {
      SharedFile file = open(stem);
      if (!file || !takes_past(*file) || has_input(*file, "use_cache_branch")) continue;
      files.layout = DecoderLayout::kSingle;
      files.step = std::move(file);
      return true;
    }
    return false;
  }
  bool no_past(DecoderFiles& files) {
    files.layout = DecoderLayout::kNoPast;
    for (const char* stem : {"decoder_model", "model", "decoder_model_merged"}) {
      files.first = open(stem);
      if (files.first) break;
    }
    files.first_branches = files.first && has_input(*files.first, "use_cache_branch");
    return files.first != nullptr;
  }

  fs::path folder_;
  std::string suffix_;
  std::vector<std::string> looked_for_;
};

}  // namespace

DecoderFiles find_decoder(const fs::path& folder, DecoderLayout layout, const std::string& variant) {
  return Finder(folder, variant).find(layout);
}

bool has_input(const onnx::ModelFile& file, std::string_view name) {
  const auto& graph = file.model().graph;
  return std::ranges::any_of(graph.inputs, [&](const auto& i) { return i.name == name; }) &&
         std::ranges::none_of(graph.initializers, [&](const auto& i) { return i.name == name; });
}

bool takes_past(const onnx::ModelFile& file) {
  return std::ranges::any_of(file.model().graph.inputs, [](const auto& i) { return !past_suffix(i.name).empty(); });
}

std::string past_suffix(std::string_view name) { return after(name, {"past_key_values.", "past.", "past_"}); }
std::string present_suffix(std::string_view name) {
  return after(name, {"present_key_values.", "present.", "present_"});
}

}  // namespace sdx::engine
