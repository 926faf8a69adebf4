// Trie: building the double array by radix partition, with a list of the free cells, in parts at the same time.
#include "text/trie.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <exception>

#include "base/error.h"

namespace sdx::text {
namespace {

constexpr size_t kMaxNodes = size_t{1} << 27, kMaxTails = size_t{1} << 28;
/// Fewer keys are not worth a second thread.
constexpr size_t kKeysForParts = 8192;
constexpr size_t kParts = 16;
/// While parts are built: a node of the first part, or a position in the tails of the own one.
constexpr uint32_t kMark = uint32_t{1} << 31;

[[noreturn]] void too_large(size_t limit, const char* what) {
  fail(ErrorKind::kResource, "the vocabulary needs a trie of more than ", limit, " ", what);
}

}  // namespace

/// A key while it is sorted. `head` holds the eight bytes from the last depth that eight divides, the first one on top:
/// the texts lie apart in memory, and reading them at every depth would wait for it.
struct Trie::Entry {
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

/// Builds the nodes below one or more nodes. The first builder has the root and may postpone small ranges of keys,
/// which others build in arrays of their own; join() moves them behind each other, which whole blocks of 256 cells
/// allow. Free cells form a doubly linked ring through `base` (next) and `value` (previous).
class Trie::Builder {
 public:
  struct Range {
    uint32_t node;
    size_t begin, end;
    size_t depth;
    size_t ordered = 0;  ///< keys are in the order of their bytes below this depth, of equal ones the shorter first
  };

  /// Builds the whole trie, but for ranges of less than `postpone` keys.
  Builder(Entries& keys, size_t postpone) : keys_(keys), postpone_(postpone) {
    add_block();
    take(kRoot);
    nodes_[kRoot] = {0, kNowhere - 1, -1};
    work_.push_back({kRoot, 0, keys_.size(), 0});
  }
  /// Builds ranges that `first` has postponed.
  Builder(Builder& first, const Range* begin, const Range* end)
      : keys_(first.keys_), outer_(&first.nodes_), work_(begin, end) {
    size_t keys = 0;
    for (Range& range : work_) {
      range.node |= kMark;
      keys += range.end - range.begin;
    }
    roots_ = work_;
    nodes_.reserve(keys * 2 + 256);
    tails_.reserve(keys * 8);
    add_block();
  }

  void build() {
    while (!work_.empty()) {
      const Range r = work_.back();
      work_.pop_back();
      expand(r);
    }
    for (Node& node : nodes_) {
      if (node.parent == kNowhere) node = kFree;
    }
  }

  /// The postponed ranges in parts of about equally many keys.
  std::vector<Builder> parts() {
    std::vector<Builder> parts;
    for (size_t i = 0; i < postponed_.size();) {
      size_t end = i, keys = 0;
      for (; end < postponed_.size() && keys < keys_.size() / kParts; ++end)
        keys += postponed_[end].end - postponed_[end].begin;
      parts.push_back(Builder(*this, &postponed_[i], &postponed_[i] + (end - i)));
      i = end;
    }
    return parts;
  }

  /// Copies the nodes and the tails to their place in the whole trie, and turns the addresses into those there.
  void place(Trie& trie, size_t first_node, size_t first_tail) {
    const auto node_offset = static_cast<uint32_t>(first_node);
    const auto tail_offset = static_cast<uint32_t>(trie.first_tail_ + first_tail);
    const auto moved = [&](uint32_t base) {
      return (base & kMark) != 0 ? tail_offset + (base & ~kMark) : base + node_offset;
    };
    for (size_t i = 0; i < nodes_.size(); ++i) {
      Node node = nodes_[i];
      if (node.parent != kNowhere) {
        node.base = moved(node.base);
        node.parent = node.parent < kMark ? node.parent + node_offset : node.parent & ~kMark;
      }
      trie.nodes_[first_node + i] = node;
    }
    for (const Range& root : roots_) {
      Node node = at(root.node);
      node.base = moved(node.base);
      trie.nodes_[root.node & ~kMark] = node;
    }
    std::copy(tails_.begin(), tails_.end(), trie.tails_.begin() + static_cast<std::ptrdiff_t>(first_tail));
  }

 private:
  struct Child {
    uint8_t byte;
    size_t begin, end;
  };

  Node& at(uint32_t node) { return (node & kMark) != 0 ? (*outer_)[node & ~kMark] : nodes_[node]; }

  /// Adds 256 free cells; the first of them.
  uint32_t add_block() {
    const auto first = static_cast<uint32_t>(nodes_.size());
    if (first >= kMaxNodes) too_large(kMaxNodes, "nodes");
    nodes_.resize(first + 256);
    for (uint32_t i = first; i < first + 256; ++i) link(i);
    return first;
  }

