// The page of comparisons is well-formed and says what the reports say; agreement and mixed batches by hand.
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "base/error.h"
#include "cli/agreement.h"
#include "cli/contest.h"
#include "cli/html_report.h"
#include "cli/svg.h"

namespace sdx::cli {
namespace {

/// "" where every element of `text` is closed in order, else the first that is not. Void elements of HTML need no end.
std::string unbalanced(const std::string& text) {
  std::vector<std::string> open;
  for (size_t at = text.find('<'); at != std::string::npos; at = text.find('<', at + 1)) {
    const size_t end = text.find('>', at);
    if (end == std::string::npos) return "the end";
    if (text[at + 1] == '!' || text[end - 1] == '/') continue;
    const size_t begin = at + (text[at + 1] == '/' ? 2 : 1);
    const std::string name = text.substr(begin, text.find_first_of(" >", begin) - begin);
    if (name == "meta") continue;
    if (text[at + 1] != '/') {
      open.push_back(name);
    } else if (open.empty() || open.back() != name) {
      return name;
    } else {
      open.pop_back();
    }
  }
  return open.empty() ? "" : open.back();
}

Json report(const std::string& model, double ratio) {
  const Json summary = {{"median", ratio}, {"first", ratio * 0.9}, {"third", ratio * 1.1}, {"least", ratio * 0.8}};
  const Json ours = {{"median", 10.0}, {"first", 9.0}, {"third", 11.0}, {"least", 8.0}};
  const Json peer = {{"median", 10.0 * ratio}, {"first", 9.0}, {"third", 11.0}, {"least", 8.0}};
  return {{"model", model},
          {"threads", 2},
          {"isa", "avx512"},
          {"target", 1.25},
          {"peer", {{"version", "1.30.0"}, {"settings", "intra-op threads 2"}}},
          {"ratio", summary},
          {"ours_ms", ours},
          {"peer_ms", peer},
          {"work", {{"operations", 2e9}, {"weight_bytes", 1e8}, {"moved_bytes", 1e7}}},
          {"ceiling", {{"flops", 4e11}, {"memory", 2e10}, {"cache", 1e11}}}};
}

TEST(Report, PageIsWellFormedAndHostileNamesAreText) {
  const std::string page = html_report({report("a<b>&\"c\".onnx", 1.5), report("plain.onnx", 0.9)});
  EXPECT_EQ(unbalanced(page), "");
  EXPECT_NE(page.find("a&lt;b&gt;&amp;&quot;c&quot;.onnx"), std::string::npos);
  EXPECT_EQ(page.find("a<b>"), std::string::npos);
  EXPECT_NE(page.find("prefers-color-scheme: dark"), std::string::npos);
  EXPECT_NE(page.find("width=device-width"), std::string::npos);
  EXPECT_EQ(page.find("http", page.find("<body>")), page.find("http://www.w3.org/2000/svg"));
}

TEST(Report, DrawingsStandAlone) {
  for (const std::string& svg :
       {standalone(ratio_bars({report("x", 1.2)})), standalone(roofline({report("x", 1.2)}))}) {
    EXPECT_TRUE(svg.starts_with("<svg ")) << svg.substr(0, 40);
    EXPECT_EQ(unbalanced(svg), "");
    EXPECT_EQ(svg.find("nan"), std::string::npos);
    EXPECT_EQ(svg.find("inf"), std::string::npos);
  }
}

TEST(Report, TableHasOneLineEach) {
  const std::string table = markdown_table({report("first", 1.5), report("second", 0.9)});
  EXPECT_EQ(std::count(table.begin(), table.end(), '\n'), 4);
  EXPECT_NE(table.find("| first | 1.50 | 1.35 – 1.65 | 1.00 | 1.25 | 10.00 | 15.00 |"), std::string::npos) << table;
}

TEST(Agreement, IgnoresPaddingAndSeesTheRest) {
  const Tensor a = Tensor::from<float>({2, 3, 1}, std::vector<float>{1, 2, 99, 4, 5, 6});
  const Tensor b = Tensor::from<float>({2, 3, 1}, std::vector<float>{1, 2, 3, 4, 5, 6.5});
  EXPECT_DOUBLE_EQ(agreement(a, b).difference, 96);
  EXPECT_DOUBLE_EQ(agreement(a, b, {2, 3}).difference, 0.5);
  EXPECT_DOUBLE_EQ(agreement(a, b, {2, 3}).scale, 6.5);
}

TEST(Agreement, NanAgreesOnlyWithNan) {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const Tensor a = Tensor::from<float>({2}, std::vector<float>{nan, 1});
  const Tensor b = Tensor::from<float>({2}, std::vector<float>{nan, nan});
  EXPECT_EQ(agreement(a, a).difference, 0);
  EXPECT_TRUE(std::isinf(agreement(a, b).difference));
  EXPECT_TRUE(std::isinf(agreement(a, Tensor::from<float>({1, 2}, std::vector<float>{1, 1})).difference));
}

TEST(MixedBatch, SpreadsLengthsAndRefusesNonsense) {
  const auto lengths = MixedBatch::parse("16x8..128").lengths(3);
  ASSERT_EQ(lengths.size(), 16u);
  EXPECT_EQ(*std::ranges::min_element(lengths), 8);
  EXPECT_EQ(*std::ranges::max_element(lengths), 128);
  EXPECT_FALSE(std::ranges::is_sorted(lengths));
  EXPECT_EQ(lengths, MixedBatch::parse("16x8..128").lengths(3));
  for (const char* wrong : {"", "16", "16x8", "16x9..8", "0x1..2", "16x8..128x", "x8..9", "99999x1..2"}) {
    EXPECT_THROW(MixedBatch::parse(wrong), Error) << wrong;
  }
}

}  // namespace
}  // namespace sdx::cli
