// ByteTrie: the immutable prefix tree over byte strings that SentencePiece segmentation walks.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>
#include <utility>
#include <vector>

namespace sdx::text {

/// Maps distinct non-empty strings to non-negative numbers.
class ByteTrie {
 public:
  /// A node of the tree; 0 is the root.
  using Node = uint32_t;
  static constexpr Node kNone = UINT32_MAX;

  ByteTrie() = default;
  /// `entries` need no order; of equal strings the first wins.
  explicit ByteTrie(std::vector<std::pair<std::string_view, int32_t>> entries);

  bool empty() const { return first_child_.empty(); }

  /// The child of `node` by `byte`, or kNone.
  Node step(Node node, uint8_t byte) const {
    if (node == 0) return root_[byte];
    for (uint32_t i = first_child_[node]; i < first_child_[node + 1]; ++i) {
      if (label_[i] >= byte) return label_[i] == byte ? i : kNone;
    }
    return kNone;
  }

  /// The number of the string that ends at `node`, or -1.
  int32_t value(Node node) const { return value_[node]; }

  /// Length of the longest prefix of `text` that is a string of the tree, 0 where none is.
  size_t longest_prefix(std::string_view text) const;

  /// The number of `text`, or -1.
  int32_t find(std::string_view text) const;

 private:
  std::array<Node, 256> root_{};
  std::vector<uint32_t> first_child_;  ///< children of node n are the nodes [first_child_[n], first_child_[n + 1])
  std::vector<uint8_t> label_;         ///< byte that leads to a node; siblings ascend
  std::vector<int32_t> value_;
};

}  // namespace sdx::text
