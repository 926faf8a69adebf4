// Joining pages: contents stay, large pages appear, and memory whose owner is gone is left alone.
#include "base/join_pages.h"

#include <gtest/gtest.h>
#include <sys/mman.h>

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <fstream>
#include <memory>
#include <string>
#include <thread>

#include "base/pages.h"

namespace sdx {
namespace {

constexpr size_t kPages = 3;

/// Memory on small pages, each 8 bytes holding their own place.
std::shared_ptr<std::byte> small_pages() {
  auto* const memory = static_cast<std::byte*>(map_pages(kPages * kHugePage));
  if (memory == nullptr) return nullptr;
  madvise(memory, kPages * kHugePage, MADV_NOHUGEPAGE);
  auto* const words = reinterpret_cast<uint64_t*>(memory);
  for (size_t i = 0; i < kPages * kHugePage / 8; ++i) words[i] = i * 0x9e3779b97f4a7c15u;
  madvise(memory, kPages * kHugePage, MADV_HUGEPAGE);
  return {memory, [](std::byte* p) { unmap_pages(p, kPages * kHugePage); }};
}

bool is_intact(const std::byte* memory) {
  const auto* const words = reinterpret_cast<const uint64_t*>(memory);
  for (size_t i = 0; i < kPages * kHugePage / 8; ++i) {
    if (words[i] != i * 0x9e3779b97f4a7c15u) return false;
  }
  return true;
}

/// KiB of large pages in the mapping that holds `memory`.
size_t large_kib(const std::byte* memory) {
  std::ifstream maps("/proc/self/smaps");
  bool inside = false;
  for (std::string line; std::getline(maps, line);) {
    uintptr_t begin = 0, end = 0;
    size_t kib = 0;
    if (std::sscanf(line.c_str(), "%lx-%lx ", &begin, &end) == 2) {
      const auto at = reinterpret_cast<uintptr_t>(memory);
      inside = begin <= at && at < end;
    } else if (inside && std::sscanf(line.c_str(), "AnonHugePages: %zu", &kib) == 1) {
      return kib;
    }
  }
  return 0;
}

/// Whether all of `kib` are large after `join`, or after it again: under pressure a system may part them at once.
template <class Join>
bool becomes_large(const std::byte* memory, size_t kib, const Join& join) {
  for (int i = 0; i < 20; ++i) {
    join();
    if (large_kib(memory) >= kib) return true;
  }
  return false;
}

TEST(JoinPages, KeepsContents) {
  const auto memory = small_pages();
  ASSERT_NE(memory, nullptr);
  const bool joined = join_pages(memory.get() + kHugePage);
  EXPECT_TRUE(is_intact(memory.get()));
  if (!joined) GTEST_SKIP() << "this system joins no pages on request";
  EXPECT_TRUE(becomes_large(memory.get(), 2048, [&] { join_pages(memory.get() + kHugePage); }));
  EXPECT_TRUE(is_intact(memory.get()));
}

TEST(JoinPages, LaterTakesAllThatIsStillHeld) {
  auto kept = small_pages(), gone = small_pages();
  ASSERT_NE(kept, nullptr);
  ASSERT_NE(gone, nullptr);
  for (size_t i = 0; i < kPages; ++i) join_pages_later(kept, kept.get() + i * kHugePage, kHugePage);
  join_pages_later(gone, gone.get(), kPages * kHugePage);
  gone.reset();
  const auto probe = small_pages();
  if (!probe || !join_pages(probe.get())) GTEST_SKIP() << "this system joins no pages on request";
  const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(30);
  while (large_kib(kept.get()) == 0 && std::chrono::steady_clock::now() < until)
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  EXPECT_GT(large_kib(kept.get()), 0u);
  EXPECT_TRUE(is_intact(kept.get()));
}

TEST(JoinPages, WaitingOnesAtOnce) {
  const auto memory = small_pages(), probe = small_pages();
  ASSERT_NE(memory, nullptr);
  if (!probe || !join_pages(probe.get())) GTEST_SKIP() << "this system joins no pages on request";
  EXPECT_TRUE(becomes_large(memory.get(), kPages * 2048, [&] {
    join_pages_later(memory, memory.get(), kPages * kHugePage);
    join_waiting_pages();
  }));
  EXPECT_TRUE(is_intact(memory.get()));
}

}  // namespace
}  // namespace sdx
