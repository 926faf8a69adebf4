// Whisper's rules for predicted times, as its authors describe them (Radford et al. 2022, section 4.5).
#include <algorithm>
#include <cmath>
#include <limits>

#include "generate/logits.h"

namespace sdx::generate {
namespace {

constexpr float kForbidden = -std::numeric_limits<float>::infinity();

void forbid(std::span<float> scores, int64_t begin, int64_t end) {
  const auto size = static_cast<int64_t>(scores.size());
  begin = std::clamp<int64_t>(begin, 0, size);
  end = std::clamp<int64_t>(end, begin, size);
  std::fill(scores.begin() + begin, scores.begin() + end, kForbidden);
}

/// Σ e^(score - top) over a range; 0 where all are forbidden.
double mass(std::span<const float> scores, float top) {
  double sum = 0;
  for (float s : scores) sum += std::exp(static_cast<double>(s) - top);
  return sum;
}

}  // namespace

Processor whisper_timestamps(TimestampRules rules) {
  return [rules](std::span<float> scores, const RowState& row) {
    const auto size = static_cast<int64_t>(scores.size());
    const int64_t first = rules.no_timestamps + 1;
    forbid(scores, rules.no_timestamps, first);
    const auto begin = std::min(static_cast<size_t>(rules.begin), row.ids.size());
    if (row.ids.size() < static_cast<size_t>(rules.begin) || first >= size) return;
    const auto seen = row.ids.subspan(begin);
    const auto is_time = [&](size_t from_end) { return seen[seen.size() - from_end] >= first; };
    const bool last = !seen.empty() && is_time(1);
    const bool penultimate = seen.size() < 2 || is_time(2);
    if (last && penultimate) forbid(scores, first, size);
    if (last && !penultimate) forbid(scores, 0, rules.eos);
    const auto newest = std::find_if(seen.rbegin(), seen.rend(), [&](int64_t id) { return id >= first; });
    // A time may repeat only as the begin of the next segment.
    if (newest != seen.rend()) forbid(scores, first, last && !penultimate ? *newest : *newest + 1);
    if (seen.empty()) {
      forbid(scores, 0, first);
      if (rules.max_initial) forbid(scores, first + *rules.max_initial + 1, size);
    }
    const float top = *std::ranges::max_element(scores);
    if (!std::isfinite(top)) return;
    const float word = *std::ranges::max_element(scores.first(static_cast<size_t>(first)));
    if (mass(scores.subspan(static_cast<size_t>(first)), top) > std::exp(static_cast<double>(word) - top))
      forbid(scores, 0, first);
  };
}

}  // namespace sdx::generate
