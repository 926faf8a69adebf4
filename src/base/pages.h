// Large blocks of zeroed memory straight from the system, on huge pages where it has them.
#pragma once

#include <cstddef>
#include <memory>
#include <new>
#include <type_traits>
#include <utility>
#include <vector>

#include "base/parallel.h"

namespace sdx {

inline constexpr size_t kHugePage = size_t{2} << 20;

/// Blocks from this size on are worth pages of their own.
inline constexpr size_t kLargeBlockBytes = size_t{4} << 20;

/// `bytes` of zeroed memory, aligned to 2 MiB; nullptr where the system has none left.
void* map_pages(size_t bytes) noexcept;
/// Gives back what map_pages() made with the same size.
void unmap_pages(void* memory, size_t bytes) noexcept;

/// Allocates large blocks of containers that way, small ones as usual. New elements without a value are left as they
/// are where their type lets them.
template <class T>
struct PageAllocator {
  using value_type = T;
  PageAllocator() = default;
  template <class U>
  PageAllocator(const PageAllocator<U>&) {}  // NOLINT: implicit as the standard wants it

  T* allocate(size_t count) {
    const size_t bytes = count * sizeof(T);
    if (bytes < kLargeBlockBytes) return static_cast<T*>(::operator new(bytes));
    void* const memory = map_pages(bytes);
    if (memory == nullptr) throw std::bad_alloc();
    return static_cast<T*>(memory);
  }
  void deallocate(T* memory, size_t count) noexcept {
    const size_t bytes = count * sizeof(T);
    bytes < kLargeBlockBytes ? ::operator delete(memory) : unmap_pages(memory, bytes);
  }
  template <class U>
  void construct(U* element) noexcept(std::is_nothrow_default_constructible_v<U>) {
    ::new (static_cast<void*>(element)) U;
  }
  template <class U, class... Values>
  void construct(U* element, Values&&... values) {
    std::construct_at(element, std::forward<Values>(values)...);
  }
  bool operator==(const PageAllocator&) const = default;
};

/// Which pages to bring memory in by. Large ones are the faster, but a host that takes free memory back from a virtual
/// machine takes those first, and then needs ten times as long to find one as the machine to fill 512 small ones.
class PageChoice {
 public:
  /// Where both are slow, small ones after large ones: either may have become faster.
  bool small() const {
    if (seconds_[0] <= kSuspicious) return false;
    return seconds_[1] < seconds_[0] / 2 || !told_small_;
  }
  /// Whether anything has been told.
  bool informed() const { return seconds_[0] > 0 || seconds_[1] > 0; }
  /// That a thread took so long for 2 MiB.
  void tell(bool small, double seconds) {
    seconds_[small] = seconds;
    told_small_ = small;
  }

 private:
  static constexpr double kSuspicious = 1e-3;  ///< 2 GB/s
  double seconds_[2] = {0, 0};                 ///< by large and by small pages, when last tried
  bool told_small_ = false;                    ///< which were tried last
};

/// Blocks that live about equally long, side by side on huge pages; each keeps the pages of its neighbours. For one
/// thread at a time.
class PagePool {
 public:
  PagePool() = default;
  explicit PagePool(PageChoice choice) : choice_(choice) {}

  /// Smaller blocks are not worth it.
  static bool takes(size_t bytes) { return bytes >= kLeastBytes; }
  /// `bytes` of zeroed memory, aligned to 64; null where the system has none left. Threads of `parallel` bring the
  /// pages in, each its own: where two write to one page first, both clear it.
  std::shared_ptr<std::byte> take(size_t bytes, const Parallel& parallel);

 private:
  static constexpr size_t kLeastBytes = size_t{16} << 10;
  static constexpr size_t kChunkBytes = size_t{128} << 20;

  struct Chunk {
    std::shared_ptr<std::byte> memory;
    size_t bytes = 0, used = 0;
    size_t present = 0;  ///< bytes whose pages are there

    size_t left() const { return bytes - used; }
  };
  std::shared_ptr<std::byte> take(Chunk& chunk, size_t count, const Parallel& parallel);
  void bring_in(Chunk& chunk, size_t bytes, const Parallel& parallel);

  PageChoice choice_;
  std::vector<Chunk> chunks_;  ///< small blocks go where large ones left room
};

}  // namespace sdx
