// Samplers against the exact distributions, by Pearson's chi-square test at level 1e-6, and the random numbers beneath.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "base/error.h"
#include "generate/choose.h"
#include "generate/logits.h"

namespace sdx::generate {
namespace {

using Doubles = std::vector<double>;

/// Scores of 12 tokens without ties.
std::vector<float> scores() {
  std::vector<float> out;
  for (int i = 0; i < 12; ++i) out.push_back(static_cast<float>(2.2 * std::sin(1.7 * i) + 0.05 * i));
  return out;
}

Doubles normalized(Doubles p) {
  const double sum = std::accumulate(p.begin(), p.end(), 0.0);
  for (double& x : p) x /= sum;
  return p;
}

Doubles softmax(double temperature = 1) {
  Doubles p;
  for (float s : scores()) p.push_back(std::exp(s / temperature));
  return normalized(p);
}

/// Token numbers by probability, the likeliest first.
std::vector<size_t> ranking(const Doubles& p) {
  std::vector<size_t> order(p.size());
  std::iota(order.begin(), order.end(), 0U);
  std::ranges::sort(order, std::greater(), [&](size_t i) { return p[i]; });
  return order;
}

/// The distribution that is left of p where `keeps(rank, mass of likelier tokens, token)`.
template <class Keeps>
Doubles only(const Doubles& p, Keeps keeps) {
  Doubles out(p.size(), 0);
  double mass = 0;
  const auto order = ranking(p);
  for (size_t rank = 0; rank < order.size(); ++rank) {
    if (keeps(rank, mass, order[rank])) out[order[rank]] = p[order[rank]];
    mass += p[order[rank]];
  }
  return normalized(out);
}

/// Wilson and Hilferty's approximation of the 1 - 1e-6 quantile of chi-square.
double critical(double degrees) {
  const double z = 4.753424, a = 2 / (9 * degrees);
  return degrees * std::pow(1 - a + z * std::sqrt(a), 3);
}

void expect_distribution(Processors warpers, const Doubles& wanted, const char* what) {
  constexpr int kDraws = 40000;
  std::vector<int> counts(wanted.size(), 0);
  std::vector<float> scratch;
  for (int i = 0; i < kDraws; ++i) {
    std::vector<float> row = scores();
    apply(warpers, row, {});
    StepRandom random(20240607, 3, static_cast<uint64_t>(i));
    ++counts[static_cast<size_t>(sample(row, random, scratch))];
  }
  double chi = 0, degrees = -1;
  for (size_t i = 0; i < wanted.size(); ++i) {
    if (wanted[i] == 0) {
      EXPECT_EQ(counts[i], 0) << what << ": token " << i << " should never come";
      continue;
    }
    const double expected = kDraws * wanted[i];
    chi += (counts[i] - expected) * (counts[i] - expected) / expected;
    ++degrees;
  }
  EXPECT_LT(chi, critical(std::max(1.0, degrees))) << what << " with " << degrees << " degrees of freedom";
}

Processors warpers(const GenerationConfig& config) { return make_warpers(config); }

GenerationConfig plain() {
  GenerationConfig config;
  config.top_k = 0;
  return config;
}

TEST(Samplers, Plain) { expect_distribution(warpers(plain()), softmax(), "plain sampling"); }

TEST(Samplers, Temperature) {
  auto config = plain();
  config.temperature = 0.6;
  expect_distribution(warpers(config), softmax(0.6), "temperature 0.6");
}

TEST(Samplers, TopK) {
  auto config = plain();
  config.top_k = 5;
  expect_distribution(warpers(config), only(softmax(), [](size_t rank, double, size_t) { return rank < 5; }),
                      "top-k 5");
}

TEST(Samplers, TopP) {
  auto config = plain();
  config.top_p = 0.8;
  expect_distribution(warpers(config), only(softmax(), [](size_t, double mass, size_t) { return mass < 0.8; }),
                      "top-p 0.8");
}

TEST(Samplers, MinP) {
  auto config = plain();
  config.min_p = 0.3;
  const Doubles p = softmax();
  const double least = 0.3 * *std::ranges::max_element(p);
  expect_distribution(warpers(config), only(p, [&](size_t, double, size_t i) { return p[i] >= least; }), "min-p 0.3");
}

double entropy(const Doubles& p) {
  double h = 0;
  for (double x : p) h -= x * std::log(x);
  return h;
}

TEST(Samplers, Typical) {
  auto config = plain();
  config.typical_p = 0.5;
  const Doubles p = softmax();
  Doubles closeness;
  for (double x : p) closeness.push_back(-std::abs(-std::log(x) - entropy(p)));
  Doubles wanted(p.size(), 0);
  double mass = 0;
  for (size_t i : ranking(closeness)) {
    if (mass < 0.5) wanted[i] = p[i];
    mass += p[i];
  }
  expect_distribution(warpers(config), normalized(wanted), "typical 0.5");
}

TEST(Samplers, Epsilon) {
  auto config = plain();
  config.epsilon_cutoff = 0.04;
  const Doubles p = softmax();
  expect_distribution(warpers(config), only(p, [&](size_t, double, size_t i) { return p[i] >= 0.04; }), "epsilon 0.04");
}

TEST(Samplers, Eta) {
  auto config = plain();
  config.eta_cutoff = 0.05;
  const Doubles p = softmax();
  const double eta = std::min(0.05, std::sqrt(0.05) * std::exp(-entropy(p)));
  expect_distribution(warpers(config), only(p, [&](size_t, double, size_t i) { return p[i] >= eta; }), "eta 0.05");
}

TEST(Samplers, AllTogether) {
  auto config = plain();
  config.temperature = 1.4;
  config.top_k = 8;
  config.top_p = 0.9;
  const Doubles k = only(softmax(1.4), [](size_t rank, double, size_t) { return rank < 8; });
  expect_distribution(warpers(config), only(k, [](size_t, double mass, size_t) { return mass < 0.9; }),
                      "temperature, top-k, top-p");
}

// The vectors that the authors of the generator publish with it (Random123, kat_vectors).
TEST(Random, PhiloxKnownAnswers) {
  using Block = std::array<uint32_t, 4>;
  EXPECT_EQ(philox({0, 0, 0, 0}, {0, 0}), (Block{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}));
  EXPECT_EQ(philox({~0U, ~0U, ~0U, ~0U}, {~0U, ~0U}), (Block{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}));
  EXPECT_EQ(philox({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0}),
            (Block{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}));
}

TEST(Random, StreamsDifferBySeedSequenceAndPosition) {
  std::vector<double> first;
  for (auto [seed, sequence, position] : {std::array<uint64_t, 3>{1, 0, 0}, {2, 0, 0}, {1, 1, 0}, {1, 0, 1}}) {
    StepRandom random(seed, sequence, position);
    first.push_back(random.next());
    EXPECT_NE(first.back(), random.next());
  }
  std::ranges::sort(first);
  EXPECT_EQ(std::unique(first.begin(), first.end()), first.end());
}

TEST(TopCandidates, KeepsTheGreatestAndOfEqualOnesTheFirst) {
  TopCandidates top;
  top.reset(4);
  top.offer(std::vector<float>{1, 3, 3}, 0);
  top.offer(std::vector<float>{2, 3, 0}, 3);
  std::vector<int64_t> indices;
  for (const Candidate& c : top.best()) indices.push_back(c.index);
  EXPECT_EQ(indices, (std::vector<int64_t>{1, 2, 4, 3}));
}

// Long rows pass over blocks; the result is that of sorting all sums, of equal ones by index.
TEST(TopCandidates, AgreeWithSortingOverScaledRows) {
  constexpr size_t kWidth = 1000;
  std::vector<float> rows, sums;
  TopCandidates top;
  top.reset(9);
  for (size_t r = 0; r < 3; ++r) {
    std::vector<float> row;
    for (size_t i = 0; i < kWidth; ++i) {
      StepRandom random(5, r, i);
      row.push_back(static_cast<float>(std::round(random.next() * 400) / 20));
    }
    LogSoftmax scale = log_softmax(row);
    scale.sum = -0.3F * static_cast<float>(r);
    for (float x : row) sums.push_back(scale(x));
    top.offer(row, static_cast<int64_t>(r * kWidth), scale);
  }
  std::vector<size_t> order(sums.size());
  std::iota(order.begin(), order.end(), 0U);
  std::ranges::stable_sort(order, std::greater(), [&](size_t i) { return sums[i]; });
  ASSERT_EQ(top.best().size(), 9U);
  for (size_t k = 0; k < 9; ++k) {
    EXPECT_EQ(top.best()[k].index, static_cast<int64_t>(order[k])) << k;
    EXPECT_EQ(top.best()[k].score, sums[order[k]]) << k;
  }
}

TEST(TopCandidates, PassOverWhatIsNoNumber) {
  TopCandidates top;
  top.reset(2);
  top.offer(std::vector<float>{std::nanf(""), 1, std::nanf(""), 2}, 0);
  ASSERT_EQ(top.best().size(), 2U);
  EXPECT_EQ(top.best()[0].index, 3);
  EXPECT_EQ(top.best()[1].index, 1);
}

TEST(LogSoftmax, IsTheLogarithmOfTheProbability) {
  const auto row = scores();
  const Doubles p = softmax();
  const LogSoftmax scale = log_softmax(row);
  for (size_t i = 0; i < row.size(); ++i) EXPECT_NEAR(scale(row[i]), std::log(p[i]), 1e-5);
}

TEST(RequireNumbers, RefusesOneThatIsNone) {
  std::vector<float> row(300, -std::numeric_limits<float>::infinity());
  EXPECT_NO_THROW(require_numbers(row));
  row[137] = std::nanf("");
  EXPECT_THROW(require_numbers(row), Error);
}

}  // namespace
}  // namespace sdx::generate
