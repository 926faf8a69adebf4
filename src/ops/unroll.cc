// Unroll: row by row copies of shifted image rows.
#include "ops/unroll.h"

#include <algorithm>

namespace sdx::ops {
namespace {

/// The kernel tap of one row of the unrolled matrix.
struct Tap {
  int64_t channel, shift[kMaxSpatial];  ///< shift: from an output position times the stride to the input position
  Tap(const Geometry& g, int64_t row) : channel(row / g.kernel_count()) {
    int64_t rest = row % g.kernel_count();
    for (int axis = kMaxSpatial; axis-- > 0;) {
      shift[axis] = rest % g.kernel[axis] * g.dilation[axis] - g.pad[axis];
      rest /= g.kernel[axis];
    }
  }
};

/// Output positions [begin, end) of the last axis whose input lies inside, within `asked`.
Range inside(const Geometry& g, int64_t shift, Range asked) {
  const int64_t s = g.stride[2];
  const int64_t lo = shift < 0 ? (-shift + s - 1) / s : 0;
  const int64_t last = g.in[2] - 1 - shift;
  const int64_t hi = last < 0 ? 0 : last / s + 1;
  const int64_t begin = std::clamp(lo, asked.begin, asked.end);
  return {begin, std::clamp(hi, begin, asked.end)};
}

/// Index of the input row under output row `row` (of the first two axes together), or -1 outside.
int64_t input_row(const Geometry& g, const Tap& tap, int64_t row) {
  const int64_t z = row / g.out[1] * g.stride[0] + tap.shift[0], y = row % g.out[1] * g.stride[1] + tap.shift[1];
  if (z < 0 || z >= g.in[0] || y < 0 || y >= g.in[1]) return -1;
  return z * g.in[1] + y;
}

void unroll_row(const Geometry& g, const Tap& tap, const float* x, Range columns, float* out) {
  for (int64_t at = columns.begin; at < columns.end;) {
    const int64_t row = at / g.out[2], first = at % g.out[2];
    const Range asked{first, std::min(g.out[2], first + columns.end - at)};
    const int64_t from_row = input_row(g, tap, row);
    const Range valid = from_row < 0 ? Range{asked.end, asked.end} : inside(g, tap.shift[2], asked);
    std::fill(out, out + (valid.begin - asked.begin), 0.0f);
    const float* from = x + from_row * g.in[2] + tap.shift[2];
    float* to = out - asked.begin;
    if (g.stride[2] == 1) {
      if (valid.end > valid.begin) std::copy(from + valid.begin, from + valid.end, to + valid.begin);
    } else {
      for (int64_t i = valid.begin; i < valid.end; ++i) to[i] = from[i * g.stride[2]];
    }
    std::fill(to + valid.end, to + asked.end, 0.0f);
    out += asked.end - asked.begin;
    at += asked.end - asked.begin;
  }
}

}  // namespace

void unroll(const Geometry& g, const float* x, Range rows, Range columns, float* out) {
  for (int64_t row = rows.begin; row < rows.end; ++row) {
    const Tap tap(g, row);
    unroll_row(g, tap, x + tap.channel * g.in_count(), columns, out);
    out += columns.end - columns.begin;
  }
}

void roll(const Geometry& g, const float* in, float* y) {
  for (int64_t row = 0; row < g.kernel_count(); ++row) {
    const Tap tap(g, row);
    const Range valid = inside(g, tap.shift[2], {0, g.out[2]});
    for (int64_t r = 0; r < g.out[0] * g.out[1]; ++r) {
      const int64_t to_row = input_row(g, tap, r);
      if (to_row < 0) continue;
      float* to = y + to_row * g.in[2] + tap.shift[2];
      const float* from = in + (row * g.out[0] * g.out[1] + r) * g.out[2];
      for (int64_t i = valid.begin; i < valid.end; ++i) to[i * g.stride[2]] += from[i];
    }
  }
}

}  // namespace sdx::ops
