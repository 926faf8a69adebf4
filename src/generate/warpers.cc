// Warpers: what reshapes the distribution that a token is sampled from.
#include <algorithm>
#include <cmath>
#include <limits>

#include "generate/logits.h"
#include "kernels/softmax.h"

namespace sdx::generate {
namespace {

constexpr float kForbidden = -std::numeric_limits<float>::infinity();

/// Scratch memory of a warper.
struct Scratch {
  std::vector<float> probabilities;
  std::vector<uint32_t> order;
  std::vector<float> sorted;
  std::vector<float> kept;
};

void softmax(std::span<const float> scores, std::vector<float>& out) {
  out.resize(scores.size());
  kernels::softmax_rows(scores.data(), out.data(), static_cast<int64_t>(scores.size()), 0, 1);
}

double entropy(const std::vector<float>& probabilities) {
  double out = 0;
  for (double p : probabilities) out -= p > 0 ? p * std::log(p) : 0;
  return out;
}

/// Tokens of a probability above 0; after top-k they are few.
void list_possible(Scratch& s) {
  s.order.clear();
  s.order.reserve(s.probabilities.size());
  for (uint32_t i = 0; i < s.probabilities.size(); ++i) {
    if (s.probabilities[i] > 0) s.order.push_back(i);
  }
}

/// The k-th greatest score, or the least where there are fewer.
float greatest(std::span<const float> scores, int64_t k, std::vector<float>& sorted) {
  sorted.assign(scores.begin(), scores.end());
  const auto nth = sorted.begin() + std::min<int64_t>(k, static_cast<int64_t>(sorted.size())) - 1;
  std::nth_element(sorted.begin(), nth, sorted.end(), std::greater());
  return *nth;
}

/// Forbids tokens less likely than `cutoff`, but never the `keep` likeliest.
void cut(std::span<float> scores, double cutoff, int64_t keep, Scratch& s) {
  const float kept = greatest(scores, keep, s.sorted);
  for (size_t i = 0; i < scores.size(); ++i) {
    if (s.probabilities[i] < cutoff && scores[i] < kept) scores[i] = kForbidden;
  }
}

}  // namespace

Processor temperature(double value) {
  return [t = static_cast<float>(value)](std::span<float> scores, const RowState&) {
    for (float& s : scores) s /= t;
  };
}

Processor top_k(int64_t k, int64_t keep) {
  return [k = std::max(k, keep), sorted = std::vector<float>()](std::span<float> scores, const RowState&) mutable {
    const float least = greatest(scores, k, sorted);
    for (float& s : scores) {
      if (s < least) s = kForbidden;
    }
  };
}

Processor top_p(double p, int64_t keep) {
  return [p, keep = static_cast<size_t>(keep), s = Scratch()](std::span<float> scores, const RowState&) mutable {
    softmax(scores, s.probabilities);
    list_possible(s);
    std::ranges::sort(s.order, [&](uint32_t a, uint32_t b) {
      return s.probabilities[a] != s.probabilities[b] ? s.probabilities[a] > s.probabilities[b] : a < b;
    });
    double above = 0;
    size_t kept = 0;
    while (kept < s.order.size() && (above < p || kept < keep)) above += s.probabilities[s.order[kept++]];
    if (kept < keep) return;
    s.kept.clear();
    s.kept.reserve(scores.size());
    for (uint32_t i : std::span(s.order).first(kept)) s.kept.push_back(scores[i]);
    std::ranges::fill(scores, kForbidden);
    for (size_t i = 0; i < kept; ++i) scores[s.order[i]] = s.kept[i];
  };
}

Processor min_p(double p, int64_t keep) {
  return [p, keep, s = Scratch()](std::span<float> scores, const RowState&) mutable {
    softmax(scores, s.probabilities);
    cut(scores, p * *std::ranges::max_element(s.probabilities), keep, s);
  };
}

Processor typical_p(double p, int64_t keep) {
  return [p, keep = static_cast<size_t>(keep), s = Scratch(), distance = std::vector<double>()](
             std::span<float> scores, const RowState&) mutable {
    softmax(scores, s.probabilities);
    const double h = entropy(s.probabilities);
    list_possible(s);
    distance.resize(scores.size());
    for (uint32_t i : s.order) distance[i] = std::abs(-std::log(static_cast<double>(s.probabilities[i])) - h);
    std::ranges::sort(s.order, [&](uint32_t a, uint32_t b) {
      return distance[a] != distance[b] ? distance[a] < distance[b] : a < b;
    });
    if (s.order.size() < keep) return;
    for (size_t i = 0; i < scores.size(); ++i) {
      if (!(s.probabilities[i] > 0)) scores[i] = kForbidden;
    }
    double sum = 0;
    size_t last = 0;
    while (last + 1 < s.order.size() && (sum += s.probabilities[s.order[last]]) < p) ++last;
    const double farthest = distance[s.order[last]];
    for (size_t rank = keep; rank < s.order.size(); ++rank) {
      if (distance[s.order[rank]] > farthest) scores[s.order[rank]] = kForbidden;
    }
  };
}

Processor epsilon_cutoff(double epsilon, int64_t keep) {
  return [epsilon, keep, s = Scratch()](std::span<float> scores, const RowState&) mutable {
    softmax(scores, s.probabilities);
    cut(scores, epsilon, keep, s);
  };
}

Processor eta_cutoff(double epsilon, int64_t keep) {
  return [epsilon, keep, s = Scratch()](std::span<float> scores, const RowState&) mutable {
    softmax(scores, s.probabilities);
    cut(scores, std::min(epsilon, std::sqrt(epsilon) * std::exp(-entropy(s.probabilities))), keep, s);
  };
}

}  // namespace sdx::generate
