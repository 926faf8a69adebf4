// Pairs of outputs: transforms of inputs and outputs, neighbouring pairs in vector lanes.
#include "kernels/conv_pairs_tiles.h"

#include "hwy/foreach_target.h"
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace sdx::kernels::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

using F = hn::ScalableTag<float>;
using V = hn::Vec<F>;

constexpr int64_t kMostLanes = HWY_MAX_BYTES / sizeof(float);
// Inputs from one pair to the next, and those that a vector of pairs needs.
constexpr int64_t kStep = 4;

// `span` inputs from column `first` on, where they are or copied to `copy` with zeros outside the row.
HWY_INLINE const float* inputs_of(const PairInput& input, int64_t first, int64_t span, float* copy) {
  if (input.row != nullptr && first >= 0 && first + span <= input.width) return input.row + first;
  for (int64_t i = 0; i < span; ++i) {
    const int64_t x = first + i;
    copy[i] = input.row != nullptr && x >= 0 && x < input.width ? input.row[x] : 0.0f;
  }
  return copy;
}

void input_pairs(const PairInput& input) {
  const F d;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(d)), span = kStep * (lanes + 1);
  HWY_ALIGN float copy[kStep * (kMostLanes + 1)];
  for (int64_t c = 0; c < input.count; c += lanes) {
    const auto inside = hn::FirstN(d, static_cast<size_t>(HWY_MIN(lanes, input.count - c)));
    const float* x = inputs_of(input, input.first + kStep * c, span, copy);
    V x0, x1, x2, x3, x4, unused[3];
    hn::LoadInterleaved4(d, x, x0, x1, x2, x3);
    hn::LoadInterleaved4(d, x + kStep, x4, unused[0], unused[1], unused[2]);
    const V parts[kPairParts] = {hn::Sub(x0, x2), x1, x2, hn::Sub(x4, x2), x3};
    for (int i = 0; i < kPairParts; ++i) hn::BlendedStore(parts[i], inside, d, input.to + i * input.part_stride + c);
  }
}

void add_weights(const float* a, const float* b, int64_t count, float* sum) {
  const F d;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(d));
  int64_t i = 0;
  for (; i + lanes <= count; i += lanes) hn::StoreU(hn::Add(hn::LoadU(d, a + i), hn::LoadU(d, b + i)), d, sum + i);
  for (; i < count; ++i) sum[i] = a[i] + b[i];
}

void output_pairs(const float* first, const float* common, const float* second, int64_t count, float* to) {
  const F d;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(d));
  for (int64_t i = 0; i < count; i += lanes) {
    const V both = hn::LoadU(d, common + i);
    hn::StoreInterleaved2(hn::Add(hn::LoadU(d, first + i), both), hn::Add(hn::LoadU(d, second + i), both), d,
                          to + 2 * i);
  }
}

}  // namespace sdx::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace sdx::kernels {
namespace {
HWY_EXPORT(input_pairs);
HWY_EXPORT(add_weights);
HWY_EXPORT(output_pairs);
}  // namespace

void pair_input(const PairInput& input) { HWY_DYNAMIC_DISPATCH(input_pairs)(input); }

void pair_weights(const float* a, const float* b, int64_t count, float* sum) {
  HWY_DYNAMIC_DISPATCH(add_weights)(a, b, count, sum);
}

void pair_output(const float* first, const float* common, const float* second, int64_t rows, int64_t width, float* to) {
  HWY_DYNAMIC_DISPATCH(output_pairs)(first, common, second, rows * width, to);
}

}  // namespace sdx::kernels
#endif
