// Folders made by hand: older files, and configuration files beside a tokenizer.json.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <initializer_list>
#include <protozero/pbf_writer.hpp>
#include <string>
#include <utility>
#include <vector>

#include "base/error.h"
#include "text/tokenizer.h"

namespace sdx::text {
namespace {

namespace fs = std::filesystem;
using Ids = std::vector<uint32_t>;

/// A folder of the given files, removed at the end.
class Folder {
 public:
  Folder(std::initializer_list<std::pair<const char*, std::string>> files) {
    const auto* info = testing::UnitTest::GetInstance()->current_test_info();
    path_ = fs::temp_directory_path() / (std::string("sardonyx_folder_test_") + info->name());
    fs::remove_all(path_);
    fs::create_directory(path_);
    for (const auto& [name, text] : files) std::ofstream(path_ / name, std::ios::binary) << text;
  }
  ~Folder() { fs::remove_all(path_); }
  Tokenizer load(const char* file = "") const { return Tokenizer::load((path_ / file).string()); }

 private:
  fs::path path_;
};

const std::string kLetters =
    R"({"<pad>":0,"<s>":1,"</s>":2,"<unk>":3,"|":4,"H":5,"E":6,"L":7,"O":8,"W":9,"R":10,"D":11})";

TEST(Ctc, DecodesDelimitersToSpacesAndKeepsTheBlankBetweenRepeats) {
  const Folder folder{{"vocab.json", kLetters}};
  const Tokenizer t = folder.load();
  EXPECT_EQ(t.encode("HELLO WORLD").ids, (Ids{5, 6, 7, 7, 8, 4, 9, 8, 10, 7, 11}));
  EXPECT_EQ(t.encode("H\xC3\xA9").ids, (Ids{5, 3}));
  const Ids spoken = {4, 5, 5, 6, 0, 7, 7, 0, 7, 8, 0, 4, 4, 9, 8, 10, 7, 11, 11, 4, 0};
  EXPECT_EQ(t.decode(spoken), "HELLO WORLD");
  EXPECT_EQ(t.decode(spoken, {true, false}), "HELLO WORLD");
  EXPECT_EQ(t.decode({1, 5, 2}, {true, false}), "H");
}

TEST(Ctc, TakesTheDelimiterOfTheConfiguration) {
  const Folder folder{{"vocab.json", R"({"<pad>":0,"<unk>":1,"_":2,"A":3})"},
                      {"tokenizer_config.json", R"({"word_delimiter_token":"_"})"}};
  EXPECT_EQ(folder.load().encode("A A").ids, (Ids{3, 2, 3}));
  EXPECT_EQ(folder.load().decode({3, 0, 2, 3}), "A A");
}

TEST(Vocabulary, MPNetHasTheTokensOfRoberta) {
  const Folder folder{{"vocab.txt", "<s>\n<pad>\n</s>\n[UNK]\na\n<mask>\n"},
                      {"config.json", R"({"model_type":"mpnet"})"}};
  const Encoding e = folder.load().encode(Input{"a", "A <mask>"});
  EXPECT_EQ(e.ids, (Ids{0, 4, 2, 2, 4, 5, 2}));
  EXPECT_EQ(e.type_ids, (Ids{0, 0, 0, 0, 1, 1, 1}));
}

TEST(Vocabulary, FamiliesThatNeedMoreThanItAreRefused) {
  const Folder folder{{"vocab.txt", "[UNK]\na\n"},
                      {"tokenizer_config.json", R"({"tokenizer_class":"BertJapaneseTokenizer"})"}};
  try {
    folder.load();
    ADD_FAILURE() << "was accepted";
  } catch (const Error& e) {
    EXPECT_EQ(e.kind(), ErrorKind::kUnsupportedModel);
    EXPECT_NE(e.message().find("bertjapanese"), std::string::npos) << e.message();
  }
}

TEST(Merges, FamiliesSurroundTextsInTheirOwnWays) {
  const std::string vocab = R"({"a":0,"b":1,"ab":2,"</s>":3,"[CLS]":4,"[SEP]":5,"\u0120":6})";
  const auto pair = [&](const char* config) {
    const Folder folder{
        {"vocab.json", vocab}, {"merges.txt", "#version: 0.2\na b\n"}, {"tokenizer_config.json", config}};
    return folder.load().encode(Input{"ab", "a"}).ids;
  };
  EXPECT_EQ(pair(R"({"tokenizer_class":"GPT2Tokenizer"})"), (Ids{2, 0}));
  EXPECT_EQ(pair(R"({"tokenizer_class":"GPT2Tokenizer","add_bos_token":true,"bos_token":"</s>"})"), (Ids{3, 2, 0}));
  EXPECT_EQ(pair(R"({"tokenizer_class":"DebertaTokenizer"})"), (Ids{4, 2, 5, 0, 5}));
  EXPECT_EQ(pair(R"({"tokenizer_class":"BlenderbotTokenizer"})"), (Ids{2, 0}));
}

TEST(Merges, RolesThatAreSpelledOutHaveTheirFlags) {
  const Folder folder{{"vocab.json", R"({"a</w>":0,"<|endoftext|>":1,"<|startoftext|>":2})"},
                      {"merges.txt", ""},
                      {"special_tokens_map.json", R"({"bos_token":{"content":"<|startoftext|>","normalized":true}})"}};
  EXPECT_EQ(folder.load().encode("<|STARTOFTEXT|>a").ids, (Ids{2, 2, 0, 1}));
}

TEST(Merges, ClipDecodesWithoutASpaceAtTheEnd) {
  const Folder folder{
      {"vocab.json", R"({"a":0,"b":1,"a</w>":2,"b</w>":3,"ab</w>":4,"<|endoftext|>":5,"<|startoftext|>":6})"},
      {"merges.txt", "#version: 0.2\na b</w>\n"}};
  const Tokenizer t = folder.load();
  const Ids ids = t.encode("AB b").ids;
  EXPECT_EQ(ids, (Ids{6, 4, 3, 5}));
  EXPECT_EQ(t.decode(ids, {true, false}), "ab b");
}

/// A Unigram .model without a character map.
std::string unigram(const std::vector<std::pair<std::string, int>>& pieces) {
  std::string bytes;
  protozero::pbf_writer writer(bytes);
  for (size_t i = 0; i < pieces.size(); ++i) {
    protozero::pbf_writer entry(writer, 1);
    entry.add_string(1, pieces[i].first);
    entry.add_float(2, -static_cast<float>(i));
    entry.add_enum(3, pieces[i].second);
  }
  return bytes;
}

TEST(SentencePieceFolder, TheTokenizerClassOfConfigCountsBeforeTheModelType) {
  const std::string model =
      unigram({{"<s>", 3}, {"<pad>", 3}, {"</s>", 3}, {"<unk>", 2}, {"▁", 1}, {"a", 1}, {"▁a", 1}, {"<mask>", 1}});
  const Folder folder{{"sentencepiece.bpe.model", model},
                      {"config.json", R"({"model_type":"mbart","tokenizer_class":"BarthezTokenizer"})"}};
  const Tokenizer t = folder.load();
  EXPECT_EQ(t.encode("a<mask>").ids, (Ids{0, 6, 7, 2}));
  EXPECT_TRUE(t.is_special(7));
}

Folder marian(const std::string& config) {
  const std::string model = unigram({{"<unk>", 2}, {"</s>", 3}, {"▁", 1}, {"a", 1}, {"▁a", 1}, {"\n", 1}, {">", 1}});
  return {{"source.spm", model},
          {"target.spm", model},
          {"vocab.json", R"({"</s>":0,"<unk>":1,"▁":2,"a":3,"▁a":4,">>fra<<":5,">>x <<":6,">":7,"\n":8,"<pad>":9})"},
          {"tokenizer_config.json", config}};
}

TEST(SentencePieceFolder, MariansLanguageCodesAreTokensBeforeATextAndNothingWithin) {
  const Folder folder = marian("{}");
  const Tokenizer t = folder.load();
  EXPECT_EQ(t.encode(">>fra<< a").ids, (Ids{5, 4, 0}));
  EXPECT_EQ(t.encode(">>x <<a").ids, (Ids{6, 4, 0}));
  EXPECT_EQ(t.encode("a >>fra<<a").ids, (Ids{4, 4, 0}));
  EXPECT_EQ(t.encode(" >>fra<< a").ids, (Ids{4, 0}));
  EXPECT_EQ(t.encode(">>fra<< a <<").ids, (Ids{1, 0})) << "a code reaches to the last <<";
  EXPECT_EQ(t.encode("</s>>>fra<<a").ids, (Ids{0, 5, 4, 0}));
  EXPECT_EQ(t.encode(">><<").ids, (Ids{2, 7, 7, 1, 0})) << "no character within";
  EXPECT_EQ(t.encode(">>fra\n<<").ids.front(), 2u) << "a code ends in its line";
  const Encoding unknown = t.encode(">>deu<<a");
  EXPECT_EQ(unknown.ids, (Ids{1, 4, 0}));
  EXPECT_EQ(t.tokens(unknown), (std::vector<std::string>{">>deu<<", "▁a", "</s>"}));
  EXPECT_EQ(unknown.offsets[1].begin, 7u);
  EXPECT_FALSE(t.is_special(5));
}

TEST(SentencePieceFolder, AnotherUnknownTokenInMariansConfigurationLosesNoLanguageCode) {
  const Folder folder = marian(R"({"unk_token":"<foo>"})");
  EXPECT_EQ(folder.load().encode(">>deu<<a").ids, (Ids{1, 4, 0}));
}

TEST(SentencePieceFolder, MarianDecodesSpecialTokensWithASpaceAfterEach) {
  const Folder folder = marian("{}");
  EXPECT_EQ(folder.load().decode({9, 4, 3, 0, 4, 0}, {false, false}), "<pad> aa</s> a</s>");
}

TEST(SentencePieceFolder, SeparateVocabulariesAreRefused) {
  const Folder folder = marian(R"({"separate_vocabs":true})");
  EXPECT_THROW(folder.load(), Error);
}

TEST(SentencePieceFolder, AModelLoadsByItself) {
  const Folder folder{{"my.model", unigram({{"<unk>", 2}, {"</s>", 3}, {"▁", 1}, {"a", 1}, {"▁a", 1}})}};
  EncodeOptions bare;
  bare.add_special_tokens = false;
  EXPECT_EQ(folder.load("my.model").encode("a a", bare).ids, (Ids{4, 4}));
}

TEST(Configuration, AddsTheTokensThatTheTokenizerLacks) {
  const Folder folder{
      {"tokenizer.json", R"({"model":{"type":"WordLevel","unk_token":"u","vocab":{"u":0,"a":1,"<m>":2}},
        "added_tokens":[{"id":3,"content":"<s>","special":true}]})"},
      {"tokenizer_config.json", R"({"bos_token":"<s>","pad_token":"[PAD]","mask_token":{"content":"<m>","lstrip":true},
        "added_tokens_decoder":{"3":{"content":"<s>","special":true},"4":{"content":"<t>","special":false}}})"},
      {"special_tokens_map.json", R"({"additional_special_tokens":["<x>"]})"},
      {"added_tokens.json", R"({"<y>":9})"}};
  const Tokenizer t = folder.load();
  EXPECT_EQ(t.encode("<s><t><y><x>[PAD]").ids, (Ids{3, 4, 5, 6, 7}));
  EXPECT_EQ(t.encode("a <m>").ids, (Ids{1, 2}));
  EXPECT_TRUE(t.is_special(7));
  EXPECT_FALSE(t.is_special(4));
  EXPECT_EQ(t.default_padding().id, 7u);
}

TEST(Configuration, DamageIsNamed) {
  const std::string json = R"({"model":{"type":"WordLevel","unk_token":"u","vocab":{"u":0}}})";
  for (const char* name : {"tokenizer_config.json", "special_tokens_map.json", "added_tokens.json"}) {
    const Folder folder{{"tokenizer.json", json}, {name, "{\"a\":"}};
    try {
      folder.load();
      ADD_FAILURE() << name << " was accepted";
    } catch (const Error& e) {
      EXPECT_EQ(e.kind(), ErrorKind::kInvalidModel);
      EXPECT_NE(e.message().find(name), std::string::npos) << e.message();
    }
  }
}

}  // namespace
}  // namespace sdx::text
