// generate: continues prompts with a decoder as transformers' generate() does.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "engine/decoder.h"
#include "generate/config.h"
#include "generate/logits.h"

namespace sdx::generate {

/// A batch of prompts: what the encoder reads, or what a decoder-only model continues.
struct Prompts {
  std::vector<Ids> ids;   ///< of equal length; empty for features
  std::vector<Ids> mask;  ///< 0 for padding; empty: every token counts, but the pad token where it is no end token
  Tensor features;        ///< the encoder's input where it reads no ids
};

/// What a caller sees and decides while tokens come. All may be empty. Nothing is called from another thread.
struct Hooks {
  /// A token of a sequence; `sequence` counts prompts times num_return_sequences. Not called by beam searches, whose
  /// tokens are certain only at the end.
  std::function<void(size_t sequence, int64_t token)> on_token;
  /// True ends the sequence, whose ids include the prompt.
  std::function<bool(size_t sequence, std::span<const int64_t> ids)> should_stop;
  /// The text of tokens; stop_strings need it.
  std::function<std::string(std::span<const int64_t> ids)> text_of;
  PrefixFunction prefix_allowed;
  /// Ends generation between tokens; what is there is returned.
  const std::atomic<bool>* cancel = nullptr;
  uint64_t seed = 0;          ///< of sampling
  int64_t prefill_chunk = 0;  ///< most tokens of a prompt that run at once; 0: all
};

enum class Finish : uint8_t { kEnd, kLength, kStopped, kTime, kCancelled };
/// "end", "length", "stopped", "time" or "cancelled".
const char* finish_name(Finish finish);

struct Sequence {
  Ids ids;                       ///< as generate() returns it: padded to the longest of the batch
  size_t length = 0;             ///< of ids, without that padding
  double score = 0;              ///< beam searches: sum / length^length_penalty; otherwise the sum of log-probabilities
  std::vector<double> logprobs;  ///< of each generated token; only with output_scores
  Finish finish = Finish::kLength;
};

struct Result {
  std::vector<Sequence> sequences;  ///< num_return_sequences for each prompt, the best first
  int64_t prompt_length = 0;        ///< tokens of each sequence that were there before
  int64_t new_tokens = 0;           ///< generated, all sequences together
  double prefill_seconds = 0;       ///< until the first logits, the encoder included
  double decode_seconds = 0;        ///< everything after
};

/// Throws InvalidInput for prompts and arguments that do not fit the model, and what the decoder throws.
Result generate(engine::Decoder& decoder, const Prompts& prompts, const GenerationConfig& config,
                const Hooks& hooks = {});

}  // namespace sdx::generate
