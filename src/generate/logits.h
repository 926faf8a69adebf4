// Logits processors and warpers: what changes the scores of the next token before one is chosen.
#pragma once

#include <functional>
#include <optional>
#include <span>
#include <vector>

#include "generate/config.h"

namespace sdx::generate {

/// What a processor may look at besides the scores.
struct RowState {
  std::span<const int64_t> ids;  ///< the row so far, prompt and its padding included
  size_t prompt = 0;             ///< which prompt of the batch the row continues
  size_t row = 0;  ///< its place among the rows that generate() scores together: those of a beam group, or all
  std::span<const int64_t> group_tokens = {};  ///< tokens that beams of earlier groups took in this step
};

/// Changes the scores [vocabulary] of one row in place.
using Processor = std::function<void(std::span<float> scores, const RowState& row)>;
using Processors = std::vector<Processor>;

/// The tokens that may follow: given the prompt's index and the row so far.
using PrefixFunction = std::function<Ids(size_t prompt, std::span<const int64_t> ids)>;

/// What the processors need to know of a run.
struct ProcessorSetting {
  int64_t prompt_length = 0;   ///< tokens of a row before the first generated one
  int64_t max_length = 0;      ///< tokens of a row at the end
  std::vector<Ids> input_ids;  ///< of each prompt, or what the encoder reads; empty where it reads no ids
  PrefixFunction prefix_allowed;
};

/// Processors in the order of generate(), which is not the order of the functions below.
Processors make_processors(const GenerationConfig& config, const ProcessorSetting& setting);
/// Warpers, likewise; they apply to sampling only.
Processors make_warpers(const GenerationConfig& config);
void apply(Processors& processors, std::span<float> scores, const RowState& row);

// Repetition (repetition.cc). CTRL's penalty divides positive scores and multiplies negative ones.
Processor repetition_penalty(double penalty);
/// Favours tokens of the input by the inverse of CTRL's penalty. As in generate(), row i of those scored together is
/// the one that gets the input of prompt i, so that of the beams of a batch only as many are favoured as there are
/// prompts.
Processor encoder_repetition_penalty(double penalty, std::vector<Ids> input_ids);
/// score -= presence + frequency * (how often the token was generated), for tokens that were.
Processor presence_penalty(double presence, double frequency, int64_t prompt_length);
/// Forbids tokens that would complete an n-gram the row already has.
Processor no_repeat_ngram(int64_t size);
/// Forbids tokens that would complete an n-gram of the input.
Processor encoder_no_repeat_ngram(int64_t size, std::vector<Ids> input_ids);
/// score -= penalty * (how many beams of earlier groups took the token in this step).
Processor hamming_diversity(double penalty);

// Rules about tokens (token_rules.cc).
/// Adds to a token's score where it would complete one of the sequences; a bias of -inf forbids it.
Processor sequence_bias(std::vector<std::pair<Ids, double>> sequences);
Processor suppress(Ids tokens);
/// Suppresses only where the row has that many tokens.
Processor suppress_at(Ids tokens, int64_t length);
/// Forces tokens by the number of tokens before them.
Processor force_tokens(std::vector<std::pair<int64_t, int64_t>> by_position);
/// Allows only `tokens` where the row has `length` tokens, with score 0.
Processor force_at(Ids tokens, int64_t length);
/// Forbids `eos` in rows shorter than `length`.
Processor min_length(int64_t length, Ids eos);
/// Lifts the score of `eos` by |score| (factor^(tokens past start) - 1).
Processor exponential_decay(int64_t start, double factor, Ids eos);
Processor allow_prefix(PrefixFunction allowed);
/// NaN becomes 0, +inf the greatest float.
Processor remove_invalid();
/// Scores become log-probabilities.
Processor normalize();

/// Whisper's rules for predicted times (timestamps.cc): the first token is one, they come in pairs, never fall, and win
/// where together they are likelier than any word. `begin`: tokens before the first that these rules govern.
struct TimestampRules {
  int64_t begin;
  int64_t no_timestamps;  ///< the token before the first timestamp token
  int64_t eos;
  std::optional<int64_t> max_initial;
};
Processor whisper_timestamps(TimestampRules rules);

// Warpers (warpers.cc). Each keeps at least `keep` tokens; what it removes becomes -inf.
Processor temperature(double value);
Processor top_k(int64_t k, int64_t keep);
/// The fewest tokens whose probabilities sum up to p or more (Holtzman et al. 2020).
Processor top_p(double p, int64_t keep);
/// Tokens at least p times as likely as the likeliest.
Processor min_p(double p, int64_t keep);
/// Tokens whose surprise is closest to the entropy, up to the mass p (Meister et al. 2022).
Processor typical_p(double p, int64_t keep);
/// Tokens of probability epsilon or more (Hewitt et al. 2022).
Processor epsilon_cutoff(double epsilon, int64_t keep);
/// Tokens of probability min(epsilon, sqrt(epsilon) e^-entropy) or more (the same source).
Processor eta_cutoff(double epsilon, int64_t keep);

}  // namespace sdx::generate
