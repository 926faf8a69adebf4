// Beam search: the likeliest sequences of several prompts, in groups that differ, deterministic or sampled.
#include <algorithm>
#include <cmath>
#include <limits>

#include "base/error.h"
#include "generate/beam_hypotheses.h"
#include "generate/choose.h"
#include "generate/search.h"
#include "kernels/softmax.h"

namespace sdx::generate {
namespace {

/// A running sequence.
struct Beam {
  Ids ids;
  float score = 0;  ///< sum of log-probabilities, in the precision of the reference
  std::vector<double> logprobs;
  int32_t row = 0;  ///< of the decoder's logits
};

/// The beams of a prompt. Groups lie one after another.
struct Lane {
  size_t prompt = 0;
  std::vector<Beam> beams, next;
  std::vector<BeamHypotheses> finished;  ///< of each group
  std::vector<char> done;                ///< of each group
  Finish why = Finish::kLength;          ///< of beams that were still running at the end
};

class BeamSearch {
 public:
  explicit BeamSearch(Search& search)
      : search_(search),
        config_(search.config),
        groups_(static_cast<size_t>(config_.num_beam_groups)),
        group_size_(static_cast<size_t>(config_.num_beams) / groups_),
        scores_(search.vocabulary()) {}

  Hypotheses run();

 private:
  std::vector<Lane> start() const;
  void scale_rows(std::span<const float> logits);
  void advance(Lane& lane, std::span<const float> logits);
  void advance_group(Lane& lane, size_t group, std::span<const float> logits);
  void collect(Lane& lane, size_t group, std::span<const float> logits);
  void take(Lane& lane, size_t group);
  void offer_sampled(const Beam& beam, size_t sequence);
  bool wants_stop(const Lane& lane) const;
  std::vector<Hypothesis> finish(Lane& lane) const;

