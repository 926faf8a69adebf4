// Unigram: the most probable segmentation, by Viterbi's algorithm over a double-array trie.
#include <algorithm>
#include <cstdio>
#include <limits>
#include <utility>

#include "base/error.h"
#include "text/model.h"
#include "text/trie.h"
#include "text/utf8.h"

namespace sdx::text {

void UnigramPieces::add(std::string_view piece, double score) {
  ranges.push_back({static_cast<uint32_t>(storage.size()), static_cast<uint32_t>(piece.size())});
  storage.insert(storage.end(), piece.begin(), piece.end());
  scores.push_back(score);
}

namespace {

constexpr double kUnknownPenalty = 10.0;

class Unigram final : public Model {
 public:
  Unigram(UnigramPieces pieces, UnigramOptions options) : pieces_(std::move(pieces)), options_(options) {
    double least = std::numeric_limits<double>::infinity();
    for (const double score : pieces_.scores) least = std::min(least, score);
    unknown_score_ = least - kUnknownPenalty;
    trie_ = Trie(pieces_.ranges.size(), [&](size_t i) { return Trie::Key(pieces_.piece(i), static_cast<int32_t>(i)); });
    if (options_.byte_fallback) find_byte_tokens();
  }

  void tokenize(std::string_view word, ModelScratch& scratch, std::vector<Piece>& out) const override {
    if (word.size() > CachedWord::kMaxKey) return segment(word, scratch, out);
    const uint64_t hash = hash_bytes(word);
    CachedWord& entry = scratch.cache.entry(hash);
    if (WordCache::holds(entry, word, hash)) {
      uint32_t at = 0;
      for (uint8_t i = 0; i < entry.count; ++i) {
        out.push_back({entry.ids[i], at, at + entry.lengths[i]});
        at += entry.lengths[i];
      }
      return;
    }
    const size_t first = out.size();
    segment(word, scratch, out);
    remember(entry, word, hash, out, first);
  }

  int32_t find(std::string_view token) const override { return trie_.find(token); }
  std::optional<std::string_view> token(uint32_t id) const override {
    if (id >= pieces_.ranges.size()) return std::nullopt;
    return pieces_.piece(id);
  }
  size_t size() const override { return pieces_.ranges.size(); }
  size_t id_limit() const override { return pieces_.ranges.size(); }

 private:
  void find_byte_tokens() {
    byte_tokens_.resize(256);
    for (uint32_t b = 0; b < 256; ++b) {
      char name[8];
      std::snprintf(name, sizeof name, "<0x%02X>", b);
      byte_tokens_[b] = trie_.find(name);
    }
  }

  static void remember(CachedWord& entry, std::string_view word, uint64_t hash, const std::vector<Piece>& out,
                       size_t first) {
    const size_t count = out.size() - first;
    if (count > CachedWord::kMaxTokens) return;
    uint32_t at = 0;
    for (size_t i = 0; i < count; ++i) {
      if (out[first + i].surface || out[first + i].begin != at) return;
      at = out[first + i].end;
    }
    WordCache::fill(entry, word, hash);
    for (size_t i = 0; i < count; ++i) {
      entry.ids[i] = out[first + i].id;
      entry.lengths[i] = static_cast<uint8_t>(out[first + i].end - out[first + i].begin);
    }
    entry.count = static_cast<uint8_t>(count);
  }

  /// Fills scratch.best: for each byte position the best path that ends there.
  void search(std::string_view word, std::vector<ModelScratch::Best>& best) const {
    const auto size = static_cast<uint32_t>(word.size());
    best.assign(size + 1, {0.0, 0, kNone});
    for (uint32_t at = 0; at < size;) {
      const double here = best[at].score;
      const uint32_t length = utf8_length(static_cast<uint8_t>(word[at]));
      const auto offer = [&](uint32_t end, double score, uint32_t id) {
        if (best[end].begin != kNone && !(score > best[end].score)) return;
        best[end] = {score, id, static_cast<int32_t>(at)};
      };
      bool single = false;
      uint32_t node = Trie::kRoot;
      for (uint32_t i = at; i < size;) {
        node = trie_.next(node, static_cast<uint8_t>(word[i++]));
        if (node == Trie::kNowhere) break;
        const int32_t id = trie_.value(node);
        if (id < 0) continue;
        offer(i, pieces_.scores[static_cast<size_t>(id)] + here, static_cast<uint32_t>(id));
        single |= i - at == length;
      }
      if (!single) {
        const double score = unknown_score_ + here;
        offer(at + length, score, unknown_or_fail(word.substr(at, length), best[at + length], score));
      }
      at += length;
    }
  }

