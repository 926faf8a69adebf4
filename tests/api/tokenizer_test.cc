// The public tokenizer: what the header promises, on the embedded model's folder, by the header alone.
#include "sardonyx/tokenizer.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace sardonyx {
namespace {

using Ids = std::vector<int64_t>;

Tokenizer demo() { return Tokenizer::load(SARDONYX_DEMO); }

/// Ids without the file's own truncation and padding.
Ids ids_of(const Tokenizer& tokenizer, const TextInput& input) { return tokenizer.encode(input).ids; }

/// How many characters of UTF-8 lie before byte `at`.
int64_t characters_before(const std::string& text, int64_t at) {
  int64_t count = 0;
  for (int64_t i = 0; i < at; ++i) count += (text[static_cast<size_t>(i)] & 0xC0) != 0x80;
  return count;
}

TEST(PublicTokenizer, CountsOffsetsInBytesOrCharacters) {
  const Tokenizer tokenizer = demo();
  const std::string text = "She said é, 漢字 and 😀 twice.";
  EncodeOptions options;
  const Encoding characters = tokenizer.encode(text, options);
  options.offsets = OffsetUnit::Bytes;
  const Encoding bytes = tokenizer.encode(text, options);
  ASSERT_EQ(characters.ids, bytes.ids);
  ASSERT_FALSE(bytes.ids.empty());
  for (size_t i = 0; i < bytes.ids.size(); ++i) {
    EXPECT_EQ(characters.offsets[i].first, characters_before(text, bytes.offsets[i].first)) << i;
    EXPECT_LE(characters.offsets[i].first, characters.offsets[i].second) << i;
  }
  EXPECT_EQ(bytes.offsets.back().second, static_cast<int64_t>(text.size()));
}

TEST(PublicTokenizer, EveryListHasAnElementForEachToken) {
  const Encoding e = demo().encode({"one text", "and another"});
  for (const size_t size : {e.tokens.size(), e.type_ids.size(), e.attention_mask.size(), e.special_tokens_mask.size(),
                            e.offsets.size(), e.word_ids.size(), e.sequence_ids.size()}) {
    EXPECT_EQ(size, e.ids.size());
  }
}

TEST(PublicTokenizer, WindowsCoverTheTextAndShareTheStride) {
  const Tokenizer tokenizer = demo();
  const std::string text = "One day a little girl went to the park and she saw a big red ball.";
  EncodeOptions options;
  options.add_special_tokens = false;
  const Ids all = tokenizer.encode(text, options).ids;
  ASSERT_GT(all.size(), 8u);
  options.truncation = Truncation{.max_length = 6, .stride = 2};
  const Encoding first = tokenizer.encode(text, options);
  ASSERT_EQ(first.ids.size(), 6u);
  Ids joined = first.ids;
  for (const Encoding& window : first.overflowing) {
    ASSERT_LE(window.ids.size(), 6u);
    ASSERT_GT(window.ids.size(), 2u);
    EXPECT_EQ(Ids(joined.end() - 2, joined.end()), Ids(window.ids.begin(), window.ids.begin() + 2));
    joined.insert(joined.end(), window.ids.begin() + 2, window.ids.end());
  }
  EXPECT_EQ(joined, all);
}

TEST(PublicTokenizer, BatchesArePaddedToTheLongest) {
  const Tokenizer tokenizer = demo();
  EncodeOptions options;
  options.threads = 2;
  options.padding = Padding{.length = {}, .side = Side::Left, .multiple_of = 4};
  const std::vector<Encoding> rows = tokenizer.encode_batch({"a", "a much longer line of text", ""}, options);
  ASSERT_EQ(rows.size(), 3u);
  EXPECT_EQ(rows[0].ids.size() % 4, 0u);
  const Ids alone = ids_of(tokenizer, "a");
  for (const Encoding& row : rows) EXPECT_EQ(row.ids.size(), rows[0].ids.size());
  EXPECT_EQ(Ids(rows[0].ids.end() - static_cast<std::ptrdiff_t>(alone.size()), rows[0].ids.end()), alone);
  EXPECT_EQ(rows[0].attention_mask.front(), 0);
  EXPECT_EQ(rows[0].attention_mask.back(), 1);
}

TEST(PublicTokenizer, StreamsWholeCharacters) {
  const Tokenizer tokenizer = demo();
  const std::string text = "naïve 漢字 👩‍👩‍👧 done";
  const Ids ids = ids_of(tokenizer, text);
  Tokenizer::Stream stream = tokenizer.stream();
  std::string all;
  for (const int64_t id : ids) {
    const std::string part = stream.push(id);
    EXPECT_TRUE(part.empty() || (part.front() & 0xC0) != 0x80) << part;
    EXPECT_EQ(part.find("\xEF\xBF\xBD"), std::string::npos) << part;
    all += part;
  }
  EXPECT_EQ(all + stream.finish(), tokenizer.decode(ids));
}

TEST(PublicTokenizer, ErrorsArePublicOnes) {
  const std::string path = std::string(SARDONYX_DEMO) + "/missing";
  try {
    Tokenizer::load(path);
    FAIL() << "it loaded";
  } catch (const Error& e) {
    EXPECT_EQ(e.kind(), ErrorKind::InvalidInput);
    EXPECT_NE(std::string(e.what()).find(path), std::string::npos) << e.what();
  }
}

}  // namespace
}  // namespace sardonyx
