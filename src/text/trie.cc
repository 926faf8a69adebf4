// Trie: building the double array by radix partition, with a list of the free cells.
#include "text/trie.h"

#include <algorithm>
#include <array>

#include "base/error.h"

namespace sdx::text {
namespace {

constexpr size_t kMaxNodes = size_t{1} << 27;
constexpr int kTries = 12;

}  // namespace

/// Free cells form a doubly linked ring through `base` (next) and `value` (previous).
class Trie::Builder {
 public:
  Builder(Nodes& nodes, std::vector<Key>& keys) : nodes_(nodes), keys_(keys) {}

  void build() {
    add_block();
    take(kRoot);
    nodes_[kRoot] = {0, kNowhere - 1, -1};
    work_.push_back({kRoot, 0, keys_.size(), 0});
    while (!work_.empty()) {
      const Range r = work_.back();
      work_.pop_back();
      expand(r);
    }
    for (Node& node : nodes_) {
      if (node.parent == kNowhere) node.base = 0, node.value = -1;
    }
  }

 private:
  struct Range {
    uint32_t node;
    size_t begin, end;
    size_t depth;
  };
  struct Child {
    uint8_t byte;
    size_t begin, end;
  };

  void add_block() {
    const auto first = static_cast<uint32_t>(nodes_.size());
    if (first >= kMaxNodes)
      fail(ErrorKind::kResource, "the vocabulary needs a trie of more than ", kMaxNodes, " nodes");
    nodes_.resize(first + 256);
    for (uint32_t i = first; i < first + 256; ++i) link(i);
  }

  void link(uint32_t i) {
    if (head_ == kNowhere) {
      head_ = i;
      nodes_[i].base = i;
      nodes_[i].value = static_cast<int32_t>(i);
      return;
    }
    const auto last = static_cast<uint32_t>(nodes_[head_].value);
    nodes_[i].base = head_;
    nodes_[i].value = static_cast<int32_t>(last);
    nodes_[last].base = i;
    nodes_[head_].value = static_cast<int32_t>(i);
  }

  void take(uint32_t i) {
    const uint32_t next = nodes_[i].base;
    const auto previous = static_cast<uint32_t>(nodes_[i].value);
    nodes_[previous].base = next;
    nodes_[next].value = static_cast<int32_t>(previous);
    if (head_ == i) head_ = next == i ? kNowhere : next;
  }

  bool fits(uint32_t base) const {
    return std::all_of(children_.begin(), children_.end(),
                       [&](const Child& c) { return nodes_[base ^ c.byte].parent == kNowhere; });
  }

  uint32_t find_base() {
    const uint8_t first = children_.front().byte;
    uint32_t at = head_;
    for (int t = 0; t < kTries && at != kNowhere; ++t) {
      const uint32_t base = at ^ first;
      if (base != 0 && fits(base)) {
        head_ = at;
        return base;
      }
      at = nodes_[at].base;
      if (at == head_) break;
    }
    add_block();
    return static_cast<uint32_t>(nodes_.size() - 256);
  }

  void partition(const Range& r) {
    children_.clear();
    const auto byte_at = [&](size_t i) { return static_cast<uint8_t>(keys_[i].first[r.depth]); };
    if (r.end - r.begin <= 32) {
      for (size_t i = r.begin + 1; i < r.end; ++i) {
        const Key key = keys_[i];
        const auto byte = static_cast<uint8_t>(key.first[r.depth]);
        size_t k = i;
        for (; k > r.begin && byte_at(k - 1) > byte; --k) keys_[k] = keys_[k - 1];
        keys_[k] = key;
      }
    } else {
      std::array<size_t, 257> count{};
      for (size_t i = r.begin; i < r.end; ++i) ++count[byte_at(i) + 1u];
      for (size_t b = 1; b < 257; ++b) count[b] += count[b - 1];
      sorted_.resize(r.end - r.begin);
      for (size_t i = r.begin; i < r.end; ++i) sorted_[count[byte_at(i)]++] = keys_[i];
      std::copy(sorted_.begin(), sorted_.end(), keys_.begin() + static_cast<std::ptrdiff_t>(r.begin));
    }
    for (size_t i = r.begin; i < r.end;) {
      size_t end = i + 1;
      while (end < r.end && byte_at(end) == byte_at(i)) ++end;
      children_.push_back({byte_at(i), i, end});
      i = end;
    }
  }

  /// Keys that end at the node come out of the range; the greatest value counts.
  Range settle(Range r) {
    for (size_t i = r.begin; i < r.end; ++i) {
      if (keys_[i].first.size() != r.depth) continue;
      nodes_[r.node].value = std::max(nodes_[r.node].value, keys_[i].second);
      std::swap(keys_[i], keys_[r.begin]);
      ++r.begin;
    }
    return r;
  }

  /// The rest of a key that shares no further byte with another one.
  void chain(uint32_t node, const Key& key, size_t depth) {
    for (; depth < key.first.size(); ++depth) {
      children_.assign(1, {static_cast<uint8_t>(key.first[depth]), 0, 0});
      const uint32_t base = find_base(), at = base ^ children_[0].byte;
      nodes_[node].base = base;
      take(at);
      nodes_[at] = {0, node, -1};
      node = at;
    }
    nodes_[node].value = std::max(nodes_[node].value, key.second);
  }

  void expand(Range r) {
    if (r.end - r.begin == 1) return chain(r.node, keys_[r.begin], r.depth);
    if (r.depth > 0) r = settle(r);
    if (r.begin == r.end) return;
    partition(r);
    const uint32_t base = find_base();
    nodes_[r.node].base = base;
    for (const Child& c : children_) {
      const uint32_t at = base ^ c.byte;
      take(at);
      nodes_[at] = {0, r.node, -1};
      work_.push_back({at, c.begin, c.end, r.depth + 1});
    }
  }

  Nodes& nodes_;
  std::vector<Key>& keys_;
  std::vector<Key> sorted_;
  std::vector<Range> work_;
  std::vector<Child> children_;
  uint32_t head_ = kNowhere;
};

Trie::Trie() : nodes_(256) { nodes_[kRoot].parent = kNowhere - 1; }

Trie::Trie(std::vector<Key>& keys) {
  keys.erase(std::remove_if(keys.begin(), keys.end(), [](const Key& k) { return k.first.empty(); }), keys.end());
  // Growing would copy; memory that is reserved and never written costs nothing.
  size_t bytes = 0;
  for (const Key& key : keys) bytes += key.first.size();
  nodes_.reserve(std::min(bytes, keys.size() * 8) + 256);
  Builder(nodes_, keys).build();
}

uint32_t Trie::walk(uint32_t node, std::string_view bytes) const {
  for (const char c : bytes) {
    node = next(node, static_cast<uint8_t>(c));
    if (node == kNowhere) return kNowhere;
  }
  return node;
}

int32_t Trie::find(std::string_view key) const {
  const uint32_t node = walk(kRoot, key);
  return node == kNowhere ? -1 : value(node);
}

}  // namespace sdx::text
