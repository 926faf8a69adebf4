// Ceiling: timed runs of the probe kernels on every thread at once.
#include "measure/ceiling.h"

#include <unistd.h>

#include <algorithm>
#include <chrono>

#include "kernels/probe.h"

namespace sdx::measure {
namespace {

using Clock = std::chrono::steady_clock;

constexpr int64_t kSpreadFloats = 16;  ///< one cache line between the sinks of two threads

double seconds_since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

int64_t cache_bytes(int name, int64_t otherwise) {
  const long bytes = sysconf(name);
  return bytes > 0 ? bytes : otherwise;
}

}  // namespace

int64_t last_level_cache_bytes() {
  return std::max(cache_bytes(_SC_LEVEL3_CACHE_SIZE, 0), std::max(second_level_cache_bytes(), int64_t{8} << 20));
}

int64_t second_level_cache_bytes() { return cache_bytes(_SC_LEVEL2_CACHE_SIZE, int64_t{1} << 20); }

CeilingProbe::CeilingProbe(Parallel parallel)
    : parallel_(parallel),
      block_(static_cast<size_t>(std::clamp(last_level_cache_bytes() * 2, int64_t{64} << 20, int64_t{256} << 20)) /
                 sizeof(float),
             1.0f),
      sinks_(static_cast<size_t>(parallel.threads() * kSpreadFloats), 1.0f) {}

double CeilingProbe::units_rate() {
  const int threads = parallel_.threads();
  int64_t each = 0;
  const auto start = Clock::now();
  parallel_.run(threads, 1, [&](int64_t begin, int64_t end, int) {
    for (int64_t t = begin; t < end; ++t) {
      const int64_t done = kernels::probe_units(1000);
      if (t == 0) each = done;
    }
  });
  return static_cast<double>(each) * threads / seconds_since(start);
}

double CeilingProbe::time_fma(int64_t rounds, double& operations) {
  const int threads = parallel_.threads();
  int64_t each = 0;
  const auto start = Clock::now();
  parallel_.run(threads, 1, [&](int64_t begin, int64_t end, int) {
    for (int64_t t = begin; t < end; ++t) {
      const int64_t done = kernels::probe_multiply_add(rounds, &sinks_[static_cast<size_t>(t * kSpreadFloats)]);
      if (t == 0) each = done;
    }
  });
  operations = static_cast<double>(each) * threads;
  return seconds_since(start);
}

double CeilingProbe::time_read(int64_t floats, int repeats) {
  const int threads = parallel_.threads();
  const int64_t each = floats / threads / 4096 * 4096;
  const auto start = Clock::now();
  parallel_.run(threads, 1, [&](int64_t begin, int64_t end, int) {
    for (int64_t t = begin; t < end; ++t) {
      for (int i = 0; i < repeats; ++i) {
        sinks_[static_cast<size_t>(t * kSpreadFloats)] = kernels::probe_read(block_.data() + t * each, each);
      }
    }
  });
  return static_cast<double>(each) * threads * sizeof(float) * repeats / seconds_since(start);
}

Ceiling CeilingProbe::measure() {
  Ceiling out;
  double operations = 0;
  time_fma(1000, operations);  // wakes the threads
  for (int i = 0; i < 3; ++i) {
    const double seconds = time_fma(50'000, operations);
    out.flops = std::max({out.flops, operations / seconds, units_rate()});
  }
  // The first read after a pause may have to wait for the host to bring pages in.
  const auto all = static_cast<int64_t>(block_.size());
  out.memory = std::max(time_read(all, 1), time_read(all, 1));
  const int64_t small = second_level_cache_bytes() / 2 / static_cast<int64_t>(sizeof(float)) * parallel_.threads();
  time_read(small, 1);
  out.cache = time_read(small, 20);
  for (float& sink : sinks_) sink = 1.0f;
  return out;
}

}  // namespace sdx::measure
