// Conv gathering: input values into B panels, rows of output positions at a time.
#include <algorithm>
#include <cstring>

#include "kernels/conv_routes.h"

namespace sdx::kernels {

void ConvGather::select(int64_t position, int64_t count) {
  count_ = count;
  segments_ = 0;
  const int64_t* out = shape_.out;
  for (int64_t column = 0; column < count;) {
    const int64_t at = position + column;
    const int64_t x = at % out[2];
    const int64_t y = at / out[2] % out[1];
    const int64_t z = at / out[2] / out[1];
    Segment& segment = segment_[segments_++];
    segment.column = column;
    segment.length = std::min(count - column, out[2] - x);
    segment.in[0] = z * shape_.stride[0] - shape_.pad_begin[0];
    segment.in[1] = y * shape_.stride[1] - shape_.pad_begin[1];
    segment.in[2] = x * shape_.stride[2] - shape_.pad_begin[2];
    column += segment.length;
  }
}

void ConvGather::fill_row(const float* plane, const int64_t* offset, float* row) const {
  const int64_t* in = shape_.in;
  const int64_t stride = shape_.stride[2];
  for (int i = 0; i < segments_; ++i) {
    const Segment& segment = segment_[i];
    float* to = row + segment.column;
    const int64_t z = segment.in[0] + offset[0];
    const int64_t y = segment.in[1] + offset[1];
    const int64_t x = segment.in[2] + offset[2];
    if (z < 0 || z >= in[0] || y < 0 || y >= in[1]) {
      std::fill_n(to, segment.length, 0.0f);
      continue;
    }
    const float* from = plane + (z * in[1] + y) * in[2];
    const int64_t last = x + (segment.length - 1) * stride;
    if (x >= 0 && last < in[2] && stride == 1) {
      std::memcpy(to, from + x, static_cast<size_t>(segment.length) * sizeof(float));
    } else if (x >= 0 && last < in[2]) {
      for (int64_t j = 0; j < segment.length; ++j) to[j] = from[x + j * stride];
    } else {
      for (int64_t j = 0; j < segment.length; ++j) {
        const int64_t at = x + j * stride;
        to[j] = at >= 0 && at < in[2] ? from[at] : 0.0f;
      }
    }
  }
}

void ConvGather::fill(const float* x, int64_t depth, int64_t depths, float* panel) const {
  const int64_t* kernel = shape_.kernel;
  const int64_t plane = shape_.in_plane();
  int64_t l = depth % kernel[2];
  int64_t j = depth / kernel[2] % kernel[1];
  int64_t i = depth / (kernel[2] * kernel[1]) % kernel[0];
  int64_t channel = depth / shape_.kernel_volume();
  for (int64_t p = 0; p < depths; ++p) {
    const int64_t offset[3] = {i * shape_.dilation[0], j * shape_.dilation[1], l * shape_.dilation[2]};
    float* row = panel + p * width_;
    fill_row(x + channel * plane, offset, row);
    std::fill(row + count_, row + width_, 0.0f);
    if (++l < kernel[2]) continue;
    l = 0;
    if (++j < kernel[1]) continue;
    j = 0;
    if (++i < kernel[0]) continue;
    i = 0;
    ++channel;
  }
}

}  // namespace sdx::kernels
