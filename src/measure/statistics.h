// Quartiles of repeated measurements.
#pragma once

#include <span>
#include <vector>

namespace sdx::measure {

/// The value below which `share` of the samples lie, interpolated between neighbours (type 7 of Hyndman and Fan, 1996).
/// `share` is in [0, 1] and there is at least one sample.
double quantile(std::span<const double> samples, double share);

struct Summary {
  int count = 0;
  double least = 0, first = 0, median = 0, third = 0;  ///< minimum and quartiles
};
/// Zeros where there are no samples.
Summary summarize(std::span<const double> samples);

/// The geometric mean of positive values; 0 where there are none.
double geometric_mean(std::span<const double> values);

}  // namespace sdx::measure
