// Quartiles of repeated measurements.
#include "measure/statistics.h"

#include <algorithm>
#include <cmath>

namespace sdx::measure {
namespace {

double interpolated(const std::vector<double>& sorted, double share) {
  const double at = share * static_cast<double>(sorted.size() - 1);
  const auto below = static_cast<size_t>(at);
  const size_t above = std::min(below + 1, sorted.size() - 1);
  return sorted[below] + (at - static_cast<double>(below)) * (sorted[above] - sorted[below]);
}

std::vector<double> sorted_copy(std::span<const double> samples) {
  std::vector<double> out(samples.begin(), samples.end());
  std::ranges::sort(out);
  return out;
}

}  // namespace

double quantile(std::span<const double> samples, double share) { return interpolated(sorted_copy(samples), share); }

Summary summarize(std::span<const double> samples) {
  if (samples.empty()) return {};
  const auto sorted = sorted_copy(samples);
  return {static_cast<int>(sorted.size()), sorted.front(), interpolated(sorted, 0.25), interpolated(sorted, 0.5),
          interpolated(sorted, 0.75)};
}

double geometric_mean(std::span<const double> values) {
  if (values.empty()) return 0;
  double sum = 0;
  for (double v : values) sum += std::log(v);
  return std::exp(sum / static_cast<double>(values.size()));
}

}  // namespace sdx::measure
