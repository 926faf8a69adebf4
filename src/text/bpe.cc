// Byte pair encoding: merges in order of rank, with a heap for long words and a cache for short ones.
#include <algorithm>
#include <cstdio>
#include <functional>
#include <random>
#include <utility>

#include "base/error.h"
#include "text/byte_alphabet.h"
#include "text/model.h"
#include "text/utf8.h"

namespace sdx::text {

bool spell_bytes(std::string_view token, std::string& out) {
  out.clear();
  for (size_t i = 0; i < token.size();) {
    uint32_t length = 0;
    const int byte = byte_of(decode_utf8(token.data() + i, length));
    if (byte < 0) return false;
    out += static_cast<char>(byte);
    i += length;
  }
  return true;
}

namespace {

using Symbol = ModelScratch::Symbol;

/// Pairs of ids to the rank and result of their merge.
class MergeTable {
 public:
  struct Merge {
    uint32_t a, b;
    uint32_t rank, id;
  };
  static constexpr uint32_t kNoRank = UINT32_MAX;

  void reserve(size_t merges) {
    size_t slots = 16;
    while (slots < merges * 2) slots *= 2;
    slots_.assign(slots, {0, 0, kNoRank, 0});
  }

  /// There must be room; a later merge of the same pair replaces the earlier one.
  void add(const Merge& merge) {
    size_t s = hash(merge.a, merge.b) & (slots_.size() - 1);
    while (slots_[s].rank != kNoRank && (slots_[s].a != merge.a || slots_[s].b != merge.b)) {
      s = (s + 1) & (slots_.size() - 1);
    }
    slots_[s] = merge;
  }

  const Merge* find(uint32_t a, uint32_t b) const {
    const size_t mask = slots_.size() - 1;
    for (size_t s = hash(a, b) & mask; slots_[s].rank != kNoRank; s = (s + 1) & mask) {
      if (slots_[s].a == a && slots_[s].b == b) return &slots_[s];
    }
    return nullptr;
  }

 private:
  static size_t hash(uint32_t a, uint32_t b) {
    uint64_t h = (static_cast<uint64_t>(a) << 32 | b) * 0x9E3779B97F4A7C15u;
    return static_cast<size_t>(h ^ h >> 32);
  }
  std::vector<Merge> slots_;
};

class Bpe final : public Model {
 public:
  Bpe(Vocab vocab, const Merges& merges, BpeOptions options, bool raw_bytes)
      : vocab_(std::move(vocab)), options_(std::move(options)), raw_(raw_bytes) {
    read_merges(merges);
    if (options_.unknown) unknown_ = vocab_.find(*options_.unknown);
    if (raw_) index_bytes();
    raw_ = raw_ && (unknown_ != kNone || covers_bytes());
    if (options_.byte_fallback) index_fallback();
    index_ascii();
  }

  void tokenize(std::string_view word, ModelScratch& scratch, std::vector<Piece>& out) const override {
    if (word.size() > CachedWord::kMaxKey || options_.dropout) return encode(word, scratch, out);
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
    encode(word, scratch, out);
    const size_t count = out.size() - first;
    if (count > CachedWord::kMaxTokens) return;
    WordCache::fill(entry, word, hash);
    for (size_t i = 0; i < count; ++i) {
      entry.ids[i] = out[first + i].id;
      entry.lengths[i] = static_cast<uint8_t>(out[first + i].end - out[first + i].begin);
    }
    entry.count = static_cast<uint8_t>(count);
  }

  int32_t find(std::string_view token) const override { return vocab_.find(token); }
  std::optional<std::string_view> token(uint32_t id) const override {
    if (!vocab_.has_id(id)) return std::nullopt;
    return vocab_.token(id);
  }
  size_t size() const override { return vocab_.size(); }
  size_t id_limit() const override { return vocab_.id_limit(); }
  bool takes_raw_bytes() const override { return raw_; }

 private:
  bool covers_bytes() const {
    return std::all_of(&byte_ids_[0][0][0], &byte_ids_[0][0][0] + sizeof byte_ids_ / sizeof(int32_t),
                       [](int32_t id) { return id != kNone; });
  }

