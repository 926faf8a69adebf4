// Pairs: interleaved blocks and the ratios between them.
#include "measure/pairs.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <ctime>
#include <thread>

namespace sdx::measure {
namespace {

using Clock = std::chrono::steady_clock;

double ms_since(Clock::time_point start) {
  return std::chrono::duration<double, std::milli>(Clock::now() - start).count();
}

double processor_ms() {
  timespec t{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
  return static_cast<double>(t.tv_sec) * 1e3 + static_cast<double>(t.tv_nsec) * 1e-6;
}

double once(const std::function<void()>& work) {
  const auto start = Clock::now();
  work();
  return ms_since(start);
}

double block(const std::function<void()>& work, double expected_ms, double block_ms) {
  wait_until_idle();
  const int runs = std::max(1, static_cast<int>(std::lround(block_ms / std::max(expected_ms, 1e-3))));
  if (runs > 1) work();
  const auto start = Clock::now();
  for (int i = 0; i < runs; ++i) work();
  return ms_since(start) / runs;
}

template <class F>
Summary over(const std::vector<Pair>& pairs, F value) {
  std::vector<double> values;
  for (const Pair& p : pairs) values.push_back(value(p));
  return summarize(values);
}

}  // namespace

void wait_until_idle() {
  constexpr int kSteps = 50;
  for (int i = 0; i < kSteps; ++i) {
    const double before = processor_ms();
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
    if (processor_ms() - before < 0.2) return;
  }
}

PairResult run_pairs(const std::function<void()>& ours, const std::function<void()>& peer, CeilingProbe& probe,
                     const PairOptions& options) {
  const auto begin = Clock::now();
  once(ours);
  once(peer);
  wait_until_idle();
  double ours_expected = once(ours), peer_expected = once(peer);
  PairResult out;
  for (int i = 0; i < options.pairs; ++i) {
    if (i >= 3 && ms_since(begin) > options.most_seconds * 1e3) break;
    Pair p;
    if (i % 2 == 0) p.ours_ms = block(ours, ours_expected, options.block_ms);
    p.peer_ms = block(peer, peer_expected, options.block_ms);
    if (i % 2 != 0) p.ours_ms = block(ours, ours_expected, options.block_ms);
    ours_expected = std::min(ours_expected, p.ours_ms);
    peer_expected = std::min(peer_expected, p.peer_ms);
    wait_until_idle();
    p.ceiling = probe.measure();
    out.pairs.push_back(p);
  }
  out.ratio = over(out.pairs, [](const Pair& p) { return p.peer_ms / p.ours_ms; });
  out.ours = over(out.pairs, [](const Pair& p) { return p.ours_ms; });
  out.peer = over(out.pairs, [](const Pair& p) { return p.peer_ms; });
  out.flops = over(out.pairs, [](const Pair& p) { return p.ceiling.flops; });
  out.memory = over(out.pairs, [](const Pair& p) { return p.ceiling.memory; });
  out.cache = over(out.pairs, [](const Pair& p) { return p.ceiling.cache; });
  return out;
}

}  // namespace sdx::measure
