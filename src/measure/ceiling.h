// Ceiling: what the processor can do at most at this moment.
#pragma once

#include <vector>

#include "base/parallel.h"

namespace sdx::measure {

/// Rates of all threads together.
struct Ceiling {
  double flops = 0;   ///< float32 operations a second, from registers alone
  double memory = 0;  ///< bytes a second, reading more than the caches hold
  double cache = 0;   ///< bytes a second, reading what fits the second-level caches
};

/// Measures again and again beside something else; keeps its memory.
class CeilingProbe {
 public:
  explicit CeilingProbe(Parallel parallel);

  /// About 10 milliseconds.
  Ceiling measure();

 private:
  double time_fma(int64_t rounds, double& operations);
  /// Operations a second that split products stand for; 0 without matrix units.
  double units_rate();
  double time_read(int64_t floats, int repeats);

  Parallel parallel_;
  std::vector<float> block_;
  std::vector<float> sinks_;
};

/// Bytes of the last-level cache that this process may use, and of one second-level cache; a guess where the system
/// does not tell.
int64_t last_level_cache_bytes();
int64_t second_level_cache_bytes();

}  // namespace sdx::measure
