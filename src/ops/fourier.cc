// Fourier: recursive Cooley-Tukey.
#include "ops/fourier.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace sdx::ops {

Fourier::Fourier(int64_t n, bool inverse) : n_(n) {
  int64_t rest = n;
  for (int64_t p = 2; rest > 1; p += p * p > rest ? std::max<int64_t>(rest - p, 1) : 1) {
    for (; rest % p == 0; rest /= p) factors_.push_back(p);
  }
  const double angle = (inverse ? 2 : -2) * std::numbers::pi / static_cast<double>(n);
  for (int64_t i = 0; i < n; ++i) roots_.push_back(std::polar(1.0, angle * static_cast<double>(i)));
}

void Fourier::transform(const std::complex<double>* x, std::complex<double>* out) const { step(x, 1, 0, n_, out); }

void Fourier::step(const std::complex<double>* x, int64_t stride, size_t factor, int64_t n,
                   std::complex<double>* out) const {
  if (n == 1) {
    *out = *x;
    return;
  }
  const int64_t p = factors_[factor], m = n / p, turn = n_ / n;
  for (int64_t r = 0; r < p; ++r) step(x + r * stride, stride * p, factor + 1, m, out + r * m);
  std::vector<std::complex<double>> column(static_cast<size_t>(p));
  for (int64_t k = 0; k < m; ++k) {
    for (int64_t r = 0; r < p; ++r)
      column[static_cast<size_t>(r)] = out[r * m + k] * roots_[static_cast<size_t>(r * k * turn)];
    for (int64_t q = 0; q < p; ++q) {
      std::complex<double> sum = 0;
      for (int64_t r = 0; r < p; ++r)
        sum += column[static_cast<size_t>(r)] * roots_[static_cast<size_t>(r * q % p * (n_ / p))];
      out[q * m + k] = sum;
    }
  }
}

}  // namespace sdx::ops
