// MemoryBudget: counting, and the thread's current budget.
#include "tensor/memory_budget.h"

#include <utility>

#include "base/error.h"

namespace sdx {
namespace {

thread_local std::shared_ptr<MemoryBudget> current_budget;

}  // namespace

void MemoryBudget::take(int64_t bytes) {
  const int64_t now = used_.fetch_add(bytes, std::memory_order_relaxed) + bytes;
  if (limit_ > 0 && now > limit_) {
    give(bytes);
    fail(ErrorKind::kResource, "the memory limit of ", limit_, " bytes is reached: ", now - bytes, " are in use and ",
         bytes, " more are needed; raise the limit or use smaller inputs");
  }
  if (limit_ > 0 && now + kept_.bytes() > limit_) kept_.drop();
  int64_t peak = peak_.load(std::memory_order_relaxed);
  while (now > peak && !peak_.compare_exchange_weak(peak, now, std::memory_order_relaxed)) {
  }
}

bool MemoryBudget::keep(void* block, size_t bytes) {
  if (!KeptBlocks::takes(bytes)) return false;
  if (limit_ > 0 && used() + kept_.bytes() + static_cast<int64_t>(bytes) > limit_) return false;
  kept_.keep(block, bytes);
  return true;
}

MemoryScope::MemoryScope(std::shared_ptr<MemoryBudget> budget)
    : outer_(std::exchange(current_budget, std::move(budget))) {}
MemoryScope::~MemoryScope() { current_budget = std::move(outer_); }
const std::shared_ptr<MemoryBudget>& MemoryScope::current() { return current_budget; }

}  // namespace sdx
