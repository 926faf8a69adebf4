// Random numbers for sampling: a pure function of seed, sequence and position, so that threads and batches change
// nothing.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace sdx::generate {

/// Philox4x32 with ten rounds (Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3").
std::array<uint32_t, 4> philox(std::array<uint32_t, 4> counter, std::array<uint32_t, 2> key);

/// The stream of one step of one sequence. Numbers are uniform in (0, 1), never 0 or 1.
class StepRandom {
 public:
  StepRandom(uint64_t seed, uint64_t sequence, uint64_t position);
  double next();

 private:
  std::array<uint32_t, 2> key_;
  std::array<uint32_t, 4> counter_;
  std::array<uint32_t, 4> block_{};
  size_t used_ = 4;
};

}  // namespace sdx::generate
