// Pairs: two ways to do the same work, timed in turns so that a busy machine slows both.
#pragma once

#include <functional>
#include <vector>

#include "measure/ceiling.h"
#include "measure/statistics.h"

namespace sdx::measure {

struct Pair {
  double ours_ms = 0, peer_ms = 0;  ///< mean of the runs of a block
  double disturbance = 0;           ///< share of the time of a block that threads waited for a CPU; of the worse block
  Ceiling ceiling;                  ///< measured right after them
};

struct PairOptions {
  int pairs = 20;            ///< how many that were not disturbed to aim at
  double block_ms = 20;      ///< a block repeats the work until it lasts that long
  double most_seconds = 60;  ///< after that no further pair starts, but there are at least 3 if so many are wanted
};

/// Other processes on the same CPUs slow the two sides in different ways. A pair counts as quiet where its threads
/// waited less than this share of the time; where there are at least 5 such pairs, only those count.
inline constexpr double kQuiet = 0.02;

struct PairResult {
  std::vector<Pair> pairs;       ///< those that count
  int measured = 0;              ///< all of them
  bool quiet = false;            ///< the pairs that count were quiet
  Summary ratio;                 ///< of peer_ms / ours_ms, pair by pair
  Summary ours, peer;            ///< milliseconds
  Summary flops, memory, cache;  ///< the ceiling during the measurement
};

/// Calls both in turns, in blocks; the first of a pair changes from pair to pair. A block begins when the process uses
/// no other thread any more (threads of either side may spin for a while after their work) and, where runs are shorter
/// than a block, with one run that does not count, so that each side is measured in its own steady state.
PairResult run_pairs(const std::function<void()>& ours, const std::function<void()>& peer, CeilingProbe& probe,
                     const PairOptions& options);

/// Waits until the process's other threads sleep, at most 200 ms. Theirs is not the processor time to ask for: it is
/// only accounted from tick to tick.
void wait_until_idle();

}  // namespace sdx::measure
