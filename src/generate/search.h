// Search: what the generation strategies share while they work on a batch of rows.
#pragma once

#include <chrono>
#include <span>
#include <vector>

#include "base/error.h"
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

  /// Runs the prompts, at most `chunk` tokens at once; the logits [prompts, vocabulary] of their last tokens. Empty
  /// where generation was cancelled.
  std::span<const float> prefill(size_t chunk);
  std::span<const float> prefill() { return prefill(usual_chunk()); }
  /// Appends tokens [rows, count]; empty where generation was cancelled.
  std::span<const float> step(std::span<const int64_t> ids, engine::Logits logits = engine::Logits::kLast);
  /// Of the tokens of the last step or chunk, [rows, count, width]; where the decoder keeps them.
  std::span<const float> hidden_states() const;
  /// Appends a token to a sequence and tells the caller; true where that ends it.
  bool append(Hypothesis& out, size_t sequence, int64_t token);
  /// Goes on with these rows of the decoder; does nothing where that changes nothing.
  void select(std::span<const int32_t> parents);
  /// Tokens of the prompts to run at once.
  size_t usual_chunk() const;
  /// Tokens of a row to reserve memory for.
  size_t usual_length() const;
  /// Why the whole search has to end now; kLength where it need not.
  Finish interrupted() const;
  bool is_end(int64_t token) const;
  /// True where a stop string or the caller ends the row.
  bool wants_stop(size_t sequence, std::span<const int64_t> ids) const;
};

/// Throws InvalidInput with the model's number of positions where that is why `error` came for `length` tokens.
void explain_length(const Error& error, int64_t length, const GenerationConfig& config);

/// For each prompt the sequences to return, the best first.
using Hypotheses = std::vector<std::vector<Hypothesis>>;

/// One token after another, the best or a random one.
Hypotheses sample_search(Search& search);
/// The same result for one prompt, with several tokens at once where the text repeats itself (Saxena 2023).
Hypotheses lookup_search(Search& search);
/// One token after another, of the likeliest the one that repeats least. Needs hidden states.
Hypotheses contrastive_search(Search& search);
/// Beams, with groups (Vijayakumar et al. 2016) and with sampling.
Hypotheses beam_search(Search& search);

}  // namespace sdx::generate
