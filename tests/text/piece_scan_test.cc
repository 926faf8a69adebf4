// Unigram vocabularies read from the text of a tokenizer.json, against what is in it.
#include "text/piece_scan.h"

#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

namespace sdx::text {
namespace {

std::string with_list(const std::string& list) {
  return R"({"a": [{"x": "}\"]"}, 1], "model": {"vocab": )" + list + "}}";
}

/// Pieces as "piece=score" of a list, or "none".
std::vector<std::string> scanned(const std::string& list) {
  const auto found = scan_pieces(with_list(list));
  if (!found) return {"none"};
  EXPECT_EQ(found->rest, with_list("[]"));
  std::vector<std::string> out;
  for (size_t i = 0; i < found->pieces.scores.size(); ++i)
    out.push_back(std::string(found->pieces.piece(i)) + "=" + std::to_string(found->pieces.scores[i]));
  return out;
}

using Strings = std::vector<std::string>;

TEST(PieceScan, ReadsPiecesAndScores) {
  EXPECT_EQ(scanned(R"([["a",0]])"), Strings{"a=0.000000"});
  EXPECT_EQ(scanned("[ [\n\t\"\xC3\xA9\" , -1.25 ] ,\r\n [\"\", 3e2]]"),
            (Strings{"\xC3\xA9=-1.250000", "=300.000000"}));
  EXPECT_EQ(scanned(R"([["\"\\\/\b\f\n\r\t\u00e9\u2581x", -0.5]])"),
            Strings{"\"\\/\b\f\n\r\t\xC3\xA9\xE2\x96\x81x=-0.500000"});
  EXPECT_EQ(scanned(R"([["a", -11.2345678901234567890123]])"), Strings{"a=-11.234568"});
}

TEST(PieceScan, RoundsScoresTwice) {
  const auto found =
      scan_pieces(with_list(R"([["a", -7.407997131347656], ["b", -10.80948829650879], ["c", -2.5e-7]])"));
  ASSERT_TRUE(found);
  const std::vector<double> scores(found->pieces.scores.begin(), found->pieces.scores.end());
  EXPECT_EQ(scores, (std::vector<double>{-7407997131347656. / 1e15, -1080948829650879. / 1e14, -25. / 1e8}));
}

TEST(PieceScan, LeavesOtherFormsToTheParser) {
  const std::string too_long = std::string(kMaxPieceBytes + 1, 'a');
  for (const std::string& list : Strings{"[]",
                                         "{}",
                                         "null",
                                         "[[]]",
                                         R"([["a"]])",
                                         R"([["a",0],])",
                                         R"([["a",0,1]])",
                                         R"([["a",0])",
                                         R"([["a",0)",
                                         R"([["a","b"]])",
                                         R"([[1,0]])",
                                         R"([["a",01]])",
                                         R"([["a",1.]])",
                                         R"([["a",.5]])",
                                         R"([["a",+1]])",
                                         R"([["a",-]])",
                                         R"([["a",1e]])",
                                         R"([["a",1e999]])",
                                         R"([["a",1234567890123456789012]])",
                                         R"([["a" 0]])",
                                         R"([["a",0] ["b",0]])",
                                         R"([["\ud83d\ude00",0]])",
                                         R"([["\u12",0]])",
                                         R"([["\x",0]])",
                                         R"([["a\)",
                                         "[[\"a\nb\",0]]",
                                         "[[\"\xC3\",0]]",
                                         "[[\"" + too_long + "\",0]]"}) {
    EXPECT_EQ(scanned(list), Strings{"none"}) << list;
  }
  EXPECT_FALSE(scan_pieces(""));
  EXPECT_FALSE(scan_pieces(R"({"model)"));
  EXPECT_FALSE(scan_pieces(R"({"model\)"));
  EXPECT_FALSE(scan_pieces(R"({"mod\u0065l": {}, "model": {"vocab": [["a",0]]}})"));
  EXPECT_FALSE(scan_pieces(R"({"other": {"vocab": [["a",0]]}})"));
}

/// Lists that are cut into sections, also where the text of pieces looks like the end of one entry and the next.
TEST(PieceScan, CutsLongListsAnywhere) {
  for (const std::string& between : Strings{"", R"(],[\")", "]  ,\\n["}) {
    std::mt19937 random(7);
    Strings wanted;
    std::string list = "[";
    for (size_t i = 0; list.size() < 3'000'000; ++i) {
      const std::string name = std::to_string(i) + std::string(random() % 60, 'x') + between;
      list += (i > 0 ? ",\n  [\"" : "[\"") + name + "\", -" + std::to_string(i) + "]";
      wanted.push_back(name);
    }
    const auto found = scan_pieces(with_list(list + " ]"));
    ASSERT_TRUE(found);
    EXPECT_EQ(found->rest, with_list("[]"));
    ASSERT_EQ(found->pieces.scores.size(), wanted.size());
    for (size_t i = 0; i < wanted.size(); ++i) {
      ASSERT_EQ(found->pieces.scores[i], -static_cast<double>(i));
      ASSERT_EQ(found->pieces.piece(i).substr(0, wanted[i].size() - between.size()),
                wanted[i].substr(0, wanted[i].size() - between.size()));
    }
  }
}

}  // namespace
}  // namespace sdx::text
