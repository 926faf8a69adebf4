// Large blocks of memory: anonymous mappings aligned to the size of a huge page.
#include "base/pages.h"

#include <sys/mman.h>

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

std::shared_ptr<std::byte> PagePool::take(size_t bytes) {
  bytes = (bytes + 63) / 64 * 64;
  if (!chunk_ || kChunkBytes - used_ < bytes) {
    void* const memory = map_pages(kChunkBytes);
    if (!memory) return nullptr;
    chunk_.reset(static_cast<std::byte*>(memory), [](std::byte* p) { unmap_pages(p, kChunkBytes); });
    used_ = 0;
  }
  used_ += bytes;
  return {chunk_, chunk_.get() + used_ - bytes};
}

}  // namespace sdx
