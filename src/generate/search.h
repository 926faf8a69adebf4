// Search: what the generation strategies share while they work on a batch of rows.
#pragma once

#include <chrono>
#include <span>
#include <vector>

#include "generate/generate.h"

namespace sdx::generate {

/// A sequence that a strategy proposes.
struct Hypothesis {
  Ids ids;  ///< prompt included; without the end token where `implied_end`
  double score = 0;
  std::vector<double> logprobs;
  Finish finish = Finish::kLength;
};

/// Prompts that run together: all have the same number of leading tokens that the decoder does not see.
class Search {
 public:
  engine::Decoder& decoder;
  const GenerationConfig& config;
  const Hooks& hooks;
  std::vector<Ids> prompts;     ///< of equal length, padding included
  std::vector<Ids> masks;       ///< likewise, or empty
  std::vector<size_t> numbers;  ///< the prompts' places in the whole batch
  size_t skip = 0;              ///< leading tokens of every prompt that the decoder does not see
  int64_t max_length = 0;
  Processors processors, warpers;
  std::chrono::steady_clock::time_point begin;  ///< of generation, for max_time
  double prefill_seconds = 0;
  int64_t new_tokens = 0;

  size_t prompt_length() const { return prompts.front().size(); }
  size_t vocabulary() const { return static_cast<size_t>(decoder.vocabulary()); }

  /// Runs the prompts; the logits [prompts, vocabulary] of their last tokens. Empty where generation was cancelled.
  std::span<const float> prefill();
  /// Appends tokens [rows, count]; empty where generation was cancelled.
  std::span<const float> step(std::span<const int64_t> ids, engine::Logits logits = engine::Logits::kLast);
  /// Goes on with these rows of the decoder; does nothing where that changes nothing.
  void select(std::span<const int32_t> parents);
  /// Tokens of a row to reserve memory for.
  size_t usual_length() const;
  /// Why the whole search has to end now; kLength where it need not.
  Finish interrupted() const;
  bool is_end(int64_t token) const;
  /// True where a stop string or the caller ends the row.
  bool wants_stop(size_t sequence, std::span<const int64_t> ids) const;
};

/// For each prompt the sequences to return, the best first.
using Hypotheses = std::vector<std::vector<Hypothesis>>;

/// One token after another, the best or a random one.
Hypotheses sample_search(Search& search);
/// The same result for one prompt, with several tokens at once where the text repeats itself (Saxena 2023).
Hypotheses lookup_search(Search& search);
/// Beams, with groups (Vijayakumar et al. 2016) and with sampling.
Hypotheses beam_search(Search& search);

}  // namespace sdx::generate
