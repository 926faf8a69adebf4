// Large blocks of memory: anonymous mappings aligned to the size of a huge page.
#include "base/pages.h"

#include <sys/mman.h>

#include <algorithm>
#include <cstdint>

namespace sdx {
namespace {

constexpr size_t kHugePage = size_t{2} << 20;

size_t rounded(size_t bytes) { return (bytes + kHugePage - 1) / kHugePage * kHugePage; }

}  // namespace

void* map_pages(size_t bytes) noexcept {
  if (bytes > SIZE_MAX / 2) return nullptr;
  const size_t size = rounded(bytes);
  void* const whole =
      mmap(nullptr, size + kHugePage, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (whole == MAP_FAILED) return nullptr;
  const auto start = reinterpret_cast<uintptr_t>(whole);
  const uintptr_t first = (start + kHugePage - 1) / kHugePage * kHugePage;
  if (first > start) munmap(whole, first - start);
  if (const size_t behind = start + kHugePage - first; behind > 0)
    munmap(reinterpret_cast<void*>(first + size), behind);
  void* const memory = reinterpret_cast<void*>(first);
  madvise(memory, size, MADV_HUGEPAGE);
  return memory;
}

void unmap_pages(void* memory, size_t bytes) noexcept { munmap(memory, rounded(bytes)); }

std::shared_ptr<std::byte> PagePool::take(size_t bytes, const Parallel& parallel) {
  constexpr size_t kAlignment = 64;
  if (bytes > SIZE_MAX / 2) return nullptr;
  bytes = (bytes + kAlignment - 1) / kAlignment * kAlignment;
  for (Chunk& chunk : chunks_) {
    if (bytes <= chunk.left()) return chunk.take(bytes, parallel);
  }
  Chunk fresh;
  fresh.bytes = std::max(kChunkBytes, rounded(bytes));
  void* const memory = map_pages(fresh.bytes);
  if (!memory) return nullptr;
  fresh.memory.reset(static_cast<std::byte*>(memory), [size = fresh.bytes](std::byte* p) { unmap_pages(p, size); });
  chunks_.push_back(std::move(fresh));
  return chunks_.back().take(bytes, parallel);
}

std::shared_ptr<std::byte> PagePool::Chunk::take(size_t count, const Parallel& parallel) {
  std::byte* const block = memory.get() + used;
  used += count;
  // Two pages at a time at least, so that there is work for two.
  constexpr size_t kStep = 2 * kHugePage;
  const size_t wanted = std::min(bytes, (used + kStep - 1) / kStep * kStep);
  if (wanted > present) {
    parallel.run(static_cast<int64_t>((wanted - present) / kHugePage), 1, [&](int64_t begin, int64_t, int) {
      volatile std::byte* page = memory.get() + present + static_cast<size_t>(begin) * kHugePage;
      *page = std::byte{};
    });
    present = wanted;
  }
  return {memory, block};
}

}  // namespace sdx
