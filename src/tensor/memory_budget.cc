// MemoryBudget: counting, and the thread's current budget.
#include "tensor/memory_budget.h"

#include <algorithm>
#include <utility>

#include "base/error.h"
#include "base/pages.h"

namespace sdx {
namespace {

constexpr size_t kMostKept = 4;

thread_local std::shared_ptr<MemoryBudget> current_budget;

}  // namespace

void MemoryBudget::take(int64_t bytes) {
  const int64_t now = used_.fetch_add(bytes, std::memory_order_relaxed) + bytes;
  if (limit_ > 0 && now > limit_) {
    give(bytes);
    fail(ErrorKind::kResource, "the memory limit of ", limit_, " bytes is reached: ", now - bytes, " are in use and ",
         bytes, " more are needed; raise the limit or use smaller inputs");
  }
  if (limit_ > 0 && now + kept_bytes_.load(std::memory_order_relaxed) > limit_) drop_kept();
  int64_t peak = peak_.load(std::memory_order_relaxed);
  while (now > peak && !peak_.compare_exchange_weak(peak, now, std::memory_order_relaxed)) {
  }
}

bool MemoryBudget::keep(void* block, size_t bytes) {
  const auto size = static_cast<int64_t>(bytes);
  std::lock_guard lock(mutex_);
  if (limit_ > 0 && used() + kept_bytes_.load(std::memory_order_relaxed) + size > limit_) return false;
  if (kept_.size() == kMostKept) {
    unmap_pages(kept_.front().block, kept_.front().bytes);
    kept_bytes_.fetch_sub(static_cast<int64_t>(kept_.front().bytes), std::memory_order_relaxed);
    kept_.erase(kept_.begin());
  }
  kept_.push_back({block, bytes});
  kept_bytes_.fetch_add(size, std::memory_order_relaxed);
  return true;
}

void* MemoryBudget::reuse(size_t bytes) {
  if (kept_bytes_.load(std::memory_order_relaxed) == 0) return nullptr;
  std::lock_guard lock(mutex_);
  const auto found = std::ranges::find(kept_, bytes, &Kept::bytes);
  if (found == kept_.end()) return nullptr;
  void* const block = found->block;
  kept_bytes_.fetch_sub(static_cast<int64_t>(bytes), std::memory_order_relaxed);
  kept_.erase(found);
  return block;
}

void MemoryBudget::drop_kept() {
  std::lock_guard lock(mutex_);
  for (const Kept& kept : kept_) unmap_pages(kept.block, kept.bytes);
  kept_.clear();
  kept_bytes_.store(0, std::memory_order_relaxed);
}

MemoryScope::MemoryScope(std::shared_ptr<MemoryBudget> budget)
    : outer_(std::exchange(current_budget, std::move(budget))) {}
MemoryScope::~MemoryScope() { current_budget = std::move(outer_); }
const std::shared_ptr<MemoryBudget>& MemoryScope::current() { return current_budget; }

}  // namespace sdx
