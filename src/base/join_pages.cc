// Joining pages: a queue of memory and the thread that works it off.
#include "base/join_pages.h"

#include <sys/mman.h>

#include <chrono>
#include <condition_variable>
#include <exception>
#include <mutex>
#include <thread>
#include <vector>

#include "base/pages.h"

namespace sdx {
namespace {

#ifdef MADV_COLLAPSE
constexpr int kCollapse = MADV_COLLAPSE;
#else
constexpr int kCollapse = 25;  // the C library's header may be older than the kernel
#endif

/// Programs that end sooner gain nothing from joined pages.
constexpr auto kDelay = std::chrono::seconds(2);

class Joiner {
 public:
  static Joiner& instance() {
    static Joiner joiner;
    return joiner;
  }

  void add(const std::shared_ptr<std::byte>& owner, std::byte* memory, size_t bytes) {
    std::lock_guard lock(mutex_);
    added_ = std::chrono::steady_clock::now();
    if (!waiting_.empty() && waiting_.back().goes_on(owner, memory)) {
      waiting_.back().bytes += bytes;
    } else {
      waiting_.push_back({owner, memory, bytes});
    }
    if (!thread_.joinable()) thread_ = std::thread([this] { serve(); });
    changed_.notify_one();
  }

  void finish() {
    std::unique_lock lock(mutex_);
    while (join_next(lock)) {
    }
  }

 private:
  struct Range {
    std::weak_ptr<std::byte> owner;
    std::byte* memory;
    size_t bytes;
    std::byte* end() const { return memory + bytes; }
    bool goes_on(const std::shared_ptr<std::byte>& other, const std::byte* next) const {
      return end() == next && !owner.owner_before(other) && !other.owner_before(owner);
    }
  };

  Joiner() = default;
  ~Joiner() {
    {
      std::lock_guard lock(mutex_);
      stop_ = true;
    }
    changed_.notify_one();
    if (thread_.joinable()) thread_.join();
  }

  void serve() {
    std::unique_lock lock(mutex_);
    for (;;) {
      changed_.wait(lock, [&] { return stop_ || !waiting_.empty(); });
      while (!stop_ && std::chrono::steady_clock::now() < added_ + kDelay) changed_.wait_until(lock, added_ + kDelay);
      if (stop_) return;
      const auto start = std::chrono::steady_clock::now();
      if (join_next(lock)) changed_.wait_for(lock, std::chrono::steady_clock::now() - start, [&] { return stop_; });
    }
  }

  /// Joins the next page without the lock, which is held before and after; whether there was one.
  bool join_next(std::unique_lock<std::mutex>& lock) {
    while (!waiting_.empty()) {
      Range& range = waiting_.back();
      const std::shared_ptr<std::byte> owner = range.owner.lock();
      if (!owner || range.bytes == 0) {
        waiting_.pop_back();
        continue;
      }
      range.bytes -= kHugePage;
      std::byte* const page = range.end();
      lock.unlock();
      const bool joined = join_pages(page);
      lock.lock();
      if (!joined) waiting_.clear();  // the system is short of memory or joins none at once
      return true;
    }
    return false;
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<Range> waiting_;                     ///< worked off from the end
  std::chrono::steady_clock::time_point added_{};  ///< when the last was added
  bool stop_ = false;
  std::thread thread_;
};

}  // namespace

void join_pages_later(const std::shared_ptr<std::byte>& owner, std::byte* memory, size_t bytes) noexcept {
  try {
    Joiner::instance().add(owner, memory, bytes);
  } catch (const std::exception&) {
    // Without memory or a thread for it pages stay small.
  }
}

void join_waiting_pages() { Joiner::instance().finish(); }

bool join_pages(std::byte* memory) noexcept { return madvise(memory, kHugePage, kCollapse) == 0; }

}  // namespace sdx
