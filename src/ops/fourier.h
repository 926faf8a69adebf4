// Fourier: discrete Fourier transforms of any length in double precision.
#pragma once

#include <complex>
#include <cstdint>
#include <vector>

namespace sdx::ops {

/// Transforms of one length: X_k = sum_j x_j e^(-2 pi i j k / n), or with + for the inverse (not scaled). Cooley-Tukey
/// over the prime factors; each prime factor p costs p multiplications per element.
class Fourier {
 public:
  Fourier(int64_t n, bool inverse);
  int64_t length() const { return n_; }
  /// `x` and `out` have length() elements and do not overlap.
  void transform(const std::complex<double>* x, std::complex<double>* out) const;

 private:
  void step(const std::complex<double>* x, int64_t stride, size_t factor, int64_t n, std::complex<double>* out) const;

  int64_t n_;
  std::vector<int64_t> factors_;
  std::vector<std::complex<double>> roots_;
};

}  // namespace sdx::ops
