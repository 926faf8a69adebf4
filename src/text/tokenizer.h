// Tokenizer: text to tokens and back, as the files of a Hub folder describe.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/parallel.h"
#include "text/encoding.h"

namespace sdx::text {

enum class OffsetUnit : uint8_t { kCharacters, kBytes };

struct EncodeOptions {
  bool add_special_tokens = true;
  OffsetUnit offsets = OffsetUnit::kCharacters;
  /// Replaces the tokenizer's own truncation; with `own_truncation` false there is none.
  std::optional<Truncation> truncation;
  bool own_truncation = true;
  /// Replaces the tokenizer's own padding; with `own_padding` false there is none.
  std::optional<Padding> padding;
  bool own_padding = true;
};

struct DecodeOptions {
  bool skip_special_tokens = false;
  bool clean_up_spaces = false;
};

/// A text or a pair of texts.
struct Input {
  std::string_view first;
  std::optional<std::string_view> second;
};

struct TokenizerParts;

/// Immutable after load; every function may be called from several threads.
class Tokenizer {
 public:
  /// Loads a folder of the Hub (tokenizer.json, or the older files), a tokenizer.json itself, or a SentencePiece file
  /// (.model or .spm).
  /// Throws InvalidModel, UnsupportedModel or Resource.
  static Tokenizer load(const std::string& path);
  /// From the text of a tokenizer.json.
  static Tokenizer parse(std::string_view json);
  explicit Tokenizer(TokenizerParts parts);
  ~Tokenizer();
  Tokenizer(Tokenizer&&) noexcept;
  Tokenizer& operator=(Tokenizer&&) noexcept;

  /// Encodes UTF-8; invalid bytes count as U+FFFD. Throws InvalidInput or Resource.
  Encoding encode(std::string_view text, const EncodeOptions& options = {}) const;
  Encoding encode(const Input& input, const EncodeOptions& options = {}) const;
  /// Encodes on several threads and pads to the longest where padding asks for it.
  std::vector<Encoding> encode_batch(const std::vector<Input>& inputs, const EncodeOptions& options = {},
                                     const Parallel& parallel = {}) const;

  /// Ids without a token are left out.
  std::string decode(const std::vector<uint32_t>& ids, const DecodeOptions& options = {}) const;

  /// String of token `i` of an encoding.
  std::string token(const Encoding& encoding, size_t i) const;
  /// Strings of all tokens of an encoding.
  std::vector<std::string> tokens(const Encoding& encoding) const;

  std::optional<uint32_t> token_to_id(std::string_view token) const;
  std::optional<std::string> id_to_token(uint32_t id) const;
  bool is_special(uint32_t id) const;
  /// Number of tokens, with or without the added ones.
  size_t vocab_size(bool with_added = true) const;

  /// Special tokens of the configuration by role: "bos", "eos", "unk", "sep", "pad", "cls", "mask".
  const std::map<std::string, std::string>& special_tokens() const;
  /// model_max_length of tokenizer_config.json.
  std::optional<uint64_t> model_max_length() const;
  const std::optional<Truncation>& truncation() const;
  const std::optional<Padding>& padding() const;
  /// How to pad by default: the file's padding, else the configuration's pad token.
  Padding default_padding() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// Decodes ids one at a time: text comes out as soon as it cannot change any more.
class StreamDecoder {
 public:
  /// The tokenizer must outlive the decoder.
  StreamDecoder(const Tokenizer& tokenizer, DecodeOptions options) : tokenizer_(tokenizer), options_(options) {}

  /// Adds an id and returns the text that became certain, which never ends inside a character.
  std::string push(uint32_t id);
  /// Returns what is left at the end, with U+FFFD for an unfinished character.
  std::string finish();

 private:
  const Tokenizer& tokenizer_;
  DecodeOptions options_;
  std::vector<uint32_t> ids_;
  size_t settled_ = 0;  ///< ids before this one have been given out and serve as context
  std::string context_;
};

}  // namespace sdx::text
