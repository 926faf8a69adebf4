// Matcher: the leftmost of many patterns in a text, the longest of those that begin together.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "text/trie.h"

namespace sdx::text {

struct Match {
  uint32_t begin, end;
  uint32_t pattern;  ///< of equal patterns the first
};

class Matcher {
 public:
  /// How far a text has been searched.
  struct Search {
    uint32_t at = 0, last_end = UINT32_MAX;
    uint64_t steps = 0;
  };

  Matcher() = default;
  explicit Matcher(const std::vector<std::string>& patterns);

  bool empty() const { return count_ == 0; }
  /// Finds the next match that does not overlap the one before; false where there is none. A pattern without bytes
  /// matches everywhere but where the match before ended; there the reference (the crate aho-corasick) reports the last
  /// match that its automaton passes before it falls back to the first state, and so does this.
  bool next(std::string_view text, Search& search, Match& match) const;

 private:
  void link(const std::vector<std::string>& patterns);
  bool run(std::string_view text, Search& search, Match& match) const;
  uint32_t longest(std::string_view text, uint32_t at, uint32_t& pattern) const;
  uint32_t follow(uint32_t node, uint8_t byte) const;

  Trie trie_;
  uint32_t count_ = 0;
  int32_t empty_pattern_ = -1;  ///< the first pattern without bytes, or -1
  bool starts_[256] = {};
  // The automaton, for patterns that are long or empty; by node.
  std::vector<uint32_t> fail_;     ///< the node of the longest proper suffix, or kNowhere where a match would be lost
  std::vector<int32_t> reported_;  ///< the pattern that ends at the node, or -1
  std::vector<uint32_t> lengths_;  ///< of patterns
};

}  // namespace sdx::text