  void link(uint32_t i) {
    nodes_[i].parent = kNowhere;
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
    if (r.depth % 8 == 0 && r.depth > 0) {
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
    if (r.end - r.begin == keys_.size()) return keys_.swap(sorted_);
    std::copy_n(sorted_.begin(), r.end - r.begin, keys_.begin() + static_cast<std::ptrdiff_t>(r.begin));
  }

  /// Keys that end at the node come out of the range; the greatest value counts.
  Range settle(Range r) {
    for (size_t i = r.begin; i < r.end; ++i) {
      if (keys_[i].length != r.depth) {
        if (r.ordered >= r.depth) break;
        continue;
      }
      at(r.node).value = std::max(at(r.node).value, keys_[i].value);
      std::swap(keys_[i], keys_[r.begin]);
      ++r.begin;
    }
    return r;
  }

  /// The rest of a key that shares no further byte with another one.
  void finish(uint32_t node, const Entry& key, size_t depth) {
    if (depth == key.length) {
      at(node).value = std::max(at(node).value, key.value);
      return;
    }
    const size_t first = tails_.size(), length = key.length - depth;
    if (first + length + 2 > kMaxTails) too_large(kMaxTails, "bytes of tails");
    at(node).base = kMark | static_cast<uint32_t>(first);
    tails_.resize(first + length + 2);
    const size_t loaded = (depth + 7) / 8 * 8;  // the head was loaded for the depths before
    for (size_t i = 0; i < length; ++i) {
      const size_t d = depth + i;
      tails_[first + i] = d < loaded ? key.byte(d) : static_cast<uint8_t>(key.text[d]);
    }
    tails_[first + length - 1] |= kEnd;
    tails_[first + length] = static_cast<uint16_t>(static_cast<uint32_t>(key.value) >> 16);
    tails_[first + length + 1] = static_cast<uint16_t>(key.value);
  }

  void expand(Range r) {
    if (r.end - r.begin < postpone_) return postponed_.push_back(r);
    if (r.depth > 0) r = settle(r);
    if (r.begin == r.end) return;
    if (r.end - r.begin == 1) return finish(r.node, keys_[r.begin], r.depth);
    partition(r);
    const uint32_t base = find_base();
    at(r.node).base = base;
    for (const Child& c : children_) {
      const uint32_t cell = base ^ c.byte;
      take(cell);
      nodes_[cell] = {0, r.node, -1};
      work_.push_back({cell, c.begin, c.end, r.depth + 1, r.ordered});
    }
  }

  friend class Trie;
  Entries& keys_;
  size_t postpone_ = 0;
  Nodes* outer_ = nullptr;
  Nodes nodes_;
  Tails tails_;
  Entries sorted_;
  std::vector<Range> work_, roots_, postponed_;
  std::vector<Child> children_;
  /// The first free cell, and the one from which several children are placed.
  uint32_t head_ = kNowhere, cursor_ = kNowhere;
};

Trie::Trie() : nodes_(256, kFree), first_tail_(256) { nodes_[kRoot].parent = kNowhere - 1; }

/// The keys that are not empty, their heads loaded for the root.
Trie::Entries Trie::load(size_t count, FunctionRef<Key(size_t)> key, const Parallel& parallel) {
  Entries entries(count);
  parallel.run(static_cast<int64_t>(count), 8192, [&](int64_t begin, int64_t end, int) {
    for (auto i = static_cast<size_t>(begin); i < static_cast<size_t>(end); ++i) {
      const auto [text, value] = key(i);
      entries[i] = {0, text.data(), static_cast<uint32_t>(text.size()), value};
      entries[i].load_head(0);
    }
  });
  std::erase_if(entries, [](const Entry& entry) { return entry.length == 0; });
  return entries;
}

Trie::Trie(size_t count, FunctionRef<Key(size_t)> key) {
  const bool large = count >= kKeysForParts;
  const Parallel parallel = large ? Parallel(0) : Parallel();
  Entries entries = load(count, key, parallel);
  Builder first(entries, large ? entries.size() / kParts : 0);
  first.build();
  std::vector<Builder> parts = first.parts();
  std::vector<std::exception_ptr> errors(parts.size());
  parallel.run(static_cast<int64_t>(parts.size()), 1, [&](int64_t begin, int64_t end, int) {
    for (auto i = static_cast<size_t>(begin); i < static_cast<size_t>(end); ++i) {
      try {
        parts[i].build();
      } catch (...) {
        errors[i] = std::current_exception();
      }
    }
  });
  for (const std::exception_ptr& error : errors) {
    if (error) std::rethrow_exception(error);
  }
  join(first, parts, parallel);
}

/// Takes over the nodes and the tails of all parts, one behind the other.
void Trie::join(Builder& first, std::vector<Builder>& parts, const Parallel& parallel) {
  struct Place {
    size_t node, tail;
  };
  std::vector<Place> places = {{first.nodes_.size(), first.tails_.size()}};
  for (const Builder& part : parts)
    places.push_back({places.back().node + part.nodes_.size(), places.back().tail + part.tails_.size()});
  const auto [nodes, tails] = places.back();
  if (nodes > kMaxNodes) too_large(kMaxNodes, "nodes");
  if (tails > kMaxTails) too_large(kMaxTails, "bytes of tails");
  nodes_.resize(nodes);
  tails_.resize(tails);
  first_tail_ = static_cast<uint32_t>(nodes);
  first.place(*this, 0, 0);  // the others write into its nodes
  nodes_[kRoot].parent = kNowhere - 1;
  parallel.run(static_cast<int64_t>(parts.size()), 1, [&](int64_t begin, int64_t end, int) {
    for (auto i = static_cast<size_t>(begin); i < static_cast<size_t>(end); ++i)
      parts[i].place(*this, places[i].node, places[i].tail);
  });
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
