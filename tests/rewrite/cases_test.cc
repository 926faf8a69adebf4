// Runs every case of tests/rewrite/cases: the rewritten graph must print as the case says and compute the same.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <random>
#include <sstream>

#include "engine/execution.h"
#include "ir/text.h"
#include "kernels/isa.h"
#include "ops/op_table.h"
#include "rewrite/rewrite.h"
#include "rewrite/rule.h"

namespace sdx {
namespace {

namespace fs = std::filesystem;

/// A case: its name, the rules it is about, the graph, and the operators that must be left.
struct Case {
  std::string file, name, rule, before, after;
  std::string machine;    ///< the instruction set that it is about; "": any
  bool few_rows = false;  ///< rewrite::Options::few_rows
};

/// Cases begin with "case NAME", then "rule NAME", "before" and a graph, "after" and the operators left, in order;
/// "machine ISA" stands before the rule where an instruction set decides, "few rows" where that option is set.
std::vector<Case> read_cases(const fs::path& path) {
  std::ifstream in(path);
  std::vector<Case> cases;
  std::string line, *section = nullptr;
  while (std::getline(in, line)) {
    if (line.starts_with("case ")) {
      cases.push_back({path.filename().string(), line.substr(5), "", "", ""});
      section = nullptr;
    } else if (line.starts_with("rule ")) {
      cases.back().rule = line.substr(5);
    } else if (line.starts_with("machine ")) {
      cases.back().machine = line.substr(8);
    } else if (line == "few rows") {
      cases.back().few_rows = true;
    } else if (line == "before") {
      section = &cases.back().before;
    } else if (line == "after") {
      section = &cases.back().after;
    } else if (section) {
      *section += line + "\n";
    }
  }
  return cases;
}

std::vector<Case> all_cases() {
  std::vector<Case> cases;
  for (const auto& entry : fs::directory_iterator(fs::path(SARDONYX_SOURCE_DIR) / "tests/rewrite/cases")) {
    for (Case& c : read_cases(entry.path())) cases.push_back(std::move(c));
  }
  return cases;
}

std::string operators(const ir::Graph& graph) {
  std::string out;
  for (ir::NodeId id : graph.order()) {
    const ir::Node& n = graph.node(id);
    out += cat(out.empty() ? "" : " ", n.op->name);
  }
  return out;
}

std::string words(const std::string& text) {
  std::istringstream in(text);
  std::string word, out;
  while (in >> word) out += (out.empty() ? "" : " ") + word;
  return out;
}

Tensor random_tensor(const ir::Fact& fact, std::mt19937_64& random, Bindings& bindings) {
  for (const Dim& d : fact.shape.dims()) {
    if (auto s = d.symbol()) {
      bindings.resize(std::max(bindings.size(), static_cast<size_t>(*s) + 1), kUnbound);
      if (bindings[static_cast<size_t>(*s)] == kUnbound)
        bindings[static_cast<size_t>(*s)] = 2 + static_cast<int64_t>(random() % 4);
    }
  }
  Tensor t(fact.dtype, *fact.shape.evaluate(bindings));
  std::normal_distribution<float> normal;
  for (int64_t i = 0; i < t.extents().count(); ++i) {
    if (fact.dtype == DType::kF32)
      t.mutable_view().as<float>()[i] = normal(random);
    else if (fact.dtype == DType::kBool)
      t.mutable_view().as<uint8_t>()[i] = random() % 2;
    else if (fact.dtype == DType::kI32)
      t.mutable_view().as<int32_t>()[i] = static_cast<int32_t>(random() % 3);
    else
      t.mutable_view().as<int64_t>()[i] = static_cast<int64_t>(random() % 3);
  }
  return t;
}

std::vector<Value> run(ir::Graph graph, const std::vector<Value>& inputs) {
  const auto program = plan::make_program(std::move(graph));
  engine::Execution execution(*program);
  return execution.run(inputs, {}, {}, {});
}

class RewriteCase : public testing::TestWithParam<Case> {
 protected:
  void TearDown() override { kernels::limit_isa(kernels::Isa::kOther); }

