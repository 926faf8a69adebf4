// tokenizer.json: models, post-processors and the file as a whole.
#include <utility>

#include "base/parallel.h"
#include "text/loaders.h"
#include "text/piece_scan.h"
#include "text/score.h"

namespace sdx::text {
namespace {

[[noreturn]] void unknown_type(std::string_view family, std::string_view type) {
  fail(ErrorKind::kUnsupportedModel, "the ", family, " type \"", type.substr(0, 60), "\" is not known");
}

std::string model_type(const JsonValue& value) {
  if (const auto type = member(value, "type")) return std::string(as_string(*type, "type"));
  const auto vocab = member(value, "vocab");
  if (vocab && vocab->is_array()) return "Unigram";
  if (member(value, "merges")) return "BPE";
  return member(value, "max_input_chars_per_word") || member(value, "continuing_subword_prefix") ? "WordPiece"
                                                                                                 : "WordLevel";
}

Vocab read_vocab(const JsonValue& value) {
  const auto list = member(value, "vocab");
  if (!list) fail(ErrorKind::kInvalidModel, "the member \"vocab\" is missing; add it");
  const JsonObject object = as_object(*list, "vocab");
  Vocab vocab;
  vocab.reserve(object.size(), object.size() * 8);
  for (const auto field : object) {
    uint64_t id = 0;
    if (field.value.get_uint64().get(id) != simdjson::SUCCESS) {
      fail(ErrorKind::kInvalidModel, "the id of the token \"", field.key.substr(0, 60),
           "\" is not a non-negative integer; correct it");
    }
    vocab.add(field.key, id);
  }
  return vocab;
}

/// Merges as "a b" or as ["a", "b"].
Merges read_merges(const JsonValue& value) {
  const auto list = member(value, "merges");
  if (!list) fail(ErrorKind::kInvalidModel, "the member \"merges\" is missing; add it");
  Merges merges;
  const JsonArray array = as_array(*list, "merges");
  merges.reserve(array.size());
  for (const JsonValue merge : array) {
    std::string_view text;
    if (merge.get_string().get(text) == simdjson::SUCCESS) {
      if (text.substr(0, 8) == "#version") continue;
      const size_t space = text.find(' ');
      if (space == std::string_view::npos || text.find(' ', space + 1) != std::string_view::npos) {
        fail(ErrorKind::kInvalidModel, "merge ", merges.size(), " is \"", text.substr(0, 60),
             "\" but must be two tokens with one space between them; correct it");
      }
      merges.emplace_back(text.substr(0, space), text.substr(space + 1));
      continue;
    }
    const JsonArray pair = as_array(merge, "a merge");
    if (pair.size() != 2) {
      fail(ErrorKind::kInvalidModel, "merge ", merges.size(), " has ", pair.size(),
           " parts but must have 2; correct it");
    }
    merges.emplace_back(as_string(pair.at(0).value(), "a part of a merge"),
                        as_string(pair.at(1).value(), "a part of a merge"));
  }
  return merges;
}

std::unique_ptr<const Model> read_bpe(const JsonValue& value, bool raw_bytes) {
  BpeOptions options;
  if (const auto p = member(value, "dropout")) options.dropout = as_number(*p, "dropout");
  if (options.dropout && *options.dropout == 0.0) options.dropout.reset();
  if (const auto u = member(value, "unk_token")) options.unknown = std::string(as_string(*u, "unk_token"));
  options.prefix = string_or(value, "continuing_subword_prefix", "");
  options.suffix = string_or(value, "end_of_word_suffix", "");
  options.fuse_unknown = bool_or(value, "fuse_unk", false);
  options.byte_fallback = bool_or(value, "byte_fallback", false);
  options.ignore_merges = bool_or(value, "ignore_merges", false);
  return make_bpe(read_vocab(value), read_merges(value), std::move(options), raw_bytes);
}

UnigramPieces read_pieces(const JsonValue& value) {
  const auto list = member(value, "vocab");
  if (!list) fail(ErrorKind::kInvalidModel, "the member \"vocab\" is missing; add it");
  UnigramPieces pieces;
  const JsonArray array = as_array(*list, "vocab");
  pieces.ranges.reserve(array.size());
  pieces.scores.reserve(array.size());
  for (const JsonValue entry : array) {
    const JsonArray pair = as_array(entry, "a piece of the vocabulary");
    auto at = pair.begin();
    if (at == pair.end()) fail(ErrorKind::kInvalidModel, "a piece of the vocabulary is empty; correct it");
    const std::string_view piece = as_string(*at, "a piece of the vocabulary");
    if (piece.size() > kMaxPieceBytes) {
      fail(ErrorKind::kResource, "the piece \"", piece.substr(0, 60), "…\" has ", piece.size(), " bytes but at most ",
           kMaxPieceBytes, " are accepted; remove it");
    }
    ++at;
    if (at == pair.end())
      fail(ErrorKind::kInvalidModel, "the piece \"", piece.substr(0, 60), "\" has no score; add it");
    pieces.add(piece, as_number(*at, "the score of a piece"));
  }
  Parallel(0).run(static_cast<int64_t>(pieces.scores.size()), 4096, [&](int64_t begin, int64_t end, int) {
    for (int64_t i = begin; i < end; ++i) {
      double& score = pieces.scores[static_cast<size_t>(i)];
      score = twice_rounded(score);
    }
  });
  return pieces;
}

std::unique_ptr<const Model> read_unigram(const JsonValue& value, UnigramPieces pieces) {
  UnigramOptions options;
  if (const auto unknown = member(value, "unk_id")) {
    const uint64_t id = as_uint(*unknown, "unk_id");
    options.unknown = static_cast<uint32_t>(std::min<uint64_t>(id, UINT32_MAX));
  }
  options.byte_fallback = bool_or(value, "byte_fallback", false);
  return make_unigram(std::move(pieces), options);
}

SpecialToken read_special(const JsonValue& value, std::string_view key) {
  const auto pair = member(value, key);
  if (!pair) fail(ErrorKind::kInvalidModel, "the member \"", key, "\" is missing; add it");
  const JsonArray array = as_array(*pair, key);
  if (array.size() != 2) fail(ErrorKind::kInvalidModel, "\"", key, "\" must be a token and its id; correct it");
  const uint64_t id = as_uint(array.at(1).value(), key);
  if (id >= kMaxId) fail(ErrorKind::kResource, "\"", key, "\" has the id ", id, " but ids must be below ", kMaxId);
  return {std::string(as_string(array.at(0).value(), key)), static_cast<uint32_t>(id)};
}

std::vector<SpecialToken> special_tokens_of(const JsonValue& processor, std::string_view name) {
  const auto all = member(processor, "special_tokens");
  const auto entry = all ? member(*all, name) : std::nullopt;
  const auto ids = entry ? member(*entry, "ids") : std::nullopt;
  const auto tokens = entry ? member(*entry, "tokens") : std::nullopt;
  if (!ids || !tokens) {
    fail(ErrorKind::kInvalidModel, "the template names the special token \"", name.substr(0, 60),
         "\", which special_tokens does not define; add it");
  }
  const JsonArray id_list = as_array(*ids, "ids"), token_list = as_array(*tokens, "tokens");
  if (id_list.size() != token_list.size()) {
    fail(ErrorKind::kInvalidModel, "the special token \"", name.substr(0, 60), "\" has ", id_list.size(), " ids but ",
         token_list.size(), " tokens; make them as many");
  }
  std::vector<SpecialToken> out;
  auto token = token_list.begin();
  for (const JsonValue id : id_list) {
    const uint64_t number = as_uint(id, "ids");
    if (number >= kMaxId)
      fail(ErrorKind::kResource, "the template has the id ", number, " but ids must be below ", kMaxId);
    out.push_back({std::string(as_string(*token, "tokens")), static_cast<uint32_t>(number)});
    ++token;
  }
  return out;
}

std::vector<TemplatePiece> read_template(const JsonValue& processor, std::string_view key) {
  std::vector<TemplatePiece> pieces;
  const auto list = member(processor, key);
  if (!list) fail(ErrorKind::kInvalidModel, "the member \"", key, "\" of the template is missing; add it");
  for (const JsonValue entry : as_array(*list, key)) {
    TemplatePiece piece;
    if (const auto sequence = member(entry, "Sequence")) {
      const std::string_view id = string_member(*sequence, "id");
      if (id != "A" && id != "B")
        fail(ErrorKind::kInvalidModel, "the template names the sequence \"", id, "\"; use A or B");
      piece.sequence = id == "A" ? 0 : 1;
      piece.type_id = static_cast<uint32_t>(uint_or(*sequence, "type_id", 0));
    } else if (const auto special = member(entry, "SpecialToken")) {
      piece.tokens = special_tokens_of(processor, string_member(*special, "id"));
      piece.type_id = static_cast<uint32_t>(uint_or(*special, "type_id", 0));
    } else {
      fail(ErrorKind::kInvalidModel, "a piece of the template is neither Sequence nor SpecialToken; correct it");
    }
    pieces.push_back(std::move(piece));
  }
  return pieces;
}

Direction read_direction(const JsonValue& value) {
  const std::string name = string_or(value, "direction", "Right");
  if (name != "Left" && name != "Right")
    fail(ErrorKind::kInvalidModel, "the direction \"", name, "\" is not Left or Right");
  return name == "Left" ? Direction::kLeft : Direction::kRight;
}

Truncation read_truncation(const JsonValue& value) {
  Truncation t;
  t.max_length = uint_member(value, "max_length");
  t.stride = uint_or(value, "stride", 0);
  t.direction = read_direction(value);
  const std::string strategy = string_or(value, "strategy", "LongestFirst");
  if (strategy == "OnlyFirst") {
    t.strategy = TruncationStrategy::kOnlyFirst;
  } else if (strategy == "OnlySecond") {
    t.strategy = TruncationStrategy::kOnlySecond;
  } else if (strategy != "LongestFirst") {
    fail(ErrorKind::kInvalidModel, "the truncation strategy \"", strategy, "\" is not known");
  }
  return t;
}

Padding read_padding(const JsonValue& value) {
  Padding p;
  if (const auto strategy = member(value, "strategy"); strategy && strategy->is_object()) {
    p.length = uint_member(*strategy, "Fixed");
  }
  p.direction = read_direction(value);
  p.multiple_of = uint_or(value, "pad_to_multiple_of", 0);
  p.id = static_cast<uint32_t>(uint_or(value, "pad_id", 0));
  p.type_id = static_cast<uint32_t>(uint_or(value, "pad_type_id", 0));
  p.token = string_or(value, "pad_token", "[PAD]");
  return p;
}

AddedToken read_added_token(const JsonValue& value) {
  AddedToken token;
  token.content = string_member(value, "content");
  token.single_word = bool_or(value, "single_word", false);
  token.lstrip = bool_or(value, "lstrip", false);
  token.rstrip = bool_or(value, "rstrip", false);
  token.special = bool_or(value, "special", false);
  token.normalized = bool_or(value, "normalized", !token.special);
  return token;
}

/// Runs `read` with the section's name as the place of its errors.
template <class Read>
void section(const JsonValue& root, std::string_view key, Read read) {
  const auto value = member(root, key);
  if (!value) return;
  try {
    read(*value);
  } catch (Error& e) {
    e.within(std::string(key));
    throw;
  }
}

}  // namespace

bool may_take_raw_bytes(const JsonValue& model) {
  return model_type(model) == "BPE" && !bool_or(model, "byte_fallback", false);
}

std::unique_ptr<const Model> read_model(const JsonValue& value, bool raw_bytes, UnigramPieces* pieces) {
  const std::string type = model_type(value);
  if (type == "BPE") return read_bpe(value, raw_bytes);
  if (type == "Unigram") return read_unigram(value, pieces != nullptr ? std::move(*pieces) : read_pieces(value));
  if (type == "WordLevel") return make_wordlevel(read_vocab(value), string_or(value, "unk_token", "<unk>"));
  if (type == "WordPiece") {
    return make_wordpiece(read_vocab(value),
                          {string_or(value, "unk_token", "[UNK]"), string_or(value, "continuing_subword_prefix", "##"),
                           uint_or(value, "max_input_chars_per_word", 100)});
  }
  unknown_type("model", type);
}

PostProcessorPtr read_post_processor(const JsonValue& value, int depth) {
  if (depth > kMaxSteps) fail(ErrorKind::kResource, "sequences nest more than ", kMaxSteps, " deep; flatten them");
  const std::string_view type = string_member(value, "type");
  const bool trim = bool_or(value, "trim_offsets", true), prefix = bool_or(value, "add_prefix_space", true);
  if (type == "BertProcessing") return make_bert_processing(read_special(value, "sep"), read_special(value, "cls"));
  if (type == "RobertaProcessing") {
    return make_roberta_processing(read_special(value, "sep"), read_special(value, "cls"), trim, prefix);
  }
  if (type == "ByteLevel") return make_byte_level_processing(trim, prefix);
  if (type == "TemplateProcessing") {
    return make_template_processing(read_template(value, "single"), read_template(value, "pair"));
  }
  if (type == "Sequence") {
    std::vector<PostProcessorPtr> steps;
    const auto list = member(value, "processors");
    if (!list) fail(ErrorKind::kInvalidModel, "the member \"processors\" of a Sequence is missing; add it");
    for (const JsonValue step : as_array(*list, "processors")) steps.push_back(read_post_processor(step, depth + 1));
    return make_processor_sequence(std::move(steps));
  }
  unknown_type("post-processor", type);
}

namespace {

/// `pieces`: those of a Unigram model, where they were read already.
TokenizerParts read_parts(const JsonValue& root, UnigramPieces* pieces) {
  TokenizerParts parts;
  const auto model = member(root, "model");
  if (!model) fail(ErrorKind::kInvalidModel, "the member \"model\" is missing; this is not a tokenizer.json");
  bool raw = false;
  section(root, "normalizer", [&](const JsonValue& v) { parts.normalizer = read_normalizer(v); });
  section(root, "pre_tokenizer",
          [&](const JsonValue& v) { raw = ends_in_byte_level(v) && may_take_raw_bytes(*model); });
  section(root, "model", [&](const JsonValue& v) { parts.model = read_model(v, raw, pieces); });
  section(root, "pre_tokenizer",
          [&](const JsonValue& v) { parts.pretokenizer = read_pretokenizer(v, parts.model->takes_raw_bytes()); });
  section(root, "post_processor", [&](const JsonValue& v) { parts.post_processor = read_post_processor(v); });
  section(root, "decoder", [&](const JsonValue& v) { parts.decoder = read_decoder(v); });
  section(root, "truncation", [&](const JsonValue& v) { parts.truncation = read_truncation(v); });
  section(root, "padding", [&](const JsonValue& v) { parts.padding = read_padding(v); });
  section(root, "added_tokens", [&](const JsonValue& v) {
    for (const JsonValue token : as_array(v, "added_tokens")) parts.added_tokens.push_back(read_added_token(token));
  });
  return parts;
}

std::optional<TokenizerParts> scan_parts(std::string_view text, const std::string& name) {
  auto scanned = scan_pieces(text);
  if (!scanned) return std::nullopt;
  const JsonFile rest(scanned->rest, name);
  return read_parts(rest.root(), &scanned->pieces);
}

}  // namespace

TokenizerParts load_tokenizer_json(const std::string& path) {
  if (auto parts = scan_parts(map_json(path).text(), path)) return std::move(*parts);
  const JsonFile file(path);
  return read_parts(file.root(), nullptr);
}

TokenizerParts parse_tokenizer_json(std::string_view text) {
  constexpr const char* kName = "tokenizer.json";
  if (auto parts = scan_parts(text, kName)) return std::move(*parts);
  const JsonFile file(text, kName);
  return read_parts(file.root(), nullptr);
}

}  // namespace sdx::text
