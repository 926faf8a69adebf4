// Trie: a byte-wise double-array trie from keys to non-negative values, with the ends of keys in an array of tails.
#pragma once

#include <cstdint>
#include <string_view>
#include <utility>
#include <vector>

#include "base/pages.h"
#include "base/parallel.h"

namespace sdx::text {

class Trie {
 public:
  using Key = std::pair<std::string_view, int32_t>;

  static constexpr uint32_t kRoot = 0;
  static constexpr uint32_t kNowhere = UINT32_MAX;

  Trie();
  /// Builds from keys in any order; of equal keys the greatest value counts. Empty keys are left out. Throws
  /// Resource where the trie would be too large.
  explicit Trie(const std::vector<Key>& keys) : Trie(keys.size(), [&](size_t i) { return keys[i]; }) {}
  /// The same from `count` keys that `key` tells, at any time before the end and from several threads.
  Trie(size_t count, FunctionRef<Key(size_t)> key);

  /// The node reached from `node` by `byte`, or kNowhere.
  uint32_t next(uint32_t node, uint8_t byte) const {
    uint32_t at = node + 1;
    if (node < first_tail_) {
      at = nodes_[node].base;
      if (at < first_tail_) {
        at ^= byte;
        return nodes_[at].parent == node ? at : kNowhere;
      }
    } else if ((tails_[node - first_tail_] & kEnd) != 0) {
      return kNowhere;
    }
    return static_cast<uint8_t>(tails_[at - first_tail_]) == byte ? at : kNowhere;
  }
  /// The value at a node, or -1.
  int32_t value(uint32_t node) const {
    if (node < first_tail_) return nodes_[node].value;
    const uint16_t* const tail = &tails_[node - first_tail_];
    return (tail[0] & kEnd) != 0 ? static_cast<int32_t>(uint32_t{tail[1]} << 16 | tail[2]) : -1;
  }
  /// The node of a key, or kNowhere.
  uint32_t walk(uint32_t node, std::string_view bytes) const;
  /// The value of a key, or -1.
  int32_t find(std::string_view key) const;
  /// Nodes are below this.
  size_t size() const { return nodes_.size() + tails_.size(); }
  bool empty() const { return nodes_[kRoot].base == 0 && nodes_.size() == 256; }

 private:
  struct Node {
    uint32_t base;  ///< XOR a byte the child's cell, or the first node of the tail
    uint32_t parent;
    int32_t value;
  };
  static constexpr Node kFree = {0, kNowhere, -1};
  using Nodes = std::vector<Node, PageAllocator<Node>>;
  /// Bytes that one key alone goes on with, the last with kEnd and the two halves of the value behind it. The cell of a
  /// byte, counted on from first_tail_, is the node that the byte leads to.
  using Tails = std::vector<uint16_t, PageAllocator<uint16_t>>;
  static constexpr uint16_t kEnd = 0x100;
  struct Entry;
  using Entries = std::vector<Entry, PageAllocator<Entry>>;
  class Builder;

  static Entries load(size_t count, FunctionRef<Key(size_t)> key, const Parallel& parallel);
  void join(Builder& first, std::vector<Builder>& parts, const Parallel& parallel);

  Nodes nodes_;
  Tails tails_;
  uint32_t first_tail_;
};

}  // namespace sdx::text
