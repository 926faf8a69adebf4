// Pools of pages: blocks apart, zeroed, aligned, of any size, and alive for as long as somebody holds them.
#include "base/pages.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <memory>
#include <random>
#include <vector>

namespace sdx {
namespace {

constexpr double kFast = 2e-4, kSlow = 5e-3;  // seconds for 2 MiB

TEST(PagePool, BlocksAreZeroedAlignedAndApart) {
  std::mt19937 random(7);
  PageChoice small;
  small.tell(false, kSlow);
  for (int i = 0; i < 4; ++i) {
    const int threads = std::array{1, 2, 4, 2}[i];
    auto pool = std::make_unique<PagePool>(i == 3 ? small : PageChoice());
    std::vector<std::pair<std::shared_ptr<std::byte>, size_t>> blocks;
    for (int k = 0; k < 40; ++k) {
      const size_t bytes = (size_t{16} << 10) + random() % (k % 8 == 0 ? size_t{40} << 20 : size_t{3} << 20);
      ASSERT_TRUE(PagePool::takes(bytes));
      std::shared_ptr<std::byte> block = pool->take(bytes, Parallel(threads));
      ASSERT_NE(block, nullptr);
      EXPECT_EQ(reinterpret_cast<uintptr_t>(block.get()) % 64, 0);
      EXPECT_TRUE(std::all_of(block.get(), block.get() + bytes, [](std::byte b) { return b == std::byte{}; }));
      std::memset(block.get(), k + 1, bytes);
      blocks.emplace_back(std::move(block), bytes);
    }
    pool.reset();
    // Half of them go; the others stay as they were written.
    for (size_t k = 0; k < blocks.size(); k += 2) blocks[k].first.reset();
    for (size_t k = 1; k < blocks.size(); k += 2) {
      const auto& [block, bytes] = blocks[k];
      EXPECT_TRUE(std::all_of(block.get(), block.get() + bytes, [&](std::byte b) { return b == std::byte(k + 1); }));
    }
  }
}

TEST(PagePool, SaysWhereThereIsNoMemory) {
  EXPECT_EQ(PagePool().take(SIZE_MAX - 1, Parallel()), nullptr);
  EXPECT_EQ(PagePool().take(size_t{1} << 60, Parallel()), nullptr);
}

TEST(PageChoice, TakesSmallPagesWhereLargeOnesAreSlow) {
  PageChoice choice;
  EXPECT_FALSE(choice.small());
  choice.tell(false, kFast);
  EXPECT_FALSE(choice.small());
  choice.tell(false, kSlow);
  EXPECT_TRUE(choice.small());
  choice.tell(true, 3 * kFast);
  EXPECT_TRUE(choice.small());
  // Small ones have run out too: large ones again, as long as those are no slower.
  choice.tell(true, kSlow);
  EXPECT_FALSE(choice.small());
  // Those have not come back either: in turns.
  choice.tell(false, kSlow);
  EXPECT_TRUE(choice.small());
  choice.tell(true, kSlow);
  EXPECT_FALSE(choice.small());
  choice.tell(false, kFast);
  EXPECT_FALSE(choice.small());
}

}  // namespace
}  // namespace sdx
