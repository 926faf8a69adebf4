// Choosing tokens from scores: the best, the best few, or one at random.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "generate/random.h"

namespace sdx::generate {

/// The index of the greatest score; the first of several.
int64_t argmax(std::span<const float> scores);

/// An index with the probability softmax(scores) gives it. Throws InvalidInput where no score is above -inf.
int64_t sample(std::span<const float> scores, StepRandom& random);

/// One of the scores of several rows laid end to end.
struct Candidate {
  float score;
  int64_t index;  ///< over all rows
};

/// Collects the greatest scores; among equal ones those of lower index. Ordered from the greatest.
class TopCandidates {
 public:
  void reset(size_t count);
  /// Offers the scores of indices first, first + 1, ….
  void offer(std::span<const float> scores, int64_t first);
  void offer(float score, int64_t index);
  std::span<const Candidate> best() const { return best_; }

 private:
  size_t count_ = 0;
  std::vector<Candidate> best_;
};

}  // namespace sdx::generate
