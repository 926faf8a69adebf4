// The pool: workers spin for at most 50 µs after a loop, then park; a loop's ranges lie in a section for each worker,
// as many as its speed in the last loops deserves, and who is done takes from the others.
#include "base/parallel.h"

#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cmath>
#include <condition_variable>
#include <cstdio>
#include <fstream>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace sdx {
namespace {

constexpr int kMaxThreads = 256;
constexpr size_t kLine = 64;  ///< bytes that caches exchange
constexpr auto kSpin = std::chrono::microseconds(50);
/// A worker's speed is learnt from loops that keep it busy for this long, and changes by at most this part each time:
/// one that was interrupted says little about the next.
constexpr auto kTelling = std::chrono::microseconds(20);
constexpr float kLearn = 0.2f, kMostLearnt = 0.02f;
constexpr float kSlowest = 0.25f, kFastest = 4;
constexpr int kRelaxes = 2000;  ///< pauses before the end of a loop is waited for with the CPU given away

inline void relax() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

/// A run of neighbouring ranges: its owner takes them from the front, others from the back.
class alignas(kLine) Section {
 public:
  int64_t taken;                  ///< by the owner
  std::chrono::nanoseconds busy;  ///< with them

  void assign(int64_t begin, int64_t end) {
    ends_.store(static_cast<uint64_t>(begin) << 32 | static_cast<uint64_t>(end), std::memory_order_relaxed);
    taken = 0;
  }

  /// The index of a range, or -1.
  int64_t take(bool front) {
    uint64_t ends = ends_.load(std::memory_order_relaxed);
    for (;;) {
      const uint64_t begin = ends >> 32, end = ends & 0xffffffff;
      if (begin >= end) return -1;
      const uint64_t left = front ? (begin + 1) << 32 | end : begin << 32 | (end - 1);
      if (ends_.compare_exchange_weak(ends, left, std::memory_order_relaxed))
        return static_cast<int64_t>(front ? begin : end - 1);
    }
  }

 private:
  std::atomic<uint64_t> ends_;
};

using Clock = std::chrono::steady_clock;

/// One loop in flight. Lives on the caller's stack; workers hold it only while they are counted in `inside`. Each
/// worker has a section: neighbours share data, and from one loop to the next a worker finds in its cache what it left
/// there.
struct Loop {
  static constexpr int kMostSections = Shares::kMostWorkers;
  static constexpr int64_t kMostRanges = int64_t{1} << 31;

  FunctionRef<void(int64_t, int64_t, int)> body;
  int64_t count;
  int64_t grain;
  int limit;  ///< workers that may join, the caller included
  bool measured = false;
  int sections;
  const Shares& shares;
  Section section[kMostSections];

  /// Ranges go to sections as `the_shares` say.
  Loop(FunctionRef<void(int64_t, int64_t, int)> the_body, int64_t the_count, int64_t the_grain, int the_limit,
       const Shares& the_shares)
      : body(the_body),
        count(the_count),
        grain(std::max(the_grain, the_count / kMostRanges + 1)),
        limit(the_limit),
        shares(the_shares) {
    const int64_t ranges = (count + grain - 1) / grain;
    sections = static_cast<int>(std::min<int64_t>(shares.workers(), ranges));
    for (int i = 0; i < sections; ++i) {
      if (sections < shares.workers()) {
        section[i].assign(i, i + 1);
      } else {
        section[i].assign(shares.begin(ranges, i), shares.begin(ranges, i + 1));
      }
    }
  }
  /// `pieces` ranges of one for each share, whose workers are timed.
  Loop(FunctionRef<void(int64_t, int64_t, int)> the_body, int64_t pieces, int the_limit, const Shares& the_shares)
      : body(the_body),
        count(pieces * the_shares.workers()),
        grain(1),
        limit(the_limit),
        measured(true),
        sections(the_shares.workers()),
        shares(the_shares) {
    for (int i = 0; i < sections; ++i) section[i].assign(pieces * i, pieces * (i + 1));
  }

  void work(int worker) {
    const Clock::time_point start = measured ? Clock::now() : Clock::time_point();
    for (int i = 0; i < sections; ++i) {
      Section& from = section[(worker + i) % sections];
      const bool own = i == 0 && worker < sections;
      for (int64_t range; (range = from.take(own)) >= 0;) {
        body(range * grain, std::min(count, (range + 1) * grain), worker);
        if (own) ++from.taken;
      }
      if (own && measured) from.busy = Clock::now() - start;
    }
  }
};

thread_local bool inside_loop = false;

class Pool {
 public:
  static Pool& instance() {
    static Pool pool;
    return pool;
  }

