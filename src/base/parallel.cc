// The pool: workers spin for at most 50 µs after a loop, then park; a loop's ranges lie in a section for each worker,
// and who is done takes from the others.
#include "base/parallel.h"

#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
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
  void assign(uint64_t begin, uint64_t end) { ends_.store(begin << 32 | end, std::memory_order_relaxed); }

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

/// One loop in flight. Lives on the caller's stack; workers hold it only while they are counted in `inside`. Each
/// worker has a section: neighbours share data, and from one loop to the next a worker finds in its cache what it left
/// there.
struct Loop {
  static constexpr int kMostSections = 64;
  static constexpr int64_t kMostRanges = int64_t{1} << 31;

  FunctionRef<void(int64_t, int64_t, int)> body;
  int64_t count;
  int64_t grain;
  int limit;  ///< workers that may join, the caller included
  std::atomic<int> joined{1};
  int sections;
  Section section[kMostSections];

  Loop(FunctionRef<void(int64_t, int64_t, int)> the_body, int64_t the_count, int64_t the_grain, int the_limit)
      : body(the_body), count(the_count), grain(the_grain), limit(the_limit) {
    grain = std::max(grain, count / kMostRanges + 1);
    const int64_t ranges = (count + grain - 1) / grain;
    sections = static_cast<int>(std::min<int64_t>({limit, kMostSections, ranges}));
    for (int i = 0; i < sections; ++i) {
      section[i].assign(static_cast<uint64_t>(ranges * i / sections),
                        static_cast<uint64_t>(ranges * (i + 1) / sections));
    }
  }

  void work(int worker) {
    for (int i = 0; i < sections; ++i) {
      Section& from = section[(worker + i) % sections];
      for (int64_t range; (range = from.take(i == 0)) >= 0;)
        body(range * grain, std::min(count, (range + 1) * grain), worker);
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
    }
  }

 private:
  Pool() = default;
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
      workers_.emplace_back([this] { serve(); });
  }

  void serve() {
    inside_loop = true;
    uint64_t seen = 0;
    for (;;) {
      seen = wait_for_work(seen);
      if (stop_.load()) return;
      // Before it counts as inside: on a busy CPU it may take long to get its turn, and the caller would wait for it.
      leave(caller_cpu_.load(std::memory_order_relaxed));
      inside_.fetch_add(1);
      // The caller clears loop_ before it waits for inside_ to drop, so a non-null pointer read here stays alive.
      if (Loop* loop = loop_.load()) {
        const int worker = loop->joined.fetch_add(1);
        if (worker < loop->limit) loop->work(worker);
      }
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

Parallel::Parallel(int threads) : threads_(threads > 0 ? std::min(threads, kMaxThreads) : default_threads()) {}

void Parallel::run(int64_t count, int64_t grain, FunctionRef<void(int64_t, int64_t, int)> body) const {
  if (count <= 0) return;
  grain = std::max<int64_t>(1, grain);
  if (threads_ == 1 || inside_loop || count <= grain) {
    for (int64_t begin = 0; begin < count; begin += grain) body(begin, std::min(count, begin + grain), 0);
    return;
  }
  Loop loop(body, count, grain, threads_);
  Pool::instance().run(loop);
}

}  // namespace sdx
