// Softmax and its logarithm over rows and over columns, with an optional scale and additive mask.
#pragma once

#include <cstdint>

namespace sdx::kernels {

/// y[r][c] = e^(x[r][c]) / Σ e^(x[r][·]) for rows r in [begin, end) of x [rows, cols]; y may be x. Within
/// (6 + |ln y|) 1e-7 relatively where the result is above 1e-37; below it may be 0. A row without a finite maximum is
/// NaN.
void softmax_rows(const float* x, float* y, int64_t cols, int64_t begin, int64_t end);

/// y[r][c] = x[r][c] - ln Σ e^(x[r][·]), likewise. Within 1e-6 max(1, |y|).
void log_softmax_rows(const float* x, float* y, int64_t cols, int64_t begin, int64_t end);

/// What log_softmax_rows subtracts from each row of x [rows, cols]: first max[r], then log_sum[r]. NaN in a row or no
/// finite maximum makes log_sum[r] NaN.
void log_sum_rows(const float* x, float* max, float* log_sum, int64_t cols, int64_t begin, int64_t end);
/// y[i] = (x[i] - max) - log_sum for x [n]; y may be x.
void subtract_log_sum(const float* x, float* y, int64_t n, float max, float log_sum);

/// Which row of an additive mask belongs to row r of the scores: mask + (r / group) group_stride + (r % period)
/// row_stride. Scores [b, h, q, k] with a mask [b, 1, 1, k]: group h q, group_stride k, row_stride 0; with [b, 1, q,
/// k]: group h q, group_stride q k, period q, row_stride k; with [q, k]: group_stride 0, period q, row_stride k.
struct MaskRows {
  const float* mask;
  int64_t group = 1;
  int64_t group_stride = 0;
  int64_t period = 1;
  int64_t row_stride = 0;
  const float* row(int64_t r) const { return mask + r / group * group_stride + r % period * row_stride; }
};

/// softmax_rows of scale x + mask.
void softmax_masked_rows(const float* x, float* y, int64_t cols, float scale, const MaskRows& mask, int64_t begin,
                         int64_t end);

/// Softmax (or its logarithm) along the middle axis of x [outer, reduce, inner], for the lines o * inner + i in
/// [begin, end); y may be x.
void softmax_columns(const float* x, float* y, int64_t reduce, int64_t inner, int64_t begin, int64_t end);
void log_softmax_columns(const float* x, float* y, int64_t reduce, int64_t inner, int64_t begin, int64_t end);

}  // namespace sdx::kernels
