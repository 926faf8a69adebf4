// Folders without tokenizer.json: which files they have, and the two simplest kinds, vocab.txt and CTC's vocab.json.
#include <string_view>

#include "base/error.h"
#include "text/folder_parts.h"
#include "text/json_reader.h"
#include "text/loaders.h"

namespace sdx::text {
namespace {

constexpr size_t kMaxVocabBytes = size_t{1} << 28;

bool in_brackets(std::string_view token) { return token.size() > 2 && token.front() == '[' && token.back() == ']'; }

bool has_upper_case(std::string_view token) {
  for (const char c : token) {
    if (c >= 'A' && c <= 'Z') return true;
  }
  return false;
}

/// One token a line; its id is the line's number. `cased` tells whether a token has a capital letter.
Vocab read_vocab_txt(const std::string& path, bool& cased) {
  const std::string text = read_file(path, kMaxVocabBytes);
  Vocab vocab;
  uint64_t id = 0;
  for (size_t begin = 0; begin < text.size();) {
    const size_t end = std::min(text.find('\n', begin), text.size());
    std::string_view token = std::string_view(text).substr(begin, end - begin);
    while (token.ends_with('\r')) token.remove_suffix(1);
    vocab.add(token, id++);
    cased |= has_upper_case(token) && !in_brackets(token);
    begin = end + 1;
  }
  return vocab;
}

/// The configured token of a role, else BERT's.
std::string token_or(const FolderConfig& config, const char* role, const char* fallback) {
  const auto token = config.special(role);
  return token ? token->content : fallback;
}

/// The vocab.txt of BERT, or of MPNet, whose special tokens are RoBERTa's. Without do_lower_case, a vocabulary that has
/// capital letters is taken for a cased one.
TokenizerParts load_bert(const std::string& folder, const FolderConfig& config) {
  const std::string family = config.family();
  for (const char* other : {"bertjapanese", "roformer", "esm", "phobert", "bertweet"}) {
    if (family != other) continue;
    fail(ErrorKind::kUnsupportedModel, "the tokenizer family \"", family,
         "\" cannot be rebuilt from vocab.txt; export tokenizer.json with the model");
  }
  const bool mpnet = family == "mpnet";
  bool cased = false;
  Vocab vocab = read_vocab_txt(folder + "/vocab.txt", cased);
  const std::string unknown = token_or(config, "unk_token", "[UNK]"),
                    cls = token_or(config, "cls_token", mpnet ? "<s>" : "[CLS]"),
                    sep = token_or(config, "sep_token", mpnet ? "</s>" : "[SEP]"),
                    pad = token_or(config, "pad_token", mpnet ? "<pad>" : "[PAD]"),
                    mask = token_or(config, "mask_token", mpnet ? "<mask>" : "[MASK]");
  TokenizerParts parts;
  for (const std::string& token : {pad, unknown, cls, sep, mask}) {
    if (vocab.find(token) != kNone) parts.added_tokens.push_back(special_token(token));
  }
  if (mpnet && vocab.find(mask) != kNone) parts.added_tokens.back().lstrip = true;
  add_configured_tokens(
      config, [](const std::string&) { return false; }, vocab, parts.added_tokens);
  BertNormalizerOptions options;
  options.lowercase = config.flag("do_lower_case").value_or(!cased);
  options.strip_accents = config.flag("strip_accents").value_or(options.lowercase);
  options.chinese = config.flag("tokenize_chinese_chars").value_or(true);
  parts.normalizer = make_bert_normalizer(options);
  parts.pretokenizer = make_bert_pretokenizer();
  parts.model = make_wordpiece(std::move(vocab), {unknown, "##", 100});
  std::vector<std::string> pair = {cls, "A", sep, "B/1", sep + "/1"};
  if (mpnet) pair.insert(pair.begin() + 2, sep);
  parts.post_processor = make_surroundings(*parts.model, {cls, "A", sep}, pair);
  parts.decoder = make_wordpiece_decoder("##", true);
  set_roles(parts, {{"unk", unknown}, {"cls", cls}, {"sep", sep}, {"pad", pad}, {"mask", mask}});
  return parts;
}

/// Decoding by CTC's rule: repeated and padding tokens fall out, delimiters become spaces, none of them at an end.
DecoderPtr make_ctc_text_decoder(const std::string& pad, const std::string& delimiter) {
  constexpr uint64_t kAll = UINT64_MAX;
  std::vector<DecoderPtr> steps;
  steps.push_back(make_ctc_decoder(pad, delimiter, true));
  steps.push_back(make_fuse_decoder());
  steps.push_back(make_strip_decoder(U' ', kAll, kAll));
  return make_decoder_sequence(std::move(steps));
}

/// Wav2Vec2's vocab.json: every character is a token, a space is the word delimiter, ids decode by CTC's rule. Padding
/// is CTC's blank, which keeps repeated letters apart: it is no special token, so that skipping those leaves it in
/// place.
TokenizerParts load_ctc(const std::string& folder, const FolderConfig& config) {
  Vocab vocab = read_vocab_json(folder + "/vocab.json");
  const std::string unknown = token_or(config, "unk_token", "<unk>"), pad = token_or(config, "pad_token", "<pad>"),
                    bos = token_or(config, "bos_token", "<s>"), eos = token_or(config, "eos_token", "</s>");
  const std::string delimiter = config.text("word_delimiter_token").value_or("|");
  TokenizerParts parts;
  for (const std::string& token : {pad, bos, eos, unknown}) {
    if (vocab.find(token) != kNone) parts.added_tokens.push_back(special_token(token));
  }
  add_configured_tokens(
      config, [](const std::string&) { return false; }, vocab, parts.added_tokens);
  for (AddedToken& token : parts.added_tokens) token.special &= token.content != pad;
  parts.normalizer = make_replace(Pattern::literal(" "), delimiter);
  parts.pretokenizer = make_split(Pattern::literal(delimiter), SplitBehavior::kIsolated, false);
  BpeOptions options;
  options.unknown = unknown;
  parts.model = make_bpe(std::move(vocab), {}, options, false);
  parts.decoder = make_ctc_text_decoder(pad, delimiter);
  set_roles(parts, {{"unk", unknown}, {"pad", pad}, {"bos", bos}, {"eos", eos}});
  return parts;
}

TokenizerParts load_parts(const std::string& folder, const FolderConfig& config) {
  if (auto parts = load_sentencepiece_folder(folder, config)) return std::move(*parts);
  if (file_exists(folder + "/vocab.txt")) return load_bert(folder, config);
  if (!file_exists(folder + "/vocab.json")) {
    fail(ErrorKind::kInvalidInput,
         "the folder holds no tokenizer.json, vocab.txt, vocab.json or SentencePiece model; fetch the tokenizer's "
         "files");
  }
  return file_exists(folder + "/merges.txt") ? load_byte_level_folder(folder, config) : load_ctc(folder, config);
}

}  // namespace

TokenizerParts load_older_files(const std::string& folder) {
  TokenizerParts parts = load_parts(folder, FolderConfig::load(folder));
  apply_folder_config(folder, parts);
  return parts;
}

}  // namespace sdx::text
