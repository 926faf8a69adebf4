// Which file of a folder the generation settings come from.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "generate/config.h"

namespace sdx::generate {
namespace {

/// A folder with these two files; empty text: without the file.
GenerationConfig read(const std::string& generation, const std::string& model,
                      std::vector<std::string>* notes = nullptr) {
  const auto* test = testing::UnitTest::GetInstance()->current_test_info();
  const auto folder = std::filesystem::path(testing::TempDir()) / (std::string("sdx_config_") + test->name());
  std::filesystem::remove_all(folder);
  std::filesystem::create_directories(folder);
  if (!generation.empty()) std::ofstream(folder / "generation_config.json") << generation;
  if (!model.empty()) std::ofstream(folder / "config.json") << model;
  return read_config(folder, notes);
}

TEST(ReadConfig, NothingMeansTheDefaults) {
  const auto c = read("", "");
  EXPECT_EQ(c.max_length, 20);
  EXPECT_EQ(c.top_k, 50);
  EXPECT_TRUE(c.eos_token_id.empty());
}

TEST(ReadConfig, GenerationConfigStandsAlone) {
  const auto c =
      read(R"({"num_beams": 3, "eos_token_id": [7, 8]})", R"({"num_beams": 5, "temperature": 0.5, "pad_token_id": 4})");
  EXPECT_EQ(c.num_beams, 3);
  EXPECT_EQ(c.temperature, 1);
  EXPECT_EQ(c.eos_token_id, (Ids{7, 8}));
  EXPECT_FALSE(c.pad_token_id);
}

TEST(ReadConfig, WithoutItTheModelsFieldsCount) {
  const auto c = read(
      "",
      R"({"num_beams": 5, "eos_token_id": 2, "hidden_size": 8, "decoder": {"bos_token_id": 9, "eos_token_id": 1}})");
  EXPECT_EQ(c.num_beams, 5);
  EXPECT_EQ(c.eos_token_id, Ids{2});
  EXPECT_EQ(c.bos_token_id, 9);
}

TEST(ReadConfig, TheDecoderOfAComposedModelFillsGaps) {
  const auto c = read("", R"({"num_beams": 5, "min_new_tokens": 3,
                              "decoder": {"num_beams": 2, "max_length": 77, "min_new_tokens": 1, "eta_cutoff": 0.1}})");
  EXPECT_EQ(c.num_beams, 5);
  EXPECT_EQ(c.max_length, 77);
  EXPECT_EQ(c.min_new_tokens, 3);
  EXPECT_EQ(c.eta_cutoff, 0.1);
}

TEST(ReadConfig, ADerivedOneYieldsToTheModelsFields) {
  const auto c = read(R"({"_from_model_config": true, "num_beams": 3, "bos_token_id": 1})",
                      R"({"num_beams": 5, "bos_token_id": 2})");
  EXPECT_EQ(c.num_beams, 5);
  EXPECT_EQ(c.bos_token_id, 2);
  const auto kept = read(R"({"_from_model_config": true, "num_beams": 3})", R"({"bos_token_id": 2})");
  EXPECT_EQ(kept.num_beams, 3) << "the model's configuration sets nothing about generation";
}

TEST(ReadConfig, UnknownKeysAreNotedAndWrongValuesRefused) {
  std::vector<std::string> notes;
  read(R"({"num_beams": 2, "of_the_future": 1, "force_words_ids": [[1]]})", "", &notes);
  EXPECT_EQ(notes.size(), 2U);
  EXPECT_THROW(read(R"({"num_beams": "two"})", ""), Error);
  EXPECT_THROW(read("[1]", ""), Error);
  EXPECT_THROW(read("{", ""), Error);
}

TEST(ReadConfig, AWrongValueIsAFaultOfItsFile) {
  for (const bool generation : {true, false}) {
    try {
      generation ? read(R"({"num_beams": "x"})", R"({"num_beams": 5})") : read("", R"({"num_beams": "x"})");
      FAIL() << "should be refused";
    } catch (const Error& e) {
      EXPECT_EQ(e.kind(), ErrorKind::kInvalidModel);
      EXPECT_NE(e.message().find(generation ? "/generation_config.json'" : "/config.json'"), std::string::npos)
          << e.message();
      EXPECT_NE(e.message().find("'num_beams' is \"x\""), std::string::npos) << e.message();
    }
  }
}

std::string message(const std::string& key, const nlohmann::json& value) {
  GenerationConfig config;
  try {
    set_argument(config, key, value);
    check(config);
  } catch (const Error& e) {
    return e.message();
  }
  return "";
}

TEST(SetArgument, NamesTheArgumentsThatAnUnknownOneResembles) {
  EXPECT_NE(message("num_beam", 4).find("did you mean 'num_beams'"), std::string::npos);
  EXPECT_NE(message("repitition_penalty", 4).find("'repetition_penalty'"), std::string::npos);
  EXPECT_NE(message("max_tokens", 4).find("'max_new_tokens'"), std::string::npos);
  EXPECT_NE(message("xyz", 4).find("check the spelling"), std::string::npos);
}

TEST(SetArgument, RefusesIntegersThatDoNotFit) {
  EXPECT_NE(message("max_new_tokens", 1e300).find("must be an integer"), std::string::npos);
  EXPECT_NE(message("max_new_tokens", UINT64_MAX).find("must be an integer"), std::string::npos);
  EXPECT_NE(message("max_new_tokens", 1.5).find("must be an integer"), std::string::npos);
  EXPECT_EQ(message("max_new_tokens", 5.0), "");
}

TEST(SetArgument, BoundsBeams) {
  EXPECT_NE(message("num_beams", 100000).find("at most 4096"), std::string::npos);
  EXPECT_EQ(message("num_beams", 4096), "");
}

TEST(SetArgument, TheLastBiasOfASequenceCounts) {
  GenerationConfig config;
  set_argument(config, "sequence_bias", nlohmann::json::parse("[[[1, 2], 3.0], [[4], 1.0], [[1, 2], -2.0]]"));
  ASSERT_EQ(config.sequence_bias.size(), 2U);
  EXPECT_EQ(config.sequence_bias[1], (std::pair<Ids, double>({1, 2}, -2.0)));
}

}  // namespace
}  // namespace sdx::generate
