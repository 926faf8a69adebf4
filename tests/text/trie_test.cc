// The double-array trie against std::map, on seeded random keys of several shapes.
#include "text/trie.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <random>
#include <string>
#include <vector>

namespace sdx::text {
namespace {

struct Shape {
  size_t keys, longest;
  int bytes;          ///< how many different bytes there are
  size_t prefix = 0;  ///< bytes that all keys begin with
};

class TrieShapes : public testing::TestWithParam<Shape> {};

TEST_P(TrieShapes, HoldExactlyTheirKeys) {
  const Shape& shape = GetParam();
  std::mt19937_64 random(shape.keys * 31 + shape.longest);
  const auto below = [&](size_t n) { return static_cast<size_t>(random() % n); };
  const auto draw = [&] {
    std::string text(shape.prefix, '\xE2');
    for (size_t length = below(shape.longest + 1); length > 0; --length)
      text += static_cast<char>(below(static_cast<size_t>(shape.bytes)));
    return text;
  };
  std::vector<std::string> texts;
  for (size_t i = 0; i < shape.keys; ++i) texts.push_back(draw());
  std::vector<Trie::Key> keys;
  std::map<std::string, int32_t> wanted;
  for (const std::string& text : texts) {
    const auto value = static_cast<int32_t>(below(1000));
    keys.emplace_back(text, value);
    if (text.empty()) continue;
    const auto [at, fresh] = wanted.emplace(text, value);
    if (!fresh) at->second = std::max(at->second, value);
  }
  const Trie trie(keys);
  for (const auto& [text, value] : wanted) ASSERT_EQ(trie.find(text), value) << testing::PrintToString(text);
  for (size_t i = 0; i < 2 * shape.keys; ++i) {
    const std::string text = draw();
    const auto at = wanted.find(text);
    ASSERT_EQ(trie.find(text), at == wanted.end() ? -1 : at->second) << testing::PrintToString(text);
  }
}

INSTANTIATE_TEST_SUITE_P(Random, TrieShapes,
                         testing::Values(Shape{0, 4, 256}, Shape{1, 20, 256}, Shape{300, 1, 256}, Shape{700, 3, 2},
                                         Shape{5000, 9, 3}, Shape{5000, 4, 256}, Shape{2000, 40, 4, 17},
                                         Shape{60000, 3, 129}),
                         [](const auto& shape) { return "Shape" + std::to_string(shape.index); });

/// Every cell of the first block is wanted, also those whose base would be the root's.
TEST(Trie, FillsBlocks) {
  std::vector<std::string> texts;
  for (int a = 0; a < 256; ++a) {
    for (int b = 0; b < 256; b += 3)
      texts.push_back({static_cast<char>(a), static_cast<char>(b), static_cast<char>(a ^ b)});
  }
  std::vector<Trie::Key> keys;
  for (size_t i = 0; i < texts.size(); ++i) keys.emplace_back(texts[i], static_cast<int32_t>(i));
  const Trie trie(keys);
  for (size_t i = 0; i < texts.size(); ++i) ASSERT_EQ(trie.find(texts[i]), static_cast<int32_t>(i));
  // A key takes a cell of its own, and three of the tails for its last byte and its value.
  EXPECT_LT(trie.size(), texts.size() * 5) << "cells stay empty";
}

}  // namespace
}  // namespace sdx::text
