// BeamHypotheses: the finished sequences of one prompt's beams.
#include "generate/beam_hypotheses.h"

#include <algorithm>
#include <cmath>

namespace sdx::generate {

double BeamHypotheses::score(double sum, int64_t length) const {
  return sum / std::pow(static_cast<double>(length), length_penalty_);
}

void BeamHypotheses::add(Hypothesis hypothesis) {
  hypothesis.score = score(hypothesis.score, static_cast<int64_t>(hypothesis.ids.size()));
  if (all_.size() >= count_ && !(hypothesis.score > worst_)) return;
  const double added = hypothesis.score;
  all_.push_back(std::move(hypothesis));
  if (all_.size() <= count_) {
    worst_ = std::min(added, worst_);
    return;
  }
  // Of equally bad ones the oldest goes.
  all_.erase(std::ranges::min_element(all_, {}, &Hypothesis::score));
  worst_ = std::ranges::min_element(all_, {}, &Hypothesis::score)->score;
}

bool BeamHypotheses::is_done(double best_sum, int64_t length) const {
  if (all_.size() < count_) return false;
  switch (early_stopping_) {
    case EarlyStopping::kTrue: return true;
    case EarlyStopping::kFalse: return worst_ >= score(best_sum, length);
    case EarlyStopping::kNever: return worst_ >= score(best_sum, length_penalty_ > 0 ? max_length_ : length);
  }
  return false;
}

}  // namespace sdx::generate
