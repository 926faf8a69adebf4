// probe_multiply_add, probe_units, probe_read: loops that meet one limit of the processor and no other.
#include "kernels/probe.h"

#include <cstddef>

#include "kernels/gemm_split.h"

#include "hwy/foreach_target.h"
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace sdx::kernels::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

int64_t probe_multiply_add(int64_t rounds, float* sink) {
  const hn::ScalableTag<float> d;
  const auto a = hn::Set(d, *sink * 1e-9f + 0.999f), b = hn::Set(d, *sink * 1e-9f + 0.001f);
  // Chains that begin with equal values would be computed once.
  auto start = [&](float x) { return hn::Set(d, *sink * 1e-9f + x); };
  auto c0 = start(0.0f), c1 = start(0.1f), c2 = start(0.2f), c3 = start(0.3f), c4 = start(0.4f);
  auto c5 = start(0.5f), c6 = start(0.6f), c7 = start(0.7f), c8 = start(0.8f), c9 = start(0.9f);
  for (int64_t i = 0; i < rounds; ++i) {
    c0 = hn::MulAdd(c0, a, b);
    c1 = hn::MulAdd(c1, a, b);
    c2 = hn::MulAdd(c2, a, b);
    c3 = hn::MulAdd(c3, a, b);
    c4 = hn::MulAdd(c4, a, b);
    c5 = hn::MulAdd(c5, a, b);
    c6 = hn::MulAdd(c6, a, b);
    c7 = hn::MulAdd(c7, a, b);
    c8 = hn::MulAdd(c8, a, b);
    c9 = hn::MulAdd(c9, a, b);
  }
  const auto low = hn::Add(hn::Add(hn::Add(c0, c1), hn::Add(c2, c3)), c4);
  const auto high = hn::Add(hn::Add(hn::Add(c5, c6), hn::Add(c7, c8)), c9);
  *sink = hn::GetLane(hn::SumOfLanes(d, hn::Add(low, high)));
  return rounds * 10 * 2 * static_cast<int64_t>(hn::Lanes(d));
}

float probe_read(const float* x, int64_t n) {
  const hn::ScalableTag<float> d;
  const auto step = static_cast<int64_t>(hn::Lanes(d));
  const int64_t quarter = n / 4;
  auto s0 = hn::Zero(d), s1 = s0, s2 = s0, s3 = s0;
  for (int64_t i = 0; i < quarter; i += step) {
    s0 = hn::Add(s0, hn::LoadU(d, x + i));
    s1 = hn::Add(s1, hn::LoadU(d, x + quarter + i));
    s2 = hn::Add(s2, hn::LoadU(d, x + 2 * quarter + i));
    s3 = hn::Add(s3, hn::LoadU(d, x + 3 * quarter + i));
  }
  return hn::GetLane(hn::SumOfLanes(d, hn::Add(hn::Add(s0, s1), hn::Add(s2, s3))));
}

}  // namespace sdx::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace sdx::kernels {
HWY_EXPORT(probe_multiply_add);
HWY_EXPORT(probe_read);

int64_t probe_multiply_add(int64_t rounds, float* sink) {
  return HWY_DYNAMIC_DISPATCH(probe_multiply_add)(rounds, sink);
}
int64_t probe_units(int64_t rounds) {
  const SplitKernels* kernels = unit_kernels();
  if (kernels == nullptr) return 0;
  constexpr int64_t kBlocks = 4;
  alignas(64) std::byte a[kBlocks * kSplitGroupBytes], b[kBlocks * kSplitPanelBytes];
  // Digits of every kind: products of zeros take less power, and so less time.
  for (size_t i = 0; i < sizeof a; ++i) a[i] = static_cast<std::byte>(i * 37 >> 2);
  for (size_t i = 0; i < sizeof b; ++i) b[i] = static_cast<std::byte>(i * 91 >> 3);
  alignas(64) SplitSums sums;
  SplitTile tile = split_tile();
  tile.a = a;
  tile.b = b;
  tile.blocks = kBlocks;
  tile.sums = &sums[0][0][0];
  kernels->begin(kSplitRows, 0);
  for (int64_t i = 0; i < rounds; ++i) kernels->multiply(tile);
  kernels->end();
  return rounds * kBlocks * 2 * kSplitRows * kSplitColumns * kSplitDepth;
}

float probe_read(const float* x, int64_t n) { return HWY_DYNAMIC_DISPATCH(probe_read)(x, n); }
}  // namespace sdx::kernels
#endif
