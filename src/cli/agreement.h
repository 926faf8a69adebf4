// Agreement: how far two results are from each other.
#pragma once

#include <vector>

#include "tensor/tensor.h"

namespace sdx::cli {

struct Agreement {
  double difference = 0;  ///< largest |a - b|; infinite where only one is NaN or types or shapes differ
  double scale = 0;       ///< largest finite |b|
  /// difference / scale; the difference itself where everything is zero.
  double relative() const { return scale > 0 ? difference / scale : difference; }
};

/// Compares numbers of any type; NaN agrees with NaN. `lengths`, where given, holds for each index of the first axis
/// how many entries of the second axis count, for tensors that have such axes: the rest is padding.
Agreement agreement(const Tensor& a, const Tensor& b, const std::vector<int64_t>& lengths = {});

}  // namespace sdx::cli
