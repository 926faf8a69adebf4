// Small tokenizers and what the native reference makes of texts with them: tests/text/cases/*.json.
#include "text/tokenizer.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "base/error.h"

namespace sdx::text {
namespace {

using Json = nlohmann::json;

Tokenizer load(const std::string& json) { return Tokenizer::parse(json); }

Json to_json(const Tokenizer& t, const Encoding& e) {
  Json out;
  out["ids"] = e.ids;
  out["tokens"] = t.tokens(e);
  out["type_ids"] = e.type_ids;
  out["attention_mask"] = e.attention_mask;
  out["special_tokens_mask"] = e.special_tokens_mask;
  out["offsets"] = Json::array();
  for (const Align& o : e.offsets) out["offsets"].push_back({o.begin, o.end});
  out["word_ids"] = Json::array();
  for (const int32_t w : e.word_ids) out["word_ids"].push_back(w < 0 ? Json() : Json(w));
  return out;
}

class Cases : public testing::TestWithParam<std::string> {};

TEST_P(Cases, Agree) {
  std::ifstream in(std::string(SARDONYX_SOURCE_DIR) + "/tests/text/cases/" + GetParam() + ".json");
  const Json file = Json::parse(in);
  const Tokenizer tokenizer = load(file["tokenizer"].dump());
  ASSERT_GT(file["cases"].size(), 10u);
  for (const Json& c : file["cases"]) {
    SCOPED_TRACE(c["text"].dump());
    const std::string first = c["text"], second = c.value("pair", "");
    Input input{first, std::nullopt};
    if (c.contains("pair")) input.second = second;
    const Encoding e = tokenizer.encode(input);
    const Json actual = to_json(tokenizer, e);
    for (const auto& [key, value] : actual.items()) EXPECT_EQ(value, c[key]) << key;
    ASSERT_EQ(e.overflowing.size(), c.value("overflowing", Json::array()).size());
    for (size_t i = 0; i < e.overflowing.size(); ++i) {
      EXPECT_EQ(to_json(tokenizer, e.overflowing[i]), c["overflowing"][i]) << "window " << i;
    }
    EXPECT_EQ(tokenizer.decode(e.ids), c["decoded"]);
    StreamDecoder stream(tokenizer, {});
    std::string streamed;
    for (const uint32_t id : e.ids) streamed += stream.push(id);
    EXPECT_EQ(streamed + stream.finish(), c["decoded"]);
  }
}

INSTANTIATE_TEST_SUITE_P(Tokenizers, Cases,
                         testing::Values("wordpiece", "bytelevel", "unigram", "clip", "wordlevel", "scripts",
                                         "emptied"));

const std::string kByteLevel = R"({"pre_tokenizer":{"type":"ByteLevel","add_prefix_space":false},
  "decoder":{"type":"ByteLevel"},"model":{"type":"BPE","merges":[],
  "vocab":{"a":0,"ð":1,"Ł":2,"ĺ":3,"Ĭ":4,"Ã":5,"©":6,"Ġ":7}}})";

TEST(Stream, NeverGivesHalfACharacter) {
  const Tokenizer t = load(kByteLevel);
  const std::string text = "a\xF0\x9F\x98\x8A \xC3\xA9";
  StreamDecoder stream(t, {});
  std::vector<std::string> parts;
  for (const uint32_t id : t.encode(text).ids) parts.push_back(stream.push(id));
  EXPECT_EQ(parts, (std::vector<std::string>{"a", "", "", "", "\xF0\x9F\x98\x8A", " ", "", "\xC3\xA9"}));
  EXPECT_EQ(stream.finish(), "");
  stream.push(1);
  EXPECT_EQ(stream.finish(), "\xEF\xBF\xBD");
}

TEST(Encode, ReplacesInvalidBytes) {
  const Tokenizer t = load(R"({"model":{"type":"WordLevel","unk_token":"u","vocab":{"u":0,"a��b":1}}})");
  EXPECT_EQ(t.encode("a\xF0\x9F\xFF"
                     "b")
                .ids,
            std::vector<uint32_t>{1});
}

