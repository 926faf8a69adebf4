// Tokenizer: the pipeline from text to encoding, and from ids to text.
#include "text/tokenizer.h"

#include <algorithm>
#include <exception>
#include <mutex>
#include <utility>

#include "base/error.h"
#include "text/parts.h"
#include "text/utf8.h"

namespace sdx::text {
namespace {

constexpr size_t kMaxText = size_t{1} << 30;

/// Memory that one call uses and the next one reuses.
struct Scratch {
  ModelScratch model;
  Work work;
  std::vector<Piece> pieces;
  std::vector<uint32_t> characters;
};

class ScratchPool {
 public:
  std::unique_ptr<Scratch> take() {
    const std::lock_guard lock(mutex_);
    if (free_.empty()) return std::make_unique<Scratch>();
    auto scratch = std::move(free_.back());
    free_.pop_back();
    return scratch;
  }
  void give(std::unique_ptr<Scratch> scratch) {
    const std::lock_guard lock(mutex_);
    free_.push_back(std::move(scratch));
  }

 private:
  std::mutex mutex_;
  std::vector<std::unique_ptr<Scratch>> free_;
};

/// Turns byte offsets of a text into character offsets.
class CharacterOffsets {
 public:
  /// `table` is scratch; an ASCII text needs none.
  CharacterOffsets(std::string_view text, std::vector<uint32_t>& table)
      : table_(table), size_(static_cast<uint32_t>(text.size())), trivial_(is_ascii(text)) {
    if (trivial_) return;
    table_.resize(text.size() + 1);
    uint32_t count = 0;
    for (size_t i = 0; i < text.size(); ++i) {
      count += !is_continuation(text[i]);
      table_[i] = count - 1;
    }
    table_[text.size()] = count;
  }
  /// Ranges beyond the text, which only tokens for a prefix or suffix have, follow the reference.
  Align operator()(Align bytes) const {
    if (bytes.end <= size_) return trivial_ ? bytes : Align{table_[bytes.begin], table_[bytes.end]};
    if (bytes.begin >= size_) return bytes;
    const uint32_t begin = trivial_ ? bytes.begin : table_[bytes.begin];
    return {begin, begin + 2};
  }

 private:
  std::vector<uint32_t>& table_;
  uint32_t size_;
  bool trivial_;
};

}  // namespace

struct Tokenizer::State final : TokenStrings {
  TokenizerParts parts;
  AddedTokens added;
  std::vector<uint16_t> space_counts;
  mutable ScratchPool pool;

  std::string_view string_of(uint32_t id) const {
    if (const AddedToken* token = added.token(id)) return token->content;
    return parts.model->token(id).value_or(std::string_view());
  }
  bool is(uint32_t id, std::string_view token) const override { return string_of(id) == token; }
  SpaceCounts spaces(uint32_t id) const override {
    constexpr uint16_t kMany = 0xFF;
    if (id >= space_counts.size()) return count_spaces(string_of(id));
    const uint16_t packed = space_counts[id];
    if ((packed >> 8) == kMany || (packed & 0xFF) == kMany) return count_spaces(string_of(id));
    return {static_cast<uint32_t>(packed >> 8), static_cast<uint32_t>(packed & 0xFF)};
  }

  void count_all_spaces() {
    space_counts.resize(parts.model->id_limit());
    Parallel(0).run(static_cast<int64_t>(space_counts.size()), 4096, [&](int64_t begin, int64_t end, int) {
      for (auto id = static_cast<uint32_t>(begin); id < static_cast<uint32_t>(end); ++id) {
        const SpaceCounts c = count_spaces(string_of(id));
        space_counts[id] = static_cast<uint16_t>(std::min(c.leading, 255u) << 8 | std::min(c.trailing, 255u));
      }
    });
  }

