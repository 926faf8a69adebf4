// resize_axis, resize_nearest: the loops over data.
#include "kernels/resize.h"

#include <algorithm>
#include <cstring>

#include "kernels/copy.h"

#include "hwy/foreach_target.h"
#include "hwy/highway.h"
#include "kernels/math-inl.h"
#include "kernels/partial-inl.h"

HWY_BEFORE_NAMESPACE();
namespace sdx::kernels::HWY_NAMESPACE {

/// One result row as the weighted sum of source rows, each `inner` long.
HWY_INLINE void weighted_rows(const float* x, float* y, const ResizeTable& t, int64_t j, int64_t inner) {
  const int64_t* index = t.index + j * t.taps;
  const float* weight = t.weight + j * t.taps;
  const F32 d;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(d));
  const auto sum = [&](auto load) {
    VF acc = hn::Mul(constant(weight[0]), load(x + index[0] * inner));
    for (int64_t k = 1; k < t.taps; ++k) acc = hn::MulAdd(constant(weight[k]), load(x + index[k] * inner), acc);
    return acc;
  };
  int64_t i = 0;
  for (; i + lanes <= inner; i += lanes) {
    hn::StoreU(sum([&](const float* p) { return hn::LoadU(d, p + i); }), d, y + i);
  }
  if (i == inner) return;
  const size_t rest = static_cast<size_t>(inner - i);
  store_partial(sum([&](const float* p) { return load_partial(d, p + i, rest); }), d, y + i, rest);
}

HWY_INLINE float weighted_elements(const float* x, const ResizeTable& t, int64_t j) {
  const int64_t* index = t.index + j * t.taps;
  const float* weight = t.weight + j * t.taps;
  float sum = weight[0] * x[index[0]];
  for (int64_t k = 1; k < t.taps; ++k) sum += weight[k] * x[index[k]];
  return sum;
}

void resize_axis(const float* x, float* y, const ResizeTable& table, int64_t inner, int64_t begin, int64_t end) {
  for (int64_t row = begin; row < end; ++row) {
    const int64_t j = row % table.out;
    const float* from = x + row / table.out * table.in * inner;
    float* to = y + row * inner;
    if (table.index[j * table.taps] < 0) {
      std::fill(to, to + inner, table.extrapolation);
    } else if (inner == 1) {
      *to = weighted_elements(from, table, j);
    } else {
      weighted_rows(from, to, table, j, inner);
    }
  }
}

}  // namespace sdx::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace sdx::kernels {
namespace {

template <class Word>
void gather_row(const ResizeNearest2& t, const char* from, char* to) {
  for (int64_t c = 0; c < t.out_cols; ++c) {
    const char* source = t.col[c] < 0 ? static_cast<const char*>(t.value) : from + t.col[c] * int64_t{sizeof(Word)};
    std::memcpy(to + c * int64_t{sizeof(Word)}, source, sizeof(Word));
  }
}

}  // namespace

HWY_EXPORT(resize_axis);
void resize_axis(const float* x, float* y, const ResizeTable& table, int64_t inner, int64_t begin, int64_t end) {
  HWY_DYNAMIC_DISPATCH(resize_axis)(x, y, table, inner, begin, end);
}

void resize_nearest(const ResizeNearest2& t, const void* x, void* y, int bytes, int64_t begin, int64_t end) {
  const int64_t row_bytes = t.out_cols * bytes;
  for (int64_t r = begin; r < end; ++r) {
    char* to = static_cast<char*>(y) + r * row_bytes;
    const int64_t at = r % t.out_rows;
    if (t.row[at] < 0) {
      fill(to, t.value, bytes, t.out_cols);
      continue;
    }
    // Enlarging repeats rows; the one before has just been made.
    if (r > begin && at > 0 && t.row[at] == t.row[at - 1]) {
      std::memcpy(to, to - row_bytes, static_cast<size_t>(row_bytes));
      continue;
    }
    const char* from = static_cast<const char*>(x) + (r / t.out_rows * t.in_rows + t.row[at]) * t.in_cols * bytes;
    switch (bytes) {
      case 1: gather_row<uint8_t>(t, from, to); break;
      case 2: gather_row<uint16_t>(t, from, to); break;
      case 4: gather_row<uint32_t>(t, from, to); break;
      default: gather_row<uint64_t>(t, from, to);
    }
  }
}

}  // namespace sdx::kernels
#endif
