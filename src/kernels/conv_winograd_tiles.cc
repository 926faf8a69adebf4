// Winograd tiles: input and output transforms with neighbouring tiles in vector lanes, kernels with output channels.
#include "kernels/conv_winograd_tiles.h"

#include "hwy/foreach_target.h"
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace sdx::kernels::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

using F = hn::ScalableTag<float>;
using V = hn::Vec<F>;

constexpr int64_t kMostLanes = HWY_MAX_BYTES / sizeof(float);
// Columns that a vector of tiles needs.
constexpr int64_t kSpan = 2 * kMostLanes + 2;

// Columns [first, first + kSpan) of a row, where they are or copied to `copy` with zeros outside the row.
HWY_INLINE const float* columns_of(const float* row, int64_t first, int64_t width, float* copy) {
  if (row != nullptr && first >= 0 && first + kSpan <= width) return row + first;
  const F d;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(d));
  for (int64_t i = 0; i < kSpan; i += lanes) hn::StoreU(hn::Zero(d), d, copy + i);
  if (row == nullptr) return copy;
  const int64_t begin = HWY_MAX(first, int64_t{0}), end = HWY_MIN(first + kSpan, width);
  const hn::CappedTag<float, 4> d4;
  int64_t x = begin;
  for (; x + lanes <= end; x += lanes) hn::StoreU(hn::LoadU(d, row + x), d, copy + (x - first));
  for (; x + 4 <= end; x += 4) hn::StoreU(hn::LoadU(d4, row + x), d4, copy + (x - first));
  for (; x < end; ++x) copy[x - first] = row[x];
  return copy;
}

void input_transform(const WinogradInput& input) {
  const F d;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(d));
  HWY_ALIGN float copies[4][kSpan + kMostLanes];
  for (int64_t c = 0; c < input.count; c += lanes) {
    const auto inside = hn::FirstN(d, static_cast<size_t>(HWY_MIN(lanes, input.count - c)));
    V in[4][4];  // [column of the tiles][row]
    for (int r = 0; r < 4; ++r) {
      const float* from = columns_of(input.rows[r], input.first + 2 * c, input.width, copies[r]);
      for (int j = 0; j < 4; j += 2) {
        const V low = hn::LoadU(d, from + j), high = hn::LoadU(d, from + j + lanes);
        in[j][r] = hn::ConcatEven(d, high, low);
        in[j + 1][r] = hn::ConcatOdd(d, high, low);
      }
    }
    V x[4][4];
    for (int j = 0; j < 4; ++j) {
      x[0][j] = hn::Sub(in[j][0], in[j][2]);
      x[1][j] = hn::Add(in[j][1], in[j][2]);
      x[2][j] = hn::Sub(in[j][2], in[j][1]);
      x[3][j] = hn::Sub(in[j][1], in[j][3]);
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

void kernel_transform(const WinogradKernels& kernels) {
  const F d;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(d)), rows = kernels.rows;
  const V half = hn::Set(d, 0.5f);
  for (int64_t depth = 0; depth < kernels.depths; ++depth) {
    for (int64_t r = 0; r < rows; r += lanes) {
      const float* const g = kernels.from + depth * kWinogradTaps * rows + r;
      V x[4][3];
      for (int j = 0; j < 3; ++j) {
        const V above = hn::LoadU(d, g + j * rows), middle = hn::LoadU(d, g + (3 + j) * rows);
        const V below = hn::LoadU(d, g + (6 + j) * rows), ends = hn::Add(above, below);
        x[0][j] = above;
        x[1][j] = hn::MulAdd(ends, half, middle);
        x[2][j] = hn::MulSub(ends, half, middle);
        x[3][j] = below;
      }
      float* to = kernels.to + depth * kernels.to_rows + r;
      for (int i = 0; i < 4; ++i, to += 4 * kernels.point_stride) {
        // Halving the middle column has halved all of its sums.
        const V ends = hn::Add(x[i][0], x[i][2]);
        hn::StoreU(x[i][0], d, to);
        hn::StoreU(hn::MulAdd(ends, half, x[i][1]), d, to + kernels.point_stride);
        hn::StoreU(hn::MulSub(ends, half, x[i][1]), d, to + 2 * kernels.point_stride);
        hn::StoreU(x[i][2], d, to + 3 * kernels.point_stride);
      }
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
HWY_EXPORT(kernel_transform);
HWY_EXPORT(output_transform);
}  // namespace

void winograd_input(const WinogradInput& input) { HWY_DYNAMIC_DISPATCH(input_transform)(input); }

void winograd_kernels(const WinogradKernels& kernels) { HWY_DYNAMIC_DISPATCH(kernel_transform)(kernels); }

void winograd_output(const float* from, int64_t point_stride, int64_t width, float* row0, float* row1) {
  HWY_DYNAMIC_DISPATCH(output_transform)(from, point_stride, width, row0, row1);
}

}  // namespace sdx::kernels
#endif
