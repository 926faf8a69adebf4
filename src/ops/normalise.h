// Normalise: the row loop that the normalisation operators share.
#pragma once

#include <cmath>
#include <cstdint>

namespace sdx::ops {

/// Mean and 1 / sqrt(variance + epsilon) of a row.
struct Moments {
  double mean = 0, inverse = 1;
};

/// Sum of f(x[i]) in double with eight independent chains, whose order depends on n alone.
template <class T, class F>
double sum_of(const T* x, int64_t n, F f) {
  double lane[8] = {};
  int64_t i = 0;
  for (; i + 8 <= n; i += 8) {
    for (int64_t j = 0; j < 8; ++j) lane[j] += f(static_cast<double>(x[i + j]));
  }
  for (; i < n; ++i) lane[i & 7] += f(static_cast<double>(x[i]));
  return ((lane[0] + lane[4]) + (lane[1] + lane[5])) + ((lane[2] + lane[6]) + (lane[3] + lane[7]));
}

/// Two passes, so that large means lose nothing. `centred`: subtract the mean (otherwise mean 0: RMS).
template <class T>
Moments moments(const T* x, int64_t n, double epsilon, bool centred) {
  Moments out;
  if (n == 0) return out;
  if (centred) out.mean = sum_of(x, n, [](double v) { return v; }) / static_cast<double>(n);
  const double mean = out.mean;
  const double squares = sum_of(x, n, [mean](double v) { return (v - mean) * (v - mean); });
  out.inverse = 1 / std::sqrt(squares / static_cast<double>(n) + epsilon);
  return out;
}

/// y = (x - mean) * inverse * scale + bias over a row; `bias` may be null, y may be x.
template <class T>
void scale_row(const T* x, int64_t n, const Moments& m, const T* scale, const T* bias, T* y) {
  const T mean = static_cast<T>(m.mean), inverse = static_cast<T>(m.inverse);
  if (bias) {
    for (int64_t i = 0; i < n; ++i) y[i] = (x[i] - mean) * inverse * scale[i] + bias[i];
  } else {
    for (int64_t i = 0; i < n; ++i) y[i] = (x[i] - mean) * inverse * scale[i];
  }
}

/// y = (x - mean) * inverse * scale + bias with one scale and bias for all; y may be x.
template <class T>
void scale_all(const T* x, int64_t n, const Moments& m, T scale, T bias, T* y) {
  const T factor = static_cast<T>(m.inverse * static_cast<double>(scale));
  const T shift = static_cast<T>(static_cast<double>(bias) - m.mean * m.inverse * static_cast<double>(scale));
  for (int64_t i = 0; i < n; ++i) y[i] = x[i] * factor + shift;
}

}  // namespace sdx::ops
