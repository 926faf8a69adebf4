// Pool: one output row at a time, kernel element by kernel element, so that the inner loop runs along the row.
#include "kernels/pool.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace sdx::kernels {
namespace {

// Output positions [begin, end) of one row and the input that kernel element l gives to them: in[x * stride].
struct Range {
  int64_t begin, end;
  int64_t first;  // input coordinate at x = 0; may lie outside
};

Range range_of(const PoolShape& shape, int axis, int64_t element) {
  const int64_t stride = shape.stride[axis];
  const int64_t first = element * shape.dilation[axis] - shape.pad_begin[axis];
  const int64_t room = shape.in[axis] - first;
  const int64_t begin = first >= 0 ? 0 : (-first + stride - 1) / stride;
  const int64_t end = room <= 0 ? 0 : (room + stride - 1) / stride;
  const int64_t last = std::min(end, shape.out[axis]);
  return {std::min(begin, last), last, first};
}

// Calls visit(input row, kernel column range, flat coordinates) for each kernel element that meets output row (z, y).
template <class Visit>
void for_each_tap(const PoolShape& shape, int64_t z, int64_t y, const Visit& visit) {
  for (int64_t i = 0; i < shape.kernel[0]; ++i) {
    const int64_t in_z = z * shape.stride[0] - shape.pad_begin[0] + i * shape.dilation[0];
    if (in_z < 0 || in_z >= shape.in[0]) continue;
    for (int64_t j = 0; j < shape.kernel[1]; ++j) {
      const int64_t in_y = y * shape.stride[1] - shape.pad_begin[1] + j * shape.dilation[1];
      if (in_y < 0 || in_y >= shape.in[1]) continue;
      for (int64_t l = 0; l < shape.kernel[2]; ++l) visit(in_z, in_y, range_of(shape, 2, l));
    }
  }
}

template <class T>
T least() {
  if constexpr (std::numeric_limits<T>::has_infinity) return -std::numeric_limits<T>::infinity();
  return std::numeric_limits<T>::lowest();
}

template <class T>
void max_row(const PoolShape& shape, const T* x, int64_t z, int64_t y, T* out) {
  std::fill_n(out, shape.out[2], least<T>());
  for_each_tap(shape, z, y, [&](int64_t in_z, int64_t in_y, const Range& range) {
    const T* in = x + (in_z * shape.in[1] + in_y) * shape.in[2] + range.first;
    if (shape.stride[2] == 1) {
      for (int64_t c = range.begin; c < range.end; ++c) out[c] = in[c] > out[c] ? in[c] : out[c];
    } else {
      for (int64_t c = range.begin; c < range.end; ++c) {
        const T value = in[c * shape.stride[2]];
        out[c] = value > out[c] ? value : out[c];
      }
    }
  });
}

template <class T>
void max_row_indices(const MaxPool<T>& pool, const T* x, int64_t z, int64_t y, T* out, int64_t* indices) {
  const PoolShape& shape = pool.shape;
  std::fill_n(out, shape.out[2], least<T>());
  std::fill_n(indices, shape.out[2], -1);
  for_each_tap(shape, z, y, [&](int64_t in_z, int64_t in_y, const Range& range) {
    for (int64_t c = range.begin; c < range.end; ++c) {
      const int64_t in_x = range.first + c * shape.stride[2];
      const T value = x[(in_z * shape.in[1] + in_y) * shape.in[2] + in_x];
      if (!(value > out[c]) && indices[c] >= 0) continue;
      out[c] = value;
      indices[c] = pool.column_major ? in_z + (in_y + in_x * shape.in[1]) * shape.in[0]
                                     : (in_z * shape.in[1] + in_y) * shape.in[2] + in_x;
    }
  });
}

template <class T>
void run_max(const MaxPool<T>& pool, int64_t begin, int64_t end) {
  const PoolShape& shape = pool.shape;
  const int64_t in_plane = shape.in[0] * shape.in[1] * shape.in[2];
  const int64_t rows = shape.out[0] * shape.out[1];
  for (int64_t row = begin * rows; row < end * rows; ++row) {
    const int64_t plane = row / rows;
    const int64_t z = row % rows / shape.out[1];
    const T* x = pool.x + plane * in_plane;
    T* out = pool.y + row * shape.out[2];
    if (pool.indices == nullptr) {
      max_row(shape, x, z, row % shape.out[1], out);
      continue;
    }
    int64_t* indices = pool.indices + row * shape.out[2];
    max_row_indices(pool, x, z, row % shape.out[1], out, indices);
    for (int64_t c = 0; c < shape.out[2]; ++c) indices[c] += indices[c] < 0 ? 0 : plane * in_plane;
  }
}

// Kernel elements that lie in [low, high) for the window at `position`.
int64_t window_count(const PoolShape& shape, int axis, int64_t position, int64_t low, int64_t high) {
  int64_t count = 0;
  for (int64_t k = 0; k < shape.kernel[axis]; ++k) {
    const int64_t at = position * shape.stride[axis] - shape.pad_begin[axis] + k * shape.dilation[axis];
    count += at >= low && at < high;
  }
  return count;
}

template <class T>
T power(T value, int64_t p) {
  const T magnitude = std::abs(value);
  if (p == 1) return magnitude;
  if (p == 2) return value * value;
  return std::pow(magnitude, static_cast<T>(p));
}

template <class T>
void sum_row(const SumPool<T>& pool, const T* x, int64_t z, int64_t y, T* out) {
  const PoolShape& shape = pool.shape;
  const int64_t stride = shape.stride[2];
  const bool norm = pool.kind == PoolSum::kNorm;
  std::fill_n(out, shape.out[2], T(0));
  for_each_tap(shape, z, y, [&](int64_t in_z, int64_t in_y, const Range& range) {
    const T* in = x + (in_z * shape.in[1] + in_y) * shape.in[2] + range.first;
    if (norm) {
      for (int64_t c = range.begin; c < range.end; ++c) out[c] += power(in[c * stride], pool.p);
    } else if (stride == 1) {
      for (int64_t c = range.begin; c < range.end; ++c) out[c] += in[c];
    } else {
      for (int64_t c = range.begin; c < range.end; ++c) out[c] += in[c * stride];
    }
  });
  if (norm) {
    if (pool.p == 1) return;
    for (int64_t c = 0; c < shape.out[2]; ++c) {
      out[c] = pool.p == 2 ? std::sqrt(out[c]) : std::pow(out[c], T(1) / static_cast<T>(pool.p));
    }
    return;
  }
  const bool padded = pool.kind == PoolSum::kMeanPadded;
  const auto low = [&](int axis) { return padded ? -shape.pad_begin[axis] : 0; };
  const auto high = [&](int axis) { return shape.in[axis] + (padded ? shape.pad_end[axis] : 0); };
  const int64_t outer = window_count(shape, 0, z, low(0), high(0)) * window_count(shape, 1, y, low(1), high(1));
  for (int64_t c = 0; c < shape.out[2]; ++c) {
    out[c] /= static_cast<T>(outer * window_count(shape, 2, c, low(2), high(2)));
  }
}

template <class T>
void run_sum(const SumPool<T>& pool, int64_t begin, int64_t end) {
  const PoolShape& shape = pool.shape;
  const int64_t in_plane = shape.in[0] * shape.in[1] * shape.in[2];
  const int64_t rows = shape.out[0] * shape.out[1];
  for (int64_t row = begin * rows; row < end * rows; ++row) {
    sum_row(pool, pool.x + row / rows * in_plane, row % rows / shape.out[1], row % shape.out[1],
            pool.y + row * shape.out[2]);
  }
}

}  // namespace

void max_pool(const MaxPool<float>& pool, int64_t begin, int64_t end) { run_max(pool, begin, end); }
void max_pool(const MaxPool<double>& pool, int64_t begin, int64_t end) { run_max(pool, begin, end); }
void max_pool(const MaxPool<int8_t>& pool, int64_t begin, int64_t end) { run_max(pool, begin, end); }
void max_pool(const MaxPool<uint8_t>& pool, int64_t begin, int64_t end) { run_max(pool, begin, end); }
void sum_pool(const SumPool<float>& pool, int64_t begin, int64_t end) { run_sum(pool, begin, end); }
void sum_pool(const SumPool<double>& pool, int64_t begin, int64_t end) { run_sum(pool, begin, end); }

}  // namespace sdx::kernels