  /// The unknown id; a model without one fails only where the unknown token would win.
  uint32_t unknown_or_fail(std::string_view character, const ModelScratch::Best& target, double score) const {
    if (options_.unknown) return *options_.unknown;
    if (target.begin != kNone && !(score > target.score)) return 0;
    fail(ErrorKind::kInvalidModel, "the character \"", character,
         "\" is not in the vocabulary and the model names no unknown token; set unk_id");
  }

  void segment(std::string_view word, ModelScratch& scratch, std::vector<Piece>& out) const {
    std::vector<ModelScratch::Best>& best = scratch.best;
    search(word, best);
    const size_t first = out.size();
    bool open = false;
    for (auto end = static_cast<uint32_t>(word.size()); end > 0;) {
      const ModelScratch::Best& node = best[end];
      const auto begin = static_cast<uint32_t>(node.begin);
      const bool unknown = options_.unknown && node.id == *options_.unknown;
      if (unknown && open) {
        out.back().begin = begin;
      } else {
        out.push_back({node.id, begin, end, unknown});
      }
      open = unknown;
      end = begin;
    }
    std::reverse(out.begin() + static_cast<std::ptrdiff_t>(first), out.end());
    resolve_unknown(word, out, first);
  }

  bool has_byte_tokens(std::string_view text) const {
    return options_.byte_fallback &&
           std::all_of(text.begin(), text.end(), [&](char c) { return byte_tokens_[static_cast<uint8_t>(c)] >= 0; });
  }

  /// Stretches of unknown characters become a token of the vocabulary, byte tokens, or the unknown token.
  void resolve_unknown(std::string_view word, std::vector<Piece>& out, size_t first) const {
    const auto begin = out.begin() + static_cast<std::ptrdiff_t>(first);
    if (std::none_of(begin, out.end(), [](const Piece& p) { return p.surface; })) return;
    const std::vector<Piece> pieces(begin, out.end());
    out.resize(first);
    for (const Piece& piece : pieces) {
      const std::string_view text = word.substr(piece.begin, piece.end - piece.begin);
      const int32_t id = piece.surface ? trie_.find(text) : kNone;
      if (id >= 0) {
        out.push_back({static_cast<uint32_t>(id), piece.begin, piece.end});
      } else if (piece.surface && has_byte_tokens(text)) {
        for (const char c : text) {
          out.push_back({static_cast<uint32_t>(byte_tokens_[static_cast<uint8_t>(c)]), piece.begin, piece.end});
        }
      } else {
        out.push_back(piece);
      }
    }
  }

  UnigramPieces pieces_;
  UnigramOptions options_;
  double unknown_score_ = 0;
  Trie trie_;
  std::vector<int32_t> byte_tokens_;
};

}  // namespace

std::unique_ptr<Model> make_unigram(UnigramPieces pieces, UnigramOptions options) {
  if (options.unknown && *options.unknown >= pieces.ranges.size()) {
    fail(ErrorKind::kInvalidModel, "unk_id is ", *options.unknown, " but the vocabulary has ", pieces.ranges.size(),
         " pieces; correct unk_id");
  }
  if (pieces.ranges.size() >= kMaxId) {
    fail(ErrorKind::kResource, "the vocabulary has ", pieces.ranges.size(), " pieces but at most ", kMaxId,
         " are accepted; use a smaller one");
  }
  return std::make_unique<Unigram>(std::move(pieces), options);
}

}  // namespace sdx::text
