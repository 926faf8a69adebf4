// Large blocks of memory: anonymous mappings aligned to the size of a huge page.
#include "base/pages.h"

#include <sys/mman.h>

#include <algorithm>
#include <chrono>
#include <cstdint>

#include "base/join_pages.h"

namespace sdx {
namespace {

constexpr size_t kPage = size_t{4} << 10;  // where pages are larger, some are touched again

/// Brings in 2 MiB that lie on pages of `page` bytes.
void touch(std::byte* memory, size_t page) {
#ifdef MADV_POPULATE_WRITE
  if (page < kHugePage && madvise(memory, kHugePage, MADV_POPULATE_WRITE) == 0) return;
#endif
  for (size_t at = 0; at < kHugePage; at += page) *static_cast<volatile std::byte*>(memory + at) = std::byte{};
}

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
    if (bytes <= chunk.left()) return take(chunk, bytes, parallel);
  }
  Chunk fresh;
  fresh.bytes = std::max(kChunkBytes, rounded(bytes));
  void* const memory = map_pages(fresh.bytes);
  if (!memory) return nullptr;
  fresh.memory.reset(static_cast<std::byte*>(memory), [size = fresh.bytes](std::byte* p) { unmap_pages(p, size); });
  chunks_.push_back(std::move(fresh));
  return take(chunks_.back(), bytes, parallel);
}

std::shared_ptr<std::byte> PagePool::take(Chunk& chunk, size_t count, const Parallel& parallel) {
  std::byte* const block = chunk.memory.get() + chunk.used;
  chunk.used += count;
  // Two pages at a time at least, so that there is work for two, and few enough to change the way.
  constexpr size_t kStep = 2 * kHugePage, kMost = 8 * kHugePage;
  const size_t wanted = std::min(chunk.bytes, (chunk.used + kStep - 1) / kStep * kStep);
  // The first one alone shows whether large ones are slow.
  while (chunk.present < wanted) {
    bring_in(chunk, std::min(choice_.informed() ? kMost : kHugePage, wanted - chunk.present), parallel);
  }
  return {chunk.memory, block};
}

void PagePool::bring_in(Chunk& chunk, size_t bytes, const Parallel& parallel) {
  std::byte* const first = chunk.memory.get() + chunk.present;
  const bool small = choice_.small();
  if (small) madvise(first, bytes, MADV_NOHUGEPAGE);
  const auto start = std::chrono::steady_clock::now();
  parallel.run(static_cast<int64_t>(bytes / kHugePage), 1, [&](int64_t begin, int64_t end, int) {
    for (int64_t i = begin; i < end; ++i) touch(first + static_cast<size_t>(i) * kHugePage, small ? kPage : kHugePage);
  });
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
  const size_t pages = bytes / kHugePage, threads = std::min(pages, static_cast<size_t>(parallel.threads()));
  choice_.tell(small, took.count() * static_cast<double>(threads) / static_cast<double>(pages));
  if (small) {
    madvise(first, bytes, MADV_HUGEPAGE);
    join_pages_later(chunk.memory, first, bytes);
  }
  chunk.present += bytes;
}

}  // namespace sdx
