// Greedy search and sampling: one token after another.
#include <algorithm>

#include "generate/choose.h"
#include "generate/search.h"

namespace sdx::generate {
namespace {

/// A sequence on its way.
struct Row {
  Hypothesis* out;
  size_t sequence;  ///< in the whole batch
  size_t prompt;
};

/// Chooses tokens; keeps the scratch memory of that.
class Chooser {
 public:
  explicit Chooser(Search& search) : search_(search), scores_(search.vocabulary()) {}

  /// The next token of a row whose logits these are; its log-probability is added to the score.
  int64_t choose(std::span<const float> logits, const Row& row) {
    const auto& config = search_.config;
    std::span<const float> scores = logits;
    if (!search_.processors.empty() || (config.do_sample && !search_.warpers.empty())) {
      std::ranges::copy(logits, scores_.begin());
      const RowState state{row.out->ids, search_.numbers[row.prompt], row.sequence};
      apply(search_.processors, scores_, state);
      require_numbers(scores_);
      if (config.do_sample) apply(search_.warpers, scores_, state);
      scores = scores_;
    } else {
      require_numbers(logits);
    }
    int64_t token = 0;
    if (config.do_sample) {
      StepRandom random(search_.hooks.seed, row.sequence, row.out->ids.size());
      token = sample(scores, random, probabilities_);
    } else {
      token = argmax(scores);
    }
    if (config.output_scores) {
      const double logprob = log_softmax(scores)(scores[static_cast<size_t>(token)]);
      row.out->score += logprob;
      row.out->logprobs.push_back(logprob);
    }
    return token;
  }

 private:
  Search& search_;
  std::vector<float> scores_, probabilities_;
};

Hypotheses start(const Search& search, std::vector<Row>& rows) {
  const auto each = static_cast<size_t>(search.config.num_return_sequences);
  Hypotheses out(search.prompts.size());
  for (size_t p = 0; p < out.size(); ++p) {
    out[p].resize(each);
    for (size_t k = 0; k < each; ++k) {
      Hypothesis& h = out[p][k];
      h.ids.reserve(search.usual_length());
      h.ids.assign(search.prompts[p].begin(), search.prompts[p].end());
      if (search.config.output_scores) h.logprobs.reserve(h.ids.capacity());
      rows.push_back({&h, search.numbers[p] * each + k, p});
    }
  }
  return out;
}

}  // namespace

Hypotheses sample_search(Search& search) {
  std::vector<Row> rows;
  Hypotheses out = start(search, rows);
  Chooser chooser(search);
  std::vector<int32_t> parents;  // rows of the decoder that go on
  Ids next;
  auto logits = search.prefill();
  for (bool first = true; !logits.empty(); first = false) {
    parents.clear();
    next.clear();
    size_t kept = 0;
    for (size_t r = 0; r < rows.size(); ++r) {
      const Row row = rows[r];
      const size_t source = first ? row.prompt : r;
      const int64_t token = chooser.choose(logits.subspan(source * search.vocabulary(), search.vocabulary()), row);
      if (search.append(*row.out, row.sequence, token)) continue;
      rows[kept++] = row;
      parents.push_back(static_cast<int32_t>(source));
      next.push_back(token);
    }
    rows.resize(kept);
    const Finish why = search.interrupted();
    if (why != Finish::kLength || rows.empty()) {
      for (const Row& row : rows) row.out->finish = why;
      return out;
    }
    search.select(parents);
    logits = search.step(next);
  }
  for (const Row& row : rows) row.out->finish = Finish::kCancelled;
  return out;
}

namespace {

/// What followed the last tokens where they stood before: the longest match of at most `longest` tokens counts, and of
/// several the first.
std::span<const int64_t> look_up(std::span<const int64_t> ids, size_t longest, size_t most) {
  for (size_t n = std::min(longest, ids.size() - 1); n > 0; --n) {
    const auto wanted = ids.last(n);
    for (size_t i = 0; i + n < ids.size(); ++i) {
      if (!std::equal(wanted.begin(), wanted.end(), ids.begin() + static_cast<std::ptrdiff_t>(i))) continue;
      return ids.subspan(i + n, std::min(most, ids.size() - i - n));
    }
  }
  return {};
}

}  // namespace

Hypotheses lookup_search(Search& search) {
  std::vector<Row> rows;
  Hypotheses out = start(search, rows);
  const Row row = rows.front();
  Ids& ids = row.out->ids;
  Chooser chooser(search);
  Ids guess;
  auto logits = search.prefill();
  bool cropping = false;  // after the first guess the decoder may have seen tokens that were not chosen
  while (!logits.empty()) {
    const size_t places = logits.size() / search.vocabulary();
    for (size_t i = 0; i < places; ++i) {
      const int64_t token = chooser.choose(logits.subspan(i * search.vocabulary(), search.vocabulary()), row);
      if (search.append(*row.out, row.sequence, token)) return out;
      if (i + 1 < places && token != guess[i + 1]) break;
    }
    if (const Finish why = search.interrupted(); why != Finish::kLength) {
      row.out->finish = why;
      return out;
    }
    if (cropping) search.decoder.crop(static_cast<int64_t>(ids.size() - 1 - search.skip));
    const auto room = static_cast<size_t>(search.max_length) - ids.size();
    const auto found =
        look_up(ids, static_cast<size_t>(search.config.max_matching_ngram_size),
                std::min(static_cast<size_t>(*search.config.prompt_lookup_num_tokens), room > 0 ? room - 1 : 0));
    guess.assign(1, ids.back());
    guess.insert(guess.end(), found.begin(), found.end());
    cropping = true;
    logits = search.step(guess, engine::Logits::kAll);
  }
  row.out->finish = Finish::kCancelled;
  return out;
}

}  // namespace sdx::generate
