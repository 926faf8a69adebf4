// MemoryBudget: what is counted, and which blocks are kept between runs.
#include "tensor/memory_budget.h"

#include <gtest/gtest.h>

#include <cstring>

#include "base/error.h"
#include "base/pages.h"
#include "tensor/kept_blocks.h"
#include "tensor/tensor.h"

namespace sdx {
namespace {

constexpr int64_t kLarge = static_cast<int64_t>(kLargeBlockBytes);

std::shared_ptr<std::byte> allocate_in(const std::shared_ptr<MemoryBudget>& budget, int64_t bytes) {
  MemoryScope scope(budget);
  return allocate(DType::kU8, bytes);
}

TEST(MemoryBudget, ReusesWhatIsGivenBackBetweenRuns) {
  const auto budget = std::make_shared<MemoryBudget>(0);
  auto first = allocate_in(budget, kLarge + 5);
  std::memset(first.get(), 1, static_cast<size_t>(kLarge + 5));
  first.reset();
  EXPECT_EQ(budget->used(), 0);
  const auto other = allocate_in(budget, kLarge + 6);
  EXPECT_NE(*other, std::byte{1}) << "a block of another size";
  const auto again = allocate_in(budget, kLarge + 5);
  EXPECT_EQ(*again, std::byte{1});
  EXPECT_NE(*allocate_in(budget, kLarge + 5), std::byte{1}) << "a block is kept for one";
}

TEST(MemoryBudget, KeepsNothingThatARunGivesBack) {
  const auto budget = std::make_shared<MemoryBudget>(0);
  auto first = allocate_in(budget, kLarge);
  *first = std::byte{1};
  {
    MemoryScope run(budget);
    first.reset();
  }
  EXPECT_NE(*allocate_in(budget, kLarge), std::byte{1});
}

TEST(MemoryBudget, KeptBlocksDoNotTakeTheLimit) {
  const auto budget = std::make_shared<MemoryBudget>(3 * kLarge);
  auto first = allocate_in(budget, 2 * kLarge);
  *first = std::byte{1};
  first.reset();
  const auto more = allocate_in(budget, 2 * kLarge + 64);
  EXPECT_THROW(allocate_in(budget, 2 * kLarge), Error);
  EXPECT_EQ(budget->used(), budget->peak());
}

/// Blocks of 100 sizes from `bytes` on, given back: how many of them are kept.
int kept_of_hundred(int64_t bytes) {
  const auto budget = std::make_shared<MemoryBudget>(0);
  for (int i = 0; i < 100; ++i) allocate_in(budget, bytes + i);
  int kept = 0;
  for (int i = 0; i < 100; ++i) {
    void* const block = budget->reuse(static_cast<size_t>(bytes + i));
    if (block == nullptr) continue;
    ++kept;
    free_block(block, static_cast<size_t>(bytes + i));
  }
  EXPECT_EQ(budget->used(), 0);
  return kept;
}

TEST(MemoryBudget, KeepsAFewOnly) {
  EXPECT_EQ(kept_of_hundred(kLarge), 4);
  EXPECT_EQ(kept_of_hundred(kLarge / 2), 7) << "16 MB of smaller ones";
  EXPECT_EQ(kept_of_hundred(1000), 0);
}

}  // namespace
}  // namespace sdx
