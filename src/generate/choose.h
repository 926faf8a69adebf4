// Choosing tokens from scores: the best, the best few, or one at random.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "generate/random.h"

namespace sdx::generate {

/// Throws InvalidInput where one is NaN.
void require_numbers(std::span<const float> scores);

/// The index of the greatest score; the first of several.
int64_t argmax(std::span<const float> scores);

/// An index with the probability softmax(scores) gives it. Throws InvalidInput where no score is above -inf.
/// `probabilities`: scratch memory.
int64_t sample(std::span<const float> scores, StepRandom& random, std::vector<float>& probabilities);

/// The log-probability of a token with score x, which is (x - max) - log_sum, plus what its row has already. Exactly
/// what log_softmax and an addition give.
struct LogSoftmax {
  float max = 0;
  float log_sum = 0;
  float sum = 0;
  float operator()(float x) const { return ((x - max) - log_sum) + sum; }
};
/// Of one row.
LogSoftmax log_softmax(std::span<const float> scores);

/// One of the scores of several rows laid end to end.
struct Candidate {
  float score;
  int64_t index;  ///< over all rows
};

/// Collects the greatest scores; among equal ones those of lower index. Ordered from the greatest.
class TopCandidates {
 public:
  void reset(size_t count);
  /// Offers scale(score) of the indices first, first + 1, ….
  void offer(std::span<const float> scores, int64_t first, const LogSoftmax& scale = {});
  void offer(float score, int64_t index);
  std::span<const Candidate> best() const { return best_; }

 private:
  size_t count_ = 0;
  std::vector<Candidate> best_;
  std::vector<float> maxima_;  ///< of the blocks of a row
};

}  // namespace sdx::generate
