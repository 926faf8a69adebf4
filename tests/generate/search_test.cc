// Searches over a fake decoder: against exhaustive and naive ones, alone and in batches, with callbacks and stops.
#include <gtest/gtest.h>

#include <algorithm>
#include <map>

#include "base/error.h"
#include "fake_decoder.h"
#include "generate/generate.h"

namespace sdx::generate {
namespace {

std::vector<double> log_softmax(std::vector<float> logits) {
  double sum = 0;
  for (float x : logits) sum += std::exp(static_cast<double>(x));
  std::vector<double> out;
  for (float x : logits) out.push_back(x - std::log(sum));
  return out;
}

GenerationConfig config_of(int64_t new_tokens, int64_t beams = 1) {
  GenerationConfig c;
  c.max_new_tokens = new_tokens;
  c.num_beams = beams;
  c.output_scores = true;
  return c;
}

Ids run(FakeDecoder& decoder, const Ids& prompt, const GenerationConfig& config, const Hooks& hooks = {}) {
  return generate(decoder, {{prompt}, {}, {}}, config, hooks).sequences.at(0).ids;
}

struct Scored {
  Ids ids;
  double sum = 0;
};

TEST(BeamSearch, WithAllBeamsFindsTheLikeliestSequence) {
  FakeDecoder decoder(4);
  std::vector<Scored> all = {{{1, 2}, 0}};
  for (int step = 0; step < 3; ++step) {
    std::vector<Scored> longer;
    for (const Scored& s : all) {
      const auto logprobs = log_softmax(fake_logits(s.ids, 4, 100));
      for (int64_t v = 0; v < 4; ++v) {
        longer.push_back({s.ids, s.sum + logprobs[static_cast<size_t>(v)]});
        longer.back().ids.push_back(v);
      }
    }
    all = std::move(longer);
  }
  const auto best = std::ranges::max_element(all, {}, &Scored::sum);
  const Result result = generate(decoder, {{{1, 2}}, {}, {}}, config_of(3, 16));
  EXPECT_EQ(result.sequences[0].ids, best->ids);
  EXPECT_NEAR(result.sequences[0].score, best->sum / 5, 1e-5);
  double sum = 0;
  for (double p : result.sequences[0].logprobs) sum += p;
  EXPECT_NEAR(sum, best->sum, 1e-4);
}

/// Diverse beam search written down plainly: one prompt, no end token. Returns the final beams of all groups.
std::vector<Scored> naive_groups(const Ids& prompt, int64_t vocabulary, size_t groups, size_t size, int steps,
                                 double penalty) {
  std::vector<std::vector<Scored>> beams(groups, {{prompt, 0}});
  for (int step = 0; step < steps; ++step) {
    std::map<int64_t, int> taken;
    for (auto& group : beams) {
      std::vector<Scored> candidates;
      for (const Scored& b : group) {
        const auto logprobs = log_softmax(fake_logits(b.ids, vocabulary, 100));
        for (int64_t v = 0; v < vocabulary; ++v) {
          candidates.push_back({b.ids, b.sum + logprobs[static_cast<size_t>(v)] - penalty * taken[v]});
          candidates.back().ids.push_back(v);
        }
      }
      std::ranges::stable_sort(candidates, std::greater(), &Scored::sum);
      candidates.resize(size);
      group = candidates;
      for (const Scored& b : group) ++taken[b.ids.back()];
    }
  }
  std::vector<Scored> out;
  for (auto& group : beams) out.insert(out.end(), group.begin(), group.end());
  std::ranges::stable_sort(out, std::greater(), &Scored::sum);
  return out;
}

TEST(BeamSearch, GroupsFollowThePlainDefinition) {
  FakeDecoder decoder(9);
  auto config = config_of(6, 6);
  config.num_beam_groups = 3;
  config.diversity_penalty = 0.7;
  config.num_return_sequences = 6;
  const Result result = generate(decoder, {{{3, 1}}, {}, {}}, config);
  const auto wanted = naive_groups({3, 1}, 9, 3, 2, 6, 0.7);
  ASSERT_EQ(result.sequences.size(), wanted.size());
  for (size_t i = 0; i < wanted.size(); ++i) {
    EXPECT_EQ(result.sequences[i].ids, wanted[i].ids) << i;
    EXPECT_NEAR(result.sequences[i].score, wanted[i].sum / 8, 1e-5) << i;
  }
}

TEST(Batches, RowsAreWhatTheyAreAlone) {
  const std::vector<Ids> prompts = {{1, 2, 3}, {4, 5, 6}, {7, 8, 9}, {2, 2, 2}};
  for (int64_t beams : {1, 3}) {
    for (bool sampled : {false, true}) {
      if (beams > 1 && sampled) continue;
      auto config = config_of(12, beams);
      config.eos_token_id = {5};
      config.pad_token_id = 11;
      config.do_sample = sampled;
      FakeDecoder decoder(12);
      const Result together = generate(decoder, {prompts, {}, {}}, config, {.seed = 5});
      for (size_t i = 0; i < prompts.size(); ++i) {
        if (sampled && i > 0) break;  // other rows draw other numbers
        Ids wanted = run(decoder, prompts[i], config, {.seed = 5});
        wanted.resize(together.sequences[i].ids.size(), 11);
        EXPECT_EQ(together.sequences[i].ids, wanted) << "row " << i << ", " << beams << " beams";
      }
    }
  }
}

TEST(Batches, FinishedSequencesLeave) {
  FakeDecoder decoder(6);
  auto config = config_of(40);
  config.eos_token_id = {5};
  const Result result = generate(decoder, {{{1}, {2}, {3}, {4}}, {}, {}}, config);
  int64_t tokens = 0;
  for (const Sequence& s : result.sequences) tokens += static_cast<int64_t>(s.length) - 1;
  EXPECT_EQ(result.new_tokens, tokens);
  int64_t fed = 0;
  for (size_t i = 1; i < decoder.forwards.size(); ++i) fed += decoder.forwards[i];
  EXPECT_EQ(fed, tokens - 4) << "each token but the last of a sequence is fed once";
}

TEST(Lookup, GivesTheGreedyTokensInFewerSteps) {
  for (int64_t seed = 0; seed < 8; ++seed) {
    FakeDecoder plain(7, 2), assisted(7, 2);
    auto config = config_of(60);
    const Ids prompt = {seed % 7, 3, 1, 4};
    const Ids wanted = run(plain, prompt, config);
    config.prompt_lookup_num_tokens = 5;
    EXPECT_EQ(run(assisted, prompt, config), wanted) << seed;
    EXPECT_LT(assisted.forwards.size(), plain.forwards.size()) << seed;
    config.do_sample = true;
    const Ids guessed = run(assisted, prompt, config, {.seed = 9});
    config.prompt_lookup_num_tokens.reset();
    EXPECT_EQ(guessed, run(plain, prompt, config, {.seed = 9})) << seed;
  }
}

/// The greatest cosine of the state of the last token with those before.
double likeness(const Ids& ids) {
  const auto unit = [](const std::vector<float>& x) {
    double square = 0;
    for (float v : x) square += static_cast<double>(v) * v;
    std::vector<double> out;
    for (float v : x) out.push_back(v / std::sqrt(square));
    return out;
  };
  const auto last = unit(fake_state(ids));
  double most = -1;
  for (size_t n = 1; n < ids.size(); ++n) {
    const auto state = unit(fake_state(std::span(ids).first(n)));
    double dot = 0;
    for (size_t i = 0; i < last.size(); ++i) dot += state[i] * last[i];
    most = std::max(most, dot);
  }
  return most;
}

TEST(ContrastiveSearch, WeighsLikelihoodAgainstLikeness) {
  auto config = config_of(20);
  config.penalty_alpha = 0.6;
  config.top_k = 4;
  const std::vector<Ids> prompts = {{3, 1, 4}, {1, 5, 9}};
  std::vector<Ids> wanted = prompts;
  for (Ids& ids : wanted) {
    for (int step = 0; step < 20; ++step) {
      const auto logprobs = log_softmax(fake_logits(ids, 12, 100));
      std::vector<int64_t> order(12);
      for (int64_t v = 0; v < 12; ++v) order[static_cast<size_t>(v)] = v;
      std::ranges::sort(order, std::greater(), [&](int64_t v) { return logprobs[static_cast<size_t>(v)]; });
      Ids best;
      double most = -10;
      for (int64_t v : std::span(order).first(4)) {
        Ids next = ids;
        next.push_back(v);
        const double score = 0.4 * std::exp(logprobs[static_cast<size_t>(v)]) - 0.6 * likeness(next);
        if (score > most) best = next;
        most = std::max(most, score);
      }
      ids = best;
    }
  }
  FakeDecoder decoder(12);
  for (int64_t chunk : {0, 2}) {
    const Result result = generate(decoder, {prompts, {}, {}}, config, {.prefill_chunk = chunk});
    EXPECT_EQ(result.sequences[0].ids, wanted[0]);
    EXPECT_EQ(result.sequences[1].ids, wanted[1]);
  }
  EXPECT_NE(wanted[0], run(decoder, prompts[0], config_of(20))) << "greedy search would do as well";
  config.eos_token_id = {wanted[0][8]};
  config.pad_token_id = 11;
  const Result ended = generate(decoder, {prompts, {}, {}}, config);
  for (size_t i = 0; i < 2; ++i) {
    Ids until = wanted[i];
    const auto end = std::find(until.begin() + 3, until.end(), wanted[0][8]);
    if (end != until.end()) until.erase(end + 1, until.end());
    until.resize(ended.sequences[i].ids.size(), 11);
    EXPECT_EQ(ended.sequences[i].ids, until) << "row " << i;
  }
}

TEST(Sampling, SeedsDecideAndSequencesDiffer) {
  FakeDecoder decoder(20);
  auto config = config_of(16);
  config.do_sample = true;
  config.num_return_sequences = 3;
  const auto draw = [&](uint64_t seed) {
    std::vector<Ids> out;
    for (const Sequence& s : generate(decoder, {{{1, 2}}, {}, {}}, config, {.seed = seed}).sequences)
      out.push_back(s.ids);
    return out;
  };
  const auto first = draw(1);
  EXPECT_EQ(first, draw(1));
  EXPECT_NE(first, draw(2));
  EXPECT_NE(first[0], first[1]);
}

TEST(Sampling, BeamsSampleWithoutReplacement) {
  FakeDecoder decoder(20);
  auto config = config_of(5, 4);
  config.do_sample = true;
  config.num_return_sequences = 4;
  const Result result = generate(decoder, {{{1, 2}}, {}, {}}, config, {.seed = 3});
  std::vector<Ids> ids;
  for (const Sequence& s : result.sequences) ids.push_back(s.ids);
  std::ranges::sort(ids);
  EXPECT_EQ(std::unique(ids.begin(), ids.end()), ids.end());
  EXPECT_EQ(run(decoder, {1, 2}, config, {.seed = 3}), result.sequences[0].ids);
}

TEST(Hooks, TokensStreamAndCallersStop) {
  FakeDecoder decoder(20);
  Ids seen;
  Hooks hooks;
  hooks.on_token = [&](size_t, int64_t token) { seen.push_back(token); };
  const Ids all = run(decoder, {1, 2}, config_of(10), hooks);
  EXPECT_EQ(Ids(all.begin() + 2, all.end()), seen);
  hooks.should_stop = [](size_t, std::span<const int64_t> ids) { return ids.size() == 6; };
  const Result stopped = generate(decoder, {{{1, 2}}, {}, {}}, config_of(10), hooks);
  EXPECT_EQ(stopped.sequences[0].finish, Finish::kStopped);
  EXPECT_EQ(stopped.sequences[0].ids, Ids(all.begin(), all.begin() + 6));
  std::atomic<bool> cancel{false};
  hooks.should_stop = [&](size_t, std::span<const int64_t> ids) { return cancel = ids.size() == 4, false; };
  hooks.cancel = &cancel;
  const Result cancelled = generate(decoder, {{{1, 2}}, {}, {}}, config_of(10), hooks);
  EXPECT_EQ(cancelled.sequences[0].finish, Finish::kCancelled);
  EXPECT_EQ(cancelled.sequences[0].ids, Ids(all.begin(), all.begin() + 4));
}

TEST(Hooks, StopStringsEndInTheLastToken) {
  FakeDecoder decoder(20);
  const Ids all = run(decoder, {1, 2}, config_of(10));
  Hooks hooks;
  hooks.text_of = [](std::span<const int64_t> ids) {
    std::string out;
    for (int64_t id : ids) out += static_cast<char>('a' + id);
    return out;
  };
  auto config = config_of(10);
  config.stop_strings = {hooks.text_of(std::span(all).subspan(4, 2)), "never there"};
  const Result result = generate(decoder, {{{1, 2}}, {}, {}}, config, hooks);
  EXPECT_EQ(result.sequences[0].ids, Ids(all.begin(), all.begin() + 6));
  EXPECT_EQ(result.sequences[0].finish, Finish::kStopped);
}

TEST(Prefill, ChunksGiveTheSameTokens) {
  FakeDecoder decoder(20);
  const Ids prompt = {1, 2, 3, 4, 5, 6, 7};
  const Ids wanted = run(decoder, prompt, config_of(5));
  EXPECT_EQ(run(decoder, prompt, config_of(5), {.prefill_chunk = 3}), wanted);
}

TEST(Prompts, WhatDoesNotFitIsRefused) {
  FakeDecoder decoder(20);
  const auto message = [&](const Prompts& prompts, const GenerationConfig& config) -> std::string {
    try {
      generate(decoder, prompts, config);
    } catch (const Error& e) {
      return e.message();
    }
    return "";
  };
  EXPECT_NE(message({{{1, 2}, {1}}, {}, {}}, config_of(2)).find("row 1 has 1 tokens but row 0 has 2"),
            std::string::npos);
  EXPECT_EQ(message({{{1, 2}}, {{1, 0}}, {}}, config_of(2)), "") << "positions tell where padding is";
  decoder.positions = false;
  EXPECT_NE(message({{{1, 2}}, {{1, 0}}, {}}, config_of(2)).find("left"), std::string::npos);
  EXPECT_NE(message({{{1, 2}}, {{0, 0}}, {}}, config_of(2)).find("hides every token"), std::string::npos);
  EXPECT_NE(message({{{1, 2}}, {{1}}, {}}, config_of(2)).find("1 elements"), std::string::npos);
  EXPECT_NE(message({{}, {}, {}}, config_of(2)).find("empty"), std::string::npos);
  EXPECT_NE(message({{{1, 20}}, {}, {}}, config_of(2)).find("id 20 but the vocabulary has 20"), std::string::npos);
  EXPECT_NE(message({{{-1}}, {}, {}}, config_of(2)).find("id -1"), std::string::npos);
  EXPECT_NE(message({{{1, 2}}, {}, {}}, config_of(0)).find("max_length is 2"), std::string::npos);
  auto words = config_of(2);
  words.bad_words_ids = {{3}, {7, 21}};
  EXPECT_NE(message({{{1}}, {}, {}}, words).find("'bad_words_ids' names the token 21"), std::string::npos);
  auto config = config_of(2);
  config.stop_strings = {"x"};
  EXPECT_NE(message({{{1}}, {}, {}}, config).find("tokenizer"), std::string::npos);
}

}  // namespace
}  // namespace sdx::generate
