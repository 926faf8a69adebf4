// Tests of kernels/conv.h against a naive convolution in double precision, on every instruction set.
#include "kernels/conv.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <set>
#include <vector>

#include "kernels/conv_routes.h"
#include "lanes.h"

namespace sdx::kernels {
namespace {

struct Case {
  int64_t batch, groups, in_channels, out_channels;
  int64_t in[3], kernel[3], stride[3], dilation[3], pad[3], pad_end[3];
};

ConvShape shape_of(const Case& at) {
  ConvShape shape;
  shape.batch = at.batch;
  shape.groups = at.groups;
  shape.in_channels = at.in_channels;
  shape.out_channels = at.out_channels;
  for (int i = 0; i < 3; ++i) {
    shape.in[i] = at.in[i];
    shape.kernel[i] = at.kernel[i];
    shape.stride[i] = at.stride[i];
    shape.dilation[i] = at.dilation[i];
    shape.pad_begin[i] = at.pad[i];
    shape.out[i] = (at.in[i] + at.pad[i] + at.pad_end[i] - (at.kernel[i] - 1) * at.dilation[i] - 1) / at.stride[i] + 1;
  }
  return shape;
}

struct Sum {
  double value = 0;
  double magnitude = 0;
};

Sum naive(const ConvShape& s, const float* x, const float* w, int64_t image, int64_t channel, const int64_t* at) {
  Sum sum;
  const int64_t channels = s.in_channels / s.groups;
  const int64_t group = channel / (s.out_channels / s.groups);
  for (int64_t c = 0; c < channels; ++c) {
    for (int64_t e = 0; e < s.kernel_volume(); ++e) {
      const int64_t element[3] = {e / (s.kernel[1] * s.kernel[2]), e / s.kernel[2] % s.kernel[1], e % s.kernel[2]};
      int64_t offset = 0;
      bool inside = true;
      for (int i = 0; i < 3; ++i) {
        const int64_t in = at[i] * s.stride[i] - s.pad_begin[i] + element[i] * s.dilation[i];
        inside = inside && in >= 0 && in < s.in[i];
        offset = offset * s.in[i] + in;
      }
      if (!inside) continue;
      const double product =
          static_cast<double>(x[(image * s.in_channels + group * channels + c) * s.in_plane() + offset]) *
          w[(channel * channels + c) * s.kernel_volume() + e];
      sum.value += product;
      sum.magnitude += std::abs(product);
    }
  }
  return sum;
}

// What follows the sums.
enum class Terms { kNone, kBias, kAll, kActivationLast };

void check(const Case& at, Terms terms) {
  const ConvShape shape = shape_of(at);
  SCOPED_TRACE(testing::Message() << "channels " << at.in_channels << "->" << at.out_channels << " groups " << at.groups
                                  << " in " << at.in[0] << "x" << at.in[1] << "x" << at.in[2] << " kernel "
                                  << at.kernel[0] << "x" << at.kernel[1] << "x" << at.kernel[2] << " stride "
                                  << at.stride[1] << "," << at.stride[2] << " route "
                                  << conv_route_name(conv_route(shape)) << " terms " << static_cast<int>(terms));
  const std::vector<float> x = random_floats(shape.batch * shape.in_channels * shape.in_plane(), 1);
  const std::vector<float> w =
      random_floats(shape.out_channels * shape.in_channels / shape.groups * shape.kernel_volume(), 2);
  const std::vector<float> bias = random_floats(shape.out_channels, 3);
  const int64_t size = shape.batch * shape.out_channels * shape.out_plane();
  const std::vector<float> residual = random_floats(size, 4);
  std::vector<unsigned char> unaligned(w.size() * 4 + 1);
  std::memcpy(unaligned.data() + 1, w.data(), w.size() * 4);
  std::vector<float> packed(conv_packed_bytes(shape) / 4 + 16);
  conv_pack(shape, unaligned.data() + 1, 0, conv_pack_parts(shape), packed.data());
  Conv conv;
  conv.shape = shape;
  conv.x = x.data();
  conv.packed = packed.data();
  if (terms != Terms::kNone) {
    conv.bias = bias.data();
    conv.activation = Activation::kRelu;
  }
  if (terms >= Terms::kAll) conv.residual = residual.data();
  conv.activates_last = terms == Terms::kActivationLast;
  std::vector<float> results[2];
  for (int threads : {1, 3}) {
    std::vector<float>& y = results[threads / 2];
    y.assign(static_cast<size_t>(size) + 8, 77.0f);
    conv.y = y.data();
    const ConvPlan plan = conv_plan(shape, threads);
    std::vector<float> scratch(plan.scratch_bytes / 4 + 16, std::nanf(""));
    for (int64_t tile = plan.tiles - 1; tile >= 0; --tile) conv_run(conv, plan, tile, tile + 1, scratch.data());
  }
  ASSERT_EQ(std::memcmp(results[0].data(), results[1].data(), results[0].size() * 4), 0) << "depends on the plan";
  const std::vector<float>& y = results[0];
  const double looseness = conv_route(shape) == ConvRoute::kWinograd ? 8
                           : conv_route(shape) == ConvRoute::kPairs  ? 4
                                                                     : 1;
  const double depth = static_cast<double>(shape.in_channels / shape.groups * shape.kernel_volume());
  for (int64_t i = 0; i < size; ++i) {
    const int64_t p = i % shape.out_plane();
    const int64_t channel = i / shape.out_plane() % shape.out_channels;
    const int64_t position[3] = {p / (shape.out[1] * shape.out[2]), p / shape.out[2] % shape.out[1], p % shape.out[2]};
    const Sum sum = naive(shape, x.data(), w.data(), i / shape.out_plane() / shape.out_channels, channel, position);
    double expected = sum.value;
    if (terms != Terms::kNone) expected = std::max(0.0, sum.value + bias[channel]);
    if (terms == Terms::kAll) expected += residual[i];
    if (terms == Terms::kActivationLast) expected = std::max(0.0, sum.value + bias[channel] + residual[i]);
    const double bound = looseness * 6e-8 * (sum.magnitude * (2 + std::sqrt(depth)) + 4) +
                         (conv_route(shape) == ConvRoute::kSplit ? kSplitError * std::sqrt(depth) : 0);
    ASSERT_NEAR(y[i], expected, bound) << "channel " << channel << " at " << position[0] << "," << position[1] << ","
                                       << position[2];
  }
  for (size_t i = static_cast<size_t>(size); i < y.size(); ++i) ASSERT_EQ(y[i], 77.0f) << "wrote past the end";
}

const Case kCases[] = {
    // batch, groups, channels, in, kernel, stride, dilation, pad, pad_end
    {1, 1, 3, 5, {1, 7, 9}, {1, 3, 3}, {1, 1, 1}, {1, 1, 1}, {0, 1, 1}, {0, 1, 1}},
    {2, 1, 17, 33, {1, 12, 37}, {1, 3, 3}, {1, 1, 1}, {1, 1, 1}, {0, 1, 1}, {0, 1, 1}},
    {1, 1, 8, 20, {1, 15, 15}, {1, 3, 3}, {1, 2, 2}, {1, 1, 1}, {0, 1, 1}, {0, 1, 1}},
    {1, 1, 8, 20, {1, 15, 14}, {1, 3, 3}, {1, 2, 2}, {1, 1, 1}, {0, 0, 0}, {0, 1, 1}},
    {1, 1, 70, 40, {1, 11, 13}, {1, 3, 3}, {1, 1, 1}, {1, 1, 1}, {0, 1, 1}, {0, 1, 1}},
    {1, 1, 16, 48, {1, 8, 16}, {1, 1, 1}, {1, 1, 1}, {1, 1, 1}, {0, 0, 0}, {0, 0, 0}},
    {1, 1, 530, 15, {1, 5, 7}, {1, 1, 1}, {1, 1, 1}, {1, 1, 1}, {0, 0, 0}, {0, 0, 0}},
    {2, 2, 6, 10, {1, 9, 9}, {1, 2, 3}, {1, 1, 2}, {1, 2, 1}, {0, 2, 0}, {0, 1, 2}},
    {1, 1, 5, 20, {1, 1, 100}, {1, 1, 3}, {1, 1, 2}, {1, 1, 1}, {0, 0, 1}, {0, 0, 1}},
    {1, 4, 16, 16, {1, 1, 61}, {1, 1, 16}, {1, 1, 1}, {1, 1, 1}, {0, 0, 8}, {0, 0, 8}},
    {1, 1, 1, 64, {1, 1, 400}, {1, 1, 10}, {1, 1, 5}, {1, 1, 1}, {0, 0, 0}, {0, 0, 0}},
    {1, 1, 4, 6, {5, 6, 7}, {3, 2, 3}, {2, 1, 1}, {1, 1, 2}, {1, 0, 2}, {1, 1, 2}},
    {1, 7, 7, 7, {1, 10, 45}, {1, 3, 3}, {1, 1, 1}, {1, 1, 1}, {0, 1, 1}, {0, 1, 1}},
    {2, 5, 5, 10, {1, 10, 11}, {1, 5, 5}, {1, 2, 2}, {1, 2, 1}, {0, 4, 2}, {0, 4, 2}},
    {1, 3, 3, 3, {1, 1, 50}, {1, 1, 31}, {1, 1, 1}, {1, 1, 1}, {0, 0, 15}, {0, 0, 15}},
    {2, 40, 40, 40, {1, 14, 14}, {1, 3, 3}, {1, 1, 1}, {1, 1, 1}, {0, 1, 1}, {0, 1, 1}},
    {1, 9, 9, 9, {1, 71, 67}, {1, 3, 3}, {1, 1, 1}, {1, 1, 1}, {0, 0, 2}, {0, 2, 1}},
    {1, 9, 9, 18, {1, 33, 34}, {1, 3, 3}, {1, 2, 2}, {1, 1, 1}, {0, 1, 1}, {0, 1, 0}},
    {1, 6, 6, 6, {1, 21, 40}, {1, 3, 3}, {1, 1, 2}, {1, 1, 3}, {0, 1, 3}, {0, 1, 3}},
    {1, 6, 6, 6, {1, 9, 19}, {1, 5, 5}, {1, 1, 1}, {1, 1, 1}, {0, 2, 2}, {0, 2, 2}},
    {1, 5, 5, 5, {1, 10, 18}, {1, 7, 7}, {1, 1, 1}, {1, 1, 1}, {0, 3, 3}, {0, 3, 3}},
    {1, 5, 5, 5, {1, 8, 35}, {1, 2, 4}, {1, 1, 3}, {1, 1, 1}, {0, 0, 1}, {0, 1, 2}},
    {1, 5, 5, 5, {1, 6, 5}, {1, 4, 1}, {1, 1, 1}, {1, 1, 1}, {0, 9, 7}, {0, 9, 7}},
    {1, 3, 3, 3, {4, 5, 6}, {3, 3, 3}, {1, 1, 1}, {1, 1, 1}, {1, 1, 1}, {1, 1, 1}},
    {2, 13, 13, 13, {1, 6, 150}, {1, 3, 5}, {1, 1, 2}, {1, 1, 1}, {0, 1, 2}, {0, 1, 2}},
    {1, 6, 6, 18, {1, 20, 21}, {1, 5, 5}, {1, 2, 2}, {1, 1, 1}, {0, 2, 2}, {0, 2, 2}},
    {1, 33, 33, 33, {1, 9, 12}, {1, 3, 4}, {1, 3, 3}, {1, 5, 2}, {0, 4, 1}, {0, 5, 3}},
    {1, 16, 16, 16, {1, 1, 140}, {1, 1, 15}, {1, 1, 1}, {1, 1, 1}, {0, 0, 7}, {0, 0, 7}},
    {1, 20, 20, 20, {1, 7, 7}, {1, 5, 5}, {1, 1, 1}, {1, 1, 1}, {0, 2, 2}, {0, 2, 2}},
    {1, 18, 18, 18, {3, 5, 9}, {2, 3, 3}, {1, 2, 1}, {2, 1, 1}, {1, 1, 1}, {1, 0, 1}},
    {1, 1, 2, 2, {1, 3, 3}, {1, 3, 3}, {1, 1, 1}, {1, 1, 1}, {0, 2, 3}, {0, 2, 3}},
    {2, 1, 40, 50, {1, 9, 70}, {1, 3, 3}, {1, 2, 1}, {1, 1, 2}, {0, 1, 2}, {0, 1, 2}},
    {1, 1, 64, 96, {1, 8, 8}, {1, 3, 3}, {1, 1, 1}, {1, 1, 1}, {0, 1, 1}, {0, 1, 1}},
    {1, 1, 33, 65, {1, 1, 1100}, {1, 1, 3}, {1, 1, 2}, {1, 1, 1}, {0, 0, 1}, {0, 0, 1}},
    {2, 2, 96, 96, {1, 1, 75}, {1, 1, 128}, {1, 1, 1}, {1, 1, 1}, {0, 0, 64}, {0, 0, 64}},
    {1, 1, 32, 32, {3, 5, 6}, {1, 2, 3}, {1, 1, 1}, {1, 1, 1}, {0, 0, 1}, {0, 1, 1}},
    {1, 1, 32, 4, {1, 20, 64}, {1, 3, 3}, {1, 1, 1}, {1, 1, 1}, {0, 1, 1}, {0, 1, 1}},
    {1, 1, 40, 35, {1, 9, 66}, {1, 3, 3}, {1, 1, 1}, {1, 1, 1}, {0, 0, 0}, {0, 2, 3}},
    {1, 1, 400, 20, {1, 18, 26}, {1, 3, 3}, {1, 1, 1}, {1, 1, 1}, {0, 1, 1}, {0, 1, 1}},
    {2, 1, 20, 30, {1, 24, 25}, {1, 3, 3}, {1, 1, 1}, {1, 1, 1}, {0, 1, 1}, {0, 1, 1}},
    {1, 1, 64, 70, {1, 1, 331}, {1, 1, 3}, {1, 1, 2}, {1, 1, 1}, {0, 0, 1}, {0, 0, 1}},
    {2, 1, 66, 65, {1, 3, 22}, {1, 1, 3}, {1, 1, 2}, {1, 1, 1}, {0, 0, 0}, {0, 0, 0}},
    {1, 1, 64, 200, {1, 28, 28}, {1, 3, 3}, {1, 2, 2}, {1, 1, 1}, {0, 1, 1}, {0, 1, 1}},
    {1, 1, 300, 40, {1, 1, 49}, {1, 1, 1}, {1, 1, 1}, {1, 1, 1}, {0, 0, 0}, {0, 0, 0}},
    {1, 1, 530, 64, {1, 1, 140}, {1, 1, 3}, {1, 1, 2}, {1, 1, 1}, {0, 0, 2}, {0, 0, 3}},
    {2, 1, 24, 20, {1, 30, 29}, {1, 3, 3}, {1, 2, 2}, {1, 1, 1}, {0, 1, 1}, {0, 1, 1}},
    {1, 1, 24, 20, {1, 31, 14}, {1, 3, 3}, {1, 2, 2}, {1, 2, 2}, {0, 2, 2}, {0, 2, 2}},
    {2, 4, 16, 16, {1, 14, 13}, {1, 3, 3}, {1, 1, 1}, {1, 1, 1}, {0, 1, 1}, {0, 1, 1}},
    {1, 1, 200, 10, {1, 12, 33}, {1, 3, 4}, {1, 2, 1}, {1, 1, 1}, {0, 0, 2}, {0, 3, 1}},
    {1, 1, 3, 9, {1, 40, 67}, {1, 7, 7}, {1, 3, 2}, {1, 1, 1}, {0, 3, 3}, {0, 3, 3}},
    {1, 1, 6, 5, {1, 11, 64}, {1, 2, 5}, {1, 3, 1}, {1, 2, 3}, {0, 1, 6}, {0, 0, 6}},
    {1, 1, 12, 30, {1, 16, 16}, {1, 1, 1}, {1, 2, 2}, {1, 1, 1}, {0, 0, 0}, {0, 0, 0}},
    {2, 1, 70, 50, {1, 1, 1}, {1, 1, 1}, {1, 1, 1}, {1, 1, 1}, {0, 0, 0}, {0, 0, 0}},
    {1, 2, 24, 46, {1, 5, 3}, {1, 3, 3}, {1, 1, 1}, {1, 1, 1}, {0, 0, 0}, {0, 0, 1}},
    {1, 1, 9, 31, {1, 1, 4}, {1, 1, 1}, {1, 1, 1}, {1, 1, 1}, {0, 0, 0}, {0, 0, 0}},
    {1, 1, 40, 17, {1, 2, 6}, {1, 2, 3}, {1, 1, 1}, {1, 1, 1}, {0, 0, 1}, {0, 0, 2}},
    {3, 1, 1, 65, {1, 1, 100}, {1, 1, 40}, {1, 1, 16}, {1, 1, 1}, {0, 0, 3}, {0, 0, 4}},
    {1, 1, 33, 20, {1, 1, 2}, {1, 1, 1}, {1, 1, 1}, {1, 1, 1}, {0, 0, 0}, {0, 0, 0}},
    {1, 1, 18, 16, {1, 3, 3}, {1, 3, 1}, {1, 1, 1}, {1, 1, 1}, {0, 0, 0}, {0, 0, 0}},
    {1, 1, 20, 14, {2, 2, 2}, {1, 1, 1}, {1, 1, 1}, {1, 1, 1}, {0, 0, 0}, {0, 0, 0}},
    {2, 1, 70, 66, {1, 1, 5}, {1, 1, 3}, {1, 1, 2}, {1, 1, 1}, {0, 0, 1}, {0, 0, 1}},
    {1, 1, 2, 3, {1, 4, 5}, {1, 2, 2}, {1, 1, 1}, {1, 70000, 1}, {0, 69999, 0}, {0, 3, 0}},
};

TEST(Conv, MatchesTheNaiveConvolution) {
  for_each_isa([] {
    for (const Case& at : kCases) {
      for (Terms terms : {Terms::kNone, Terms::kBias, Terms::kAll, Terms::kActivationLast}) check(at, terms);
    }
  });
}

TEST(Conv, CasesReachEveryRoute) {
  std::set<ConvRoute> reached;
  for_each_isa([&] {
    for (const Case& at : kCases) reached.insert(conv_route(shape_of(at)));
  });
  const int missing = gemm_has_units() ? 0 : 1;  // the route by matrix units
  EXPECT_EQ(static_cast<int>(reached.size()), conv_row_count() - missing);
}

TEST(Conv, CasesReadColumnsFromAPaddedCopy) {
  for_each_isa([] {
    int count = 0;
    for (const Case& at : kCases) {
      const ConvShape shape = shape_of(at);
      count += conv_route(shape) == ConvRoute::kGemm && conv_direct_pays(shape);
    }
    EXPECT_GE(count, 6);
  });
}

TEST(Conv, CasesHaveFewPositions) {
  std::set<std::pair<ConvRoute, int64_t>> reached;
  for_each_isa([&] {
    for (const Case& at : kCases) {
      const ConvShape shape = shape_of(at);
      if (conv_plan(shape, 2).columns == ConvColumns::kFew) reached.insert({conv_route(shape), shape.out_plane()});
    }
  });
  EXPECT_GE(reached.size(), 9u);
}

TEST(Conv, EmptyOutputHasNoTiles) {
  ConvShape shape;
  shape.in_channels = 3;
  shape.out_channels = 4;
  shape.out[2] = 0;
  EXPECT_EQ(conv_plan(shape, 2).tiles, 0);
}

}  // namespace
}  // namespace sdx::kernels
