// DecoderFiles: which files of a Hub folder make up a language model.
#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string>

#include "engine/decoder.h"
#include "onnx/model_file.h"

namespace sdx::engine {

using SharedFile = std::shared_ptr<const onnx::ModelFile>;

/// The layout and its files, opened.
struct DecoderFiles {
  DecoderLayout layout = DecoderLayout::kNoPast;
  SharedFile encoder;                                  ///< null: the model has none
  SharedFile first;                                    ///< runs where nothing is cached; null: `step` does that too
  SharedFile step;                                     ///< runs with a past; null: kNoPast
  bool first_branches = false, step_branches = false;  ///< the file has the input use_cache_branch
  std::string model_type;                              ///< from config.json; "" where it says nothing
};

/// Opens the files of that layout. Throws InvalidInput with what was looked for where one is missing.
DecoderFiles find_decoder(const std::filesystem::path& folder, DecoderLayout layout, const std::string& variant);

/// True where the model has that input (and no initializer of that name).
bool has_input(const onnx::ModelFile& file, std::string_view name);
/// True where an input is named as past keys and values are.
bool takes_past(const onnx::ModelFile& file);
/// What follows "past_key_values." (or "past.", "past_") in such a name; "" where it is none.
std::string past_suffix(std::string_view name);
/// The same for outputs: after "present.", "present_key_values." or "present_".
std::string present_suffix(std::string_view name);

}  // namespace sdx::engine
