// rotate_rows: both elements of a pair are read before either is written, so that a row may be rotated in place.
#include "kernels/rotary.h"

#include <algorithm>

#include "hwy/foreach_target.h"
#include "hwy/highway.h"
#include "kernels/math-inl.h"

HWY_BEFORE_NAMESPACE();
namespace sdx::kernels::HWY_NAMESPACE {

struct Row {
  const float* x;
  float* y;
  const float* cosines;
  const float* sines;
};

HWY_INLINE void rotate_pair(const Row& r, int64_t j, int64_t a, int64_t b) {
  const float u = r.x[a], v = r.x[b];
  r.y[a] = u * r.cosines[j] - v * r.sines[j];
  r.y[b] = u * r.sines[j] + v * r.cosines[j];
}

HWY_INLINE void rotate_halves(const Row& r, int64_t half) {
  const F32 d;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(d));
  int64_t j = 0;
  for (; j + lanes <= half; j += lanes) {
    const VF u = hn::LoadU(d, r.x + j), v = hn::LoadU(d, r.x + half + j);
    const VF c = hn::LoadU(d, r.cosines + j), s = hn::LoadU(d, r.sines + j);
    hn::StoreU(hn::Sub(hn::Mul(u, c), hn::Mul(v, s)), d, r.y + j);
    hn::StoreU(hn::Add(hn::Mul(u, s), hn::Mul(v, c)), d, r.y + half + j);
  }
  for (; j < half; ++j) rotate_pair(r, j, j, half + j);
}

HWY_INLINE void rotate_interleaved(const Row& r, int64_t half) {
  const F32 d;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(d));
  int64_t j = 0;
  for (; j + lanes <= half; j += lanes) {
    VF u, v;
    hn::LoadInterleaved2(d, r.x + 2 * j, u, v);
    const VF c = hn::LoadU(d, r.cosines + j), s = hn::LoadU(d, r.sines + j);
    hn::StoreInterleaved2(hn::Sub(hn::Mul(u, c), hn::Mul(v, s)), hn::Add(hn::Mul(u, s), hn::Mul(v, c)), d, r.y + 2 * j);
  }
  for (; j < half; ++j) rotate_pair(r, j, 2 * j, 2 * j + 1);
}

void rotate_rows(const RotaryRows& rows, const float* x, float* y, const float* cosines, const float* sines,
                 int64_t begin, int64_t end) {
  const int64_t half = rows.rotary / 2;
  for (int64_t i = begin; i < end; ++i) {
    const Row r{x + i * rows.x_stride, y + i * rows.y_stride, cosines + i * rows.angle_stride,
                sines + i * rows.angle_stride};
    if (rows.interleaved) {
      rotate_interleaved(r, half);
    } else {
      rotate_halves(r, half);
    }
    if (r.x != r.y) std::copy(r.x + rows.rotary, r.x + rows.width, r.y + rows.rotary);
  }
}

}  // namespace sdx::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace sdx::kernels {
HWY_EXPORT(rotate_rows);
void rotate_rows(const RotaryRows& rows, const float* x, float* y, const float* cosines, const float* sines,
                 int64_t begin, int64_t end) {
  HWY_DYNAMIC_DISPATCH(rotate_rows)(rows, x, y, cosines, sines, begin, end);
}
}  // namespace sdx::kernels
#endif
