// Decoder: a language model that continues sequences token by token and keeps its keys and values in between.
#pragma once

#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/model.h"

namespace sdx::engine {

/// Which files of a folder to use. Each is found as exporters name it, in the folder itself or in its onnx/ folder.
enum class DecoderLayout : uint8_t {
  kAutomatic,  ///< the first of these that the folder has, in this order
  kMerged,     ///< decoder_model_merged.onnx with the input use_cache_branch
  kSplit,      ///< decoder_model.onnx and decoder_with_past_model.onnx
  kSingle,     ///< model.onnx (or decoder_model_merged.onnx) that takes past keys and values for any number of tokens
  kNoPast,     ///< a file that takes no past (or is told not to): every step computes the whole sequence again
};

/// Reads "automatic", "merged", "split", "single" or "no-past"; throws InvalidInput for anything else.
DecoderLayout decoder_layout(std::string_view name);

struct DecoderOptions {
  DecoderLayout layout = DecoderLayout::kAutomatic;
  std::string variant;      ///< "quantized" picks decoder_model_merged_quantized.onnx, and so on; "": the plain files
  ModelOptions model;       ///< the memory limit counts for each file on its own
  int64_t max_length = 0;   ///< most tokens of a sequence; 0: no limit but memory
  int64_t cache_limit = 0;  ///< most bytes of keys and values; 0: no limit
  bool candidates = false;  ///< logits only serve to choose among the largest: see rewrite::Options::candidates
  bool in_place = true;     ///< false: keys and values are copied in every step, as a plain session would
};

/// The same number of new tokens for every row.
struct Tokens {
  std::span<const int64_t> ids;        ///< [rows, count]
  std::span<const int64_t> mask = {};  ///< [rows, count]: 0 for padding; empty: no padding
};

/// The rows of logits that a call gives.
enum class Logits : uint8_t {
  kNone,  ///< none: a chunk of a prompt
  kLast,  ///< [rows, vocabulary] of the last token
  kAll,   ///< [rows, count, vocabulary]
};

/// What a decoder has done since it was opened.
struct DecoderStatistics {
  int64_t runs = 0;    ///< runs of a decoder's graph
  int64_t tokens = 0;  ///< tokens appended, all rows together
  int64_t bytes_moved =
      0;  ///< of keys and values that were copied: growing, selecting rows, graphs that return a whole cache
  int64_t cache_bytes = 0;  ///< that keys and values take now
};

/// Opens a model of the Hub and runs it step by step. The usual course:
///
///     decoder->encode(source, mask);            // encoder-decoder models only
///     decoder->begin(batch);                    // batch rows, nothing in the cache
///     logits = decoder->forward({prompt_ids, prompt_mask}, Logits::kLast);
///     decoder->select(parents);                 // beams: expand, reorder; sequences that leave the batch
///     logits = decoder->forward({next_ids}, Logits::kLast);
///
/// Not for several threads at once.
class Decoder {
 public:
  virtual ~Decoder() = default;

  /// Reads config.json (where there is one) and compiles the files. Throws InvalidInput where the folder lacks files of
  /// that layout.
  static std::unique_ptr<Decoder> open(const std::filesystem::path& folder, const DecoderOptions& options = {});

  /// "gpt2", from config.json; "" where it says nothing.
  virtual const std::string& model_type() const = 0;
  virtual bool is_encoder_decoder() const = 0;
  /// False where each step computes the whole sequence again, because the files take no past.
  virtual bool cached() const = 0;
  /// False where the graph numbers positions itself, padding included.
  virtual bool takes_positions() const = 0;
  /// The layout in use, never kAutomatic.
  virtual DecoderLayout layout() const = 0;
  virtual int64_t vocabulary() const = 0;
  /// What the encoder reads: its main input ("input_ids" or "input_features"); its fact has the type. Only for
  /// encoder-decoder models.
  virtual const Port& encoder_input() const = 0;

  /// Threads, cancellation, deadline and profile of the runs that follow. What it points to outlives them.
  virtual void set_run_settings(const RunSettings& settings) = 0;
  /// The threads of those settings.
  virtual Parallel parallel() const { return {}; }

  /// Runs the encoder on `input` (int64 [batch, tokens], or features such as float32 [batch, bins, frames]). `mask`:
  /// int64 [batch, tokens], or undefined where every token counts. Ends what was begun before.
  virtual void encode(const Tensor& input, const Tensor& mask = {}) = 0;
  /// Encoder states [batch, tokens, width]; undefined before encode().
  virtual const Tensor& encoder_states() const = 0;

  /// Starts `rows` empty sequences; with an encoder, as many as its batch. Memory of earlier sequences is used again.
  virtual void begin(int64_t rows) = 0;
  /// Appends `count` tokens to every row. Returns float32 logits, valid until the next call of a method that is not
  /// const. Position numbers count the unmasked tokens before, as the Hub's generation code does. Throws InvalidInput
  /// where max_length would be passed, Resource beyond cache_limit; then the decoder stays as it was.
  virtual ConstView forward(const Tokens& tokens, Logits logits = Logits::kLast) = 0;
  /// Row i of what follows continues row parents[i]: as many rows as `parents` has. Expands to beams ({0, 0, 1, 1}),
  /// reorders them, and drops finished sequences. Copies only what rows with a common parent do not have in common.
  virtual void select(std::span<const int32_t> parents) = 0;
  /// From now on forward() keeps the hidden states that logits are made of, where they are known. Compiles the files
  /// again; ends what was begun before. Throws UnsupportedModel where the graph does not tell them.
  virtual void keep_hidden_states() = 0;
  /// float32 [rows, count, width]: of the tokens of the last forward(), and valid as long as its logits.
  virtual ConstView hidden_states() const = 0;
  /// Forgets all but the first `length` tokens of every row.
  virtual void crop(int64_t length) = 0;

  virtual int64_t rows() const = 0;
  /// Tokens of each row, padding included.
  virtual int64_t length() const = 0;
  virtual DecoderStatistics statistics() const = 0;
};

}  // namespace sdx::engine
