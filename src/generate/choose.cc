// Choosing tokens from scores.
#include "generate/choose.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "base/error.h"

namespace sdx::generate {
namespace {

/// The greatest score, found in lanes so that the compiler can use vectors.
float greatest(std::span<const float> scores) {
  constexpr size_t kLanes = 16;
  std::array<float, kLanes> lanes;
  lanes.fill(-std::numeric_limits<float>::infinity());
  size_t i = 0;
  for (; i + kLanes <= scores.size(); i += kLanes) {
    for (size_t k = 0; k < kLanes; ++k) lanes[k] = scores[i + k] > lanes[k] ? scores[i + k] : lanes[k];
  }
  float top = *std::ranges::max_element(lanes);
  for (; i < scores.size(); ++i) top = std::max(top, scores[i]);
  return top;
}

}  // namespace

int64_t argmax(std::span<const float> scores) {
  const float top = greatest(scores);
  const auto it = std::ranges::find(scores, top);
  return it == scores.end() ? 0 : it - scores.begin();
}

int64_t sample(std::span<const float> scores, StepRandom& random) {
  const float top = greatest(scores);
  if (!std::isfinite(top))
    fail(ErrorKind::kInvalidInput, "no token is left to sample from; loosen the processors that forbid tokens");
  double sum = 0;
  for (float s : scores) sum += s - top > -100 ? std::exp(static_cast<double>(s - top)) : 0;
  double rest = random.next() * sum;
  int64_t last = 0;
  for (size_t i = 0; i < scores.size(); ++i) {
    if (!(scores[i] - top > -100)) continue;
    last = static_cast<int64_t>(i);
    rest -= std::exp(static_cast<double>(scores[i] - top));
    if (rest < 0) return last;
  }
  return last;
}

void TopCandidates::reset(size_t count) {
  count_ = count;
  best_.clear();
  best_.reserve(count + 1);
}

void TopCandidates::offer(float score, int64_t index) {
  if (best_.size() == count_ && !(score > best_.back().score)) return;
  auto place = best_.end();
  while (place != best_.begin() && score > std::prev(place)->score) --place;
  best_.insert(place, {score, index});
  if (best_.size() > count_) best_.pop_back();
}

void TopCandidates::offer(std::span<const float> scores, int64_t first) {
  for (size_t i = 0; i < scores.size(); ++i) {
    if (best_.size() < count_ || scores[i] > best_.back().score) offer(scores[i], first + static_cast<int64_t>(i));
  }
}

}  // namespace sdx::generate
