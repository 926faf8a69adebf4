// What the loaders of older folders share: special tokens, templates and the tokens that configuration files add.
#pragma once

#include <initializer_list>
#include <string>
#include <utility>
#include <vector>

#include "text/folder_config.h"
#include "text/parts.h"
#include "text/vocab.h"

namespace sdx::text {

/// A special token that is looked for in the original text.
AddedToken special_token(std::string content);

/// Gives `tokens` the flags that roles of `config` spell out. Adds the tokens of `config` (added_tokens_decoder of
/// tokenizer_config.json, added_tokens.json) to both, with their ids; without flags of their own, those that the
/// configuration or `special` calls special are so.
void add_configured_tokens(const FolderConfig& config, bool (*special)(const std::string&), Vocab& vocab,
                           std::vector<AddedToken>& tokens);

/// Special tokens around one text and a pair. Elements are "A" and "B" for the texts and names of tokens; an element
/// ending in "/1" has type id 1; tokens that the model lacks are left out.
PostProcessorPtr make_surroundings(const Model& model, const std::vector<std::string>& single,
                                   const std::vector<std::string>& pair);

/// Records which tokens play a role ("bos", "eos", …), as far as the model knows them.
void set_roles(TokenizerParts& parts, std::initializer_list<std::pair<const char*, std::string>> roles);

/// vocab.json: an object of tokens and ids. Throws InvalidModel.
Vocab read_vocab_json(const std::string& path);

/// SentencePiece files, Marian's included; nothing where `folder` has none.
std::optional<TokenizerParts> load_sentencepiece_folder(const std::string& folder, const FolderConfig& config);

/// vocab.json and merges.txt: GPT-2, RoBERTa, CLIP, Whisper and their kin.
TokenizerParts load_byte_level_folder(const std::string& folder, const FolderConfig& config);

}  // namespace sdx::text
