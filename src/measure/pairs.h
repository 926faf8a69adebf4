// Pairs: two ways to do the same work, timed in turns so that a busy machine slows both.
#pragma once

#include <functional>
#include <vector>

#include "measure/ceiling.h"
#include "measure/statistics.h"

namespace sdx::measure {

struct Pair {
  double ours_ms = 0, peer_ms = 0;  ///< mean of the runs of a block
  Ceiling ceiling;                  ///< measured right after them
};

struct PairOptions {
  int pairs = 20;
  double block_ms = 20;      ///< a block repeats the work until it lasts that long
  double most_seconds = 60;  ///< after that no further pair starts, but there are at least 3
};

struct PairResult {
  std::vector<Pair> pairs;
  Summary ratio;                 ///< of peer_ms / ours_ms, pair by pair
  Summary ours, peer;            ///< milliseconds
  Summary flops, memory, cache;  ///< the ceiling during the measurement
};

/// Calls both in turns, in blocks; the first of a pair changes from pair to pair. A block begins when the process uses
/// no processor any more (threads of either side may spin for a while after their work) and, where runs are shorter
/// than a block, with one run that does not count, so that each side is measured in its own steady state.
PairResult run_pairs(const std::function<void()>& ours, const std::function<void()>& peer, CeilingProbe& probe,
                     const PairOptions& options);

/// Waits until the process's threads sleep, at most 100 ms.
void wait_until_idle();

}  // namespace sdx::measure
