// Trie: building the double array by radix partition, with a list of the free cells.
#include "text/trie.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>

#include "base/error.h"

namespace sdx::text {
namespace {

constexpr size_t kMaxNodes = size_t{1} << 27;

/// A key while it is sorted. `head` holds the eight bytes from the last depth that eight divides, the first one on top:
/// the texts lie apart in memory, and reading them at every depth would wait for it.
struct Entry {
  uint64_t head;
  const char* text;
  uint32_t length;
  int32_t value;

  void load_head(size_t depth) {
    head = 0;
    if (depth + 8 <= length) {
      std::memcpy(&head, text + depth, 8);
      if constexpr (std::endian::native == std::endian::little) head = __builtin_bswap64(head);
    } else {
      for (size_t i = depth; i < length; ++i) head |= uint64_t{static_cast<uint8_t>(text[i])} << (56 - 8 * (i - depth));
    }
  }
  bool operator<(const Entry& other) const { return head != other.head ? head < other.head : length < other.length; }
  uint8_t byte(size_t depth) const { return static_cast<uint8_t>(head >> (56 - 8 * (depth % 8))); }
};

}  // namespace

/// Free cells form a doubly linked ring through `base` (next) and `value` (previous).
class Trie::Builder {
 public:
  Builder(Nodes& nodes, const std::vector<Key>& keys) : nodes_(nodes) {
    keys_.reserve(keys.size());
    for (const auto& [text, value] : keys) {
      if (!text.empty()) keys_.push_back({0, text.data(), static_cast<uint32_t>(text.size()), value});
    }
  }

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
    size_t ordered = 0;  ///< keys are in the order of their bytes below this depth, of equal ones the shorter first
  };
  struct Child {
    uint8_t byte;
    size_t begin, end;
  };

  /// Adds 256 free cells; the first of them.
  uint32_t add_block() {
    const auto first = static_cast<uint32_t>(nodes_.size());
    if (first >= kMaxNodes)
      fail(ErrorKind::kResource, "the vocabulary needs a trie of more than ", kMaxNodes, " nodes");
    nodes_.resize(first + 256);
    for (uint32_t i = first; i < first + 256; ++i) link(i);
    return first;
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

  /// The free cell after a free cell, or kNowhere after the last one.
  uint32_t following(uint32_t i) const { return nodes_[i].base > i ? nodes_[i].base : kNowhere; }

  void take(uint32_t i) {
    const uint32_t next = nodes_[i].base;
    const auto previous = static_cast<uint32_t>(nodes_[i].value);
    if (cursor_ == i) cursor_ = following(i);
    if (head_ == i) head_ = following(i);
    nodes_[previous].base = next;
    nodes_[next].value = static_cast<int32_t>(previous);
  }

  bool fits(uint32_t base) const {
    return std::all_of(children_.begin(), children_.end(),
                       [&](const Child& c) { return nodes_[base ^ c.byte].parent == kNowhere; });
  }

  /// A node with one child fills the first hole; others look for room from where the last of them found it on, so that
  /// no cell is passed over twice.
  uint32_t find_base() {
    const uint8_t first = children_.front().byte;
    if (children_.size() == 1) {
      const uint32_t at = head_ == first ? following(head_) : head_;
      return (at == kNowhere ? add_block() : at) ^ first;
    }
    for (; cursor_ != kNowhere; cursor_ = following(cursor_)) {
      const uint32_t base = cursor_ ^ first;
      if (base != 0 && fits(base)) return base;
    }
    return cursor_ = add_block();
  }

  /// Groups the keys, all longer than the range's depth, by their bytes there.
  void partition(Range& r) {
    children_.clear();
    if (r.depth % 8 == 0) {
      for (size_t i = r.begin; i < r.end; ++i) keys_[i].load_head(r.depth);
    }
    if (r.depth >= r.ordered) {
      if (r.end - r.begin <= 32) {
        order(r);
      } else {
        distribute(r);
      }
    }
    for (size_t i = r.begin; i < r.end;) {
      size_t end = i + 1;
      while (end < r.end && keys_[end].byte(r.depth) == keys_[i].byte(r.depth)) ++end;
      children_.push_back({keys_[i].byte(r.depth), i, end});
      i = end;
    }
  }

  /// Brings a few keys in order by all bytes that their heads hold.
  void order(Range& r) {
    for (size_t i = r.begin + 1; i < r.end; ++i) {
      const Entry key = keys_[i];
      size_t k = i;
      for (; k > r.begin && key < keys_[k - 1]; --k) keys_[k] = keys_[k - 1];
      keys_[k] = key;
    }
    r.ordered = r.depth / 8 * 8 + 8;
  }

  void distribute(const Range& r) {
    std::array<size_t, 257> count{};
    for (size_t i = r.begin; i < r.end; ++i) ++count[keys_[i].byte(r.depth) + 1u];
    if (count[keys_[r.begin].byte(r.depth) + 1u] == r.end - r.begin) return;
    for (size_t b = 1; b < 257; ++b) count[b] += count[b - 1];
    sorted_.resize(std::max(sorted_.size(), r.end - r.begin));
    for (size_t i = r.begin; i < r.end; ++i) sorted_[count[keys_[i].byte(r.depth)]++] = keys_[i];
    std::copy_n(sorted_.begin(), r.end - r.begin, keys_.begin() + static_cast<std::ptrdiff_t>(r.begin));
  }

  /// Keys that end at the node come out of the range; the greatest value counts.
  Range settle(Range r) {
    for (size_t i = r.begin; i < r.end; ++i) {
      if (keys_[i].length != r.depth) {
        if (r.ordered >= r.depth) break;
        continue;
      }
      nodes_[r.node].value = std::max(nodes_[r.node].value, keys_[i].value);
      std::swap(keys_[i], keys_[r.begin]);
      ++r.begin;
    }
    return r;
  }

  /// The rest of a key that shares no further byte with another one.
  void chain(uint32_t node, Entry& key, size_t depth) {
    for (; depth < key.length; ++depth) {
      if (depth % 8 == 0) key.load_head(depth);
      children_.assign(1, {key.byte(depth), 0, 0});
      const uint32_t base = find_base(), at = base ^ children_[0].byte;
      nodes_[node].base = base;
      take(at);
      nodes_[at] = {0, node, -1};
      node = at;
    }
    nodes_[node].value = std::max(nodes_[node].value, key.value);
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
      work_.push_back({at, c.begin, c.end, r.depth + 1, r.ordered});
    }
  }

  Nodes& nodes_;
  std::vector<Entry, PageAllocator<Entry>> keys_, sorted_;
  std::vector<Range> work_;
  std::vector<Child> children_;
  /// The first free cell, and the one from which several children are placed.
  uint32_t head_ = kNowhere, cursor_ = kNowhere;
};

Trie::Trie() : nodes_(256) { nodes_[kRoot].parent = kNowhere - 1; }

Trie::Trie(const std::vector<Key>& keys) {
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