  Search& search_;
  const GenerationConfig& config_;
  size_t groups_, group_size_;
  std::vector<float> scores_;
  std::vector<float> maxima_, log_sums_;  ///< of the decoder's rows
  TopCandidates best_;
  std::vector<Candidate>
      chosen_;                  ///< candidates of a group from the best; index: beam of the group * vocabulary + token
  std::vector<float> sampled_;  ///< sampling: scores of chosen_ by the order of best_
  Ids group_tokens_;
};

std::vector<Lane> BeamSearch::start() const {
  std::vector<Lane> lanes(search_.prompts.size());
  for (size_t p = 0; p < lanes.size(); ++p) {
    Lane& lane = lanes[p];
    lane.prompt = p;
    lane.beams.resize(static_cast<size_t>(config_.num_beams));
    for (size_t b = 0; b < lane.beams.size(); ++b) {
      Beam& beam = lane.beams[b];
      beam.ids.reserve(search_.usual_length());
      beam.ids.assign(search_.prompts[p].begin(), search_.prompts[p].end());
      // The beams of a group start alike: all but the first are put behind whatever that one leads to.
      beam.score = b % group_size_ == 0 ? 0.0F : -1e9F;
      beam.row = static_cast<int32_t>(p);
    }
    lane.next = lane.beams;
    for (Beam& beam : lane.next) beam.ids.reserve(search_.usual_length());
    lane.finished.assign(groups_, BeamHypotheses(group_size_, config_, search_.max_length));
    lane.done.assign(groups_, 0);
  }
  return lanes;
}

/// Gumbel's trick for sampling without replacement: the greatest of log p + noise.
void BeamSearch::offer_sampled(const Beam& beam, size_t sequence) {
  StepRandom random(search_.hooks.seed, sequence, beam.ids.size());
  for (size_t i = 0; i < scores_.size(); ++i) {
    const bool possible = scores_[i] > -std::numeric_limits<float>::infinity();
    const double noise = possible ? -std::log(-std::log(random.next())) : 0;
    best_.offer(static_cast<float>(scores_[i] + noise), static_cast<int64_t>(sampled_.size() + i));
  }
  sampled_.insert(sampled_.end(), scores_.begin(), scores_.end());
}

/// What makes log-probabilities of the decoder's logits.
void BeamSearch::scale_rows(std::span<const float> logits) {
  const auto width = static_cast<int64_t>(search_.vocabulary());
  const auto rows = static_cast<int64_t>(logits.size()) / width;
  maxima_.resize(static_cast<size_t>(rows));
  log_sums_.resize(static_cast<size_t>(rows));
  search_.decoder.parallel().run(rows, grain_for(width), [&](int64_t begin, int64_t end, int) {
    kernels::log_sum_rows(logits.data(), maxima_.data(), log_sums_.data(), width, begin, end);
  });
  for (int64_t r = 0; r < rows && !config_.remove_invalid_values; ++r) {
    if (std::isnan(log_sums_[static_cast<size_t>(r)]))
      fail(ErrorKind::kInvalidInput, "the model gives logits for row ", r,
           " that are not finite numbers; check what it is given and its weights, or set remove_invalid_values=true");
  }
}

void BeamSearch::collect(Lane& lane, size_t group, std::span<const float> logits) {
  const size_t width = search_.vocabulary();
  best_.reset(std::min(std::max<size_t>(2, config_.eos_token_id.size() + 1) * group_size_, group_size_ * width));
  sampled_.clear();
  for (size_t b = 0; b < group_size_; ++b) {
    const size_t number = group * group_size_ + b;
    const Beam& beam = lane.beams[number];
    const auto row = static_cast<size_t>(beam.row);
    const auto own = logits.subspan(row * width, width);
    if (search_.processors.empty() && !config_.do_sample) {
      best_.offer(own, static_cast<int64_t>(b * width), {maxima_[row], log_sums_[row], beam.score});
      continue;
    }
    kernels::subtract_log_sum(own.data(), scores_.data(), static_cast<int64_t>(width), maxima_[row], log_sums_[row]);
    const size_t prompt = search_.numbers[lane.prompt];
    const RowState state{beam.ids, prompt, prompt * group_size_ + b, group_tokens_};
    apply(search_.processors, scores_, state);
    if (config_.do_sample) {
      for (float& s : scores_) s += beam.score;
      apply(search_.warpers, scores_, state);
      offer_sampled(beam, search_.numbers[lane.prompt] * lane.beams.size() + number);
    } else {
      best_.offer(scores_, static_cast<int64_t>(b * width), {0, 0, beam.score});
    }
  }
  chosen_.assign(best_.best().begin(), best_.best().end());
  if (!config_.do_sample) return;
  for (Candidate& c : chosen_) c.score = sampled_[static_cast<size_t>(c.index)];
  std::ranges::stable_sort(chosen_, std::greater(), &Candidate::score);
}

/// Hands the chosen candidates out: ends to the finished sequences, the others to the beams of the next step.
void BeamSearch::take(Lane& lane, size_t group) {
  const auto width = static_cast<int64_t>(search_.vocabulary());
  const size_t base = group * group_size_;
  size_t taken = 0;
  for (size_t rank = 0; rank < chosen_.size() && taken < group_size_; ++rank) {
    const Candidate& c = chosen_[rank];
    const Beam& parent = lane.beams[base + static_cast<size_t>(c.index / width)];
    const int64_t token = c.index % width;
    const double logprob = static_cast<double>(c.score) - parent.score;
    if (search_.is_end(token)) {
      if (rank >= group_size_) continue;
      Hypothesis ended{parent.ids, c.score, parent.logprobs, Finish::kEnd};
      if (config_.output_scores) ended.logprobs.push_back(logprob);
      lane.finished[group].add(std::move(ended));
      continue;
    }
    Beam& beam = lane.next[base + taken++];
    beam.ids.assign(parent.ids.begin(), parent.ids.end());
    beam.ids.push_back(token);
    beam.score = c.score;
    beam.row = parent.row;
    if (!config_.output_scores) continue;
    beam.logprobs = parent.logprobs;
    beam.logprobs.push_back(logprob);
  }
  if (taken < group_size_)
    fail(ErrorKind::kInvalidInput, "only ", taken, " of ", group_size_, " beams have a token to go on with, of ", width,
         "; loosen the processors or lower num_beams");
}

void BeamSearch::advance_group(Lane& lane, size_t group, std::span<const float> logits) {
  const size_t base = group * group_size_;
  if (lane.done[group]) {
    for (size_t b = base; b < base + group_size_; ++b) {
      lane.next[b] = lane.beams[base];
      lane.next[b].ids.push_back(config_.pad_token_id.value_or(0));
    }
  } else {
    const auto length = static_cast<int64_t>(lane.beams[base].ids.size()) + 1;
    collect(lane, group, logits);
    take(lane, group);
    const float top = chosen_.front().score;
    lane.done[group] = lane.finished[group].is_done(top, length);
  }
  for (size_t b = base; b < base + group_size_; ++b) group_tokens_.push_back(lane.next[b].ids.back());
}

void BeamSearch::advance(Lane& lane, std::span<const float> logits) {
  group_tokens_.clear();
  for (size_t g = 0; g < groups_; ++g) advance_group(lane, g, logits);
  std::swap(lane.beams, lane.next);
}

bool BeamSearch::wants_stop(const Lane& lane) const {
  return std::ranges::all_of(lane.beams,
                             [&](const Beam& b) { return search_.wants_stop(search_.numbers[lane.prompt], b.ids); });
}

std::vector<Hypothesis> BeamSearch::finish(Lane& lane) const {
  std::vector<Hypothesis> all;
  for (size_t g = 0; g < groups_; ++g) {
    if (!lane.done[g]) {
      for (size_t b = g * group_size_; b < (g + 1) * group_size_; ++b)
        lane.finished[g].add({lane.beams[b].ids, lane.beams[b].score, lane.beams[b].logprobs, lane.why});
    }
    std::ranges::move(lane.finished[g].all(), std::back_inserter(all));
  }
  // Of equal scores the one added last comes first.
  std::ranges::reverse(all);
  std::ranges::stable_sort(all, std::greater(), &Hypothesis::score);
  all.resize(std::min(all.size(), static_cast<size_t>(config_.num_return_sequences)));
  return all;
}

Hypotheses BeamSearch::run() {
  std::vector<Lane> lanes = start();
  std::vector<Lane*> running;
  for (Lane& lane : lanes) running.push_back(&lane);
  std::vector<int32_t> parents;
  Ids next;
  auto logits = search_.prefill();
  while (!logits.empty()) {
    parents.clear();
    next.clear();
    scale_rows(logits);
    std::erase_if(running, [&](Lane* lane) {
      advance(*lane, logits);
      ++search_.new_tokens;
      const bool full = static_cast<int64_t>(lane->beams.front().ids.size()) >= search_.max_length;
      const bool stopped = wants_stop(*lane);
      if (stopped) lane->why = Finish::kStopped;
      return full || stopped || std::ranges::all_of(lane->done, [](char d) { return d != 0; });
    });
    const Finish why = search_.interrupted();
    if (why != Finish::kLength || running.empty()) {
      for (Lane* lane : running) lane->why = why;
      break;
    }
    for (Lane* lane : running) {
      for (Beam& beam : lane->beams) {
        parents.push_back(beam.row);
        beam.row = static_cast<int32_t>(next.size());
        next.push_back(beam.ids.back());
      }
    }
    search_.select(parents);
    logits = search_.step(next);
  }
  if (logits.empty()) {
    for (Lane* lane : running) lane->why = Finish::kCancelled;
  }
  Hypotheses out;
  for (Lane& lane : lanes) out.push_back(finish(lane));
  return out;
}

}  // namespace

Hypotheses beam_search(Search& search) { return BeamSearch(search).run(); }

}  // namespace sdx::generate
