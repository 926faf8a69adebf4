// Vocab: token strings and their ids, both ways.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace sdx::text {

/// No id.
inline constexpr int32_t kNone = -1;
/// Ids must be below this.
inline constexpr uint64_t kMaxId = uint64_t{1} << 24;

class Vocab {
 public:
  void reserve(size_t tokens, size_t bytes);
  /// Adds a token; a token given twice keeps its last id. Throws InvalidModel or Resource for an id out of range.
  void add(std::string_view token, uint64_t id);

  /// Id of a token or kNone.
  int32_t find(std::string_view token) const;
  bool has_id(uint32_t id) const { return id < by_id_.size() && by_id_[id] != kNone; }
  /// Token of an id that has_id().
  std::string_view token(uint32_t id) const { return view(entries_[static_cast<size_t>(by_id_[id])]); }
  /// Number of different tokens.
  size_t size() const { return entries_.size(); }
  /// One more than the greatest id.
  size_t id_limit() const { return by_id_.size(); }

 private:
  struct Entry {
    uint32_t begin, length;
    uint32_t hash;
    int32_t id;
  };
  std::string_view view(const Entry& e) const { return {bytes_.data() + e.begin, e.length}; }
  size_t slot_of(std::string_view token, uint32_t hash) const;
  void grow(size_t slots);

  std::string bytes_;
  std::vector<Entry> entries_;
  std::vector<int32_t> slots_;
  std::vector<int32_t> by_id_;
};

}  // namespace sdx::text