  /// Limits kernels to that instruction set; false where this machine lacks it.
  static bool use(const std::string& machine) {
    for (const kernels::Isa isa : kernels::available_isas()) {
      if (kernels::isa_name(isa) != machine) continue;
      kernels::limit_isa(isa);
      return true;
    }
    return machine.empty();
  }
};

TEST_P(RewriteCase, LeavesTheOperatorsAndComputesTheSame) {
  const Case& c = GetParam();
  if (!use(c.machine)) GTEST_SKIP() << "this machine lacks " << c.machine;
  auto find = [](std::string_view domain, std::string_view name) { return ops::find(domain, name); };
  rewrite::Report report;
  rewrite::Options options;
  options.few_rows = c.few_rows;
  ir::Graph after = rewrite::rewrite(ir::parse(c.before, find), options, report);
  EXPECT_EQ(operators(after), words(c.after)) << ir::print(after);
  const bool negative = c.rule.starts_with("not ");
  const std::string rule = negative ? c.rule.substr(4) : c.rule;
  EXPECT_EQ(report.applied.contains(rule), !negative) << "rule " << rule;

  ir::Graph before = ir::parse(c.before, find);
  std::mt19937_64 random(7);
  Bindings bindings;
  std::vector<Value> inputs;
  for (ir::ValueId v : before.inputs()) inputs.push_back(random_tensor(before.fact(v), random, bindings));
  const auto want = run(std::move(before), inputs), got = run(std::move(after), inputs);
  ASSERT_EQ(want.size(), got.size());
  for (size_t i = 0; i < want.size(); ++i) {
    const Tensor &w = want[i].tensor(), &g = got[i].tensor();
    ASSERT_EQ(w.extents().text(), g.extents().text());
    ASSERT_EQ(w.dtype(), g.dtype());
    if (w.dtype() != DType::kF32) {
      EXPECT_TRUE(w == g);
      continue;
    }
    float largest = 0;
    for (float x : w.values<float>()) largest = std::max(largest, std::abs(x));
    for (int64_t k = 0; k < w.extents().count(); ++k)
      ASSERT_NEAR(w.as<float>()[k], g.as<float>()[k], 1e-5f * largest + 1e-7f);
  }
}

INSTANTIATE_TEST_SUITE_P(Cases, RewriteCase, testing::ValuesIn(all_cases()), [](const auto& given) {
  std::string name;
  for (char ch : given.param.file + "_" + given.param.name)
    name += std::isalnum(static_cast<unsigned char>(ch)) ? ch : '_';
  return name;
});

TEST(RewriteCases, EveryRuleHasACase) {
  std::map<std::string, int> seen;
  for (const Case& c : all_cases()) ++seen[c.rule.starts_with("not ") ? c.rule.substr(4) : c.rule];
  for (const rewrite::Rule& rule : rewrite::all_rules()) EXPECT_TRUE(seen.contains(rule.name())) << rule.name();
}

/// Switching a rule off, and stopping after a number of applications, must hold.
TEST(RewriteOptions, OffAndLimit) {
  const std::string text = "input %x: float32[a,4]\n%s = Sigmoid(%x)\n%y = Mul(%x, %s)\noutput %y\n";
  auto find = [](std::string_view domain, std::string_view name) { return ops::find(domain, name); };
  rewrite::Report report;
  rewrite::Options options;
  options.off = {"fuse-silu"};
  EXPECT_EQ(operators(rewrite::rewrite(ir::parse(text, find), options, report)), "Sigmoid Mul");
  options = {};
  options.limit = 0;
  EXPECT_EQ(operators(rewrite::rewrite(ir::parse(text, find), options, report)), "Sigmoid Mul");
  EXPECT_TRUE(report.applied.empty());
}

/// Rows of real tokens as without, zeros elsewhere, whatever exporters add to scores of padding.
TEST(RewriteOptions, ZeroPadding) {
  auto find = [](std::string_view domain, std::string_view name) { return ops::find(domain, name); };
  Tensor mask(DType::kI32, {3, 4});
  const std::vector<int32_t> kept = {1, 1, 1, 1, 0, 1, 1, 0, 1, 0, 0, 0};
  std::ranges::copy(kept, mask.mutable_view().as<int32_t>());
  for (const char* fill : {"-10000.0", "-65504.0", "-3.4e38", "-100.0"}) {
    const std::string text =
        cat("input %x: float32[b,s,8]\ninput %attention_mask: int32[b,s]\nconst %w: float32[8,8] = seed 1\n"
            "%q = MatMul(%x, %w)\n%y = com.microsoft.MultiHeadAttention{num_heads=2, mask_filter_value=",
            fill, "}(%q, %q, %q, _, %attention_mask)\noutput %y\n");
    rewrite::Report report;
    rewrite::Options options;
    options.zero_padding = true;
    ir::Graph without = ir::parse(text, find), with = rewrite::rewrite(ir::parse(text, find), options, report);
    std::mt19937_64 random(7);
    Bindings bindings(static_cast<size_t>(without.symbols().count()), kUnbound);
    const Shape& shape = without.fact(without.inputs()[1]).shape;
    for (int d = 0; d < 2; ++d) bindings[static_cast<size_t>(*shape[d].symbol())] = mask.extents()[d];
    const std::vector<Value> inputs = {random_tensor(without.fact(without.inputs()[0]), random, bindings), mask};
    const bool excludes = std::string_view(fill) != "-100.0";
    EXPECT_EQ(report.applied.contains("remove-padding"), excludes) << fill;
    const auto want = run(std::move(without), inputs), got = run(std::move(with), inputs);
    for (int64_t i = 0; i < 3 * 4 * 8; ++i) {
      const float expected = excludes && kept[static_cast<size_t>(i / 8)] == 0 ? 0.0f : want[0].tensor().as<float>()[i];
      ASSERT_NEAR(got[0].tensor().as<float>()[i], expected, 1e-5f) << fill << ", element " << i;
    }
  }
}

TEST(TextForm, RoundTrip) {
  auto find = [](std::string_view domain, std::string_view name) { return ops::find(domain, name); };
  const std::string text =
      "input %x: float32[batch,4]\ninput %c: bool[]\nconst %w: float32[4] = 1.0 2.0 -3.5 0.25\n%a = Add(%x, %w)\n"
      "%r = If(%c; %a) {\n  input %a: float32[batch,4]\n  %n = Neg(%a)\n  output %n\n} {\n  input %a: "
      "float32[batch,4]\n"
      "  %n = Abs(%a)\n  output %n\n}\noutput %r\n";
  const std::string once = ir::print(ir::parse(text, find));
  EXPECT_EQ(once, ir::print(ir::parse(once, find)));
  EXPECT_NE(once.find("Neg"), std::string::npos);
}

TEST(TextForm, ErrorsNameTheLine) {
  auto find = [](std::string_view domain, std::string_view name) { return ops::find(domain, name); };
  for (const char* text : {"input %x: float33[2]\n", "%y = Neg(%x)\n", "input %x: float32[2]\n%y = NoSuch(%x)\n",
                           "bogus %x\n", "input %x: float32[2]\n%y = Neg(%x"}) {
    try {
      ir::parse(text, find);
      ADD_FAILURE() << text;
    } catch (const Error& e) {
      EXPECT_EQ(e.kind(), ErrorKind::kInvalidModel);
      EXPECT_NE(std::string(e.what()).find("line "), std::string::npos) << e.what();
    }
  }
}

}  // namespace
}  // namespace sdx
