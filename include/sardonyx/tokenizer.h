// Tokenizer: text to tokens and back, as a Hub folder describes.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "sardonyx/error.h"

namespace sardonyx {

enum class Side { Left, Right };
enum class OffsetUnit { Characters, Bytes };
enum class TruncationStrategy { LongestFirst, OnlyFirst, OnlySecond };

/// The tokens of a text or of a pair. All vectors have one element per token.
struct Encoding {
  std::vector<int64_t> ids;
  std::vector<std::string> tokens;
  std::vector<int64_t> type_ids;
  std::vector<int64_t> attention_mask;
  std::vector<int64_t> special_tokens_mask;
  std::vector<std::pair<int64_t, int64_t>> offsets;  ///< half-open ranges of the text the token came from
  std::vector<int64_t> word_ids;                     ///< -1 for special tokens
  std::vector<int64_t> sequence_ids;                 ///< 0 or 1 for the first or second text, -1 for special tokens
  std::vector<Encoding> overflowing;                 ///< windows that truncation cut off
};

struct Truncation {
  uint64_t max_length = 512;  ///< tokens, special ones included
  uint64_t stride = 0;        ///< tokens that neighbouring windows share
  TruncationStrategy strategy = TruncationStrategy::LongestFirst;
  Side side = Side::Right;
};

struct Padding {
  std::optional<uint64_t> length;  ///< fixed length, or none for the longest of the batch
  Side side = Side::Right;
  uint64_t multiple_of = 0;  ///< 0 for no rounding
};

struct EncodeOptions {
  bool add_special_tokens = true;
  OffsetUnit offsets = OffsetUnit::Characters;
  bool with_tokens = true;  ///< fill Encoding::tokens
  /// Replaces the truncation of tokenizer.json; `own_truncation = false` switches that off.
  std::optional<Truncation> truncation;
  bool own_truncation = true;
  /// Replaces the padding of tokenizer.json; `own_padding = false` switches that off.
  std::optional<Padding> padding;
  bool own_padding = true;
  int threads = 1;  ///< for batches; 0 means every CPU
};

struct DecodeOptions {
  bool skip_special_tokens = false;
  bool clean_up_spaces = false;  ///< no space before punctuation and English contractions
};

/// A text, or a pair of texts. Invalid UTF-8 counts as U+FFFD, one for each maximal invalid part.
struct TextInput {
  TextInput(std::string_view text) : first(text) {}    // NOLINT: implicit by design
  TextInput(const std::string& text) : first(text) {}  // NOLINT
  TextInput(const char* text) : first(text) {}         // NOLINT
  TextInput(std::string_view text, std::string_view pair) : first(text), second(pair) {}
  std::string_view first;
  std::optional<std::string_view> second;
};

/// Immutable; may be used from several threads. Every function may throw sardonyx::Error.
class Tokenizer {
 public:
  /// Loads a Hub folder (tokenizer.json, or vocab.txt, vocab.json and merges.txt, SentencePiece files), a
  /// tokenizer.json itself, or a SentencePiece file (.model or .spm).
  static Tokenizer load(const std::string& path);
  ~Tokenizer();
  Tokenizer(Tokenizer&&) noexcept;
  Tokenizer& operator=(Tokenizer&&) noexcept;

  Encoding encode(const TextInput& input, const EncodeOptions& options = {}) const;
  std::vector<Encoding> encode_batch(const std::vector<TextInput>& inputs, const EncodeOptions& options = {}) const;
  /// Ids that have no token are left out.
  std::string decode(const std::vector<int64_t>& ids, const DecodeOptions& options = {}) const;

  std::optional<int64_t> token_to_id(std::string_view token) const;
  std::optional<std::string> id_to_token(int64_t id) const;
  bool is_special(int64_t id) const;
  size_t vocab_size(bool with_added = true) const;
  /// The special token of a role ("bos", "eos", "unk", "sep", "pad", "cls", "mask"), if the folder names one.
  std::optional<std::string> special_token(const std::string& role) const;

  class Stream;
  /// Decodes ids one at a time. The tokenizer must outlive the stream.
  Stream stream(const DecodeOptions& options = {}) const;

 private:
  struct Impl;
  explicit Tokenizer(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

/// Gives out text as soon as it is certain, and never half a character.
class Tokenizer::Stream {
 public:
  ~Stream();
  Stream(Stream&&) noexcept;
  Stream& operator=(Stream&&) noexcept;
  /// Adds an id; returns the text that became certain, often empty.
  std::string push(int64_t id);
  /// Returns what is left, with U+FFFD for an unfinished character.
  std::string finish();

 private:
  friend class Tokenizer;
  struct Impl;
  explicit Stream(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace sardonyx
