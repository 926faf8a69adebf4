// Loaders: from files to the parts of a tokenizer.
#pragma once

#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "text/json_reader.h"
#include "text/parts.h"

namespace sdx::text {

/// The parts that a tokenizer.json describes. Throws as JsonFile does.
TokenizerParts load_tokenizer_json(const std::string& path);
/// The same from its text.
TokenizerParts parse_tokenizer_json(std::string_view text);

// The steps of the format, each from the object with its "type".
NormalizerPtr read_normalizer(const JsonValue& value, int depth = 0);
/// `bytes_last`: a ByteLevel at the end may leave the bytes as they are.
PreTokenizerPtr read_pretokenizer(const JsonValue& value, bool bytes_last, int depth = 0);
PostProcessorPtr read_post_processor(const JsonValue& value, int depth = 0);
DecoderPtr read_decoder(const JsonValue& value, int depth = 0);
/// `raw_bytes`: the pre-tokenizer leaves the bytes as they are. `pieces`: those of a Unigram model, where they were
/// read already.
std::unique_ptr<const Model> read_model(const JsonValue& value, bool raw_bytes, UnigramPieces* pieces);
/// Whether the model might take raw bytes in place of the byte-level alphabet.
bool may_take_raw_bytes(const JsonValue& model);
/// Whether the pre-tokenizer ends in ByteLevel.
bool ends_in_byte_level(const JsonValue& pretokenizer);

/// Depth to which sequences may nest.
inline constexpr int kMaxSteps = 16;

/// The small configuration files of a folder, as far as they exist.
struct FolderConfig;

/// A folder with vocab.txt, vocab.json, or SentencePiece files, without tokenizer.json.
TokenizerParts load_older_files(const std::string& folder);

/// A SentencePiece file by itself, of the kind that its name and the configuration files beside it tell.
TokenizerParts load_sentencepiece_file(const std::string& path);

/// Reads what tokenizer_config.json, special_tokens_map.json and added_tokens.json add to a tokenizer: roles, the
/// length, and the tokens that it lacks.
void apply_folder_config(const std::string& folder, TokenizerParts& parts);

}  // namespace sdx::text
