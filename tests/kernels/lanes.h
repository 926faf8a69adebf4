// Lanes: runs a test body on every instruction set that the build holds and the machine can run.
#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <random>
#include <string>
#include <vector>

#include "kernels/isa.h"

namespace sdx::kernels {

/// Calls body() once per instruction set, and leaves the best one active.
template <class Body>
void for_each_isa(const Body& body) {
  const std::vector<Isa> isas = available_isas();
  for (Isa isa : isas) {
    limit_isa(isa);
    SCOPED_TRACE(std::string(isa_name(isa)));
    body();
  }
  limit_isa(isas.front());
}

/// The error of a product of split operands, relative to k max|a| max|b|.
inline constexpr double kSplitError = 0x1p-22;

/// `count` floats, uniform in [low, high), the same for the same seed.
inline std::vector<float> random_floats(int64_t count, uint32_t seed, float low = -1.0f, float high = 1.0f) {
  std::mt19937 generator(seed);
  std::uniform_real_distribution<float> uniform(low, high);
  std::vector<float> values(static_cast<size_t>(count));
  for (float& value : values) value = uniform(generator);
  return values;
}

}  // namespace sdx::kernels
