// The operators of com.microsoft that optimised diffusion models use: BiasAdd, GroupNorm, SkipGroupNorm.
#include <cmath>

#include "ops/broadcast_copy.h"
#include "ops/family.h"

namespace sdx::ops {
namespace {

constexpr std::array kShortFloats = {DType::kF32, DType::kF16, DType::kBF16};

void require_vector(InferContext& c, int input, const Dim& size) {
  c.require_dtype(input, kShortFloats);
  c.require_rank(input, 1, 1);
  if (c.input(input).shape.has_rank())
    c.require_equal(c.input(input).shape[0], size, "the sizes of a vector and the channels");
}

Dim last_of(const InferContext& c) {
  const Shape& x = c.input(0).shape;
  return x.has_rank() ? x[x.rank() - 1] : c.symbols().fresh();
}

/// x + bias + skip
void infer_bias_add(InferContext& c) {
  c.require_dtype(0, kShortFloats);
  c.require_rank(0, 1);
  require_vector(c, 1, last_of(c));
  c.require_same_dtype(0, 2);
  const Shape &x = c.input(0).shape, &skip = c.input(2).shape;
  if (x.has_rank() && skip.has_rank()) {
    c.require_rank(2, x.rank(), x.rank());
    for (int i = 0; i < x.rank(); ++i) c.require_equal(x[i], skip[i], "the sizes of the input and the skip");
  }
  infer_same_as_input(c);
}

void run_bias_add(RunContext& c) {
  if (widened(c, run_bias_add)) return;
  const ConstView x = c.input(0);
  if (x.count() == 0) return;
  const int64_t n = x.extents.back();
  const float *bias = c.input(1).as<float>(), *skip = c.input(2).as<float>();
  c.parallel().run(x.count() / n, grain_for(n * 2), [&](int64_t begin, int64_t end, int) {
    for (int64_t at = begin * n; at < end * n; at += n) {
      for (int64_t j = 0; j < n; ++j) c.output(0).as<float>()[at + j] = x.as<float>()[at + j] + bias[j] + skip[at + j];
    }
  });
}

struct GroupNormAttrs {
  int64_t activation = 0, groups = 0;
  bool channels_last = true;
  float epsilon = 1e-5f;
  bool operator==(const GroupNormAttrs&) const = default;
  static constexpr auto fields() {
    return std::tuple{required("activation", &GroupNormAttrs::activation), required("groups", &GroupNormAttrs::groups),
                      field("channels_last", &GroupNormAttrs::channels_last),
                      field("epsilon", &GroupNormAttrs::epsilon)};
  }
};

constexpr int kScale = 1, kShift = 2, kSkip = 3, kBias = 4;

void infer_group_norm(InferContext& c) {
  const auto& a = c.attrs<GroupNormAttrs>();
  c.require_dtype(0, kShortFloats);
  c.require_rank(0, 4, 4);
  if (a.groups < 1) c.invalid("attribute 'groups' is ", a.groups, " but must be at least 1");
  if (a.activation != 0 && a.activation != 1)
    c.invalid("attribute 'activation' is ", a.activation, " but must be 0 or 1");
  const Shape x = c.input(0).shape.has_rank() ? c.input(0).shape : c.fresh_shape(4);
  const Dim channels = x[a.channels_last ? 3 : 1];
  c.require_equal(floor_mod(channels, a.groups), 0, "the channels modulo the groups and 0");
  require_vector(c, kScale, channels);
  require_vector(c, kShift, channels);
  if (c.has(kBias)) require_vector(c, kBias, channels);
  if (c.has(kSkip)) {
    c.require_same_dtype(0, kSkip);
    if (!a.channels_last) c.unsupported("SkipGroupNorm with channels first");
    Shape skip = c.input(kSkip).shape;
    if (skip.has_rank() && skip.rank() == 2) skip = Shape({skip[0], 1, 1, skip[1]});
    require_broadcasts_to(c, skip, x, "the skip of a norm");
  }
  c.set(0, c.input(0).dtype, x);
  c.set(1, c.input(0).dtype, x);
}

/// x + skip + bias, in the output where it is wanted.
const float* summed(RunContext& c) {
  const ConstView x = c.input(0);
  if (!c.has_input(kSkip)) return x.as<float>();
  ConstView skip = c.input(kSkip);
  if (skip.rank() == 2) skip.extents = {skip.extents[0], 1, 1, skip.extents[1]};
  float* sum = c.wants(1) ? c.output(1).as<float>() : c.scratch<float>(x.count());
  broadcast_copy(skip, x.extents, sum);
  const int64_t channels = x.extents.back();
  const float* bias = c.has_input(kBias) ? c.input(kBias).as<float>() : nullptr;
  for (int64_t i = 0; i < x.count(); ++i) sum[i] += x.as<float>()[i] + (bias ? bias[i % channels] : 0);
  return sum;
}

/// One group of channels of one image; element p of channel `ch` is at p * step + ch * pitch.
void normalise_group(const GroupNormAttrs& a, RunContext& c, const float* x, int64_t image, int64_t group) {
  const Extents& e = c.input(0).extents;
  const int64_t channels = e[a.channels_last ? 3 : 1], width = channels / a.groups;
  const int64_t plane = a.channels_last ? e[1] * e[2] : e[2] * e[3];
  const int64_t step = a.channels_last ? channels : 1, pitch = a.channels_last ? 1 : plane;
  const int64_t base = image * channels * plane + group * width * pitch;
  double sum = 0, squares = 0;
  auto each = [&](auto use) {
    for (int64_t p = 0; p < plane; ++p) {
      for (int64_t ch = 0; ch < width; ++ch) use(base + p * step + ch * pitch, group * width + ch);
    }
  };
  each([&](int64_t at, int64_t) { sum += static_cast<double>(x[at]); });
  const auto count = static_cast<double>(width * plane);
  const double mean = sum / count;
  each([&](int64_t at, int64_t) {
    const double d = static_cast<double>(x[at]) - mean;
    squares += d * d;
  });
  const auto inverse = static_cast<float>(1 / std::sqrt(squares / count + static_cast<double>(a.epsilon)));
  const float *scale = c.input(kScale).as<float>(), *shift = c.input(kShift).as<float>();
  float* y = c.output(0).as<float>();
  each([&](int64_t at, int64_t ch) {
    const float v = (x[at] - static_cast<float>(mean)) * inverse * scale[ch] + shift[ch];
    y[at] = a.activation == 1 ? v / (1 + std::exp(-v)) : v;
  });
}

void run_group_norm(RunContext& c) {
  if (widened(c, run_group_norm)) return;
  const auto& a = c.attrs<GroupNormAttrs>();
  const ConstView x = c.input(0);
  if (x.count() == 0) return;
  const float* from = summed(c);
  const int64_t images = x.extents[0];
  c.parallel().run(images * a.groups, grain_for(x.count() / (images * a.groups) * 8),
                   [&](int64_t begin, int64_t end, int) {
                     for (int64_t i = begin; i < end; ++i) normalise_group(a, c, from, i / a.groups, i % a.groups);
                   });
}

const Op kFamily[] = {
    {.domain = kMicrosoft,
     .name = "BiasAdd",
     .inputs = {3, 3},
     .outputs = {1, 1},
     .parse = Attrs::parse<NoAttrs>,
     .infer = infer_bias_add,
     .run = run_bias_add,
     .traits = {.in_place = 0b101},
     .accuracy = Accuracy::kRounded},
    {.domain = kMicrosoft,
     .name = "GroupNorm",
     .inputs = {3, 3},
     .outputs = {1, 1},
     .parse = Attrs::parse<GroupNormAttrs>,
     .infer = infer_group_norm,
     .run = run_group_norm,
     .accuracy = Accuracy::kAccumulated},
    {.domain = kMicrosoft,
     .name = "SkipGroupNorm",
     .inputs = {4, 5},
     .outputs = {1, 2},
     .parse = Attrs::parse<GroupNormAttrs>,
     .infer = infer_group_norm,
     .run = run_group_norm,
     .accuracy = Accuracy::kAccumulated},
};

}  // namespace

std::span<const Op> diffusion_family() { return kFamily; }

}  // namespace sdx::ops
