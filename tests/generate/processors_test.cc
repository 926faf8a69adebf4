// Processors and warpers: the cases of cases/processors.txt, callbacks, and what arguments are refused.
#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <limits>
#include <nlohmann/json.hpp>
#include <sstream>

#include "base/error.h"
#include "generate/logits.h"

namespace sdx::generate {
namespace {

using nlohmann::json;

constexpr float kForbidden = -std::numeric_limits<float>::infinity();

struct Case {
  std::string name;
  json set;
  Ids ids, group;
  ProcessorSetting setting;
  bool warp = false;
  size_t row = 0;
  std::vector<float> scores, expect;
};

template <class T>
std::vector<T> numbers(std::istringstream& line) {
  std::vector<T> out;
  for (std::string word; line >> word;)
    out.push_back(word == "x" ? static_cast<T>(kForbidden) : static_cast<T>(std::stod(word)));
  return out;
}

std::vector<Case> read_cases(const std::string& path) {
  std::ifstream file(path);
  std::vector<Case> out;
  for (std::string text; std::getline(file, text);) {
    std::istringstream line(text);
    std::string key;
    if (!(line >> key) || key[0] == '#') continue;
    if (key == "case") out.emplace_back().name = text.substr(5);
    Case& c = out.back();
    if (key == "set") c.set = json::parse(text.substr(4));
    if (key == "ids") c.ids = numbers<int64_t>(line);
    if (key == "group") c.group = numbers<int64_t>(line);
    if (key == "prompt") line >> c.setting.prompt_length;
    if (key == "max") line >> c.setting.max_length;
    if (key == "encoder") c.setting.input_ids = {numbers<int64_t>(line)};
    if (key == "row") line >> c.row;
    if (key == "warp") c.warp = true;
    if (key == "scores") c.scores = numbers<float>(line);
    if (key == "expect") c.expect = numbers<float>(line);
  }
  return out;
}

TEST(Processors, CasesByHand) {
  const auto cases = read_cases(SARDONYX_SOURCE_DIR "/tests/generate/cases/processors.txt");
  ASSERT_GT(cases.size(), 30U);
  for (const Case& c : cases) {
    GenerationConfig config;
    for (const auto& [key, value] : c.set.items()) set_argument(config, key, value);
    ProcessorSetting setting = c.setting;
    if (setting.prompt_length == 0) setting.prompt_length = static_cast<int64_t>(c.ids.size());
    if (setting.max_length == 0) setting.max_length = 20;
    Processors list = c.warp ? make_warpers(config) : make_processors(config, setting);
    std::vector<float> scores = c.scores;
    apply(list, scores, {c.ids, 0, c.row, c.group});
    ASSERT_EQ(scores.size(), c.expect.size()) << c.name;
    for (size_t i = 0; i < scores.size(); ++i) {
      if (std::isinf(c.expect[i]))
        EXPECT_EQ(scores[i], c.expect[i]) << c.name << ", token " << i;
      else
        EXPECT_NEAR(scores[i], c.expect[i], 1e-5) << c.name << ", token " << i;
    }
  }
}

TEST(Processors, PrefixFunctionAllowsOnlyItsTokens) {
  ProcessorSetting setting;
  setting.prefix_allowed = [](size_t prompt, std::span<const int64_t> ids) {
    return Ids{static_cast<int64_t>(prompt), ids.back()};
  };
  Processors list = make_processors({}, setting);
  std::vector<float> scores = {1, 2, 3, 4};
  const Ids ids = {0, 3};
  apply(list, scores, {ids, 1, 1});
  EXPECT_EQ(scores, (std::vector<float>{kForbidden, 2, kForbidden, 4}));
}

TEST(Processors, InvalidValuesAreRemoved) {
  std::vector<float> scores = {NAN, INFINITY, 1, -INFINITY};
  remove_invalid()(scores, {});
  EXPECT_EQ(scores, (std::vector<float>{0, std::numeric_limits<float>::max(), 1, kForbidden}));
}

std::string refusal(const char* key, const json& value) {
  GenerationConfig config;
  try {
    set_argument(config, key, value);
    check(config);
  } catch (const Error& e) {
    return e.message();
  }
  return "";
}

TEST(Arguments, WrongOnesAreNamed) {
  EXPECT_NE(refusal("num_beam", 4).find("'num_beam'"), std::string::npos);
  EXPECT_NE(refusal("num_beams", "four").find("an integer"), std::string::npos);
  EXPECT_NE(refusal("num_beams", 0).find("1 or more"), std::string::npos);
  EXPECT_NE(refusal("temperature", 0).find("above 0"), std::string::npos);
  EXPECT_NE(refusal("top_p", 1.5).find("between 0 and 1"), std::string::npos);
  EXPECT_NE(refusal("early_stopping", "always").find("never"), std::string::npos);
  EXPECT_NE(refusal("num_beam_groups", 3).find("multiple"), std::string::npos);
  EXPECT_NE(refusal("num_return_sequences", 2).find("greedy"), std::string::npos);
  EXPECT_NE(refusal("force_words_ids", json::parse("[[1]]")).find("not implemented"), std::string::npos);
  EXPECT_NE(refusal("return_timestamps", true).find("no_timestamps_token_id"), std::string::npos);
  EXPECT_EQ(refusal("use_cache", true), "");
  EXPECT_EQ(refusal("guidance_scale", nullptr), "");
}

TEST(Arguments, NullGivesTheNeutralValueBack) {
  GenerationConfig config;
  for (const char* key :
       {"top_k", "temperature", "max_new_tokens", "bad_words_ids", "eos_token_id", "early_stopping", "language"})
    set_argument(config, key, nullptr);
  EXPECT_EQ(config.top_k, 0);
  EXPECT_EQ(config.temperature, 1);
  EXPECT_FALSE(config.max_new_tokens);
}

}  // namespace
}  // namespace sdx::generate
