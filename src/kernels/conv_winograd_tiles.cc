// Winograd tiles: input and output transforms, neighbouring tiles in vector lanes.
#include "kernels/conv_winograd_tiles.h"

#include "hwy/foreach_target.h"
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace sdx::kernels::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

using F = hn::ScalableTag<float>;
using V = hn::Vec<F>;

void input_transform(const WinogradInput& input) {
  const F d;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(d));
  for (int64_t c = 0; c < input.count; c += lanes) {
    const auto inside = hn::FirstN(d, static_cast<size_t>(HWY_MIN(lanes, input.count - c)));
    V x[4][4];
    for (int j = 0; j < 4; ++j) {
      V column[4];
      for (int r = 0; r < 4; ++r) column[r] = hn::LoadU(d, input.rows[r][j % 2] + c + j / 2);
      x[0][j] = hn::Sub(column[0], column[2]);
      x[1][j] = hn::Add(column[1], column[2]);
      x[2][j] = hn::Sub(column[2], column[1]);
      x[3][j] = hn::Sub(column[1], column[3]);
    }
    for (int i = 0; i < 4; ++i) {
      float* to = input.to + i * 4 * input.point_stride + c;
      hn::BlendedStore(hn::Sub(x[i][0], x[i][2]), inside, d, to);
      hn::BlendedStore(hn::Add(x[i][1], x[i][2]), inside, d, to + input.point_stride);
      hn::BlendedStore(hn::Sub(x[i][2], x[i][1]), inside, d, to + 2 * input.point_stride);
      hn::BlendedStore(hn::Sub(x[i][1], x[i][3]), inside, d, to + 3 * input.point_stride);
    }
  }
}

void output_transform(const float* from, int64_t point_stride, int64_t width, float* row0, float* row1) {
  const F d;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(d));
  for (int64_t c = 0; c < width; c += lanes) {
    V y[2][4];
    for (int j = 0; j < 4; ++j) {
      V m[4];
      for (int i = 0; i < 4; ++i) m[i] = hn::LoadU(d, from + (i * 4 + j) * point_stride + c);
      y[0][j] = hn::Add(hn::Add(m[0], m[1]), m[2]);
      y[1][j] = hn::Sub(hn::Sub(m[1], m[2]), m[3]);
    }
    for (int i = 0; i < 2; ++i) {
      const V even = hn::Add(hn::Add(y[i][0], y[i][1]), y[i][2]);
      const V odd = hn::Sub(hn::Sub(y[i][1], y[i][2]), y[i][3]);
      hn::StoreInterleaved2(even, odd, d, (i == 0 ? row0 : row1) + 2 * c);
    }
  }
}

}  // namespace sdx::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace sdx::kernels {
namespace {
HWY_EXPORT(input_transform);
HWY_EXPORT(output_transform);
}  // namespace

void winograd_input(const WinogradInput& input) { HWY_DYNAMIC_DISPATCH(input_transform)(input); }

void winograd_output(const float* from, int64_t point_stride, int64_t width, float* row0, float* row1) {
  HWY_DYNAMIC_DISPATCH(output_transform)(from, point_stride, width, row0, row1);
}

}  // namespace sdx::kernels
#endif
