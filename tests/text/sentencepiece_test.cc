// SentencePiece files that are damaged, and hand-made models whose segmentation is known by reasoning.
#include "text/sentencepiece.h"

#include <gtest/gtest.h>

#include <protozero/pbf_writer.hpp>
#include <string>
#include <vector>

#include "base/error.h"

namespace {

using sdx::text::SentencePiece;

struct Piece {
  std::string text;
  float score = 0;
  int type = 1;
};

/// The bytes of a .model file without a character map.
std::string model(const std::vector<Piece>& pieces, int kind, bool byte_fallback = false) {
  std::string bytes;
  protozero::pbf_writer writer(bytes);
  for (const Piece& piece : pieces) {
    protozero::pbf_writer entry(writer, 1);
    entry.add_string(1, piece.text);
    entry.add_float(2, piece.score);
    entry.add_enum(3, piece.type);
  }
  {
    protozero::pbf_writer trainer(writer, 2);
    trainer.add_enum(3, kind);
    trainer.add_bool(35, byte_fallback);
  }
  return bytes;
}

std::vector<std::string> pieces_of(const SentencePiece& spm, const std::string& text) {
  const auto encoding = spm.encode(text);
  std::vector<std::string> list;
  for (const auto& piece : encoding.pieces) list.emplace_back(spm.text_of(encoding, piece));
  return list;
}

using List = std::vector<std::string>;

TEST(SentencePiece, UnigramTakesTheBestPath) {
  const auto spm = SentencePiece::parse(
      model({{"<unk>", 0, 2}, {"▁", -3}, {"▁ab", -4}, {"a", -1}, {"b", -1}, {"c", -2}, {"bc", -2.5f}}, 1));
  EXPECT_EQ(pieces_of(spm, "ab"), (List{"▁ab"}));
  EXPECT_EQ(pieces_of(spm, "abc"), (List{"▁ab", "c"}));
  EXPECT_EQ(pieces_of(spm, "  bc  "), (List{"▁", "bc"}));
  EXPECT_EQ(pieces_of(spm, "axyb"), (List{"▁", "a", "xy", "b"}));
  EXPECT_TRUE(pieces_of(spm, "   ").empty());
}

TEST(SentencePiece, BpeMergesByScoreAndUndoesUnusedPieces) {
  const auto spm = SentencePiece::parse(
      model({{"<unk>", 0, 2}, {"ab", -1, 5}, {"abc", -2}, {"a", -9}, {"b", -9}, {"c", -9}, {"▁", -9}, {"d", -9}}, 2));
  EXPECT_EQ(pieces_of(spm, "abc"), (List{"▁", "abc"}));
  EXPECT_EQ(pieces_of(spm, "abd"), (List{"▁", "a", "b", "d"}));
}

TEST(SentencePiece, BytesStandForUnknownCharacters) {
  std::vector<Piece> pieces = {{"<unk>", 0, 2}, {"▁", -1}, {"a", -1}};
  for (const char* byte : {"<0xC3>", "<0xA9>"}) pieces.push_back({byte, 0, 6});
  const auto spm = SentencePiece::parse(model(pieces, 1, true));
  EXPECT_EQ(pieces_of(spm, "aé"), (List{"▁", "a", "<0xC3>", "<0xA9>"}));
  EXPECT_EQ(spm.decode({1, 2, 3, 4}), "aé");
  EXPECT_EQ(spm.decode({1, 2, 4}), "a\xEF\xBF\xBD");
  EXPECT_THROW(spm.decode({5}), sdx::Error);
  EXPECT_THROW(spm.decode({-1}), sdx::Error);
}

TEST(SentencePiece, UserSymbolsAreNeverSplit) {
  const auto spm = SentencePiece::parse(model({{"<unk>", 0, 2}, {"▁", -1}, {"a", -1}, {"b", -1}, {"ab", 0, 4}}, 1));
  EXPECT_EQ(pieces_of(spm, "aabb"), (List{"▁", "a", "ab", "b"}));
}

TEST(SentencePiece, RefusesDamagedFiles) {
  const std::string good = model({{"<unk>", 0, 2}, {"a", -1}}, 1);
  EXPECT_NO_THROW(SentencePiece::parse(good));
  for (size_t length = 0; length < good.size(); ++length) {
    try {
      SentencePiece::parse(std::string_view(good).substr(0, length));
    } catch (const sdx::Error& error) {
      EXPECT_EQ(error.kind(), sdx::ErrorKind::kInvalidModel);
    }
  }
  EXPECT_THROW(SentencePiece::parse(model({{"a", -1}}, 1)), sdx::Error);
  EXPECT_THROW(SentencePiece::parse(model({{"<unk>", 0, 2}, {"", -1}}, 1)), sdx::Error);
  EXPECT_THROW(SentencePiece::parse(model({{"<unk>", 0, 2}, {"a", -1, 9}}, 1)), sdx::Error);
  EXPECT_THROW(SentencePiece::parse(model({{"<unk>", 0, 2}}, 7)), sdx::Error);
}

TEST(SentencePiece, RefusesDamagedCharacterMaps) {
  for (const std::string& map :
       {std::string("\xFF\xFF\xFF\x7Fxxxx\0", 9), std::string("\4\0\0\0", 4), std::string("\3\0\0\0abc\0", 8)}) {
    std::string bytes = model({{"<unk>", 0, 2}, {"a", -1}}, 1);
    protozero::pbf_writer writer(bytes);
    protozero::pbf_writer normalizer(writer, 3);
    normalizer.add_bytes(2, map);
    normalizer.commit();
    EXPECT_THROW(SentencePiece::parse(bytes), sdx::Error);
  }
}

}  // namespace
