// GenerationConfig: the arguments of text generation, under the names that transformers' generate() gives them.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace sdx::generate {

using Ids = std::vector<int64_t>;

/// When a beam search ends: `early_stopping` of generate().
enum class EarlyStopping : uint8_t {
  kFalse,  ///< when no running beam is likely to beat the finished ones
  kTrue,   ///< as soon as there are num_beams finished ones
  kNever,  ///< when no running beam can beat the finished ones
};

/// Each member means what the argument of that name means to generate(); the defaults are those of its version 4.33.
struct GenerationConfig {
  // length
  int64_t max_length = 20;
  std::optional<int64_t> max_new_tokens;
  int64_t min_length = 0;
  std::optional<int64_t> min_new_tokens;
  EarlyStopping early_stopping = EarlyStopping::kFalse;
  std::optional<double> max_time;  ///< seconds
  std::vector<std::string> stop_strings;

  // strategy
  bool do_sample = false;
  int64_t num_beams = 1;
  int64_t num_beam_groups = 1;
  std::optional<double> penalty_alpha;
  std::optional<int64_t> prompt_lookup_num_tokens;
  int64_t max_matching_ngram_size = 2;

  // logits
  double temperature = 1;
  int64_t top_k = 50;
  double top_p = 1;
  double min_p = 0;
  double typical_p = 1;
  double epsilon_cutoff = 0;
  double eta_cutoff = 0;
  double diversity_penalty = 0;
  double repetition_penalty = 1;
  double encoder_repetition_penalty = 1;
  double presence_penalty = 0;   ///< subtracted once from every token generated before; not an argument of generate()
  double frequency_penalty = 0;  ///< subtracted for each time a token was generated; not an argument of generate()
  double length_penalty = 1;
  int64_t no_repeat_ngram_size = 0;
  int64_t encoder_no_repeat_ngram_size = 0;
  std::vector<Ids> bad_words_ids;
  std::vector<std::pair<Ids, double>> sequence_bias;
  bool renormalize_logits = false;
  std::optional<int64_t> forced_bos_token_id;
  Ids forced_eos_token_id;
  bool remove_invalid_values = false;
  std::optional<std::pair<int64_t, double>> exponential_decay_length_penalty;  ///< start, factor
  Ids suppress_tokens;
  Ids begin_suppress_tokens;
  std::vector<std::pair<int64_t, int64_t>> forced_decoder_ids;  ///< position, token

  // result
  int64_t num_return_sequences = 1;
  bool output_scores = false;

  // special tokens
  std::optional<int64_t> pad_token_id;
  std::optional<int64_t> bos_token_id;
  Ids eos_token_id;
  Ids decoder_start_token_id;  ///< one for all rows, or one a row
  std::vector<Ids> decoder_input_ids;

  // Whisper
  bool return_timestamps = false;
  std::optional<int64_t> no_timestamps_token_id;
  std::optional<int64_t> max_initial_timestamp_index;
  std::string language, task;
  std::map<std::string, int64_t> lang_to_id, task_to_id;

  bool max_length_given = false;     ///< max_length does not have its default value only
  std::optional<int64_t> positions;  ///< that the model has by config.json; no argument of generate()
};

/// Sets the argument `key`; null gives it back its neutral value. Throws InvalidInput for a value of the wrong type or
/// range, and for keys that generate() does not have; UnsupportedModel for arguments that it has and this does not.
void set_argument(GenerationConfig& config, const std::string& key, const nlohmann::json& value);

/// The configuration of a Hub folder: its generation_config.json, or, where there is none or it was derived from the
/// model's configuration and that sets generation arguments itself, the fields of config.json. Keys that mean nothing
/// here are named in `notes`. Throws InvalidModel for files that do not hold one JSON object.
GenerationConfig read_config(const std::filesystem::path& folder, std::vector<std::string>* notes = nullptr);

/// True where the arguments ask for contrastive search.
bool is_contrastive(const GenerationConfig& config);

/// Checks that tokens which arguments name are tokens; throws InvalidInput.
void check_tokens(const GenerationConfig& config, int64_t vocabulary);

/// Checks what concerns several arguments at once; throws InvalidInput.
void check(const GenerationConfig& config);

}  // namespace sdx::generate
