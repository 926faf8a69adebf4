// Benchmarks of kernels/gemm.h: every tile kernel, and whole products of the shapes of transformer layers.
#include "kernels/gemm.h"

#include <chrono>
#include <vector>

#include "base/parallel.h"
#include "ceiling.h"
#include "kernels/gemm_tiles.h"

namespace sdx::kernels {
namespace {

void tile(benchmark::State& state) {
  const GemmTiles& tiles = gemm_tiles();
  const int64_t rows = state.range(0), panels = state.range(1), depths = 256;
  if (rows > tiles.rows || tiles.tile[0][rows][panels - 1] == nullptr)
    return state.SkipWithError("not on this machine");
  const Floats a = random_block(depths * rows);
  const Floats b = random_block(depths * panels * tiles.panel_columns);
  const Floats acc = random_block(rows * panels * tiles.panel_columns);
  TileArgs args = {};
  args.k = depths;
  args.a = a.get();
  args.a_stride = rows;
  args.b = b.get();
  args.b_stride = tiles.panel_columns;
  args.panel_stride = depths * tiles.panel_columns;
  args.acc = acc.get();
  args.acc_stride = rows * tiles.panel_columns;
  for (auto _ : state) tiles.tile[0][rows][panels - 1](args);
  report(state, 2.0 * static_cast<double>(rows * panels * tiles.panel_columns * depths));
}
#define SDX_GEMM_TILE(registers, rows, panels) BENCHMARK(tile)->Name("tile/" #registers)->Args({rows, panels});
#include "kernels/gemm_tiles.inc"
#undef SDX_GEMM_TILE

// state.range: m, n, k, weight type
void product(benchmark::State& state) {
  Gemm gemm;
  gemm.m = state.range(0);
  gemm.n = state.range(1);
  gemm.k = state.range(2);
  gemm.packed_type = static_cast<WeightType>(state.range(3));
  if (gemm.packed_type == WeightType::kSplit && !gemm_splits())
    return state.SkipWithError("no matrix units on this machine");
  const Floats a = random_block(gemm.m * gemm.k);
  const Floats b = random_block(gemm.k * gemm.n);
  const Floats c = random_block(gemm.m * gemm.n);
  const Floats packed =
      random_block(static_cast<int64_t>(gemm_packed_bytes(gemm.k, gemm.n, gemm.packed_type) / sizeof(float)));
  gemm_pack_b({b.get(), WeightType::kF32, gemm.n, 1}, gemm.k, gemm.n, gemm.packed_type, 0,
              gemm_panels(gemm.n, gemm.packed_type), packed.get());
  gemm.a = {a.get(), gemm.k, 1};
  gemm.packed_b = packed.get();
  gemm.c = c.get();
  gemm.c_stride = gemm.n;
  const GemmPlan plan = gemm_plan(gemm, 1);
  const Floats scratch = random_block(static_cast<int64_t>(plan.scratch_bytes / sizeof(float)));
  const Floats split = random_block(static_cast<int64_t>(gemm_split_bytes(gemm.m, gemm.k) / sizeof(float)));
  for (auto _ : state) {
    if (gemm.packed_type == WeightType::kSplit) {
      gemm_split_a(gemm, 0, gemm_split_groups(gemm.m), split.get());
      gemm.split_a = split.get();
    }
    gemm_run(gemm, plan, 0, plan.tiles(), scratch.get());
  }
  report(state, 2.0 * static_cast<double>(gemm.m * gemm.n * gemm.k));
}
BENCHMARK(product)
    ->ArgNames({"m", "n", "k", "type"})
    ->ArgsProduct({{1, 2, 4, 8, 16, 32, 128, 512}, {768, 3072}, {768}, {0, 3}})
    ->ArgsProduct({{1, 8, 128}, {768}, {3072}, {0, 1, 2, 3}});

double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

// state.range: m, n, k. Float products on every CPU beside what their tallest tile does there out of the first-level
// cache, in turns of about 10 ms each.
void beside_tile(benchmark::State& state) {
  const GemmTiles& tiles = gemm_tiles();
  const Parallel parallel(0);
  Gemm gemm;
  gemm.m = state.range(0);
  gemm.n = state.range(1);
  gemm.k = state.range(2);
  const Floats a = random_block(gemm.m * gemm.k);
  const Floats b = random_block(gemm.k * gemm.n);
  const Floats c = random_block(gemm.m * gemm.n);
  const Floats packed =
      random_block(static_cast<int64_t>(gemm_packed_bytes(gemm.k, gemm.n, WeightType::kF32) / sizeof(float)));
  gemm_pack_b({b.get(), WeightType::kF32, gemm.n, 1}, gemm.k, gemm.n, WeightType::kF32, 0, gemm_panels(gemm.n),
              packed.get());
  gemm.a = {a.get(), gemm.k, 1};
  gemm.packed_b = packed.get();
  gemm.c = c.get();
  gemm.c_stride = gemm.n;
  gemm.keep_rows = true;
  const auto stride = static_cast<int64_t>((gemm_share_bytes(gemm) / sizeof(float) + 63) / 64 * 64);
  const Floats scratch = random_block(stride * parallel.threads());
  const auto multiply = [&] {
    const Shares shares = parallel.shares();
    for (int worker = 0; worker < parallel.threads(); ++worker) gemm_begin(scratch.get() + worker * stride);
    parallel.run_shares(shares, 3, [&](int share, int piece, int worker) {
      gemm_run_share(gemm, gemm_share(gemm, shares, share), piece, 3, scratch.get() + worker * stride);
    });
  };
  constexpr int64_t kDepths = 256, kTiles = 1024;
  const int64_t block = kDepths * (tiles.rows + tiles.panel_columns) + tiles.rows * tiles.panel_columns;
  const Floats operands = random_block(block * parallel.threads());
  const auto run_tiles = [&] {
    parallel.run_shares(parallel.shares(), 1, [&](int, int, int worker) {
      TileArgs args = {};
      args.k = kDepths;
      args.b = operands.get() + worker * block;
      args.b_stride = tiles.panel_columns;
      args.a = operands.get() + worker * block + kDepths * tiles.panel_columns;
      args.a_stride = tiles.rows;
      args.acc = operands.get() + (worker + 1) * block - tiles.rows * tiles.panel_columns;
      args.acc_stride = tiles.rows * tiles.panel_columns;
      for (int64_t i = 0; i < kTiles; ++i) tiles.tile[0][tiles.rows][0](args);
    });
  };
  const double operations = 2.0 * static_cast<double>(gemm.m * gemm.n * gemm.k);
  const double of_tiles = 2.0 * static_cast<double>(tiles.rows * tiles.panel_columns * kDepths * kTiles);
  double product_rate = 0, tile_rate = 0;
  for (auto _ : state) {
    const auto start = std::chrono::steady_clock::now();
    int products = 0;
    do multiply();
    while (++products, seconds_since(start) < 0.01);
    const double of_products = seconds_since(start);
    const auto middle = std::chrono::steady_clock::now();
    run_tiles();
    tile_rate += of_tiles * parallel.threads() / seconds_since(middle);
    product_rate += operations * products / of_products;
    state.SetIterationTime(of_products / products);
  }
  const auto turns = static_cast<double>(state.iterations());
  state.counters["GFLOP/s"] = product_rate / turns / 1e9;
  state.counters["tile"] = tile_rate / turns / 1e9;
  state.counters["of_tile"] = product_rate / tile_rate;
}
BENCHMARK(beside_tile)
    ->Name("product on all CPUs beside its tile")
    ->ArgNames({"m", "n", "k"})
    ->ArgsProduct({{128, 512}, {768, 3072}, {768}})
    ->ArgsProduct({{128, 512}, {768}, {3072}})
    ->Iterations(100)
    ->UseManualTime();

}  // namespace
}  // namespace sdx::kernels
