// Contrastive search: of the likeliest tokens the one whose hidden state resembles those before least (Su et al. 2022).
#include <algorithm>
#include <cmath>

#include "generate/choose.h"
#include "generate/search.h"

namespace sdx::generate {
namespace {

/// A sequence on its way.
struct Row {
  Hypothesis* out;
  size_t prompt;
  std::vector<float> states;  ///< hidden states of its tokens, each of norm 1, padding left out
};

/// A token that may come next.
struct Option {
  int64_t token;
  float probability;
};

/// Appends a hidden state, scaled to norm 1.
void append_state(std::vector<float>& states, std::span<const float> state) {
  double square = 0;
  for (float x : state) square += static_cast<double>(x) * x;
  const auto scale = static_cast<float>(square > 0 ? 1 / std::sqrt(square) : 0);
  for (float x : state) states.push_back(x * scale);
}

/// The greatest cosine of a state with those of a row.
double resemblance(const std::vector<float>& states, std::span<const float> state) {
  std::vector<float> unit;
  append_state(unit, state);
  double most = -1;
  for (size_t at = 0; at < states.size(); at += unit.size()) {
    double dot = 0;
    for (size_t i = 0; i < unit.size(); ++i) dot += static_cast<double>(states[at + i]) * unit[i];
    most = std::max(most, dot);
  }
  return most;
}

class ContrastiveSearch {
 public:
  explicit ContrastiveSearch(Search& search)
      : search_(search),
        alpha_(*search.config.penalty_alpha),
        count_(std::min(static_cast<size_t>(search.config.top_k), search.vocabulary())) {}

  Hypotheses run();

 private:
  Hypotheses start();
  void collect_options();
  bool advance(size_t r, std::span<const float> logits, std::span<const float> states);

  Search& search_;
  const double alpha_;
  const size_t count_;  ///< options of a row
  std::vector<Row> rows_;
  std::vector<float> scores_;     ///< [rows, vocabulary]: processed logits of the next token
  std::vector<Option> options_;   ///< [rows, count]
  std::vector<int32_t> parents_;  ///< rows of the decoder that go on
};

Hypotheses ContrastiveSearch::start() {
  Hypotheses out(search_.prompts.size());
  for (size_t p = 0; p < out.size(); ++p) out[p].emplace_back().ids = search_.prompts[p];
  search_.decoder.keep_hidden_states();
  const auto logits = search_.prefill(search_.prompt_length());
  if (logits.empty()) {
    for (auto& hypotheses : out) hypotheses[0].finish = Finish::kCancelled;
    return out;
  }
  scores_.assign(logits.begin(), logits.end());
  const auto states = search_.hidden_states();
  const size_t length = search_.prompt_length() - search_.skip, width = states.size() / (out.size() * length);
  for (size_t p = 0; p < out.size(); ++p) {
    Row& row = rows_.emplace_back(Row{&out[p][0], p, {}});
    for (size_t i = 0; i < length; ++i) {
      const bool padding = !search_.masks.empty() && search_.masks[p][search_.skip + i] == 0;
      if (!padding) append_state(row.states, states.subspan((p * length + i) * width, width));
    }
  }
  return out;
}

/// The likeliest tokens of every row with their probabilities.
void ContrastiveSearch::collect_options() {
  const size_t width = search_.vocabulary();
  TopCandidates best;
  options_.clear();
  for (size_t r = 0; r < rows_.size(); ++r) {
    const std::span<float> scores(scores_.data() + r * width, width);
    const size_t number = search_.numbers[rows_[r].prompt];
    apply(search_.processors, scores, {rows_[r].out->ids, number, number});
    require_numbers(scores);
    best.reset(count_);
    best.offer(scores, 0, log_softmax(scores));
    for (const Candidate& c : best.best()) options_.push_back({c.index, std::exp(c.score)});
  }
}

/// Chooses among the options of row `r`, whose logits and hidden states these are; true where that ends the row.
bool ContrastiveSearch::advance(size_t r, std::span<const float> logits, std::span<const float> states) {
  const size_t width = states.size() / count_, vocabulary = search_.vocabulary();
  Row& row = rows_[r];
  size_t chosen = 0;
  double most = 0;
  for (size_t k = 0; k < count_; ++k) {
    const double likeness = resemblance(row.states, states.subspan(k * width, width));
    const double score = (1 - alpha_) * options_[r * count_ + k].probability - alpha_ * likeness;
    if (k > 0 && score <= most) continue;
    most = score;
    chosen = k;
  }
  const Option& option = options_[r * count_ + chosen];
  if (search_.config.output_scores) {
    row.out->logprobs.push_back(std::log(static_cast<double>(option.probability)));
    row.out->score += row.out->logprobs.back();
  }
  if (search_.append(*row.out, search_.numbers[row.prompt], option.token)) return true;
  append_state(row.states, states.subspan(chosen * width, width));
  parents_.push_back(static_cast<int32_t>(r * count_ + chosen));
  std::ranges::copy(logits.subspan(chosen * vocabulary, vocabulary),
                    scores_.begin() + static_cast<std::ptrdiff_t>((parents_.size() - 1) * vocabulary));
  return false;
}

Hypotheses ContrastiveSearch::run() {
  Hypotheses out = start();
  std::vector<int32_t> repeated;
  Ids tokens;
  while (!rows_.empty()) {
    collect_options();
    repeated.clear();
    tokens.clear();
    for (size_t i = 0; i < options_.size(); ++i) {
      repeated.push_back(static_cast<int32_t>(i / count_));
      tokens.push_back(options_[i].token);
    }
    search_.select(repeated);
    const auto logits = search_.step(tokens);
    Finish why = logits.empty() ? Finish::kCancelled : Finish::kLength;
    if (!logits.empty()) {
      const auto states = search_.hidden_states();
      const size_t of_logits = logits.size() / rows_.size(), of_states = states.size() / rows_.size();
      parents_.clear();
      size_t kept = 0;
      for (size_t r = 0; r < rows_.size(); ++r) {
        if (advance(r, logits.subspan(r * of_logits, of_logits), states.subspan(r * of_states, of_states))) continue;
        if (kept != r) rows_[kept] = std::move(rows_[r]);
        ++kept;
      }
      rows_.resize(kept);
      why = search_.interrupted();
    }
    if (why != Finish::kLength) {
      for (const Row& row : rows_) row.out->finish = why;
      return out;
    }
    if (!rows_.empty()) search_.select(parents_);
  }
  return out;
}

}  // namespace

Hypotheses contrastive_search(Search& search) { return ContrastiveSearch(search).run(); }

}  // namespace sdx::generate
