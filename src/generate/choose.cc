// Choosing tokens from scores.
#include "generate/choose.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "base/error.h"
#include "kernels/maxima.h"
#include "kernels/softmax.h"

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

void require_numbers(std::span<const float> scores) {
  unsigned broken = 0;
  for (float s : scores) broken |= static_cast<unsigned>(s != s);
  if (broken != 0)
    fail(ErrorKind::kInvalidInput,
         "the scores of the next token are not numbers; check the model's input and weights, loosen the processors, or "
         "set remove_invalid_values=true");
}

int64_t argmax(std::span<const float> scores) {
  const float top = greatest(scores);
  const auto it = std::ranges::find(scores, top);
  return it == scores.end() ? 0 : it - scores.begin();
}

int64_t sample(std::span<const float> scores, StepRandom& random, std::vector<float>& probabilities) {
  const float top = greatest(scores);
  if (!std::isfinite(top))
    fail(ErrorKind::kInvalidInput, "no token is left to sample from; loosen the processors that forbid tokens");
  probabilities.resize(scores.size());
  kernels::softmax_rows(scores.data(), probabilities.data(), static_cast<int64_t>(scores.size()), 0, 1);
  double sum = 0;
  for (float p : probabilities) sum += p;
  double rest = random.next() * sum;
  int64_t last = 0;
  for (size_t i = 0; i < probabilities.size(); ++i) {
    if (!(probabilities[i] > 0)) continue;
    last = static_cast<int64_t>(i);
    rest -= probabilities[i];
    if (rest < 0) return last;
  }
  return last;
}

LogSoftmax log_softmax(std::span<const float> scores) {
  LogSoftmax out;
  kernels::log_sum_rows(scores.data(), &out.max, &out.log_sum, static_cast<int64_t>(scores.size()), 0, 1);
  return out;
}

void TopCandidates::reset(size_t count) {
  count_ = count;
  best_.clear();
  best_.reserve(count + 1);
}

void TopCandidates::offer(float score, int64_t index) {
  if (std::isnan(score)) return;
  if (best_.size() == count_ && !(score > best_.back().score)) return;
  auto place = best_.end();
  while (place != best_.begin() && score > std::prev(place)->score) --place;
  best_.insert(place, {score, index});
  if (best_.size() > count_) best_.pop_back();
}

void TopCandidates::offer(std::span<const float> scores, int64_t first, const LogSoftmax& scale) {
  const auto size = static_cast<int64_t>(scores.size()),
             blocks = (size + kernels::kMaximaBlock - 1) / kernels::kMaximaBlock;
  maxima_.resize(static_cast<size_t>(blocks));
  kernels::block_maxima(scores.data(), size, maxima_.data(), 0, blocks);
  for (int64_t block = 0; block < blocks; ++block) {
    // The scale grows with the score, rounding included: no element beats what its block's greatest does not.
    if (best_.size() == count_ && !(scale(maxima_[static_cast<size_t>(block)]) > best_.back().score)) continue;
    for (int64_t i = block * kernels::kMaximaBlock; i < std::min(size, (block + 1) * kernels::kMaximaBlock); ++i)
      offer(scale(scores[static_cast<size_t>(i)]), first + i);
  }
}

}  // namespace sdx::generate