  Encoding encode_text(std::string_view text, uint32_t type_id, OffsetUnit unit, Scratch& scratch) const;
  Encoding encode_pair(const Input& input, const EncodeOptions& options, Scratch& scratch) const;
  void add_piece(Encoding& e, const Work& work, const Split& split, const Piece& piece) const;
  void check_truncation(const Truncation& t) const;
};

namespace {

/// Byte range of the original that bytes [begin, end) of the work text came from.
Align source_of(const Work& work, uint32_t begin, uint32_t end) {
  if (begin == end) return {begin, end};
  if (work.align != nullptr) return {work.align[begin].begin, work.align[end - 1].end};
  while (begin > 0 && is_continuation(work.text[begin])) --begin;
  while (end < work.text.size() && is_continuation(work.text[end])) ++end;
  return {begin, end};
}

}  // namespace

void Tokenizer::State::add_piece(Encoding& e, const Work& work, const Split& split, const Piece& piece) const {
  if (piece.surface || (split.token >= 0)) {
    const std::string_view surface = work.text.substr(split.begin + piece.begin, piece.end - piece.begin);
    if (split.token < 0 || surface != string_of(piece.id)) {
      e.surfaces.push_back({static_cast<uint32_t>(e.ids.size()), std::string(surface)});
    }
  }
  e.ids.push_back(piece.id);
  const bool beyond = piece.end > split.end - split.begin;
  e.offsets.push_back(beyond ? Align{piece.begin, piece.end}
                             : source_of(work, split.begin + piece.begin, split.begin + piece.end));
}

Encoding Tokenizer::State::encode_text(std::string_view text, uint32_t type_id, OffsetUnit unit,
                                       Scratch& scratch) const {
  if (text.size() > kMaxText) {
    fail(ErrorKind::kResource, "the text has ", text.size(), " bytes but at most ", kMaxText, " are accepted; cut it");
  }
  Work& work = scratch.work;
  added.extract(text, parts.normalizer.get(), work);
  if (parts.pretokenizer != nullptr) parts.pretokenizer->apply(work);
  Encoding e;
  const size_t expected = text.size() / 4 + 8;
  e.ids.reserve(expected);
  e.offsets.reserve(expected);
  e.word_ids.reserve(expected);
  int32_t word = 0;
  for (const Split& split : work.splits) {
    scratch.pieces.clear();
    if (split.token >= 0) {
      scratch.pieces.push_back({static_cast<uint32_t>(split.token), 0, split.end - split.begin});
    } else {
      parts.model->tokenize(work.text.substr(split.begin, split.end - split.begin), scratch.model, scratch.pieces);
    }
    for (const Piece& piece : scratch.pieces) {
      add_piece(e, work, split, piece);
      e.word_ids.push_back(word);
    }
    ++word;
  }
  if (unit == OffsetUnit::kCharacters) {
    const CharacterOffsets convert(text, scratch.characters);
    for (Align& offset : e.offsets) offset = convert(offset);
  }
  e.type_ids.assign(e.size(), type_id);
  e.attention_mask.assign(e.size(), 1);
  e.special_tokens_mask.assign(e.size(), 0);
  e.sequence_ids.assign(e.size(), static_cast<int8_t>(type_id));
  return e;
}

void Tokenizer::State::check_truncation(const Truncation& t) const {
  const size_t reserved = parts.post_processor != nullptr ? parts.post_processor->added(false) : 0;
  if (t.max_length < reserved || t.max_length - reserved < t.stride) {
    fail(ErrorKind::kInvalidInput, "the maximal length is ", t.max_length, ", of which special tokens take ", reserved,
         ", and the stride is ", t.stride, "; raise the length or lower the stride");
  }
}

Encoding Tokenizer::State::encode_pair(const Input& input, const EncodeOptions& options, Scratch& scratch) const {
  const bool pair = input.second.has_value();
  std::string repaired[2];
  const auto checked = [&](std::string_view text, int i) -> std::string_view {
    if (is_valid_utf8(text)) return text;
    return repaired[i] = repair_utf8(text);
  };
  std::vector<Encoding> encodings;
  encodings.push_back(encode_text(checked(input.first, 0), 0, options.offsets, scratch));
  if (pair) encodings.push_back(encode_text(checked(*input.second, 1), 1, options.offsets, scratch));

  const std::optional<Truncation>& chosen =
      options.truncation || !options.own_truncation ? options.truncation : parts.truncation;
  if (chosen) {
    Truncation t = *chosen;
    const size_t reserved =
        options.add_special_tokens && parts.post_processor != nullptr ? parts.post_processor->added(pair) : 0;
    t.max_length = t.max_length > reserved ? t.max_length - reserved : 0;
    truncate(encodings[0], pair ? &encodings[1] : nullptr, t);
  }
  if (parts.post_processor == nullptr) {
    for (size_t i = 1; i < encodings.size(); ++i) encodings[0].append(encodings[i]);
    return std::move(encodings[0]);
  }
  for (size_t i = 0; i < encodings.size(); ++i) {
    encodings[i].set_type_ids(static_cast<uint32_t>(i));
    encodings[i].set_sequence_id(static_cast<int8_t>(i));
    for (Encoding& window : encodings[i].overflowing) window.set_sequence_id(static_cast<int8_t>(i));
  }
  parts.post_processor->apply(encodings, options.add_special_tokens, *this);
  if (encodings.empty()) return {};
  for (size_t i = 1; i < encodings.size(); ++i) encodings[0].append(encodings[i]);
  return std::move(encodings[0]);
}

Tokenizer::Tokenizer(TokenizerParts parts) : state_(std::make_unique<State>()) {
  state_->parts = std::move(parts);
  state_->added.add(state_->parts.added_tokens, *state_->parts.model, state_->parts.normalizer.get());
  if (const auto unknown = state_->parts.unknown_language_code)
    state_->added.cut_language_codes(*state_->parts.model, *unknown);
  if (state_->parts.post_processor != nullptr && state_->parts.post_processor->counts_spaces())
    state_->count_all_spaces();
}
Tokenizer::~Tokenizer() = default;
Tokenizer::Tokenizer(Tokenizer&&) noexcept = default;
Tokenizer& Tokenizer::operator=(Tokenizer&&) noexcept = default;

Encoding Tokenizer::encode(std::string_view text, const EncodeOptions& options) const {
  return encode(Input{text, std::nullopt}, options);
}

Encoding Tokenizer::encode(const Input& input, const EncodeOptions& options) const {
  std::vector<Encoding> one = encode_batch({input}, options);
  return std::move(one[0]);
}

std::vector<Encoding> Tokenizer::encode_batch(const std::vector<Input>& inputs, const EncodeOptions& options,
                                              const Parallel& parallel) const {
  if (options.truncation) state_->check_truncation(*options.truncation);
  std::vector<Encoding> encodings(inputs.size());
  std::exception_ptr error;
  std::mutex error_mutex;
  parallel.run(static_cast<int64_t>(inputs.size()), 1, [&](int64_t begin, int64_t end, int) {
    auto scratch = state_->pool.take();
    try {
      for (int64_t i = begin; i < end; ++i) {
        const auto at = static_cast<size_t>(i);
        encodings[at] = state_->encode_pair(inputs[at], options, *scratch);
      }
    } catch (...) {
      const std::lock_guard lock(error_mutex);
      if (error == nullptr) error = std::current_exception();
    }
    state_->pool.give(std::move(scratch));
  });
  if (error != nullptr) std::rethrow_exception(error);
  const std::optional<Padding>& chosen =
      options.padding || !options.own_padding ? options.padding : state_->parts.padding;
  if (chosen) pad(encodings, *chosen);
  return encodings;
}

std::string Tokenizer::decode(const std::vector<uint32_t>& ids, const DecodeOptions& options) const {
  std::vector<std::string> tokens;
  tokens.reserve(ids.size());
  for (const uint32_t id : ids) {
    std::optional<std::string> token = id_to_token(id);
    if (!token) continue;
    if (options.skip_special_tokens && state_->added.is_special(*token)) continue;
    tokens.push_back(std::move(*token));
  }
  std::string text;
  if (state_->parts.decoder != nullptr) {
    state_->parts.decoder->apply(tokens);
    for (const std::string& token : tokens) text += token;
  } else {
    for (size_t i = 0; i < tokens.size(); ++i) text += (i > 0 ? " " : "") + tokens[i];
  }
  return options.clean_up_spaces ? clean_up_spaces(std::move(text)) : text;
}

std::string Tokenizer::token(const Encoding& encoding, size_t i) const {
  const auto it = std::lower_bound(encoding.surfaces.begin(), encoding.surfaces.end(), i,
                                   [](const Surface& s, size_t index) { return s.index < index; });
  if (it != encoding.surfaces.end() && it->index == i) return it->token;
  return std::string(state_->string_of(encoding.ids[i]));
}

std::vector<std::string> Tokenizer::tokens(const Encoding& encoding) const {
  std::vector<std::string> out;
  out.reserve(encoding.size());
  auto surface = encoding.surfaces.begin();
  for (size_t i = 0; i < encoding.size(); ++i) {
    if (surface != encoding.surfaces.end() && surface->index == i) {
      out.push_back((surface++)->token);
    } else {
      out.emplace_back(state_->string_of(encoding.ids[i]));
    }
  }
  return out;
}

std::optional<uint32_t> Tokenizer::token_to_id(std::string_view token) const {
  int32_t id = state_->added.find(token);
  if (id == kNone) id = state_->parts.model->find(token);
  if (id == kNone) return std::nullopt;
  return static_cast<uint32_t>(id);
}

std::optional<std::string> Tokenizer::id_to_token(uint32_t id) const {
  if (const AddedToken* token = state_->added.token(id)) return token->content;
  if (const auto token = state_->parts.model->token(id)) return std::string(*token);
  return std::nullopt;
}

bool Tokenizer::is_special(uint32_t id) const {
  const std::optional<std::string> token = id_to_token(id);
  return token && state_->added.is_special(*token);
}

size_t Tokenizer::vocab_size(bool with_added) const {
  size_t size = state_->parts.model->size();
  if (!with_added) return size;
  for (const auto& [id, token] : state_->added.by_id()) size += state_->parts.model->find(token.content) == kNone;
  return size;
}

const std::map<std::string, std::string>& Tokenizer::special_tokens() const { return state_->parts.special_tokens; }
std::optional<uint64_t> Tokenizer::model_max_length() const { return state_->parts.model_max_length; }
const std::optional<Truncation>& Tokenizer::truncation() const { return state_->parts.truncation; }
const std::optional<Padding>& Tokenizer::padding() const { return state_->parts.padding; }

Padding Tokenizer::default_padding() const {
  if (state_->parts.padding) return *state_->parts.padding;
  Padding padding;
  std::vector<std::string> candidates = {"[PAD]", "<pad>"};
  const auto it = state_->parts.special_tokens.find("pad");
  if (it != state_->parts.special_tokens.end()) candidates.assign(1, it->second);
  for (const std::string& token : candidates) {
    const auto id = token_to_id(token);
    if (!id) continue;
    padding.token = token;
    padding.id = *id;
    break;
  }
  return padding;
}

}  // namespace sdx::text
