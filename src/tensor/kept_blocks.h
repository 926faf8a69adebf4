// KeptBlocks: memory that the outputs of one run leave for those of the next.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <vector>

namespace sdx {

/// Memory for the elements of a tensor, aligned to 64 bytes, contents unspecified: of the heap, or pages of its own
/// where it is large. Null where the system has none left.
void* take_block(size_t bytes) noexcept;
/// Gives back what take_block() made with the same size.
void free_block(void* block, size_t bytes) noexcept;

/// The system clears fresh pages, which for the outputs of each run may cost more than computing them: blocks given
/// back between runs wait here for one of the same size. Few of them, oldest go first. From any thread.
class KeptBlocks {
 public:
  /// Giving a block back must not need memory.
  KeptBlocks() { blocks_.reserve(kMostLarge + kMostSmallBytes / kLeastBytes + 1); }
  ~KeptBlocks() { drop(); }
  KeptBlocks(const KeptBlocks&) = delete;
  KeptBlocks& operator=(const KeptBlocks&) = delete;

  /// Smaller ones come from memory that the heap has anyway.
  static bool takes(size_t bytes) { return bytes >= kLeastBytes; }
  void keep(void* block, size_t bytes);
  /// A block of that size as it was left, or null.
  void* reuse(size_t bytes);
  void drop();
  int64_t bytes() const { return bytes_.load(std::memory_order_relaxed); }

 private:
  static constexpr size_t kLeastBytes = size_t{128} << 10;
  static constexpr size_t kMostLarge = 4;                      ///< blocks with pages of their own
  static constexpr size_t kMostSmallBytes = size_t{16} << 20;  ///< of the others together

  struct Block {
    void* memory;
    size_t bytes;
    bool large() const;
  };
  /// Whether there are more of one kind than may be kept.
  bool crowded(bool large) const;
  void remove(size_t index);

  std::mutex mutex_;
  std::vector<Block> blocks_;  ///< oldest first
  std::atomic<int64_t> bytes_{0};
};

}  // namespace sdx
