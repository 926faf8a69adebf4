// The pool: every range once, workers told apart, loops from several threads at once, and threads that share one CPU.
#include "base/parallel.h"

#include <gtest/gtest.h>
#include <sched.h>

#include <atomic>
#include <chrono>
#include <thread>
#include <vector>

namespace sdx {
namespace {

TEST(Parallel, CoversEveryItemOnceInMultiplesOfTheGrain) {
  for (int threads : {1, 2, 4}) {
    for (int64_t count : {0, 1, 7, 64, 1000}) {
      std::vector<std::atomic<int>> seen(static_cast<size_t>(count));
      std::atomic<bool> wrong = false;
      Parallel(threads).run(count, 8, [&](int64_t begin, int64_t end, int worker) {
        if (begin % 8 != 0 || worker < 0 || worker >= threads) wrong = true;
        for (int64_t i = begin; i < end; ++i) ++seen[static_cast<size_t>(i)];
      });
      EXPECT_FALSE(wrong);
      for (const auto& n : seen) EXPECT_EQ(n, 1);
    }
  }
}

TEST(Parallel, WorkersOfALoopAreUniqueAtATime) {
  std::vector<std::atomic<int>> busy(4);
  std::atomic<bool> twice = false;
  for (int round = 0; round < 200; ++round) {
    Parallel(4).run(64, 1, [&](int64_t, int64_t, int worker) {
      if (busy[static_cast<size_t>(worker)].fetch_add(1) != 0) twice = true;
      busy[static_cast<size_t>(worker)].fetch_sub(1);
    });
  }
  EXPECT_FALSE(twice);
}

TEST(Parallel, LoopsOfSeveralThreadsAndNestedLoopsFinish) {
  std::atomic<int64_t> sum = 0;
  std::vector<std::thread> callers;
  for (int t = 0; t < 3; ++t) {
    callers.emplace_back([&] {
      for (int i = 0; i < 100; ++i) {
        Parallel(2).run(16, 1, [&](int64_t begin, int64_t end, int) {
          Parallel(2).run(end - begin, 1, [&](int64_t b, int64_t e, int) { sum += e - b; });
        });
      }
    });
  }
  for (auto& t : callers) t.join();
  EXPECT_EQ(sum, 3 * 100 * 16);
}

TEST(Parallel, SharesCoverAllItems) {
  for (int64_t count : {0, 1, 3, 1000}) {
    for (const std::vector<float>& speeds : {std::vector<float>{1}, {1, 1}, {1, 3, 0.25f}, std::vector<float>(64, 4)}) {
      const Shares shares(speeds);
      ASSERT_EQ(shares.workers(), static_cast<int>(speeds.size()));
      EXPECT_EQ(shares.begin(count, 0), 0);
      for (int i = 0; i < shares.workers(); ++i) EXPECT_LE(shares.begin(count, i), shares.begin(count, i + 1));
      EXPECT_EQ(shares.begin(count, shares.workers()), count);
    }
  }
  EXPECT_EQ(Shares(std::vector<float>{3, 1}).begin(1000, 1), 750);
}

TEST(Parallel, RunsEveryPieceOfEveryShareOnce) {
  for (int threads : {1, 2, 5}) {
    const Parallel parallel(threads);
    const Shares shares = parallel.shares();
    ASSERT_EQ(shares.workers(), threads);
    std::vector<std::atomic<int>> seen(static_cast<size_t>(threads) * 3);
    std::atomic<bool> wrong = false;
    parallel.run_shares(shares, 3, [&](int share, int piece, int worker) {
      if (share < 0 || share >= threads || piece < 0 || piece >= 3 || worker < 0 || worker >= threads) wrong = true;
      ++seen[static_cast<size_t>(share * 3 + piece)];
    });
    EXPECT_FALSE(wrong);
    for (const auto& n : seen) EXPECT_EQ(n, 1);
  }
}

TEST(Parallel, SlowWorkersGetLess) {
  const Parallel parallel(2);
  const float before = parallel.shares().part(1);
  for (int round = 0; round < 40; ++round) {
    parallel.run_shares(parallel.shares(), 2, [](int, int, int worker) {
      std::this_thread::sleep_for(std::chrono::microseconds(worker == 1 ? 2000 : 500));
    });
  }
  EXPECT_LT(parallel.shares().part(1), before);
}

/// Restores the calling thread's affinity.
class Affinity {
 public:
  Affinity() { sched_getaffinity(0, sizeof old_, &old_); }
  ~Affinity() { sched_setaffinity(0, sizeof old_, &old_); }
  const cpu_set_t& old() const { return old_; }

 private:
  cpu_set_t old_;
};

TEST(Parallel, WorkersStayOnTheCpusOfTheProcess) {
  const Affinity before;
  int first = 0;
  while (!CPU_ISSET(static_cast<size_t>(first), &before.old())) ++first;
  cpu_set_t one;
  CPU_ZERO(&one);
  CPU_SET(static_cast<size_t>(first), &one);
  ASSERT_EQ(sched_setaffinity(0, sizeof one, &one), 0);
  // Threads of a process on one CPU must finish by taking turns.
  std::atomic<bool> elsewhere = false;
  std::thread([&] {
    for (int i = 0; i < 50; ++i) {
      Parallel(2).run(8, 1, [&](int64_t, int64_t, int worker) {
        if (worker == 0 && sched_getcpu() != first) elsewhere = true;
        std::this_thread::sleep_for(std::chrono::microseconds(20));
      });
    }
  }).join();
  EXPECT_FALSE(elsewhere);
}

}  // namespace
}  // namespace sdx
