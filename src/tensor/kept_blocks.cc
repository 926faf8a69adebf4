// KeptBlocks: taking, keeping and dropping blocks.
#include "tensor/kept_blocks.h"

#include <algorithm>
#include <new>

#include "base/pages.h"

namespace sdx {
namespace {

constexpr std::align_val_t kAlignment{64};

}  // namespace

void* take_block(size_t bytes) noexcept {
  return bytes < kLargeBlockBytes ? ::operator new(bytes, kAlignment, std::nothrow) : map_pages(bytes);
}

void free_block(void* block, size_t bytes) noexcept {
  bytes < kLargeBlockBytes ? ::operator delete(block, kAlignment) : unmap_pages(block, bytes);
}

bool KeptBlocks::Block::large() const { return bytes >= kLargeBlockBytes; }

void KeptBlocks::keep(void* memory, size_t bytes) {
  std::lock_guard lock(mutex_);
  const Block block{memory, bytes};
  blocks_.push_back(block);
  bytes_.fetch_add(static_cast<int64_t>(bytes), std::memory_order_relaxed);
  while (crowded(block.large())) {
    const auto oldest = std::ranges::find(blocks_, block.large(), &Block::large);
    const Block gone = *oldest;
    remove(static_cast<size_t>(oldest - blocks_.begin()));
    free_block(gone.memory, gone.bytes);
  }
}

bool KeptBlocks::crowded(bool large) const {
  size_t count = 0, bytes = 0;
  for (const Block& block : blocks_) {
    if (block.large() != large) continue;
    ++count;
    bytes += block.bytes;
  }
  return large ? count > kMostLarge : bytes > kMostSmallBytes;
}

void* KeptBlocks::reuse(size_t bytes) {
  if (this->bytes() == 0) return nullptr;
  std::lock_guard lock(mutex_);
  const auto found = std::ranges::find(blocks_, bytes, &Block::bytes);
  if (found == blocks_.end()) return nullptr;
  void* const memory = found->memory;
  remove(static_cast<size_t>(found - blocks_.begin()));
  return memory;
}

void KeptBlocks::drop() {
  std::lock_guard lock(mutex_);
  for (const Block& block : blocks_) free_block(block.memory, block.bytes);
  blocks_.clear();
  bytes_.store(0, std::memory_order_relaxed);
}

void KeptBlocks::remove(size_t index) {
  const Block block = blocks_[index];
  blocks_.erase(blocks_.begin() + static_cast<std::ptrdiff_t>(index));
  bytes_.fetch_sub(static_cast<int64_t>(block.bytes), std::memory_order_relaxed);
}

}  // namespace sdx
