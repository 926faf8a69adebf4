// Counts what the process allocates through operator new; include it in one file of a binary.
#pragma once

#include <malloc.h>

#include <atomic>
#include <cstdint>
#include <cstdlib>
#include <new>

namespace sdx {

inline std::atomic<int64_t> allocation_count{0};
/// What is allocated now.
inline std::atomic<int64_t> live_blocks{0}, live_bytes{0};

inline void* counted(size_t size, size_t alignment) {
  void* p = std::aligned_alloc(alignment, (size + alignment - 1) / alignment * alignment);
  if (p == nullptr) return nullptr;
  allocation_count.fetch_add(1, std::memory_order_relaxed);
  live_blocks.fetch_add(1, std::memory_order_relaxed);
  live_bytes.fetch_add(static_cast<int64_t>(malloc_usable_size(p)), std::memory_order_relaxed);
  return p;
}

inline void uncounted(void* p) {
  if (p == nullptr) return;
  live_blocks.fetch_sub(1, std::memory_order_relaxed);
  live_bytes.fetch_sub(static_cast<int64_t>(malloc_usable_size(p)), std::memory_order_relaxed);
  std::free(p);
}

inline void* counted_or_throw(size_t size, size_t alignment) {
  if (void* p = counted(size, alignment)) return p;
  throw std::bad_alloc();
}

}  // namespace sdx

void* operator new(size_t n) { return sdx::counted_or_throw(n, 16); }
void* operator new[](size_t n) { return sdx::counted_or_throw(n, 16); }
void* operator new(size_t n, const std::nothrow_t&) noexcept { return sdx::counted(n, 16); }
void* operator new[](size_t n, const std::nothrow_t&) noexcept { return sdx::counted(n, 16); }
void* operator new(size_t n, std::align_val_t a) { return sdx::counted_or_throw(n, static_cast<size_t>(a)); }
void* operator new[](size_t n, std::align_val_t a) { return sdx::counted_or_throw(n, static_cast<size_t>(a)); }
void* operator new(size_t n, std::align_val_t a, const std::nothrow_t&) noexcept {
  return sdx::counted(n, static_cast<size_t>(a));
}
void* operator new[](size_t n, std::align_val_t a, const std::nothrow_t&) noexcept {
  return sdx::counted(n, static_cast<size_t>(a));
}
void operator delete(void* p) noexcept { sdx::uncounted(p); }
void operator delete[](void* p) noexcept { sdx::uncounted(p); }
void operator delete(void* p, size_t) noexcept { sdx::uncounted(p); }
void operator delete[](void* p, size_t) noexcept { sdx::uncounted(p); }
void operator delete(void* p, std::align_val_t) noexcept { sdx::uncounted(p); }
void operator delete[](void* p, std::align_val_t) noexcept { sdx::uncounted(p); }
void operator delete(void* p, size_t, std::align_val_t) noexcept { sdx::uncounted(p); }
void operator delete[](void* p, size_t, std::align_val_t) noexcept { sdx::uncounted(p); }
void operator delete(void* p, const std::nothrow_t&) noexcept { sdx::uncounted(p); }
void operator delete[](void* p, const std::nothrow_t&) noexcept { sdx::uncounted(p); }
void operator delete(void* p, std::align_val_t, const std::nothrow_t&) noexcept { sdx::uncounted(p); }
void operator delete[](void* p, std::align_val_t, const std::nothrow_t&) noexcept { sdx::uncounted(p); }
