// Pools of pages: blocks apart, zeroed, aligned, of any size, and alive for as long as somebody holds them.
#include "base/pages.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <memory>
#include <random>
#include <vector>

namespace sdx {
namespace {

TEST(PagePool, BlocksAreZeroedAlignedAndApart) {
  std::mt19937 random(7);
  for (int threads : {1, 2, 4}) {
    auto pool = std::make_unique<PagePool>();
    std::vector<std::pair<std::shared_ptr<std::byte>, size_t>> blocks;
    for (int i = 0; i < 40; ++i) {
      const size_t bytes = (size_t{16} << 10) + random() % (i % 8 == 0 ? size_t{40} << 20 : size_t{3} << 20);
      ASSERT_TRUE(PagePool::takes(bytes));
      std::shared_ptr<std::byte> block = pool->take(bytes, Parallel(threads));
      ASSERT_NE(block, nullptr);
      EXPECT_EQ(reinterpret_cast<uintptr_t>(block.get()) % 64, 0);
      EXPECT_TRUE(std::all_of(block.get(), block.get() + bytes, [](std::byte b) { return b == std::byte{}; }));
      std::memset(block.get(), i + 1, bytes);
      blocks.emplace_back(std::move(block), bytes);
    }
    pool.reset();
    // Half of them go; the others stay as they were written.
    for (size_t i = 0; i < blocks.size(); i += 2) blocks[i].first.reset();
    for (size_t i = 1; i < blocks.size(); i += 2) {
      const auto& [block, bytes] = blocks[i];
      EXPECT_TRUE(std::all_of(block.get(), block.get() + bytes, [&](std::byte b) { return b == std::byte(i + 1); }));
    }
  }
}

TEST(PagePool, SaysWhereThereIsNoMemory) {
  EXPECT_EQ(PagePool().take(SIZE_MAX - 1, Parallel()), nullptr);
  EXPECT_EQ(PagePool().take(size_t{1} << 60, Parallel()), nullptr);
}

}  // namespace
}  // namespace sdx
