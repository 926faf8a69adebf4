// Pairs: interleaved blocks and the ratios between them.
#include "measure/pairs.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <iterator>
#include <thread>

#include "base/join_pages.h"
#include "measure/process.h"

namespace sdx::measure {
namespace {

using Clock = std::chrono::steady_clock;

double ms_since(Clock::time_point start) {
  return std::chrono::duration<double, std::milli>(Clock::now() - start).count();
}

double once(const std::function<void()>& work) {
  const auto start = Clock::now();
  work();
  return ms_since(start);
}

/// The time of a second run; of the first where that takes long enough that what it did only once does not matter.
double warmed(const std::function<void()>& work) {
  constexpr double kLong = 1000;
  wait_until_idle();
  const double first = once(work);
  if (first > kLong) return first;
  wait_until_idle();
  return once(work);
}

struct Block {
  double ms = 0;           ///< of one run
  double disturbance = 0;  ///< share of the time that threads waited for a CPU
};

Block block(const std::function<void()>& work, double expected_ms, double block_ms) {
  wait_until_idle();
  const int runs = std::max(1, static_cast<int>(std::lround(block_ms / std::max(expected_ms, 1e-3))));
  if (runs > 1) work();
  const int64_t waited = waited_for_cpu();
  const auto start = Clock::now();
  for (int i = 0; i < runs; ++i) work();
  const double ms = ms_since(start);
  return {ms / runs, static_cast<double>(waited_for_cpu() - waited) * 1e-6 / ms};
}

/// The quiet pairs where there are enough of them, else all.
std::vector<Pair> those_that_count(const std::vector<Pair>& pairs, bool& quiet) {
  constexpr size_t kEnough = 5;
  std::vector<Pair> out;
  std::ranges::copy_if(pairs, std::back_inserter(out), [](const Pair& p) { return p.disturbance < kQuiet; });
  quiet = out.size() == pairs.size() || out.size() >= kEnough;
  return quiet ? out : pairs;
}

template <class F>
Summary over(const std::vector<Pair>& pairs, F value) {
  std::vector<double> values;
  for (const Pair& p : pairs) values.push_back(value(p));
  return summarize(values);
}

}  // namespace

void wait_until_idle() {
  int still = 0;
  for (int i = 0; i < 200 && still < 3; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
    still = running_threads() == 0 ? still + 1 : 0;
  }
}

PairResult run_pairs(const std::function<void()>& ours, const std::function<void()>& peer, CeilingProbe& probe,
                     const PairOptions& options) {
  const auto begin = Clock::now();
  join_waiting_pages();
  double ours_expected = warmed(ours), peer_expected = warmed(peer);
  std::vector<Pair> pairs;
  const auto least = static_cast<size_t>(std::min(options.pairs, 3));
  for (int calm = 0; calm < options.pairs;) {
    const double spent = ms_since(begin);
    if (pairs.size() >= least &&
        (spent > options.most_seconds * 1e3 || pairs.size() >= 4 * static_cast<size_t>(options.pairs)))
      break;
    Block a, b;
    if (pairs.size() % 2 == 0) a = block(ours, ours_expected, options.block_ms);
    b = block(peer, peer_expected, options.block_ms);
    if (pairs.size() % 2 != 0) a = block(ours, ours_expected, options.block_ms);
    ours_expected = std::min(ours_expected, a.ms);
    peer_expected = std::min(peer_expected, b.ms);
    wait_until_idle();
    pairs.push_back({a.ms, b.ms, std::max(a.disturbance, b.disturbance), probe.measure()});
    calm += pairs.back().disturbance < kQuiet ? 1 : 0;
  }
  PairResult out;
  out.measured = static_cast<int>(pairs.size());
  out.pairs = those_that_count(pairs, out.quiet);
  out.ratio = over(out.pairs, [](const Pair& p) { return p.peer_ms / p.ours_ms; });
  out.ours = over(out.pairs, [](const Pair& p) { return p.ours_ms; });
  out.peer = over(out.pairs, [](const Pair& p) { return p.peer_ms; });
  out.flops = over(out.pairs, [](const Pair& p) { return p.ceiling.flops; });
  out.memory = over(out.pairs, [](const Pair& p) { return p.ceiling.memory; });
  out.cache = over(out.pairs, [](const Pair& p) { return p.ceiling.cache; });
  return out;
}

}  // namespace sdx::measure
