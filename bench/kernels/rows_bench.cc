// Throughput of the kernels that walk rows: one thread, data in the second-level cache, bytes read and written a
// second.
#include <benchmark/benchmark.h>

#include <vector>

#include "kernels/binary.h"
#include "kernels/convert.h"
#include "kernels/copy.h"
#include "kernels/norm.h"
#include "kernels/quantize.h"
#include "kernels/reduce.h"
#include "kernels/softmax.h"
#include "kernels/top_k.h"
#include "kernels/unary.h"

namespace sdx::kernels {
namespace {

constexpr int64_t kElements = 64 * 1024;

/// Poison rather than zeros: values that every branch of the functions sees.
std::vector<float> poison(int64_t n) {
  std::vector<float> x(static_cast<size_t>(n));
  for (int64_t i = 0; i < n; ++i) x[i] = static_cast<float>((i * 7919) % 2003) / 250.0f - 4.0f;
  return x;
}

void report(benchmark::State& state, int64_t bytes) {
  state.SetBytesProcessed(static_cast<int64_t>(state.iterations()) * bytes);
}

void copy_ceiling(benchmark::State& state) {
  const std::vector<float> x = poison(kElements);
  std::vector<float> y(x.size());
  for (auto _ : state) {
    std::copy(x.begin(), x.end(), y.begin());
    benchmark::DoNotOptimize(y.data());
    benchmark::ClobberMemory();
  }
  report(state, 8 * kElements);
}
BENCHMARK(copy_ceiling);

void unary_op(benchmark::State& state, UnaryOp op) {
  const std::vector<float> x = poison(kElements);
  std::vector<float> y(x.size());
  for (auto _ : state) {
    unary_f32(op, {1.702, 0.5}, x.data(), y.data(), kElements);
    benchmark::ClobberMemory();
  }
  report(state, 8 * kElements);
}
BENCHMARK_CAPTURE(unary_op, relu, UnaryOp::kRelu);
BENCHMARK_CAPTURE(unary_op, exp, UnaryOp::kExp);
BENCHMARK_CAPTURE(unary_op, log, UnaryOp::kLog);
BENCHMARK_CAPTURE(unary_op, erf, UnaryOp::kErf);
BENCHMARK_CAPTURE(unary_op, tanh, UnaryOp::kTanh);
BENCHMARK_CAPTURE(unary_op, sigmoid, UnaryOp::kSigmoid);
BENCHMARK_CAPTURE(unary_op, gelu, UnaryOp::kGelu);
BENCHMARK_CAPTURE(unary_op, gelu_tanh, UnaryOp::kGeluTanh);
BENCHMARK_CAPTURE(unary_op, quick_gelu, UnaryOp::kSwish);
BENCHMARK_CAPTURE(unary_op, silu, UnaryOp::kSilu);
BENCHMARK_CAPTURE(unary_op, sin, UnaryOp::kSin);
BENCHMARK_CAPTURE(unary_op, mish, UnaryOp::kMish);

void binary_add(benchmark::State& state) {
  const std::vector<float> a = poison(kElements), b = poison(kElements);
  std::vector<float> y(a.size());
  for (auto _ : state) {
    binary(BinaryOp::kAdd, a.data(), 1, b.data(), state.range(0), y.data(), kElements);
    benchmark::ClobberMemory();
  }
  report(state, (state.range(0) == 1 ? 12 : 8) * kElements);
}
BENCHMARK(binary_add)->Arg(1)->Arg(0);

void broadcast_add(benchmark::State& state) {
  const int64_t inner = state.range(0), rows = kElements / inner;
  const std::vector<float> a = poison(kElements), b = poison(inner);
  std::vector<float> y(a.size());
  const int64_t shape[] = {rows, inner}, row[] = {inner};
  const auto loop = make_broadcast_loop<2>(shape, {std::span<const int64_t>(shape), std::span<const int64_t>(row)});
  for (auto _ : state) {
    binary(BinaryOp::kAdd, loop, a.data(), b.data(), y.data(), 0, kElements);
    benchmark::ClobberMemory();
  }
  report(state, 8 * kElements);
}
BENCHMARK(broadcast_add)->Arg(4)->Arg(64)->Arg(768);

void softmax(benchmark::State& state) {
  const int64_t cols = state.range(0), rows = kElements / cols;
  const std::vector<float> x = poison(kElements);
  std::vector<float> y(x.size());
  for (auto _ : state) {
    softmax_rows(x.data(), y.data(), cols, 0, rows);
    benchmark::ClobberMemory();
  }
  report(state, 8 * kElements);
}
BENCHMARK(softmax)->Arg(16)->Arg(128)->Arg(512)->Arg(1500);

void softmax_masked(benchmark::State& state) {
  const int64_t cols = state.range(0), rows = kElements / cols;
  const std::vector<float> x = poison(kElements), mask = poison(cols);
  std::vector<float> y(x.size());
  for (auto _ : state) {
    softmax_masked_rows(x.data(), y.data(), cols, 0.125f, {mask.data()}, 0, rows);
    benchmark::ClobberMemory();
  }
  report(state, 8 * kElements);
}
BENCHMARK(softmax_masked)->Arg(128);

void layer_norm(benchmark::State& state) {
  const int64_t cols = state.range(0), rows = kElements / cols;
  const std::vector<float> x = poison(kElements), scale = poison(cols), shift = poison(cols);
  std::vector<float> y(x.size());
  NormRows norm;
  norm.scale = scale.data();
  norm.shift = shift.data();
  if (state.range(1) != 0) norm.residual = x.data();
  for (auto _ : state) {
    layer_norm_rows(x.data(), y.data(), cols, norm, 0, rows);
    benchmark::ClobberMemory();
  }
  report(state, 8 * kElements);
}
BENCHMARK(layer_norm)->Args({384, 0})->Args({768, 0})->Args({768, 1});

void group_norms(benchmark::State& state) {
  const std::vector<float> x = poison(kElements), scale = poison(64), shift = poison(64);
  std::vector<float> y(x.size());
  const NormGroups norm{64, 2, kElements / 64, scale.data(), shift.data()};
  for (auto _ : state) {
    group_norm(x.data(), y.data(), norm, 0, 32);
    benchmark::ClobberMemory();
  }
  report(state, 8 * kElements);
}
BENCHMARK(group_norms);

void reduction(benchmark::State& state) {
  const int64_t inner = state.range(0), outer = inner > 64 ? 1 : 64, length = kElements / outer / inner;
  const std::vector<float> x = poison(kElements);
  std::vector<float> y(static_cast<size_t>(outer * inner));
  for (auto _ : state) {
    reduce(ReduceOp::kMean, x.data(), y.data(), {length, inner}, 0, outer * inner);
    benchmark::ClobberMemory();
  }
  report(state, 4 * kElements);
}
BENCHMARK(reduction)->Arg(1)->Arg(2)->Arg(64)->Arg(768);

void arg_max(benchmark::State& state) {
  const std::vector<float> x = poison(kElements);
  int64_t y;
  for (auto _ : state) {
    arg_reduce({true, false}, x.data(), &y, {kElements, 1}, 0, 1);
    benchmark::DoNotOptimize(y);
  }
  report(state, 4 * kElements);
}
BENCHMARK(arg_max);

void top_elements(benchmark::State& state) {
  const std::vector<float> x = poison(kElements);
  float values[50];
  int64_t indices[50];
  TopKEntry scratch[50];
  for (auto _ : state) {
    top_k(true, 50, x.data(), {kElements, 1}, values, indices, scratch, 0, 1);
    benchmark::ClobberMemory();
  }
  report(state, 4 * kElements);
}
BENCHMARK(top_elements);

void transpose(benchmark::State& state) {
  const int bytes = static_cast<int>(state.range(0));
  const std::vector<float> x = poison(kElements * 2);
  std::vector<float> y(x.size());
  const int64_t rows = 256, cols = kElements * 4 / bytes / rows;
  for (auto _ : state) {
    transpose_2d(y.data(), x.data(), rows, cols, bytes, 0, cols);
    benchmark::ClobberMemory();
  }
  report(state, 8 * kElements);
}
BENCHMARK(transpose)->Arg(1)->Arg(2)->Arg(4)->Arg(8)->Arg(16);

void split_heads(benchmark::State& state) {
  const std::vector<float> x = poison(kElements);
  std::vector<float> y(x.size());
  const int64_t shape[] = {1, kElements / 768, 12, 64}, permutation[] = {0, 2, 1, 3};
  const auto loop = make_transpose_loop(shape, permutation);
  for (auto _ : state) {
    strided_copy(loop, y.data(), x.data(), 4, 0, loop.count());
    benchmark::ClobberMemory();
  }
  report(state, 8 * loop.count());
}
BENCHMARK(split_heads);

void quantize_bytes(benchmark::State& state) {
  const std::vector<float> x = poison(kElements);
  std::vector<uint8_t> y(x.size());
  for (auto _ : state) {
    quantize_run(x.data(), y.data(), kElements, 0.031f, 128);
    benchmark::ClobberMemory();
  }
  report(state, 5 * kElements);
}
BENCHMARK(quantize_bytes);

void dequantize_bytes(benchmark::State& state) {
  const std::vector<uint8_t> x(kElements, 77);
  std::vector<float> y(x.size());
  const float scale = 0.5f;
  const uint8_t zero = 128;
  for (auto _ : state) {
    dequantize(x.data(), y.data(), {Element::kUint8, &scale, &zero}, QuantLayout::per_tensor(), 0, kElements);
    benchmark::ClobberMemory();
  }
  report(state, 5 * kElements);
}
BENCHMARK(dequantize_bytes);

void widen_halves(benchmark::State& state) {
  const std::vector<Half> x(kElements, Half{0x3C01});
  std::vector<float> y(x.size());
  for (auto _ : state) {
    to_floats(x.data(), y.data(), kElements);
    benchmark::ClobberMemory();
  }
  report(state, 6 * kElements);
}
BENCHMARK(widen_halves);

void narrow_halves(benchmark::State& state) {
  const std::vector<float> x = poison(kElements);
  std::vector<Half> y(x.size());
  for (auto _ : state) {
    from_floats(x.data(), y.data(), kElements);
    benchmark::ClobberMemory();
  }
  report(state, 6 * kElements);
}
BENCHMARK(narrow_halves);

}  // namespace
}  // namespace sdx::kernels