TEST(Encode, BatchEqualsSingleTexts) {
  const Tokenizer t = load(kByteLevel);
  std::vector<std::string> texts;
  for (int i = 0; i < 100; ++i) texts.push_back(std::string(static_cast<size_t>(i), 'a') + " é");
  std::vector<Input> inputs;
  for (const std::string& text : texts) inputs.push_back({text, std::nullopt});
  const auto batch = t.encode_batch(inputs, {}, Parallel(4));
  for (size_t i = 0; i < texts.size(); ++i) EXPECT_EQ(batch[i].ids, t.encode(texts[i]).ids);
}

TEST(AddedTokens, CountOnFromTheSizeOfTheVocabulary) {
  const Tokenizer t = load(R"({"model":{"type":"WordLevel","unk_token":"u","vocab":{"u":0,"a":10}},
    "added_tokens":[{"id":7,"content":"<1>"},{"id":8,"content":"a"},{"id":9,"content":"<2>"}]})");
  EXPECT_EQ(t.encode("<1>a<2>").ids, (std::vector<uint32_t>{2, 10, 3}));
}

TEST(AddedTokens, LongOnesAreFoundInOnePass) {
  const std::string many(100'000, 'a');
  const Tokenizer t = load(R"({"added_tokens":[{"id":2,"content":")" + many + R"(b","normalized":false},
    {"id":3,"content":"aab","normalized":false}],"model":{"type":"WordLevel","unk_token":"u","vocab":{"u":0,"c":1}}})");
  const Encoding e = t.encode(many + many + "caab" + many + many + "b");
  EXPECT_EQ(e.ids, (std::vector<uint32_t>{0, 3, 0, 2}));
  EXPECT_EQ(e.offsets[3].begin, 300'004u);
}

TEST(UnicodeScripts, MovedCharactersKeepTheirOldScript) {
  const Tokenizer t = load(
      R"({"pre_tokenizer": {"type": "UnicodeScripts"}, "model": {"type": "WordLevel", "unk_token": "u", "vocab": {"u": 0}}})");
  const auto words = [&](const char* text) { return t.encode({text, std::nullopt}).ids.size(); };
  EXPECT_EQ(words("\u0589"
                  "1"),
            1u);  // Armenian full stop: common
  EXPECT_EQ(words("\u0562\u0589"), 2u);
  EXPECT_EQ(words("\u061C"
                  "1"),
            1u);                               // Arabic letter mark: common
  EXPECT_EQ(words("\u0953\u0915\u0954"), 1u);  // Devanagari accents: Devanagari
}

TEST(Unigram, ScoresAreRoundedTwice) {
  const Tokenizer t = load(
      R"({"model": {"type": "Unigram", "unk_id": 0, "vocab": [["<unk>", 0.0], ["_", -2.0122928619384766],
          ["g", -7.407997131347656], ["gg", -10.809488296508789]]}})");
  // Exactly added, the pairs may stand in any place; the native reference finds them best at the front.
  EXPECT_EQ(t.encode({"_ggggg", std::nullopt}).ids, (std::vector<uint32_t>{1, 3, 3, 2}));
}

TEST(Padding, AnEmptyTokenStaysEmpty) {
  const Tokenizer t = load(R"({"model":{"type":"WordLevel","unk_token":"u","vocab":{"u":0}},
    "padding":{"strategy":{"Fixed":3},"direction":"Left","pad_id":0,"pad_type_id":2,"pad_token":""}})");
  const Encoding e = t.encode("u");
  EXPECT_EQ(t.tokens(e), (std::vector<std::string>{"", "", "u"}));
  EXPECT_EQ(e.type_ids, (std::vector<uint32_t>{2, 2, 0}));
}

ErrorKind kind_of(const std::string& json) {
  try {
    load(json).encode("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!");
  } catch (const Error& e) {
    EXPECT_FALSE(e.message().empty());
    return e.kind();
  }
  ADD_FAILURE() << "no error for " << json.substr(0, 200);
  return ErrorKind::kInternal;
}