  uint32_t merge_part(std::string_view token, size_t rank) const {
    const int32_t id = vocab_.find(token);
    if (id == kNone) {
      fail(ErrorKind::kInvalidModel, "merge ", rank, " names the token \"", token.substr(0, 60),
           "\", which is not in the vocabulary; add it or remove the merge");
    }
    return static_cast<uint32_t>(id);
  }

  void read_merges(const Merges& merges) {
    if (merges.size() >= kMaxId) {
      fail(ErrorKind::kResource, "there are ", merges.size(), " merges but at most ", kMaxId, " are accepted");
    }
    merges_.reserve(merges.size());
    by_rank_.reserve(merges.size());
    std::string joined;
    for (size_t rank = 0; rank < merges.size(); ++rank) {
      const auto& [a, b] = merges[rank];
      if (b.size() < options_.prefix.size()) {
        fail(ErrorKind::kInvalidModel, "merge ", rank, " has the second part \"", b.substr(0, 60),
             "\", which is shorter than the prefix \"", options_.prefix, "\"; correct the merge");
      }
      joined.assign(a);
      joined.append(b.substr(options_.prefix.size()));
      by_rank_.push_back(merge_part(joined, rank));
      merges_.add({merge_part(a, rank), merge_part(b, rank), static_cast<uint32_t>(rank), by_rank_.back()});
    }
  }

  /// Ids of the single bytes, as first or middle (0) and last (1) symbol of a word.
  void index_bytes() {
    std::string bytes;
    for (uint32_t id = 0; options_.ignore_merges && id < vocab_.id_limit(); ++id) {
      if (vocab_.has_id(id) && spell_bytes(vocab_.token(id), bytes)) {
        whole_.add(bytes, static_cast<uint64_t>(vocab_.find(vocab_.token(id))));
      }
    }
    for (uint32_t b = 0; b < 256; ++b) {
      std::string token;
      append_utf8(token, kByteAlphabet[b]);
      for (int last = 0; last < 2; ++last) {
        const std::string full = last != 0 ? token + options_.suffix : token;
        byte_ids_[0][last][b] = vocab_.find(full);
        byte_ids_[1][last][b] = vocab_.find(options_.prefix + full);
      }
    }
  }

  void index_ascii() {
    if (raw_) return;
    for (uint32_t b = 0; b < 128; ++b) {
      const std::string token(1, static_cast<char>(b));
      for (int last = 0; last < 2; ++last) {
        const std::string full = last != 0 ? token + options_.suffix : token;
        byte_ids_[0][last][b] = vocab_.find(full);
        byte_ids_[1][last][b] = vocab_.find(options_.prefix + full);
      }
    }
  }

  void index_fallback() {
    for (uint32_t b = 0; b < 256; ++b) {
      char name[8];
      std::snprintf(name, sizeof name, "<0x%02X>", b);
      fallback_[b] = vocab_.find(name);
    }
  }

  void encode(std::string_view word, ModelScratch& scratch, std::vector<Piece>& out) const {
    if (options_.ignore_merges && !options_.dropout) {
      if (const int32_t id = raw_ ? whole_.find(word) : vocab_.find(word); id != kNone) {
        out.push_back({static_cast<uint32_t>(id), 0, static_cast<uint32_t>(word.size())});
        return;
      }
    }
    std::vector<Symbol>& symbols = scratch.symbols;
    symbols.clear();
    split(word, scratch);
    if (options_.dropout) {
      merge_with_dropout(symbols, scratch);
    } else if (symbols.size() <= kSmall && options_.prefix.empty()) {
      merge_small(symbols);
    } else {
      merge_large(symbols, scratch.heap);
    }
    uint32_t at = 0;
    for (const Symbol& s : symbols) {
      if (s.length == 0) continue;
      out.push_back({s.id, at, at + s.length});
      at += s.length;
    }
  }

  int32_t initial_id(std::string_view character, bool first, bool last, std::string& buffer) const {
    if (raw_ || static_cast<uint8_t>(character[0]) < 0x80) {
      return byte_ids_[first ? 0 : 1][last ? 1 : 0][static_cast<uint8_t>(character[0])];
    }
    buffer.clear();
    if (!first) buffer += options_.prefix;
    buffer += character;
    if (last) buffer += options_.suffix;
    return vocab_.find(buffer);
  }

