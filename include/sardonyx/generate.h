// Generator: continues prompts with a language model of the Hub, as transformers' generate() does.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "sardonyx/error.h"
#include "sardonyx/model.h"

namespace sardonyx {

struct GeneratorOptions {
  int threads = 0;                   ///< threads of a step, the calling one included; 0: every CPU of this process
  std::string layout = "automatic";  ///< files to use: automatic, single, merged, split or no-past
  std::string variant;               ///< suffix of the files to use, such as "quantized"
  int64_t memory_limit = 0;          ///< bytes that loading and running may allocate beyond mapped files; 0: none
  /// A folder in which packed weights are kept, made where there is none; "": they are packed at each load. Later
  /// processes then load in a fraction of the time and share the memory. May be deleted at any time; what is damaged is
  /// found and packed again.
  std::string weight_folder;
  int64_t cache_limit = 0;  ///< bytes of keys and values; 0: no limit
};

/// What to generate from, and how.
struct GenerationRequest {
  std::vector<std::vector<int64_t>> ids;   ///< prompts of equal length, padded on the left (an encoder's: on the right)
  std::vector<std::vector<int64_t>> mask;  ///< 0 for padding; empty: as generate() guesses it
  Tensor features;                         ///< what the encoder reads where it reads no ids
  /// Arguments of generate() by name, the values in JSON: {"num_beams", "4"}. The rest is as the folder says.
  std::map<std::string, std::string> arguments;
  uint64_t seed = 0;                        ///< of sampling; equal seeds give equal tokens, whatever the threads
  int64_t prefill_chunk = 0;                ///< most tokens of a prompt that run at once; 0: all
  std::optional<CancellationToken> cancel;  ///< ends generation; what is there is returned
  /// A token of a sequence as it comes. Not called by beam searches.
  std::function<void(size_t sequence, int64_t token)> on_token;
  /// True ends the sequence; the ids include the prompt.
  std::function<bool(size_t sequence, const std::vector<int64_t>& ids)> should_stop;
  /// The tokens that may follow the ids of a prompt.
  std::function<std::vector<int64_t>(size_t prompt, const std::vector<int64_t>& ids)> prefix_allowed;
  /// The text of ids; the argument stop_strings needs it.
  std::function<std::string(const std::vector<int64_t>& ids)> text_of;
};

struct GeneratedSequence {
  std::vector<int64_t> ids;  ///< prompt (or decoder start), new tokens, padding to the longest of the batch
  size_t length = 0;         ///< of ids without that padding
  double score = 0;          ///< as generate() scores beams; otherwise the sum of log-probabilities, with output_scores
  std::vector<double> logprobs;  ///< of each new token, with output_scores
  std::string finish;            ///< "end", "length", "stopped", "time" or "cancelled"
};

struct Generation {
  std::vector<GeneratedSequence> sequences;  ///< num_return_sequences for each prompt, the best first
  int64_t prompt_length = 0;                 ///< tokens of each sequence that were there before
  int64_t new_tokens = 0;                    ///< generated, all sequences together
  double prefill_seconds = 0;                ///< until the first logits
  double decode_seconds = 0;                 ///< everything after
};

/// A language model with its settings. Not for several threads at once. Every function may throw sardonyx::Error.
class Generator {
 public:
  /// Loads a Hub folder: its decoder, and its encoder where it has one.
  static Generator load(const std::string& folder, const GeneratorOptions& options = {});
  ~Generator();
  Generator(Generator&&) noexcept;
  Generator& operator=(Generator&&) noexcept;

  Generation generate(const GenerationRequest& request);

  bool is_encoder_decoder() const;
  /// False where the files take no past keys and values: every token then computes the whole sequence again.
  bool cached() const;
  int64_t vocabulary() const;
  /// What of the folder's settings is ignored, one sentence each.
  const std::vector<std::string>& notes() const;

 private:
  struct Impl;
  explicit Generator(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace sardonyx
