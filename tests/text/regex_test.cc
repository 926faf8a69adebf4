// Oniguruma's dialect: what its patterns find, as the native reference finds it.
#include "text/regex.h"

#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"

namespace sdx::text {
namespace {

using List = std::vector<std::string>;

List found(std::string_view pattern, std::string_view text) {
  std::vector<Span> spans;
  Regex(pattern).find(text, spans);
  List matches;
  for (const Span& s : spans) {
    if (s.match) matches.emplace_back(text.substr(s.begin, s.end - s.begin));
  }
  return matches;
}

TEST(RegexDialect, IntersectsClasses) {
  EXPECT_EQ(found("[a-z&&[^aeiou]]+", "hello world"), (List{"h", "ll", "w", "rld"}));
  EXPECT_EQ(found("[\\p{L}&&[^\\p{Han}]]+", "ab漢字cd"), (List{"ab", "cd"}));
  EXPECT_EQ(found("[^a-z&&[^aeiou]]+", "bad Egg"), (List{"a", " E"}));
  EXPECT_EQ(found("[\\W&&[^ ]]+", "a, b!?"), (List{",", "!?"}));
}

TEST(RegexDialect, NestsClasses) {
  EXPECT_EQ(found("[a[^b-z]]+", "ab-z1"), (List{"a", "-", "1"}));
  EXPECT_EQ(found("[^a[^b-z]]+", "ab-z1"), (List{"b", "z"}));
  EXPECT_EQ(found("[[a-c][x-z]]+", "abmxyz"), (List{"ab", "xyz"}));
  EXPECT_EQ(found("[^\\S\\n]+", "a \t\n b"), (List{" \t", " "}));
  EXPECT_EQ(found("[]a]+", "]a]b"), (List{"]a]"}));
}

TEST(RegexDialect, AnchorsStandAtLines) {
  EXPECT_EQ(found("^\\w", "ab\ncd"), (List{"a", "c"}));
  EXPECT_EQ(found("\\w$", "ab\ncd\n"), (List{"b", "d"}));
  EXPECT_EQ(found("\\A\\w", "ab\ncd"), (List{"a"}));
  EXPECT_EQ(found("(?m:b.c)", "b\nc"), (List{"b\nc"}));
  EXPECT_TRUE(found("b.c", "b\nc").empty());
}

TEST(RegexDialect, SpellsEscapesAndCounts) {
  EXPECT_EQ(found("\\h+", "xyzFAce9"), (List{"FAce9"}));
  EXPECT_EQ(found("[\\u00e9\\x{e8}]", "e\xC3\xA9\xC3\xA8"), (List{"\xC3\xA9", "\xC3\xA8"}));
  EXPECT_EQ(found("xe{,2}y", "xy xeey xeeey"), (List{"xy", "xeey"}));
  EXPECT_EQ(found("\\b\\w+\\b", "l'été ok"), (List{"l", "été", "ok"}));
  EXPECT_EQ(found("\\O", "\n"), (List{"\n"}));
}

TEST(RegexDialect, QuantifiesTwice) {
  EXPECT_EQ(found("\\d{1,3}+", "1234567 89"), (List{"1234567", "89"}));
  EXPECT_EQ(found("a{2}+", "aaaaa"), (List{"aaaa"}));
  EXPECT_EQ(found("xa{2}?", "xaaa x"), (List{"xaa", "x"}));
  EXPECT_EQ(found("a{1,2}?", "aa"), (List{"a", "a"}));
  EXPECT_EQ(found("é+*", "éé"), (List{"éé"}));
  EXPECT_EQ(found("(?:ab)**c", "ababc"), (List{"ababc"}));
  EXPECT_EQ(found("((?#no+*)ab){2}+", "ababababab"), (List{"abababab"}));
}

TEST(RegexDialect, TakesUnknownEscapesForLetters) {
  EXPECT_EQ(found("\\Qa+", "Qaa+"), (List{"Qaa"}));
  EXPECT_EQ(found("[\\R]+", "RR\n"), (List{"RR"}));
  EXPECT_THROW(found("\\C-a", "a"), Error);
}

TEST(RegexDialect, NamesClasses) {
  EXPECT_EQ(found("\\p{Graph}+", "a+ é\t1"), (List{"a+", "é", "1"}));
  EXPECT_EQ(found("\\p{Print}+", "a é\n1"), (List{"a é", "1"}));
  EXPECT_EQ(found("[[:punct:]]+", "a$+.b"), (List{"$+."}));
  EXPECT_EQ(found("\\p{Punct}+", "a$+.b"), (List{"."}));
  EXPECT_EQ(found("[[:^space:]]+", "a b"), (List{"a", "b"}));
  EXPECT_EQ(found("\\p{Uppercase_Letter}", "aBc"), (List{"B"}));
  EXPECT_EQ(found("\\p{^L}+", "ab12"), (List{"12"}));
  EXPECT_EQ(found("\\w+", "x²"), (List{"x²"}));
  EXPECT_EQ(found("[\\w]+", "x²"), (List{"x"}));
  EXPECT_EQ(found("\\p{Cyrillic}+", "да\xD2\x84"), (List{"да\xD2\x84"}));
  EXPECT_TRUE(found("\\p{Greek}", "\xCD\x82").empty());  // a mark that Greek only shares
}

TEST(RegexDialect, RefusesWhatNeitherKnows) {
  for (const char* pattern : {"[a", "(a", "\\p{Nope}", "[[:alpha:]", "(?<=a*)b"}) EXPECT_THROW(Regex{pattern}, Error);
  EXPECT_THROW(Regex{std::string(100, '[') + "a" + std::string(100, ']')}, Error);
}

}  // namespace
}  // namespace sdx::text
