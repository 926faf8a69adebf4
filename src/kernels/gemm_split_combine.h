// Split products: rows of sums become floats, inlined where the vector units have time for it.
#pragma once

#include "kernels/gemm_split.h"

#if defined(__x86_64__) && defined(__GNUC__)
#include <immintrin.h>

#include <limits>

// A target attribute instead of compile flags, so that nothing but these functions uses the instructions.
#define SDX_VNNI __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx512vnni")))

namespace sdx::kernels {

/// Takes rows of sums one by one to `to`, from the first on.
class SplitCombiner {
 public:
  SDX_VNNI SplitCombiner(const SplitParts& parts, float* to)
      : alpha_(_mm512_set1_ps(parts.alpha)),
        sums_(parts.sums),
        row_scale_(parts.row_scales),
        residual_(parts.residual),
        to_(to),
        left_(parts.rows),
        to_stride_(parts.to_stride),
        residual_stride_(parts.residual_stride),
        middle_(parts.middle),
        low_(parts.low),
        add_(parts.add) {
    if (parts.column_scales == nullptr) return;
    for (int i = 0; i < 2; ++i) {
      columns_[i] = _mm512_loadu_ps(parts.column_scales + i * kLanes);
      bias_[i] = parts.bias == nullptr ? _mm512_setzero_ps() : _mm512_loadu_ps(parts.bias + i * kLanes);
    }
  }
  /// Goes on with other sums for the rows that follow.
  void next(const int32_t* sums, int64_t rows) {
    sums_ = sums;
    left_ = rows;
  }

  int64_t left() const { return left_; }

  SDX_VNNI inline void row() {
    const __m512 scale = _mm512_set1_ps(*row_scale_++);
    for (int i = 0; i < 2; ++i) {
      const __m512 high = _mm512_cvtepi32_ps(_mm512_loadu_si512(sums_ + i * kLanes));
      const __m512 middle = _mm512_cvtepi32_ps(_mm512_loadu_si512(sums_ + i * kLanes + middle_));
      const __m512 low = _mm512_cvtepi32_ps(_mm512_loadu_si512(sums_ + i * kLanes + low_));
      const __m512 lower = _mm512_set1_ps(0x1p-8f);
      const __m512 sum = _mm512_fmadd_ps(_mm512_fmadd_ps(low, lower, middle), lower, high);
      // The second operand stays where it is NaN.
      const __m512 most = _mm512_set1_ps(std::numeric_limits<float>::max());
      const __m512 both = _mm512_min_ps(most, _mm512_mul_ps(scale, columns_[i]));
      float* at = to_ + i * kLanes;
      const __m512 before = add_ ? _mm512_loadu_ps(at) : _mm512_setzero_ps();
      __m512 x = _mm512_add_ps(_mm512_mul_ps(_mm512_fmadd_ps(sum, both, before), alpha_), bias_[i]);
      if (residual_ != nullptr) x = _mm512_add_ps(x, _mm512_loadu_ps(residual_ + i * kLanes));
      _mm512_storeu_ps(at, x);
    }
    sums_ += kSplitColumns;
    to_ += to_stride_;
    if (residual_ != nullptr) residual_ += residual_stride_;
    --left_;
  }

 private:
  static constexpr int64_t kLanes = 16;
  static_assert(kSplitColumns == 2 * kLanes);

  __m512 columns_[2], bias_[2], alpha_;
  const int32_t* sums_;
  const float* row_scale_;
  const float* residual_;
  float* to_;
  int64_t left_, to_stride_, residual_stride_, middle_, low_;
  bool add_;
};

}  // namespace sdx::kernels
#endif
