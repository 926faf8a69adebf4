// Processors that force, forbid or favour tokens.
#include <algorithm>
#include <cmath>
#include <limits>

#include "base/error.h"
#include "generate/logits.h"
#include "kernels/softmax.h"

namespace sdx::generate {
namespace {

constexpr float kForbidden = -std::numeric_limits<float>::infinity();

bool is_token(std::span<float> scores, int64_t id) { return id >= 0 && id < static_cast<int64_t>(scores.size()); }

void forbid(std::span<float> scores, const Ids& tokens) {
  for (int64_t id : tokens) {
    if (is_token(scores, id)) scores[static_cast<size_t>(id)] = kForbidden;
  }
}

void force(std::span<float> scores, const Ids& tokens) {
  std::ranges::fill(scores, kForbidden);
  for (int64_t id : tokens) {
    if (!is_token(scores, id))
      fail(ErrorKind::kInvalidInput, "token ", id, " is forced but the vocabulary has ", scores.size(),
           " tokens; correct the forced token ids");
    scores[static_cast<size_t>(id)] = 0;
  }
}

}  // namespace

Processor sequence_bias(std::vector<std::pair<Ids, double>> sequences) {
  // Those that end in the same token lie together, in the order in which their biases are summed up.
  std::ranges::stable_sort(sequences, {}, [](const auto& s) { return s.first.back(); });
  return [all = std::move(sequences)](std::span<float> scores, const RowState& row) {
    for (size_t i = 0; i < all.size();) {
      const int64_t token = all[i].first.back();
      float sum = 0;
      for (; i < all.size() && all[i].first.back() == token; ++i) {
        const Ids& ids = all[i].first;
        // Sequences longer than the row are left out even where their first part would fit.
        if (ids.size() > 1 && ids.size() > row.ids.size()) continue;
        const auto tail = row.ids.last(ids.size() - 1);
        if (std::equal(tail.begin(), tail.end(), ids.begin())) sum += static_cast<float>(all[i].second);
      }
      if (is_token(scores, token)) scores[static_cast<size_t>(token)] += sum;
    }
  };
}

Processor suppress(Ids tokens) {
  return [all = std::move(tokens)](std::span<float> scores, const RowState&) { forbid(scores, all); };
}

Processor suppress_at(Ids tokens, int64_t length) {
  return [all = std::move(tokens), length](std::span<float> scores, const RowState& row) {
    if (static_cast<int64_t>(row.ids.size()) == length) forbid(scores, all);
  };
}

Processor force_tokens(std::vector<std::pair<int64_t, int64_t>> by_position) {
  return [all = std::move(by_position)](std::span<float> scores, const RowState& row) {
    // Where a position is given twice the last one counts.
    const auto it = std::find_if(all.rbegin(), all.rend(),
                                 [&](const auto& p) { return p.first == static_cast<int64_t>(row.ids.size()); });
    if (it != all.rend()) force(scores, {it->second});
  };
}

Processor force_at(Ids tokens, int64_t length) {
  return [all = std::move(tokens), length](std::span<float> scores, const RowState& row) {
    if (static_cast<int64_t>(row.ids.size()) == length) force(scores, all);
  };
}

Processor min_length(int64_t length, Ids eos) {
  return [length, all = std::move(eos)](std::span<float> scores, const RowState& row) {
    if (static_cast<int64_t>(row.ids.size()) < length) forbid(scores, all);
  };
}

Processor exponential_decay(int64_t start, double factor, Ids eos) {
  return [start, factor, all = std::move(eos)](std::span<float> scores, const RowState& row) {
    const int64_t past = static_cast<int64_t>(row.ids.size()) - start;
    if (past <= 0) return;
    for (int64_t id : all) {
      if (!is_token(scores, id)) continue;
      float& score = scores[static_cast<size_t>(id)];
      if (std::isinf(score)) continue;  // what is forbidden stays so
      score += std::abs(score) * static_cast<float>(std::pow(factor, static_cast<double>(past)) - 1);
    }
  };
}

Processor allow_prefix(PrefixFunction allowed) {
  return [f = std::move(allowed), kept = std::vector<float>()](std::span<float> scores, const RowState& row) mutable {
    const Ids tokens = f(row.prompt, row.ids);
    if (tokens.empty())
      fail(ErrorKind::kInvalidInput, "the prefix function allows no token after ", row.ids.size(), " tokens of prompt ",
           row.prompt);
    kept.assign(scores.size(), kForbidden);
    for (int64_t id : tokens) {
      if (is_token(scores, id)) kept[static_cast<size_t>(id)] = scores[static_cast<size_t>(id)];
    }
    std::ranges::copy(kept, scores.begin());
  };
}

Processor remove_invalid() {
  return [](std::span<float> scores, const RowState&) {
    for (float& s : scores) {
      if (std::isnan(s)) s = 0;
      if (s == std::numeric_limits<float>::infinity()) s = std::numeric_limits<float>::max();
    }
  };
}

Processor normalize() {
  return [](std::span<float> scores, const RowState&) {
    kernels::log_softmax_rows(scores.data(), scores.data(), static_cast<int64_t>(scores.size()), 0, 1);
  };
}

}  // namespace sdx::generate
