// Trie: a byte-wise double-array trie from keys to non-negative values.
#pragma once

#include <cstdint>
#include <string_view>
#include <utility>
#include <vector>

#include "base/pages.h"

namespace sdx::text {

class Trie {
 public:
  using Key = std::pair<std::string_view, int32_t>;

  static constexpr uint32_t kRoot = 0;
  static constexpr uint32_t kNowhere = UINT32_MAX;

  Trie();
  /// Builds from keys in any order; of equal keys the greatest value counts. Empty keys are left out. Throws
  /// Resource where the trie would be too large.
  explicit Trie(const std::vector<Key>& keys);

  /// The node reached from `node` by `byte`, or kNowhere.
  uint32_t next(uint32_t node, uint8_t byte) const {
    const uint32_t at = nodes_[node].base ^ byte;
    return nodes_[at].parent == node ? at : kNowhere;
  }
  /// The value at a node, or -1.
  int32_t value(uint32_t node) const { return nodes_[node].value; }
  /// The node of a key, or kNowhere.
  uint32_t walk(uint32_t node, std::string_view bytes) const;
  /// The value of a key, or -1.
  int32_t find(std::string_view key) const;
  /// Nodes are below this.
  size_t size() const { return nodes_.size(); }
  bool empty() const { return nodes_[kRoot].base == 0 && nodes_.size() == 256; }

 private:
  struct Node {
    uint32_t base = 0;
    uint32_t parent = kNowhere;
    int32_t value = -1;
  };
  using Nodes = std::vector<Node, PageAllocator<Node>>;
  class Builder;
  Nodes nodes_;
};

}  // namespace sdx::text
