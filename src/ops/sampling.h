// Sampling: pixels of a plane at coordinates between them, for RoiAlign and GridSample.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>

namespace sdx::ops {

/// The two neighbours of a coordinate on an axis of n pixels, both inside, and the weight of the upper one.
struct Neighbours {
  int64_t low, high;
  double weight;
};

/// Neighbours of a coordinate that is clamped to [0, n - 1]; those of NaN are the first pixels.
inline Neighbours clamped_neighbours(double at, int64_t n) {
  at = at > 0 ? std::min(at, static_cast<double>(n - 1)) : 0;  // NaN, too
  const auto low = static_cast<int64_t>(at);
  return {low, std::min(low + 1, n - 1), at - static_cast<double>(low)};
}

}  // namespace sdx::ops
