// WordCache: a bounded memory of words already tokenized, one cache line each.
#pragma once

#include <cstdint>
#include <cstring>
#include <string_view>
#include <vector>

#include "text/hash.h"

namespace sdx::text {

/// A word of at most 26 bytes and its at most 6 tokens.
struct alignas(64) CachedWord {
  static constexpr size_t kMaxKey = 26;
  static constexpr size_t kMaxTokens = 6;

  uint32_t tag = 0;
  uint8_t key_length = 0;
  uint8_t count = 0;
  char key[kMaxKey] = {};
  uint8_t lengths[kMaxTokens] = {};
  uint32_t ids[kMaxTokens] = {};
};
static_assert(sizeof(CachedWord) == 64);

/// Direct-mapped: a new word replaces the one in its place.
class WordCache {
 public:
  static constexpr size_t kEntries = size_t{1} << 14;

  /// The place of the words with this hash: holds() tells whether it is taken by the word in question.
  CachedWord& entry(uint64_t hash) {
    if (entries_.empty()) entries_.resize(kEntries);
    return entries_[hash & (kEntries - 1)];
  }

  /// Whether `e` is the entry of `word`.
  static bool holds(const CachedWord& e, std::string_view word, uint64_t hash) {
    return e.tag == static_cast<uint32_t>(hash >> 32) && e.key_length == word.size() && e.count > 0 &&
           std::memcmp(e.key, word.data(), word.size()) == 0;
  }

  /// Fills `e` with a word of at most CachedWord::kMaxKey bytes.
  static void fill(CachedWord& e, std::string_view word, uint64_t hash) {
    e.tag = static_cast<uint32_t>(hash >> 32);
    e.key_length = static_cast<uint8_t>(word.size());
    e.count = 0;
    std::memcpy(e.key, word.data(), word.size());
  }

 private:
  std::vector<CachedWord> entries_;
};

}  // namespace sdx::text
