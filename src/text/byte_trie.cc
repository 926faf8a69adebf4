// Building a ByteTrie level by level from sorted strings.
#include "text/byte_trie.h"

#include <algorithm>

namespace sdx::text {

ByteTrie::ByteTrie(std::vector<std::pair<std::string_view, int32_t>> entries) {
  root_.fill(kNone);
  if (entries.empty()) return;
  std::stable_sort(entries.begin(), entries.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
  struct Range {
    size_t begin, end, depth;
  };
  std::vector<Range> ranges = {{0, entries.size(), 0}};
  label_.push_back(0);
  value_.push_back(-1);
  for (size_t node = 0; node < ranges.size(); ++node) {
    auto [i, end, depth] = ranges[node];
    first_child_.push_back(static_cast<uint32_t>(ranges.size()));
    for (; i < end && entries[i].first.size() == depth; ++i) {
      if (value_[node] < 0 && depth > 0) value_[node] = entries[i].second;
    }
    while (i < end) {
      const auto byte = static_cast<uint8_t>(entries[i].first[depth]);
      size_t next = i + 1;
      while (next < end && static_cast<uint8_t>(entries[next].first[depth]) == byte) ++next;
      if (node == 0) root_[byte] = static_cast<Node>(ranges.size());
      ranges.push_back({i, next, depth + 1});
      label_.push_back(byte);
      value_.push_back(-1);
      i = next;
    }
  }
  first_child_.push_back(static_cast<uint32_t>(ranges.size()));
}

size_t ByteTrie::longest_prefix(std::string_view text) const {
  if (empty()) return 0;
  size_t best = 0;
  Node node = 0;
  for (size_t i = 0; i < text.size(); ++i) {
    node = step(node, static_cast<uint8_t>(text[i]));
    if (node == kNone) break;
    if (value_[node] >= 0) best = i + 1;
  }
  return best;
}

int32_t ByteTrie::find(std::string_view text) const {
  if (empty() || text.empty()) return -1;
  Node node = 0;
  for (char c : text) {
    node = step(node, static_cast<uint8_t>(c));
    if (node == kNone) return -1;
  }
  return value_[node];
}

}  // namespace sdx::text
