// Which processors a configuration asks for, in the order in which generate() applies them.
#include "generate/logits.h"

#include <algorithm>
#include <limits>

#include "base/error.h"

namespace sdx::generate {
namespace {

constexpr double kForbidden = -std::numeric_limits<double>::infinity();

/// Bad words as biases; a lone end token is no bad word.
std::vector<std::pair<Ids, double>> bad_words(const GenerationConfig& c) {
  std::vector<std::pair<Ids, double>> out;
  for (const Ids& word : c.bad_words_ids) {
    const bool ends = word.size() == 1 && std::ranges::find(c.eos_token_id, word[0]) != c.eos_token_id.end();
    if (!ends) out.emplace_back(word, kForbidden);
  }
  return out;
}

/// Language and task of Whisper as forced tokens, where they are asked for by name.
std::vector<std::pair<int64_t, int64_t>> forced_ids(const GenerationConfig& c) {
  auto out = c.forced_decoder_ids;
  const auto look_up = [](const std::map<std::string, int64_t>& ids, const std::string& name, const char* what) {
    for (const std::string& key : {name, "<|" + name + "|>"}) {
      if (const auto it = ids.find(key); it != ids.end()) return it->second;
    }
    fail(ErrorKind::kInvalidInput, what, " '", name, "' is not among the ", ids.size(),
         " of generation_config.json; correct it");
  };
  if (!c.language.empty() || !c.task.empty()) {
    // A language that is not named is left to the model; a task that is not named is to transcribe.
    out.clear();
    if (!c.language.empty()) out.emplace_back(1, look_up(c.lang_to_id, c.language, "language"));
    if (!c.task.empty() || !c.task_to_id.empty())
      out.emplace_back(2, look_up(c.task_to_id, c.task.empty() ? "transcribe" : c.task, "task"));
    if (c.no_timestamps_token_id) out.emplace_back(out.back().first + 1, *c.no_timestamps_token_id);
  }
  if (c.return_timestamps && c.no_timestamps_token_id)
    std::erase_if(out, [&](const auto& p) { return p.second == *c.no_timestamps_token_id; });
  std::ranges::sort(out);
  return out;
}

void add_repetition(Processors& out, const GenerationConfig& c, const ProcessorSetting& s) {
  const bool reads_ids = !s.input_ids.empty();
  if (c.diversity_penalty > 0) out.push_back(hamming_diversity(c.diversity_penalty));
  if (c.encoder_repetition_penalty != 1 && reads_ids)
    out.push_back(encoder_repetition_penalty(c.encoder_repetition_penalty, s.input_ids));
  if (c.repetition_penalty != 1) out.push_back(repetition_penalty(c.repetition_penalty));
  if (c.presence_penalty != 0 || c.frequency_penalty != 0)
    out.push_back(presence_penalty(c.presence_penalty, c.frequency_penalty, s.prompt_length));
  if (c.no_repeat_ngram_size > 0) out.push_back(no_repeat_ngram(c.no_repeat_ngram_size));
  if (c.encoder_no_repeat_ngram_size > 0 && reads_ids)
    out.push_back(encoder_no_repeat_ngram(c.encoder_no_repeat_ngram_size, s.input_ids));
}

}  // namespace

Processors make_processors(const GenerationConfig& c, const ProcessorSetting& s) {
  Processors out;
  const auto forced = forced_ids(c);
  if (!c.sequence_bias.empty()) out.push_back(sequence_bias(c.sequence_bias));
  add_repetition(out, c, s);
  if (auto words = bad_words(c); !words.empty()) out.push_back(sequence_bias(std::move(words)));
  if (c.min_length > 0 && !c.eos_token_id.empty()) out.push_back(min_length(c.min_length, c.eos_token_id));
  if (c.min_new_tokens.value_or(0) > 0 && !c.eos_token_id.empty())
    out.push_back(min_length(s.prompt_length + *c.min_new_tokens, c.eos_token_id));
  if (s.prefix_allowed) out.push_back(allow_prefix(s.prefix_allowed));
  if (c.forced_bos_token_id) out.push_back(force_at({*c.forced_bos_token_id}, 1));
  if (!c.forced_eos_token_id.empty()) out.push_back(force_at(c.forced_eos_token_id, s.max_length - 1));
  if (c.remove_invalid_values) out.push_back(remove_invalid());
  if (const auto& decay = c.exponential_decay_length_penalty; decay && !c.eos_token_id.empty())
    out.push_back(exponential_decay(s.prompt_length + decay->first, decay->second, c.eos_token_id));
  if (!c.suppress_tokens.empty()) out.push_back(suppress(c.suppress_tokens));
  if (!c.begin_suppress_tokens.empty()) {
    int64_t begin = s.prompt_length + (s.prompt_length > 1 || !c.forced_bos_token_id ? 0 : 1);
    if (!forced.empty()) begin += forced.back().first;
    out.push_back(suppress_at(c.begin_suppress_tokens, begin));
  }
  if (!forced.empty()) out.push_back(force_tokens(forced));
  if (c.return_timestamps) {
    const int64_t begin = std::max(s.prompt_length, forced.empty() ? 0 : forced.back().first + 1);
    const int64_t eos = c.eos_token_id.empty() ? *c.no_timestamps_token_id : c.eos_token_id.front();
    out.push_back(whisper_timestamps({begin, *c.no_timestamps_token_id, eos, c.max_initial_timestamp_index}));
  }
  if (c.renormalize_logits) out.push_back(normalize());
  return out;
}

Processors make_warpers(const GenerationConfig& c) {
  Processors out;
  // A beam search needs one token besides the end tokens to go on with.
  const int64_t keep = c.num_beams > 1 ? std::max<int64_t>(2, static_cast<int64_t>(c.eos_token_id.size()) + 1) : 1;
  if (c.temperature != 1) out.push_back(temperature(c.temperature));
  if (c.top_k != 0) out.push_back(top_k(c.top_k, keep));
  if (c.top_p < 1) out.push_back(top_p(c.top_p, keep));
  if (c.min_p > 0) out.push_back(min_p(c.min_p, keep));
  if (c.typical_p < 1) out.push_back(typical_p(c.typical_p, keep));
  if (c.epsilon_cutoff > 0 && c.epsilon_cutoff < 1) out.push_back(epsilon_cutoff(c.epsilon_cutoff, keep));
  if (c.eta_cutoff > 0 && c.eta_cutoff < 1) out.push_back(eta_cutoff(c.eta_cutoff, keep));
  if (c.renormalize_logits) out.push_back(normalize());
  return out;
}

void apply(Processors& processors, std::span<float> scores, const RowState& row) {
  for (Processor& p : processors) p(scores, row);
}

}  // namespace sdx::generate
