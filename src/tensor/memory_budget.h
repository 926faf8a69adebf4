// MemoryBudget: a limit on what the tensors of one model may take.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <new>

#include "tensor/kept_blocks.h"

namespace sdx {

/// Counts bytes that allocate() hands out while a MemoryScope with this budget is active on the thread.
class MemoryBudget {
 public:
  /// `limit` in bytes; 0: count only.
  explicit MemoryBudget(int64_t limit) : limit_(limit) {}
  MemoryBudget(const MemoryBudget&) = delete;
  MemoryBudget& operator=(const MemoryBudget&) = delete;

  /// Throws Resource where the limit would be passed.
  void take(int64_t bytes);
  void give(int64_t bytes) { used_.fetch_sub(bytes, std::memory_order_relaxed); }
  int64_t used() const { return used_.load(std::memory_order_relaxed); }
  int64_t peak() const { return peak_.load(std::memory_order_relaxed); }
  int64_t limit() const { return limit_; }

  /// Blocks that are kept between runs count as free, and go where the limit needs them. keep() takes the block, or
  /// says that it does not; reuse() gives one back, contents as they are, or null.
  bool keep(void* block, size_t bytes);
  void* reuse(size_t bytes) { return kept_.reuse(bytes); }

 private:
  const int64_t limit_;
  KeptBlocks kept_;
  std::atomic<int64_t> used_{0};
  std::atomic<int64_t> peak_{0};
};

/// An allocator that charges the budget of the thread that made it, for containers that grow with a run.
template <class T>
class ChargedAllocator {
 public:
  using value_type = T;
  ChargedAllocator();
  template <class U>
  ChargedAllocator(const ChargedAllocator<U>& other) : budget_(other.budget()) {}  // NOLINT: implicit by design

  T* allocate(size_t count) {
    const size_t bytes = count * sizeof(T);
    if (budget_) budget_->take(static_cast<int64_t>(bytes));
    return static_cast<T*>(::operator new(bytes));
  }
  void deallocate(T* memory, size_t count) {
    if (budget_) budget_->give(static_cast<int64_t>(count * sizeof(T)));
    ::operator delete(memory);
  }
  const std::shared_ptr<MemoryBudget>& budget() const { return budget_; }
  bool operator==(const ChargedAllocator&) const = default;

 private:
  std::shared_ptr<MemoryBudget> budget_;
};

/// While it lives, allocations of this thread are charged to the budget.
class MemoryScope {
 public:
  explicit MemoryScope(std::shared_ptr<MemoryBudget> budget);
  ~MemoryScope();
  MemoryScope(const MemoryScope&) = delete;
  MemoryScope& operator=(const MemoryScope&) = delete;

  /// The budget of the calling thread; null outside any scope.
  static const std::shared_ptr<MemoryBudget>& current();

 private:
  std::shared_ptr<MemoryBudget> outer_;
};

template <class T>
ChargedAllocator<T>::ChargedAllocator() : budget_(MemoryScope::current()) {}

}  // namespace sdx
