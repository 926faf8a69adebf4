// Ceiling: the rate of the best tile kernel on data in the first-level cache, to report other rates as fractions of it.
#pragma once

#include <benchmark/benchmark.h>

#include <cstdlib>
#include <ctime>
#include <memory>
#include <random>

#include "kernels/gemm_tiles.h"

namespace sdx::kernels {

struct Free {
  void operator()(void* p) const { std::free(p); }
};
using Floats = std::unique_ptr<float[], Free>;

/// `count` floats aligned to 64 bytes, uniform in [-1, 1).
inline Floats random_block(int64_t count) {
  const size_t bytes = (static_cast<size_t>(count) * sizeof(float) / 64 + 2) * 64;
  Floats block(static_cast<float*>(std::aligned_alloc(64, bytes)));
  std::minstd_rand generator(1);
  for (size_t i = 0; i < bytes / sizeof(float); ++i) {
    block[i] = static_cast<float>(generator()) / 1073741824.0f - 1.0f;
  }
  return block;
}

/// Multiply-adds a second, times two, of the tallest tile kernel over depths that fit the first-level cache.
inline double tile_rate() {
  const GemmTiles& tiles = gemm_tiles();
  constexpr int64_t kDepths = 128;
  static const Floats a = random_block(kDepths * kGemmMaxRows);
  static const Floats b = random_block(kDepths * 64);
  static const Floats acc = random_block(kGemmMaxRows * 64);
  TileArgs args = {};
  args.k = kDepths;
  args.a = a.get();
  args.a_stride = tiles.rows;
  args.b = b.get();
  args.b_stride = tiles.panel_columns;
  args.acc = acc.get();
  constexpr int kRepeats = 4000;
  const std::clock_t start = std::clock();
  for (int i = 0; i < kRepeats; ++i) tiles.tile[0][tiles.rows][0](args);
  const double seconds = static_cast<double>(std::clock() - start) / CLOCKS_PER_SEC;
  benchmark::DoNotOptimize(acc[0]);
  return 2.0 * kRepeats * kDepths * tiles.rows * tiles.panel_columns / seconds;
}

/// Sets the counters GFLOPS and of_ceiling; the ceiling is measured now, beside the benchmark.
inline void report(benchmark::State& state, double flop) {
  const double ceiling = tile_rate();
  state.counters["GFLOPS"] =
      benchmark::Counter(flop * 1e-9, benchmark::Counter::kIsIterationInvariantRate, benchmark::Counter::kIs1000);
  state.counters["of_ceiling"] = benchmark::Counter(flop / ceiling, benchmark::Counter::kIsIterationInvariantRate);
}

}  // namespace sdx::kernels
