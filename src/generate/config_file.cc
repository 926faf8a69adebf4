// Generation settings from a Hub folder: generation_config.json, or the fields that older models keep in config.json.
#include <array>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "base/error.h"
#include "base/mapped_file.h"
#include "generate/config.h"

namespace sdx::generate {
namespace {

using Json = nlohmann::json;

/// The object in a file; nothing where there is no such file.
std::optional<Json> read_object(const std::filesystem::path& path) {
  std::error_code ignored;
  if (!path_exists(path) || !std::filesystem::is_regular_file(path, ignored)) return std::nullopt;
  std::ifstream file(path, std::ios::binary);
  std::stringstream text;
  if (!file || !(text << file.rdbuf())) fail(ErrorKind::kResource, "cannot read '", path.string(), "'");
  Json json = Json::parse(text.str(), nullptr, false);
  if (!json.is_object()) fail(ErrorKind::kInvalidModel, "'", path.string(), "' does not hold a JSON object");
  return json;
}

/// Generation arguments that a model's configuration may hold, with the values that say nothing.
const std::vector<std::pair<std::string, Json>>& legacy_fields() {
  static const std::vector<std::pair<std::string, Json>> fields = {{"max_length", 20},
                                                                   {"min_length", 0},
                                                                   {"do_sample", false},
                                                                   {"early_stopping", false},
                                                                   {"num_beams", 1},
                                                                   {"num_beam_groups", 1},
                                                                   {"diversity_penalty", 0.0},
                                                                   {"temperature", 1.0},
                                                                   {"top_k", 50},
                                                                   {"top_p", 1.0},
                                                                   {"typical_p", 1.0},
                                                                   {"repetition_penalty", 1.0},
                                                                   {"length_penalty", 1.0},
                                                                   {"no_repeat_ngram_size", 0},
                                                                   {"encoder_no_repeat_ngram_size", 0},
                                                                   {"bad_words_ids", nullptr},
                                                                   {"num_return_sequences", 1},
                                                                   {"output_scores", false},
                                                                   {"forced_bos_token_id", nullptr},
                                                                   {"forced_eos_token_id", nullptr},
                                                                   {"remove_invalid_values", false},
                                                                   {"exponential_decay_length_penalty", nullptr},
                                                                   {"suppress_tokens", nullptr},
                                                                   {"begin_suppress_tokens", nullptr},
                                                                   {"forced_decoder_ids", nullptr},
                                                                   {"max_new_tokens", nullptr}};
  return fields;
}

bool sets_generation(const Json& model) {
  for (const auto& [key, neutral] : legacy_fields()) {
    if (model.contains(key) && model[key] != neutral) return true;
  }
  return false;
}

/// Arguments that a model's configuration never held by itself, but that count where it has them.
constexpr std::array kOtherFields = {"min_new_tokens", "max_time",           "penalty_alpha",
                                     "epsilon_cutoff", "eta_cutoff",         "encoder_repetition_penalty",
                                     "sequence_bias",  "pad_token_id",       "bos_token_id",
                                     "eos_token_id",   "renormalize_logits", "decoder_start_token_id"};

GenerationConfig from_model(const Json& model) {
  GenerationConfig out;
  const auto take = [&](const Json& from, const std::string& key, const Json& neutral) {
    if (from.contains(key) && !from[key].is_null() && from[key] != neutral) set_argument(out, key, from[key]);
  };
  const auto take_all = [&](const Json& from) {
    for (const auto& [key, neutral] : legacy_fields()) take(from, key, neutral);
    for (const char* key : kOtherFields) take(from, key, nullptr);
  };
  // A composed model keeps with the decoder what it does not say itself.
  for (const char* part : {"decoder", "generator", "text_config"}) {
    if (model.contains(part) && model[part].is_object()) take_all(model[part]);
  }
  take_all(model);
  return out;
}

GenerationConfig from_generation(const Json& json, std::vector<std::string>* notes) {
  GenerationConfig out;
  for (const auto& [key, value] : json.items()) {
    if (value.is_null()) continue;
    try {
      set_argument(out, key, value);
    } catch (const Error& e) {
      // A file may hold more than this version knows; arguments of a wrong kind are its own mistake.
      if (e.message().find("generate() has no argument") == std::string::npos &&
          e.kind() != ErrorKind::kUnsupportedModel)
        throw;
      if (notes) notes->push_back(cat("generation_config.json: '", key, "' is ignored"));
    }
  }
  return out;
}

/// The most tokens that the model has positions for, where its configuration says so.
std::optional<int64_t> position_limit(const Json& model) {
  for (const char* key : {"max_target_positions", "max_position_embeddings", "n_positions", "n_ctx"}) {
    if (model.contains(key) && model[key].is_number_integer()) return model[key].get<int64_t>();
  }
  return std::nullopt;
}

}  // namespace

GenerationConfig read_config(const std::filesystem::path& folder, std::vector<std::string>* notes) {
  const auto generation = read_object(folder / "generation_config.json");
  const auto model = read_object(folder / "config.json");
  const bool derived = generation && generation->value("_from_model_config", Json(false)) == true;
  const bool by_model = model && (!generation || (derived && sets_generation(*model)));
  try {
    GenerationConfig out = by_model     ? from_model(*model)
                           : generation ? from_generation(*generation, notes)
                                        : GenerationConfig{};
    if (model) out.positions = position_limit(*model);
    return out;
  } catch (const Error& e) {
    // What a file says is no mistake of the caller's.
    fail(ErrorKind::kInvalidModel, "'", (folder / (by_model ? "config.json" : "generation_config.json")).string(),
         "': ", e.message(), "; correct the file");
  }
}

}  // namespace sdx::generate
