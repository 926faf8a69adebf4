// Encoding and decoding of .model files against Debian's libsentencepiece, over seeded texts; skipped where ../shared
// is absent.
#include <gtest/gtest.h>
#include <sentencepiece_processor.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <random>
#include <string>
#include <vector>

#include "text/sentencepiece.h"

namespace {

namespace fs = std::filesystem;
using sdx::text::SentencePiece;

fs::path tokenizers() {
  const char* shared = std::getenv("SARDONYX_SHARED");
  return (shared ? fs::path(shared) : fs::path(SARDONYX_SOURCE_DIR) / "../shared") / "real/tokenizers";
}

std::string contents(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

void append(std::string& text, uint32_t c) {
  if (c < 0x80) {
    text += static_cast<char>(c);
  } else if (c < 0x800) {
    text += {static_cast<char>(0xC0 | c >> 6), static_cast<char>(0x80 | (c & 63))};
  } else if (c < 0x10000) {
    text += {static_cast<char>(0xE0 | c >> 12), static_cast<char>(0x80 | (c >> 6 & 63)),
             static_cast<char>(0x80 | (c & 63))};
  } else {
    text += {static_cast<char>(0xF0 | c >> 18), static_cast<char>(0x80 | (c >> 12 & 63)),
             static_cast<char>(0x80 | (c >> 6 & 63)), static_cast<char>(0x80 | (c & 63))};
  }
}

/// Pieces of the model, characters of several scripts, spaces, controls, compatibility forms, and bytes that are no
/// UTF-8.
std::string make_text(std::mt19937& random, const SentencePiece& model) {
  static constexpr uint32_t kRanges[][2] = {
      {0x20, 0x7E},     {0x20, 0x7E},     {0xA0, 0x24F},      {0x300, 0x36F},     {0x370, 0x5FF},
      {0x600, 0x6FF},   {0x900, 0xDFF},   {0xE00, 0xFFF},     {0x1100, 0x11FF},   {0x2000, 0x206F},
      {0x2150, 0x24FF}, {0x3000, 0x33FF}, {0x4E00, 0x9FFF},   {0xAC00, 0xD7A3},   {0xF900, 0xFFEF},
      {0, 0x20},        {0x7F, 0x9F},     {0x1D400, 0x1D7FF}, {0x1F300, 0x1FAFF}, {0x10000, 0x10FFFF}};
  const auto below = [&](size_t n) { return static_cast<size_t>(random() % n); };
  std::string text;
  const auto& range = kRanges[below(std::size(kRanges))];
  for (size_t i = 0, count = below(30); i < count; ++i) {
    const size_t kind = below(12);
    if (kind < 5) {
      std::string piece = model.pieces()[below(model.size())].text;
      if (piece.starts_with("\xE2\x96\x81")) piece = (below(9) ? " " : "\xE2\x96\x81") + piece.substr(3);
      text += piece;
    } else if (kind < 10) {
      append(text, range[0] + static_cast<uint32_t>(below(range[1] - range[0] + 1)));
    } else if (kind == 10) {
      text.append(1 + below(3), below(2) ? ' ' : '\t');
    } else if (below(6) == 0) {
      text += static_cast<char>(0x80 + below(0x80));
    }
  }
  return text;
}

std::vector<int32_t> ids_of(const sdx::text::SpmEncoding& encoding) {
  std::vector<int32_t> ids;
  for (const auto& piece : encoding.pieces) ids.push_back(piece.id);
  return ids;
}

/// Why the two encodings of `text` differ, or nothing.
std::string difference(const SentencePiece& ours, const sentencepiece::SentencePieceProcessor& theirs,
                       const std::string& text) {
  const auto encoding = ours.encode(text);
  const auto expected = theirs.EncodeAsImmutableProto(text);
  if (encoding.pieces.size() != expected.pieces_size()) return "number of pieces";
  size_t i = 0;
  for (const auto& want : expected.pieces()) {
    const auto& piece = encoding.pieces[i++];
    if (static_cast<uint32_t>(piece.id) != want.id()) return "id of piece " + std::to_string(i - 1);
    if (ours.text_of(encoding, piece) != want.piece()) return "text of piece " + std::to_string(i - 1);
    if (piece.begin != want.begin() || piece.end != want.end()) return "span of piece " + std::to_string(i - 1);
  }
  const auto ids = ids_of(encoding);
  return ours.decode(ids) == theirs.DecodeIds(ids) ? "" : "decoded text";
}

/// Cuts `text` down by halves while the two still differ.
std::string smallest(const SentencePiece& ours, const sentencepiece::SentencePieceProcessor& theirs, std::string text) {
  for (size_t chunk = text.size() / 2 + 1; chunk > 0; chunk /= 2) {
    for (size_t start = 0; start < text.size();) {
      std::string shorter = text.substr(0, start) + (start + chunk < text.size() ? text.substr(start + chunk) : "");
      if (difference(ours, theirs, shorter).empty()) {
        start += chunk;
      } else {
        text = std::move(shorter);
      }
    }
  }
  return text;
}

std::vector<fs::path> models() {
  std::vector<fs::path> list;
  if (!fs::exists(tokenizers())) return list;
  for (const auto& entry : fs::recursive_directory_iterator(tokenizers())) {
    const auto extension = entry.path().extension();
    if (extension == ".model" || extension == ".spm") list.push_back(entry.path());
  }
  return list;
}

TEST(SentencePieceOracle, EncodesAndDecodesLikeTheLibrary) {
  if (models().empty()) GTEST_SKIP() << tokenizers() << " is absent (set SARDONYX_SHARED)";
  const char* seed_text = std::getenv("SARDONYX_SEED");
  const char* count_text = std::getenv("SARDONYX_COUNT");
  const auto seed = static_cast<uint32_t>(seed_text ? std::atoi(seed_text) : 1);
  const int count = count_text ? std::atoi(count_text) : 3000;
  for (const auto& path : models()) {
    SCOPED_TRACE(path.string() + ", replay with SARDONYX_SEED=" + std::to_string(seed));
    const auto ours = SentencePiece::parse(contents(path));
    sentencepiece::SentencePieceProcessor theirs;
    ASSERT_TRUE(theirs.Load(path.string()).ok());
    std::mt19937 random(seed);
    for (int i = 0; i < count; ++i) {
      const std::string text = make_text(random, ours);
      if (difference(ours, theirs, text).empty()) continue;
      const std::string small = smallest(ours, theirs, text);
      ADD_FAILURE() << difference(ours, theirs, small) << " of " << testing::PrintToString(small);
      break;
    }
  }
}

TEST(SentencePieceOracle, DecodesArbitraryIdsLikeTheLibrary) {
  if (models().empty()) GTEST_SKIP() << tokenizers() << " is absent (set SARDONYX_SHARED)";
  for (const auto& path : models()) {
    SCOPED_TRACE(path.string());
    const auto ours = SentencePiece::parse(contents(path));
    sentencepiece::SentencePieceProcessor theirs;
    ASSERT_TRUE(theirs.Load(path.string()).ok());
    std::mt19937 random(7);
    for (int i = 0; i < 2000; ++i) {
      std::vector<int32_t> ids;
      const size_t range = i % 2 ? ours.size() : std::min<size_t>(ours.size(), 300);
      for (size_t k = random() % 12; k > 0; --k) ids.push_back(static_cast<int32_t>(random() % range));
      ASSERT_EQ(ours.decode(ids), theirs.DecodeIds(ids)) << testing::PrintToString(ids);
    }
  }
}

}  // namespace
