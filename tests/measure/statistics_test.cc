// Quartiles against values worked out by hand, and pairs whose ratio is known.
#include "measure/statistics.h"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "measure/ceiling.h"
#include "measure/pairs.h"
#include "measure/process.h"

namespace sdx::measure {
namespace {

TEST(Statistics, InterpolatesQuartiles) {
  const std::vector<double> samples = {4, 1, 3, 2};
  const Summary s = summarize(samples);
  EXPECT_EQ(s.count, 4);
  EXPECT_DOUBLE_EQ(s.least, 1);
  EXPECT_DOUBLE_EQ(s.first, 1.75);
  EXPECT_DOUBLE_EQ(s.median, 2.5);
  EXPECT_DOUBLE_EQ(s.third, 3.25);
  EXPECT_DOUBLE_EQ(quantile(samples, 1), 4);
  EXPECT_DOUBLE_EQ(quantile(samples, 0), 1);
}

TEST(Statistics, OneSampleIsEveryQuartile) {
  const Summary s = summarize(std::vector<double>{7});
  EXPECT_DOUBLE_EQ(s.first, 7);
  EXPECT_DOUBLE_EQ(s.third, 7);
  EXPECT_EQ(summarize({}).count, 0);
}

TEST(Statistics, GeometricMean) {
  EXPECT_NEAR(geometric_mean(std::vector<double>{1, 4, 16}), 4, 1e-12);
  EXPECT_EQ(geometric_mean({}), 0);
}

TEST(Process, SeesThreadsThatSpinAndThreadsThatSleep) {
  EXPECT_EQ(running_threads(), 0);
  std::atomic<bool> stop = false;
  std::thread spinning([&] {
    while (!stop) {
    }
  });
  while (running_threads() == 0) std::this_thread::yield();
  EXPECT_EQ(running_threads(), 1);
  stop = true;
  spinning.join();
  wait_until_idle();
  EXPECT_EQ(running_threads(), 0);
}

TEST(Pairs, ChangesTurnsAndRepeatsShortRuns) {
  std::string turns;
  CeilingProbe probe{Parallel(1)};
  const auto result = run_pairs([&] { turns += 'o'; },
                                [&] {
                                  turns += 'p';
                                  std::this_thread::sleep_for(std::chrono::milliseconds(6));
                                },
                                probe, {.pairs = 4, .block_ms = 5, .most_seconds = 60});
  ASSERT_GE(result.measured, 4);
  // Two of each before; then blocks, of which ours repeats far more often than once.
  EXPECT_EQ(turns.substr(0, 4), "oopp");
  std::string order;
  for (char c : turns.substr(4)) {
    if (order.empty() || order.back() != c) order += c;
  }
  EXPECT_EQ(order.substr(0, 5), "opopo");
  EXPECT_GT(std::count(turns.begin(), turns.end(), 'o'), 100);
  EXPECT_EQ(std::count(turns.begin(), turns.end(), 'p'), 2 + result.measured);
  EXPECT_GT(result.ratio.median, 1);
  EXPECT_GT(result.flops.median, 1e8);
  EXPECT_GT(result.memory.median, 1e7);
}

}  // namespace
}  // namespace sdx::measure
