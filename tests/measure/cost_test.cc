// Counts of operations and bytes against numbers worked out from the definitions.
#include "measure/cost.h"

#include <gtest/gtest.h>

#include <map>

#include "ir/text.h"
#include "ops/op_table.h"
#include "plan/program.h"
#include "rewrite/rewrite.h"

namespace sdx::measure {
namespace {

/// The cost of each instruction of a graph in the text form, by operator, after one run on inputs of ones.
std::map<std::string, Cost> costs_of(const std::string& text, const std::vector<Extents>& inputs,
                                     bool rewritten = false) {
  ir::Graph graph = ir::parse(text, ops::find);
  rewrite::Options options;
  options.enabled = rewritten;
  rewrite::Report report;
  const auto program = plan::make_program(rewrite::rewrite(std::move(graph), options, report));
  engine::Execution execution(*program);
  std::vector<Value> values;
  for (const Extents& e : inputs)
    values.emplace_back(Tensor::from<float>(e, std::vector<float>(static_cast<size_t>(e.count()), 1.0f)));
  std::vector<engine::Sample> samples;
  engine::RunSettings settings;
  settings.profile = &samples;
  execution.run(values, {}, {}, settings);
  const CostModel model(*program);
  std::map<std::string, Cost> out;
  for (const auto& s : samples) out[std::string(s.instruction->op->name)] += model.of(s);
  return out;
}

TEST(Cost, MatMulCountsTwoForEachMultiplyAdd) {
  const auto c = costs_of("input %x: float32[m,16]\nconst %w: float32[16,8] = seed 1\n%y = MatMul(%x, %w)\noutput %y\n",
                          {{4, 16}});
  ASSERT_TRUE(c.contains("MatMul"));
  EXPECT_EQ(c.at("MatMul").operations, 2 * 4 * 8 * 16);
  EXPECT_EQ(c.at("MatMul").weight_bytes, 16 * 8 * 4);
  EXPECT_EQ(c.at("MatMul").moved_bytes, (4 * 16 + 4 * 8) * 4);
}

TEST(Cost, PackedProductsCountTheSame) {
  const auto c = costs_of(
      "input %x: float32[m,64]\nconst %w: float32[64,32] = seed 1\n%y = MatMul(%x, %w)\noutput %y\n", {{40, 64}}, true);
  ASSERT_TRUE(c.contains("PackedMatMul"));
  EXPECT_EQ(c.at("PackedMatMul").operations, 2.0 * 40 * 64 * 32);
}

TEST(Cost, ConvolutionsCountTheirGroups) {
  const std::string text =
      "input %x: float32[1,8,h,10]\nconst %w: float32[4,4,3,3] = seed 1\n"
      "%y = Conv{group=2, pads=[1,1,1,1]}(%x, %w)\noutput %y\n";
  for (bool rewritten : {false, true}) {
    double operations = 0;
    for (const auto& [op, cost] : costs_of(text, {{1, 8, 10, 10}}, rewritten)) operations += cost.operations;
    EXPECT_EQ(operations, 2.0 * 4 * 100 * 4 * 9) << rewritten;
  }
}

TEST(Cost, FusedAttentionCountsBothProducts) {
  const std::string text =
      "input %q: float32[b,h,s,8]\ninput %k: float32[b,h,8,t]\ninput %v: float32[b,h,t,8]\nconst %r: float32[] = "
      "2.828427\n"
      "%s = MatMul(%q, %k)\n%d = Div(%s, %r)\n%p = Softmax(%d)\n%y = MatMul(%p, %v)\noutput %y\n";
  const auto c = costs_of(text, {{2, 3, 5, 8}, {2, 3, 8, 7}, {2, 3, 7, 8}}, true);
  ASSERT_TRUE(c.contains("FusedAttention"));
  EXPECT_EQ(c.at("FusedAttention").operations, 2 * (2.0 * 2 * 3 * 5 * 7 * 8));
}

TEST(Cost, LookupsReadTheRowsTheyTake) {
  const auto c = costs_of(
      "input %x: float32[m,1]\nconst %t: float32[1000,16] = seed 1\n%i = Cast{to=7}(%x)\n%y = Gather(%t, %i)\noutput "
      "%y\n",
      {{3, 1}});
  ASSERT_TRUE(c.contains("Gather"));
  EXPECT_EQ(c.at("Gather").weight_bytes, 3 * 16 * 4);
  EXPECT_EQ(c.at("Gather").operations, 0);
}

TEST(Cost, ElementwiseCountsOneEach) {
  const auto c =
      costs_of("input %x: float32[m,16]\ninput %z: float32[m,16]\n%y = Mul(%x, %z)\noutput %y\n", {{4, 16}, {4, 16}});
  EXPECT_EQ(c.at("Mul").operations, 64);
  EXPECT_EQ(c.at("Mul").moved_bytes, 3 * 64 * 4);
}

}  // namespace
}  // namespace sdx::measure