  /// Runs the loop on the caller and on idle workers. Only one loop uses the workers at a time: a second caller works
  /// alone rather than waiting, which keeps concurrent sessions from oversubscribing the machine.
  void run(Loop& loop) {
    std::unique_lock owner(owner_, std::try_to_lock);
    inside_loop = true;
    if (owner.owns_lock()) {
      grow(loop.limit - 1);
      loop_.store(&loop, std::memory_order_release);
      caller_cpu_.store(sched_getcpu(), std::memory_order_relaxed);
      generation_.fetch_add(1);
      if (sleeping_.load() > 0) {
        std::lock_guard lock(mutex_);
        wake_.notify_all();
      }
    }
    loop.work(0);
    inside_loop = false;
    if (owner.owns_lock()) {
      loop_.store(nullptr);
      // A worker that has to share a CPU with this thread can only finish when this thread lets it run.
      for (int i = 0; inside_.load() != 0; ++i) i < kRelaxes ? relax() : static_cast<void>(sched_yield());
      if (loop.measured) learn(loop);
    }
  }

  float speed(int worker) const { return speeds_[static_cast<size_t>(worker)].load(std::memory_order_relaxed); }

 private:
  Pool() {
    for (std::atomic<float>& speed : speeds_) speed.store(1, std::memory_order_relaxed);
  }
  ~Pool() {
    {
      std::lock_guard lock(mutex_);
      stop_.store(true);
      generation_.fetch_add(1);
    }
    wake_.notify_all();
    for (std::thread& t : workers_) t.join();
  }

  void grow(int wanted) {
    while (static_cast<int>(workers_.size()) < std::min(wanted, kMaxThreads))
      workers_.emplace_back([this, worker = static_cast<int>(workers_.size()) + 1] { serve(worker); });
  }

  /// Brings the speeds nearer to those of a loop whose shares were cut by them. Their sum stays as it is.
  void learn(const Loop& loop) {
    std::array<float, Shares::kMostWorkers> seen;
    float before = 0, sum = 0;
    for (int i = 0; i < loop.sections; ++i) {
      const Section& section = loop.section[i];
      if (section.taken == 0 || section.busy < kTelling) return;
      seen[static_cast<size_t>(i)] =
          loop.shares.part(i) * static_cast<float>(section.taken) / static_cast<float>(section.busy.count());
      before += speed(i);
      sum += seen[static_cast<size_t>(i)];
    }
    for (int i = 0; i < loop.sections; ++i) {
      const float now = speed(i), most = kMostLearnt * now;
      const float step = kLearn * (seen[static_cast<size_t>(i)] * before / sum - now);
      speeds_[static_cast<size_t>(i)].store(std::clamp(now + std::clamp(step, -most, most), kSlowest, kFastest),
                                            std::memory_order_relaxed);
    }
  }

  void serve(int worker) {
    inside_loop = true;
    uint64_t seen = 0;
    for (;;) {
      seen = wait_for_work(seen);
      if (stop_.load()) return;
      // Before it counts as inside: on a busy CPU it may take long to get its turn, and the caller would wait for it.
      leave(caller_cpu_.load(std::memory_order_relaxed));
      inside_.fetch_add(1);
      // The caller clears loop_ before it waits for inside_ to drop, so a non-null pointer read here stays alive.
      if (Loop* loop = loop_.load(); loop != nullptr && worker < loop->limit) loop->work(worker);
      inside_.fetch_sub(1);
    }
  }

  /// The scheduler likes to wake a worker on its caller's CPU and to leave it there while others are busy, where the
  /// two take turns instead of sharing the work. A worker that finds itself there moves to the other CPUs it may use.
  static void leave(int cpu) {
    if (sched_getcpu() != cpu) return;
    cpu_set_t others;
    CPU_ZERO(&others);
    if (sched_getaffinity(getpid(), sizeof others, &others) != 0) return;
    CPU_CLR(static_cast<size_t>(cpu), &others);
    if (CPU_COUNT(&others) > 0) sched_setaffinity(0, sizeof others, &others);
  }