  /// Cuts the word into characters (or bytes) of the vocabulary; the unknown token stands in for the others.
  void split(std::string_view word, ModelScratch& scratch) const {
    Pending pending;
    std::vector<Symbol>& symbols = scratch.symbols;
    for (uint32_t at = 0; at < word.size();) {
      const uint32_t length = raw_ ? 1 : utf8_length(static_cast<uint8_t>(word[at]));
      const std::string_view character = word.substr(at, length);
      const bool first = at == 0, last = at + length == word.size();
      at += length;
      if (const int32_t id = initial_id(character, first, last, scratch.text); id != kNone) {
        flush(pending, symbols);
        add(symbols, static_cast<uint32_t>(id), length);
        continue;
      }
      if (options_.byte_fallback && fall_back(character, first, last, symbols)) continue;
      if (!options_.unknown) continue;
      if (unknown_ == kNone) {
        fail(ErrorKind::kInvalidModel, "a character is not in the vocabulary, and neither is the unknown token \"",
             *options_.unknown, "\"; add it to the vocabulary");
      }
      if (!options_.fuse_unknown) flush(pending, symbols);
      pending.length += length;
      pending.open = true;
    }
    flush(pending, symbols);
  }

  struct Pending {
    bool open = false;
    uint32_t length = 0;
  };

  void flush(Pending& pending, std::vector<Symbol>& symbols) const {
    if (pending.open) add(symbols, static_cast<uint32_t>(unknown_), pending.length);
    pending = {};
  }

  static void add(std::vector<Symbol>& symbols, uint32_t id, uint32_t length) {
    const auto at = static_cast<int32_t>(symbols.size());
    if (at > 0) symbols.back().next = at;
    symbols.push_back({id, at - 1, -1, length});
  }

  bool fall_back(std::string_view character, bool first, bool last, std::vector<Symbol>& symbols) const {
    const auto known = [&](std::string_view bytes) {
      return std::all_of(bytes.begin(), bytes.end(),
                         [&](char c) { return fallback_[static_cast<uint8_t>(c)] != kNone; });
    };
    const std::string_view before = first ? std::string_view() : options_.prefix;
    const std::string_view after = last ? std::string_view(options_.suffix) : std::string_view();
    if (!known(before) || !known(character) || !known(after)) return false;
    for (const std::string_view part : {before, character, after}) {
      for (const char c : part) add(symbols, static_cast<uint32_t>(fallback_[static_cast<uint8_t>(c)]), 1);
    }
    return true;
  }

  /// Repeatedly merges the leftmost pair of the lowest rank.
  void merge_small(std::vector<Symbol>& symbols) const {
    uint32_t ranks[kSmall], results[kSmall];
    size_t n = symbols.size();
    const auto look = [&](size_t i) {
      const MergeTable::Merge* m = i + 1 < n ? merges_.find(symbols[i].id, symbols[i + 1].id) : nullptr;
      ranks[i] = m != nullptr ? m->rank : MergeTable::kNoRank;
      results[i] = m != nullptr ? m->id : 0;
    };
    for (size_t i = 0; i < n; ++i) look(i);
    for (;;) {
      size_t best = 0;
      for (size_t i = 1; i < n; ++i) {
        if (ranks[i] < ranks[best]) best = i;
      }
      if (n == 0 || ranks[best] == MergeTable::kNoRank) break;
      symbols[best].id = results[best];
      symbols[best].length += symbols[best + 1].length;
      for (size_t i = best + 1; i + 1 < n; ++i) {
        symbols[i] = symbols[i + 1];
        ranks[i] = ranks[i + 1];
        results[i] = results[i + 1];
      }
      --n;
      look(best);
      if (best > 0) look(best - 1);
    }
    symbols.resize(n);
  }

  /// Heap entries are rank << 32 | position, so that the smallest is the leftmost pair of the lowest rank.
  static void push(std::vector<uint64_t>& heap, uint32_t rank, uint32_t position) {
    heap.push_back(static_cast<uint64_t>(rank) << 32 | position);
    std::push_heap(heap.begin(), heap.end(), std::greater<>());
  }

