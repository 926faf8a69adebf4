// AddedTokens: cutting by two matchers, of the raw and of the normalised text.
#include "text/added_tokens.h"

#include <algorithm>
#include <utility>

#include "base/error.h"
#include "text/language_code.h"
#include "text/unicode.h"

namespace sdx::text {
namespace {

constexpr size_t kMaxTokens = 4'000'000;
constexpr size_t kMaxNormalized = size_t{1} << 28;

}  // namespace

void AddedTokens::add(const std::vector<AddedToken>& tokens, const Model& model, const Normalizer* normalizer) {
  if (tokens.size() > kMaxTokens) {
    fail(ErrorKind::kResource, "there are ", tokens.size(), " added tokens but at most ", kMaxTokens,
         " are accepted; move them to the vocabulary");
  }
  std::vector<const AddedToken*> special, plain;
  for (const AddedToken& token : tokens) {
    if (token.special && !token.content.empty() && special_.insert(token.content).second) special.push_back(&token);
  }
  auto next = static_cast<int64_t>(model.size());
  for (const AddedToken& token : tokens) {
    if (token.content.empty()) continue;
    int64_t id = find(token.content);
    if (id == kNone) id = model.find(token.content);
    if (id >= 0) {
      const auto known = by_id_.find(static_cast<uint32_t>(id));
      if (known != by_id_.end() && known->second == token) continue;
    } else {
      id = next++;
    }
    ids_[token.content] = static_cast<uint32_t>(id);
    by_id_[static_cast<uint32_t>(id)] = token;
    if (special_.count(token.content) == 0) plain.push_back(&token);
  }
  special.insert(special.end(), plain.begin(), plain.end());
  size_t bytes = 0;
  for (const AddedToken* token : special) {
    tokens_.push_back(*token);
    const uint32_t id = ids_[token->content];
    if (!token->normalized) {
      raw_.add(token->content, id);
      continue;
    }
    Buffer buffer(token->content, 0);
    if (normalizer != nullptr) normalizer->apply(buffer);
    bytes += buffer.text().size();
    if (bytes > kMaxNormalized) {
      fail(ErrorKind::kResource, "the added tokens have more than ", kMaxNormalized,
           " bytes once normalised; use fewer of them or correct the normalizer");
    }
    normalized_.add(std::string(buffer.text()), id);
  }
  raw_.build();
  normalized_.build();
}

void AddedTokens::Patterns::add(std::string text, uint32_t id) {
  texts.push_back(std::move(text));
  ids.push_back(id);
}

void AddedTokens::Patterns::build() {
  matcher = Matcher(texts);
  texts = {};
}

int32_t AddedTokens::find(std::string_view token) const {
  const auto it = ids_.find(std::string(token));
  return it == ids_.end() ? kNone : static_cast<int32_t>(it->second);
}

const AddedToken* AddedTokens::token(uint32_t id) const {
  const auto it = by_id_.find(id);
  return it == by_id_.end() ? nullptr : &it->second;
}

void AddedTokens::split(const Patterns& patterns, std::string_view text, std::vector<Split>& out) const {
  uint32_t covered = 0, length = 0;
  const auto size = static_cast<uint32_t>(text.size());
  Matcher::Search search;
  for (Match match{}; !patterns.matcher.empty() && patterns.matcher.next(text, search, match);) {
    uint32_t begin = match.begin, end = match.end;
    const uint32_t id = patterns.ids[match.pattern];
    const AddedToken& token = by_id_.at(id);
    if (token.single_word) {
      const bool before = begin > 0 && (char_classes(decode_last_utf8(text.substr(0, begin), length)) & kWord) != 0;
      const bool after = end < size && (char_classes(decode_utf8(text.data() + end, length)) & kWord) != 0;
      if (before || after) continue;
    }
    if (token.lstrip) {
      while (begin > covered && is_space(decode_last_utf8(text.substr(0, begin), length))) begin -= length;
      begin = std::max(begin, covered);
    }
    if (token.rstrip) {
      while (end < size && is_space(decode_utf8(text.data() + end, length))) end += length;
    }
    if (covered < begin) out.push_back({covered, begin});
    out.push_back({begin, end, static_cast<int32_t>(id)});
    covered = end;
  }
  if (covered != size) out.push_back({covered, size});
}

void AddedTokens::cut_language_codes(const Model& model, uint32_t unknown) {
  codes_ = &model;
  unknown_code_ = unknown;
}

void AddedTokens::split_codes(std::string_view text, std::vector<Split>& pieces) const {
  std::vector<Split> out;
  for (const Split& piece : pieces) {
    const std::string_view code = piece.token >= 0
                                      ? std::string_view()
                                      : leading_language_code(text.substr(piece.begin, piece.end - piece.begin));
    const auto rest = static_cast<uint32_t>(piece.begin + code.size());
    if (!code.empty()) {
      const int32_t id = codes_->find(code);
      out.push_back({piece.begin, rest, id == kNone ? static_cast<int32_t>(unknown_code_) : id});
    }
    if (rest < piece.end) out.push_back({rest, piece.end, piece.token});
  }
  pieces = std::move(out);
}

void AddedTokens::extract(std::string_view original, const Normalizer* normalizer, Work& work) const {
  work.text = original;
  work.align = nullptr;
  work.splits.clear();
  std::vector<Split> pieces, inner;
  split(raw_, original, pieces);
  if (codes_ != nullptr) split_codes(original, pieces);
  if (normalizer == nullptr) {
    for (const Split& piece : pieces) {
      if (piece.token >= 0 || normalized_.matcher.empty()) {
        work.splits.push_back(piece);
        continue;
      }
      inner.clear();
      split(normalized_, original.substr(piece.begin, piece.end - piece.begin), inner);
      for (const Split& s : inner) {
        if (s.begin < s.end) work.splits.push_back({piece.begin + s.begin, piece.begin + s.end, s.token});
      }
    }
    return;
  }
  std::string text;
  std::vector<Align> align;
  bool identity = true;
  uint32_t expected = 0;
  for (const Split& piece : pieces) {
    const auto begin = static_cast<uint32_t>(text.size());
    const std::string_view source = original.substr(piece.begin, piece.end - piece.begin);
    Buffer buffer(source, piece.begin);
    if (piece.token < 0) normalizer->apply(buffer);
    if (identity && (!buffer.identity() || piece.begin != expected)) {
      identity = false;
      append_identity(original.substr(0, begin), 0, align);
    }
    if (!identity) {
      buffer.materialize();
      align.insert(align.end(), buffer.align().begin(), buffer.align().end());
    }
    expected = piece.end;
    inner.clear();
    if (piece.token >= 0) {
      inner.push_back({0, piece.end - piece.begin, piece.token});
    } else {
      split(normalized_, buffer.text(), inner);
    }
    text += buffer.text();
    for (const Split& s : inner) {
      if (s.begin < s.end) work.splits.push_back({begin + s.begin, begin + s.end, s.token});
    }
  }
  if (identity) return work.adopt(std::move(text));
  work.adopt(std::move(text), std::move(align));
}

}  // namespace sdx::text
