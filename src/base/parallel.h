// Parallel: the process-wide thread pool and the one way to split work over it.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <type_traits>
#include <utility>

namespace sdx {

/// A borrowed callable: no allocation, valid while the callable it was made from lives.
template <class Signature>
class FunctionRef;

template <class R, class... A>
class FunctionRef<R(A...)> {
 public:
  template <class F, class = std::enable_if_t<!std::is_same_v<std::decay_t<F>, FunctionRef>>>
  FunctionRef(F&& f)  // NOLINT: implicit by design
      : object_(const_cast<void*>(static_cast<const void*>(&f))), call_([](void* o, A... a) -> R {
          return (*static_cast<std::remove_reference_t<F>*>(o))(std::forward<A>(a)...);
        }) {}
  R operator()(A... a) const { return call_(object_, std::forward<A>(a)...); }

 private:
  void* object_;
  R (*call_)(void*, A...);
};

/// How workers share items of equal cost: in proportion to how fast each has lately been. CPUs of a machine differ, by
/// make or because others use a part of them.
class Shares {
 public:
  static constexpr int kMostWorkers = 64;

  /// Of at most kMostWorkers workers by their speeds, which are above 0.
  explicit Shares(std::span<const float> speeds);

  int workers() const { return workers_; }
  /// Where the share of a worker in [0, workers()] of `count` items begins: at `count` for the last.
  int64_t begin(int64_t count, int worker) const;
  /// The share of a worker, as a fraction.
  float part(int worker) const {
    return begins_[static_cast<size_t>(worker) + 1] - begins_[static_cast<size_t>(worker)];
  }

 private:
  int workers_;
  std::array<float, kMostWorkers + 1> begins_ = {};  ///< as fractions
};

/// How much of the pool one run may use. Cheap to copy. The default uses the calling thread alone.
class Parallel {
 public:
  Parallel() = default;
  /// `threads`: how many threads a loop may use, the calling one included; 0 means default_threads().
  explicit Parallel(int threads);

  int threads() const { return threads_; }

  /// Calls body(begin, end, worker) for disjoint ranges that cover [0, count). Ranges are multiples of `grain` long
  /// (the last may be shorter) and are handed out dynamically; `worker` is in [0, threads()) and unique among the calls
  /// that run at the same time, so it may index scratch memory. The decomposition depends on count and grain alone, so
  /// results that depend only on the range are bitwise equal for every thread count. `body` must not throw.
  /// A loop inside a loop runs on the calling thread.
  void run(int64_t count, int64_t grain, FunctionRef<void(int64_t begin, int64_t end, int worker)> body) const;

  /// What each worker should do of the next loop.
  Shares shares() const;

  /// Calls body(share, piece, worker) for every share and each of its pieces [0, pieces), which cost the same: each
  /// worker's own first, then what others have not begun. Measures how fast each worker is. What body computes must not
  /// depend on how items are shared.
  void run_shares(const Shares& shares, int pieces, FunctionRef<void(int share, int piece, int worker)> body) const;

 private:
  int threads_ = 1;
};

/// CPUs that this process may use: the affinity mask, limited by the cgroup quota (rounded up), at least 1.
int default_threads();

/// A grain so that one range costs at least about 16k elementary operations.
inline int64_t grain_for(int64_t cost_per_item) {
  constexpr int64_t kMinimumWork = 16384;
  return cost_per_item >= kMinimumWork ? 1
                                       : (kMinimumWork + cost_per_item - 1) / (cost_per_item > 0 ? cost_per_item : 1);
}

/// Whether `threads` threads that share equal tiles wait for the last of them for more than a sixteenth of the time.
inline bool tiles_leave_idle(int64_t tiles, int threads) {
  const int64_t rounds = (tiles + threads - 1) / threads;
  return 16 * (rounds * threads - tiles) > tiles;
}

}  // namespace sdx