  void push_pair(const std::vector<Symbol>& symbols, std::vector<uint64_t>& heap, int32_t left, int32_t right) const {
    if (left < 0 || right < 0) return;
    const auto l = static_cast<size_t>(left), r = static_cast<size_t>(right);
    if (const auto* m = merges_.find(symbols[l].id, symbols[r].id)) push(heap, m->rank, static_cast<uint32_t>(left));
  }

  /// Merges at `position` if an entry of that rank still leads to the same token there; whether it did.
  bool apply(std::vector<Symbol>& symbols, std::vector<uint64_t>& heap, uint64_t entry) const {
    const auto position = static_cast<uint32_t>(entry);
    Symbol& left = symbols[position];
    if (left.length == 0 || left.next < 0) return false;
    Symbol& right = symbols[static_cast<size_t>(left.next)];
    const MergeTable::Merge* m = merges_.find(left.id, right.id);
    if (m == nullptr || m->id != by_rank_[entry >> 32]) return false;
    left.id = m->id;
    left.length += right.length;
    left.next = right.next;
    right.length = 0;
    if (right.next >= 0) symbols[static_cast<size_t>(right.next)].previous = static_cast<int32_t>(position);
    push_pair(symbols, heap, left.previous, static_cast<int32_t>(position));
    push_pair(symbols, heap, static_cast<int32_t>(position), left.next);
    return true;
  }

  void fill_heap(const std::vector<Symbol>& symbols, std::vector<uint64_t>& heap) const {
    heap.clear();
    for (size_t i = 0; i + 1 < symbols.size(); ++i) {
      if (const auto* m = merges_.find(symbols[i].id, symbols[i + 1].id)) {
        heap.push_back(static_cast<uint64_t>(m->rank) << 32 | i);
      }
    }
    std::make_heap(heap.begin(), heap.end(), std::greater<>());
  }

  static uint64_t pop(std::vector<uint64_t>& heap) {
    std::pop_heap(heap.begin(), heap.end(), std::greater<>());
    const uint64_t top = heap.back();
    heap.pop_back();
    return top;
  }

  void merge_large(std::vector<Symbol>& symbols, std::vector<uint64_t>& heap) const {
    fill_heap(symbols, heap);
    while (!heap.empty()) apply(symbols, heap, pop(heap));
  }

  void merge_with_dropout(std::vector<Symbol>& symbols, ModelScratch& scratch) const {
    thread_local std::mt19937_64 random{std::random_device{}()};
    std::uniform_real_distribution<double> uniform(0.0, 1.0);
    std::vector<uint64_t>& skipped = scratch.words;
    skipped.clear();
    fill_heap(symbols, scratch.heap);
    while (!scratch.heap.empty()) {
      const uint64_t top = pop(scratch.heap);
      if (uniform(random) < *options_.dropout) {
        skipped.push_back(top);
        continue;
      }
      for (const uint64_t entry : skipped)
        push(scratch.heap, static_cast<uint32_t>(entry >> 32), static_cast<uint32_t>(entry));
      skipped.clear();
      apply(symbols, scratch.heap, top);
    }
  }

  static constexpr size_t kSmall = 24;

  Vocab vocab_;
  BpeOptions options_;
  bool raw_;
  int32_t unknown_ = kNone;
  MergeTable merges_;
  std::vector<uint32_t> by_rank_;
  Vocab whole_;
  int32_t byte_ids_[2][2][256] = {};
  int32_t fallback_[256] = {};
};

}  // namespace

std::unique_ptr<Model> make_bpe(Vocab vocab, const Merges& merges, BpeOptions options, bool raw_bytes) {
  if (options.dropout && !(*options.dropout >= 0.0 && *options.dropout <= 1.0)) {
    fail(ErrorKind::kInvalidModel, "dropout is ", *options.dropout, " but must be between 0 and 1; correct it");
  }
  return std::make_unique<Bpe>(std::move(vocab), merges, std::move(options), raw_bytes);
}

}  // namespace sdx::text
