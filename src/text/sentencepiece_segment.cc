// SentencePiece's four segmentations of normalised text.
#include <algorithm>
#include <queue>
#include <unordered_map>

#include "text/sentencepiece.h"

namespace sdx::text {

/// The best path of a unigram model (Kudo 2018, section 3.2), scores summed in single precision left to right.
SentencePiece::Segments SentencePiece::segment_unigram(std::string_view text) const {
  struct Best {
    int32_t id = -1;
    float score = 0;
    int64_t start = -1;
  };
  std::vector<Best> best(text.size() + 1);
  const auto offer = [&](size_t end, size_t start, double score, int32_t id) {
    Best& target = best[end];
    if (target.start >= 0 && !(score > static_cast<double>(target.score))) return;
    target = {id, static_cast<float>(score), static_cast<int64_t>(start)};
  };
  for (size_t start = 0; start < text.size();) {
    const float before = best[start].score;
    const size_t one = spm_character_length(text.substr(start));
    bool covered = false;
    ByteTrie::Node node = 0;
    for (size_t i = start; i < text.size() && !tree_.empty();) {
      node = tree_.step(node, static_cast<uint8_t>(text[i++]));
      if (node == ByteTrie::kNone) break;
      const int32_t id = tree_.value(node);
      if (id < 0 || piece(id).type == PieceType::kUnused) continue;
      const size_t length = i - start;
      const bool user = piece(id).type == PieceType::kUserDefined;
      const double score = user ? static_cast<double>(static_cast<float>(length) * top_score_) - 0.1
                                : static_cast<double>(piece(id).score);
      offer(i, start, score + static_cast<double>(before), id);
      covered |= length == one;
    }
    if (!covered) offer(start + one, start, static_cast<double>(unknown_score_ + before), unknown_id_);
    start += one;
  }
  Segments segments;
  for (size_t end = text.size(); end > 0; end = static_cast<size_t>(best[end].start)) {
    segments.push_back({best[end].id, static_cast<uint32_t>(best[end].start), static_cast<uint32_t>(end)});
  }
  std::reverse(segments.begin(), segments.end());
  return segments;
}

size_t SentencePiece::symbol_length(std::string_view text, bool& user_defined) const {
  const size_t length = user_.longest_prefix(text);
  user_defined = length > 0;
  return user_defined ? length : spm_character_length(text);
}

namespace {

struct Symbol {
  uint32_t begin, end;
  int64_t previous, next;
  bool frozen;
};

/// A pair of neighbours that may merge; the better score first, then the leftmost.
struct Candidate {
  float score;
  int64_t left, right;
  uint32_t begin, end;
  bool operator<(const Candidate& other) const {
    return score < other.score || (score == other.score && left > other.left);
  }
};

}  // namespace

/// Byte-pair merging by piece score; unused pieces are taken apart again into what they were merged from.
SentencePiece::Segments SentencePiece::segment_bpe(std::string_view text) const {
  std::vector<Symbol> symbols;
  for (size_t i = 0; i < text.size();) {
    bool frozen = false;
    const size_t length = symbol_length(text.substr(i), frozen);
    const auto index = static_cast<int64_t>(symbols.size());
    const bool last = i + length == text.size();
    symbols.push_back(
        {static_cast<uint32_t>(i), static_cast<uint32_t>(i + length), index - 1, last ? -1 : index + 1, frozen});
    i += length;
  }
  const auto view = [&](uint32_t begin, uint32_t end) { return text.substr(begin, end - begin); };
  std::priority_queue<Candidate> agenda;
  std::unordered_map<std::string_view, uint32_t> splits;  // where an unused piece was merged
  const auto propose = [&](int64_t left, int64_t right) {
    if (left < 0 || right < 0) return;
    const Symbol &a = symbols[static_cast<size_t>(left)], &b = symbols[static_cast<size_t>(right)];
    if (a.frozen || b.frozen) return;
    const int32_t id = tree_.find(view(a.begin, b.end));
    if (id < 0) return;
    agenda.push({piece(id).score, left, right, a.begin, b.end});
    if (piece(id).type == PieceType::kUnused) splits[view(a.begin, b.end)] = a.end - a.begin;
  };
  for (size_t i = 1; i < symbols.size(); ++i) propose(static_cast<int64_t>(i) - 1, static_cast<int64_t>(i));
  while (!agenda.empty()) {
    const Candidate top = agenda.top();
    agenda.pop();
    Symbol &left = symbols[static_cast<size_t>(top.left)], &right = symbols[static_cast<size_t>(top.right)];
    if (left.begin == left.end || right.begin == right.end ||
        left.end - left.begin + right.end - right.begin != top.end - top.begin)
      continue;
    left.end = right.end;
    left.next = right.next;
    if (right.next >= 0) symbols[static_cast<size_t>(right.next)].previous = top.left;
    right.end = right.begin;
    propose(left.previous, top.left);
    propose(top.left, left.next);
  }
  Segments segments;
  std::vector<std::pair<uint32_t, uint32_t>> stack;
  for (int64_t i = symbols.empty() ? -1 : 0; i >= 0; i = symbols[static_cast<size_t>(i)].next) {
    stack.emplace_back(symbols[static_cast<size_t>(i)].begin, symbols[static_cast<size_t>(i)].end);
    while (!stack.empty()) {
      const auto [begin, end] = stack.back();
      stack.pop_back();
      const int32_t id = id_of(view(begin, end));
      const auto split = piece(id).type == PieceType::kUnused ? splits.find(view(begin, end)) : splits.end();
      if (split == splits.end()) {
        segments.push_back({id, begin, end});
      } else {
        stack.emplace_back(begin + split->second, end);
        stack.emplace_back(begin, begin + split->second);
      }
    }
  }
  return segments;
}

/// White space begins a word, or ends one where the model says so.
SentencePiece::Segments SentencePiece::segment_words(std::string_view text) const {
  Segments segments;
  bool fresh = true;
  for (size_t i = 0; i < text.size();) {
    const size_t length = spm_character_length(text.substr(i));
    const bool space = text.substr(i, length) == kSpmSpace;
    if (fresh || (space && !proto_.treat_whitespace_as_suffix))
      segments.push_back({0, static_cast<uint32_t>(i), static_cast<uint32_t>(i)});
    i += length;
    segments.back().end = static_cast<uint32_t>(i);
    fresh = space && proto_.treat_whitespace_as_suffix;
  }
  for (SpmUnit& word : segments) word.id = id_of(text.substr(word.begin, word.end - word.begin));
  return segments;
}

SentencePiece::Segments SentencePiece::segment_characters(std::string_view text) const {
  Segments segments;
  for (size_t i = 0; i < text.size();) {
    bool user = false;
    const size_t length = symbol_length(text.substr(i), user);
    segments.push_back({id_of(text.substr(i, length)), static_cast<uint32_t>(i), static_cast<uint32_t>(i + length)});
    i += length;
  }
  return segments;
}

}  // namespace sdx::text
