// BeamHypotheses: the finished sequences of one prompt's beams, with the scores that decide when a search is over.
#pragma once

#include <vector>

#include "generate/search.h"

namespace sdx::generate {

/// Keeps the best `count` finished sequences of a group of beams. Scores are sums of log-probabilities divided by
/// length^length_penalty, where the length counts the prompt of a decoder-only model and not the end token.
class BeamHypotheses {
 public:
  BeamHypotheses(size_t count, const GenerationConfig& config, int64_t max_length)
      : count_(count),
        length_penalty_(config.length_penalty),
        early_stopping_(config.early_stopping),
        max_length_(max_length) {}

  /// `hypothesis.score` is the sum; it becomes the score.
  void add(Hypothesis hypothesis);
  /// True where no running beam has to be followed any more. `best_sum` is the greatest sum of a candidate of this
  /// step, `length` the tokens that candidates have.
  bool is_done(double best_sum, int64_t length) const;
  std::vector<Hypothesis>& all() { return all_; }

 private:
  double score(double sum, int64_t length) const;

  size_t count_;
  double length_penalty_;
  EarlyStopping early_stopping_;
  int64_t max_length_;
  std::vector<Hypothesis> all_;
  double worst_ = 1e9;
};

}  // namespace sdx::generate
