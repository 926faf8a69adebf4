// Tests of kernels/conv_transpose.h against a naive scatter in double precision, on every instruction set.
#include "kernels/conv_transpose.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <vector>

#include "lanes.h"

namespace sdx::kernels {
namespace {

struct Case {
  int64_t batch, groups, in_channels, out_channels;
  int64_t in[3], kernel[3], stride[3], dilation[3], pad[3], extra[3];  // extra: pad_end less output_padding
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
    shape.out[i] = (at.in[i] - 1) * at.stride[i] + (at.kernel[i] - 1) * at.dilation[i] + 1 - at.pad[i] - at.extra[i];
  }
  return shape;
}

std::vector<double> naive(const ConvShape& s, const std::vector<float>& x, const std::vector<float>& w) {
  std::vector<double> y(static_cast<size_t>(s.batch * s.out_channels * s.out_plane()), 0.0);
  const int64_t channels = s.in_channels / s.groups, outputs = s.out_channels / s.groups;
  for (int64_t ic = 0; ic < s.batch * s.in_channels; ++ic) {
    const int64_t channel = ic % s.in_channels, image = ic / s.in_channels, group = channel / channels;
    for (int64_t m = 0; m < outputs; ++m) {
      for (int64_t p = 0; p < s.in_plane(); ++p) {
        for (int64_t e = 0; e < s.kernel_volume(); ++e) {
          const int64_t at[3] = {p / (s.in[1] * s.in[2]), p / s.in[2] % s.in[1], p % s.in[2]};
          const int64_t k[3] = {e / (s.kernel[1] * s.kernel[2]), e / s.kernel[2] % s.kernel[1], e % s.kernel[2]};
          int64_t offset = 0;
          bool inside = true;
          for (int i = 0; i < 3; ++i) {
            const int64_t o = at[i] * s.stride[i] - s.pad_begin[i] + k[i] * s.dilation[i];
            inside = inside && o >= 0 && o < s.out[i];
            offset = offset * s.out[i] + o;
          }
          if (!inside) continue;
          y[(image * s.out_channels + group * outputs + m) * s.out_plane() + offset] +=
              static_cast<double>(x[ic * s.in_plane() + p]) * w[(channel * outputs + m) * s.kernel_volume() + e];
        }
      }
    }
  }
  return y;
}

void check(const Case& at, bool terms) {
  const ConvShape shape = shape_of(at);
  SCOPED_TRACE(testing::Message() << "channels " << at.in_channels << "->" << at.out_channels << " groups " << at.groups
                                  << " kernel " << at.kernel[1] << "x" << at.kernel[2] << " terms " << terms);
  const std::vector<float> x = random_floats(shape.batch * shape.in_channels * shape.in_plane(), 1);
  const std::vector<float> w =
      random_floats(shape.in_channels * shape.out_channels / shape.groups * shape.kernel_volume(), 2);
  const std::vector<float> bias = random_floats(shape.out_channels, 3);
  const int64_t size = shape.batch * shape.out_channels * shape.out_plane();
  const std::vector<float> residual = random_floats(size, 4);
  std::vector<float> packed(conv_transpose_packed_bytes(shape) / 4);
  conv_transpose_pack(shape, w.data(), packed.data());
  Conv conv;
  conv.shape = shape;
  conv.x = x.data();
  conv.packed = packed.data();
  if (terms) {
    conv.bias = bias.data();
    conv.residual = residual.data();
    conv.activation = Activation::kRelu;
  }
  std::vector<float> y(static_cast<size_t>(size) + 8, 77.0f);
  conv.y = y.data();
  for (int threads : {1, 3}) {
    const ConvPlan plan = conv_transpose_plan(shape, threads);
    std::vector<float> scratch(plan.scratch_bytes / 4, std::nanf(""));
    for (int64_t tile = plan.tiles - 1; tile >= 0; --tile)
      conv_transpose_run(conv, plan, tile, tile + 1, scratch.data());
    const std::vector<double> sums = naive(shape, x, w);
    for (int64_t i = 0; i < size; ++i) {
      const int64_t channel = i / shape.out_plane() % shape.out_channels;
      const double expected = terms ? std::max(0.0, sums[i] + bias[channel]) + residual[i] : sums[i];
      ASSERT_NEAR(y[i], expected, 2e-5) << i;
    }
    for (size_t i = static_cast<size_t>(size); i < y.size(); ++i) ASSERT_EQ(y[i], 77.0f);
  }
}

TEST(ConvTranspose, MatchesTheNaiveScatter) {
  const Case cases[] = {
      {1, 1, 20, 10, {1, 9, 11}, {1, 2, 2}, {1, 2, 2}, {1, 1, 1}, {0, 0, 0}, {0, 0, 0}},
      {2, 1, 8, 17, {1, 6, 35}, {1, 4, 4}, {1, 2, 2}, {1, 1, 1}, {0, 1, 1}, {0, 1, 0}},
      {1, 2, 6, 4, {1, 1, 70}, {1, 1, 16}, {1, 1, 8}, {1, 1, 1}, {0, 0, 4}, {0, 0, 4}},
      {1, 1, 600, 3, {1, 3, 4}, {1, 3, 3}, {1, 1, 1}, {1, 2, 1}, {0, 1, 2}, {0, 1, 0}},
      {1, 3, 3, 3, {3, 4, 5}, {2, 3, 2}, {2, 3, 1}, {1, 1, 2}, {1, 0, 1}, {0, -2, 1}},
  };
  for_each_isa([&] {
    for (const Case& at : cases) {
      for (bool terms : {false, true}) check(at, terms);
    }
  });
}

}  // namespace
}  // namespace sdx::kernels