  uint64_t wait_for_work(uint64_t seen) {
    const auto until = std::chrono::steady_clock::now() + kSpin;
    do {
      for (int i = 0; i < 64; ++i) {
        if (uint64_t now = generation_.load(); now != seen) return now;
        relax();
      }
    } while (std::chrono::steady_clock::now() < until);
    std::unique_lock lock(mutex_);
    sleeping_.fetch_add(1);
    wake_.wait(lock, [&] { return generation_.load() != seen; });
    sleeping_.fetch_sub(1);
    return generation_.load();
  }

  std::mutex owner_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::vector<std::thread> workers_;
  std::array<std::atomic<float>, Shares::kMostWorkers> speeds_;  ///< beside each other; the caller's first
  // What a caller writes before a loop comes to a worker in one line; what workers write lies apart.
  alignas(kLine) std::atomic<uint64_t> generation_{0};
  std::atomic<Loop*> loop_{nullptr};
  std::atomic<int> caller_cpu_{0};  ///< that the caller ran on when it started its loop
  std::atomic<bool> stop_{false};
  alignas(kLine) std::atomic<int> inside_{0};
  alignas(kLine) std::atomic<int> sleeping_{0};
};

/// Quota of the cgroup this process runs in, in CPUs; 0 where there is none.
double cgroup_cpus() {
  double quota = 0, period = 0;
  if (std::ifstream v2("/sys/fs/cgroup/cpu.max"); v2) {
    std::string word;
    if (v2 >> word >> period && word != "max" && period > 0) return std::strtod(word.c_str(), nullptr) / period;
    return 0;
  }
  std::ifstream q("/sys/fs/cgroup/cpu/cpu.cfs_quota_us"), p("/sys/fs/cgroup/cpu/cpu.cfs_period_us");
  if (q >> quota && p >> period && quota > 0 && period > 0) return quota / period;
  return 0;
}

}  // namespace

int default_threads() {
  cpu_set_t set;
  CPU_ZERO(&set);
  int cpus = 1;
  if (sched_getaffinity(0, sizeof set, &set) == 0) cpus = std::max(1, CPU_COUNT(&set));
  if (double quota = cgroup_cpus(); quota > 0) cpus = std::min(cpus, std::max(1, static_cast<int>(quota + 0.999)));
  return std::min(cpus, kMaxThreads);
}

int64_t Shares::begin(int64_t count, int worker) const {
  if (worker == workers_) return count;
  return std::llround(static_cast<double>(begins_[static_cast<size_t>(worker)]) * static_cast<double>(count));
}

Shares::Shares(std::span<const float> speeds) : workers_(static_cast<int>(speeds.size())) {
  float sum = 0;
  for (size_t i = 0; i < speeds.size(); ++i) begins_[i + 1] = sum += speeds[i];
  for (float& begin : begins_) begin /= sum;
}

Shares Parallel::shares() const {
  std::array<float, Shares::kMostWorkers> speeds;
  const int workers = std::min(threads_, Shares::kMostWorkers);
  for (int i = 0; i < workers; ++i) speeds[static_cast<size_t>(i)] = Pool::instance().speed(i);
  return Shares({speeds.data(), static_cast<size_t>(workers)});
}

Parallel::Parallel(int threads) : threads_(threads > 0 ? std::min(threads, kMaxThreads) : default_threads()) {}

void Parallel::run(int64_t count, int64_t grain, FunctionRef<void(int64_t, int64_t, int)> body) const {
  if (count <= 0) return;
  grain = std::max<int64_t>(1, grain);
  if (threads_ == 1 || inside_loop || count <= grain) {
    for (int64_t begin = 0; begin < count; begin += grain) body(begin, std::min(count, begin + grain), 0);
    return;
  }
  const Shares shares = this->shares();
  Loop loop(body, count, grain, threads_, shares);
  Pool::instance().run(loop);
}

void Parallel::run_shares(const Shares& shares, int pieces, FunctionRef<void(int, int, int)> body) const {
  const auto range = [&](int64_t begin, int64_t end, int worker) {
    for (int64_t at = begin; at < end; ++at) body(static_cast<int>(at / pieces), static_cast<int>(at % pieces), worker);
  };
  if (threads_ == 1 || inside_loop) return range(0, static_cast<int64_t>(pieces) * shares.workers(), 0);
  Loop loop(range, pieces, threads_, shares);
  Pool::instance().run(loop);
}

}  // namespace sdx
