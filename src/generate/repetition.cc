// Processors against repetition, by token and by n-gram.
#include <algorithm>
#include <limits>

#include "generate/logits.h"

namespace sdx::generate {
namespace {

constexpr float kForbidden = -std::numeric_limits<float>::infinity();

/// Copies so that memory for rows that grow is taken now and then only.
void copy_ids(std::span<const int64_t> ids, Ids& out) {
  if (ids.size() > out.capacity()) out.reserve(2 * ids.size());
  out.assign(ids.begin(), ids.end());
}

bool is_token(std::span<float> scores, int64_t id) { return id >= 0 && id < static_cast<int64_t>(scores.size()); }

/// Applies the penalty once to each of the tokens. `seen` is scratch memory.
void penalize(std::span<float> scores, std::span<const int64_t> ids, float penalty, Ids& seen) {
  copy_ids(ids, seen);
  std::ranges::sort(seen);
  seen.erase(std::unique(seen.begin(), seen.end()), seen.end());
  for (int64_t id : seen) {
    if (!is_token(scores, id)) continue;
    float& score = scores[static_cast<size_t>(id)];
    score = score < 0 ? score * penalty : score / penalty;
  }
}

/// Forbids what follows each place of `text` where the last size - 1 tokens of `ids` stand.
void forbid_ngrams(std::span<float> scores, std::span<const int64_t> ids, std::span<const int64_t> text, size_t size) {
  const auto prefix = ids.last(size - 1);
  for (size_t i = 0; i + size <= text.size(); ++i) {
    const int64_t next = text[i + size - 1];
    if (is_token(scores, next) &&
        std::equal(prefix.begin(), prefix.end(), text.begin() + static_cast<std::ptrdiff_t>(i)))
      scores[static_cast<size_t>(next)] = kForbidden;
  }
}

}  // namespace

Processor repetition_penalty(double penalty) {
  return [p = static_cast<float>(penalty), seen = Ids()](std::span<float> scores, const RowState& row) mutable {
    penalize(scores, row.ids, p, seen);
  };
}

Processor encoder_repetition_penalty(double penalty, std::vector<Ids> input_ids) {
  return [p = static_cast<float>(1 / penalty), all = std::move(input_ids), seen = Ids()](std::span<float> scores,
                                                                                         const RowState& row) mutable {
    if (row.row < all.size()) penalize(scores, all[row.row], p, seen);
  };
}

Processor presence_penalty(double presence, double frequency, int64_t prompt_length) {
  return [=, sorted = Ids()](std::span<float> scores, const RowState& row) mutable {
    const auto generated = row.ids.subspan(std::min(static_cast<size_t>(prompt_length), row.ids.size()));
    copy_ids(generated, sorted);
    std::ranges::sort(sorted);
    for (size_t i = 0, next = 0; i < sorted.size(); i = next) {
      while (next < sorted.size() && sorted[next] == sorted[i]) ++next;
      if (is_token(scores, sorted[i]))
        scores[static_cast<size_t>(sorted[i])] -=
            static_cast<float>(presence + frequency * static_cast<double>(next - i));
    }
  };
}

Processor no_repeat_ngram(int64_t size) {
  return [n = static_cast<size_t>(size)](std::span<float> scores, const RowState& row) {
    if (row.ids.size() + 1 >= n) forbid_ngrams(scores, row.ids, row.ids, n);
  };
}

Processor encoder_no_repeat_ngram(int64_t size, std::vector<Ids> input_ids) {
  return [n = static_cast<size_t>(size), all = std::move(input_ids)](std::span<float> scores, const RowState& row) {
    if (row.ids.size() + 1 >= n) forbid_ngrams(scores, row.ids, all[row.prompt], n);
  };
}

Processor hamming_diversity(double penalty) {
  return [p = static_cast<float>(penalty)](std::span<float> scores, const RowState& row) {
    // One subtraction of penalty * count, so that the rounding is that of the definition.
    for (size_t i = 0; i < row.group_tokens.size(); ++i) {
      const int64_t id = row.group_tokens[i];
      const auto before = row.group_tokens.first(i);
      if (!is_token(scores, id) || std::ranges::find(before, id) != before.end()) continue;
      scores[static_cast<size_t>(id)] -= p * static_cast<float>(std::ranges::count(row.group_tokens, id));
    }
  };
}

}  // namespace sdx::generate