TEST(BadFiles, GiveOneError) {
  EXPECT_EQ(kind_of("{\"model\":"), ErrorKind::kInvalidModel);
  EXPECT_EQ(kind_of("{}"), ErrorKind::kInvalidModel);
  EXPECT_EQ(kind_of(R"({"model":{"type":"BPE","vocab":{"a":0},"merges":["a b"]}})"), ErrorKind::kInvalidModel);
  EXPECT_EQ(kind_of(R"({"model":{"type":"BPE","vocab":{"a":0},"merges":["ab"]}})"), ErrorKind::kInvalidModel);
  EXPECT_EQ(kind_of(R"({"model":{"type":"WordPiece","vocab":{"b":0}}})"), ErrorKind::kInvalidModel);
  EXPECT_EQ(kind_of(R"({"model":{"type":"WordLevel","vocab":{"b":99999999999}}})"), ErrorKind::kResource);
  EXPECT_EQ(kind_of(R"({"model":{"type":"Unigram","unk_id":5,"vocab":[["a",0]]}})"), ErrorKind::kInvalidModel);
  EXPECT_EQ(kind_of(R"({"model":{"type":"New","vocab":{"a":0}}})"), ErrorKind::kUnsupportedModel);
  EXPECT_EQ(kind_of(R"({"normalizer":{"type":"Precompiled","precompiled_charsmap":"/////w=="},
    "model":{"type":"WordLevel","vocab":{"a":0}}})"),
            ErrorKind::kInvalidModel);
  EXPECT_EQ(kind_of(R"({"pre_tokenizer":{"type":"Split","pattern":{"Regex":"(a"},"behavior":"Isolated"},
    "model":{"type":"WordLevel","vocab":{"a":0}}})"),
            ErrorKind::kUnsupportedModel);
  std::string deep = R"({"model":{"type":"WordLevel","vocab":{"a":0}},"normalizer":)";
  for (int i = 0; i < 200; ++i) deep += "{\"type\":\"Sequence\",\"normalizers\":[";
  EXPECT_EQ(kind_of(deep), ErrorKind::kInvalidModel);
}

TEST(BadFiles, ExplodingPatternsAreStopped) {
  EXPECT_EQ(kind_of(R"({"pre_tokenizer":{"type":"Split","pattern":{"Regex":"(a+a+)+[bc]"},"behavior":"Isolated"},
    "model":{"type":"WordLevel","unk_token":"a","vocab":{"a":0}}})"),
            ErrorKind::kResource);
}

TEST(BadFiles, LongPiecesAndRepeatingTemplatesAreStopped) {
  EXPECT_EQ(
      kind_of(R"({"model":{"type":"Unigram","unk_id":0,"vocab":[["u",0],[")" + std::string(5000, 'a') + R"(",0]]}})"),
      ErrorKind::kResource);
  std::string pieces;
  for (int i = 0; i < 300'000; ++i) pieces += R"(,{"Sequence":{"id":"A","type_id":0}})";
  EXPECT_EQ(kind_of(R"({"post_processor":{"type":"TemplateProcessing","single":[)" + pieces.substr(1) +
                    R"(],"pair":[],"special_tokens":{}},"pre_tokenizer":{"type":"FixedLength","length":1},
    "model":{"type":"WordLevel","unk_token":"a","vocab":{"a":0}}})"),
            ErrorKind::kResource);
}

TEST(BadFiles, GrowingTextsAreStopped) {
  const std::string model = R"("model":{"type":"WordLevel","unk_token":"a","vocab":{"a":0}}})";
  std::string steps;
  for (int i = 0; i < 12; ++i) {
    steps += R"(,{"type":"Replace","pattern":{"String":"a"},"content":"aaaaaaaaaa"})";
  }
  EXPECT_EQ(kind_of(R"({"normalizer":{"type":"Sequence","normalizers":[)" + steps.substr(1) + "]}," + model),
            ErrorKind::kResource);
  steps.clear();
  for (int i = 0; i < 2000; ++i) steps += R"(,{"type":"NFC"})";
  EXPECT_EQ(kind_of(R"({"normalizer":{"type":"Sequence","normalizers":[)" + steps.substr(1) + "]}," + model),
            ErrorKind::kResource);
}

TEST(BadFiles, ManyAddedTokensLoad) {
  std::string json = R"({"model":{"type":"WordLevel","unk_token":"a","vocab":{"a":0}},"added_tokens":[)";
  for (int i = 0; i < 1'000'000; ++i) {
    json += (i > 0 ? ",{\"content\":\"<" : "{\"content\":\"<") + std::to_string(i) + ">\",\"id\":0}";
  }
  const Tokenizer t = load(json + "]}");
  EXPECT_EQ(t.encode("x<999999>").ids, (std::vector<uint32_t>{0, 1'000'000}));
}

}  // namespace
}  // namespace sdx::text
