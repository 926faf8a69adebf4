// MemoryBudget: a limit on what the tensors of one model may take.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>

namespace sdx {

/// Counts bytes that allocate() hands out while a MemoryScope with this budget is active on the thread.
class MemoryBudget {
 public:
  /// `limit` in bytes; 0: count only.
  explicit MemoryBudget(int64_t limit) : limit_(limit) {}

  /// Throws Resource where the limit would be passed.
  void take(int64_t bytes);
  void give(int64_t bytes) { used_.fetch_sub(bytes, std::memory_order_relaxed); }
  int64_t used() const { return used_.load(std::memory_order_relaxed); }
  int64_t peak() const { return peak_.load(std::memory_order_relaxed); }
  int64_t limit() const { return limit_; }

 private:
  const int64_t limit_;
  std::atomic<int64_t> used_{0};
  std::atomic<int64_t> peak_{0};
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

}  // namespace sdx
