// Programs of graphs in the text form, run and compared with what the standard says.
#include <gtest/gtest.h>

#include "engine/execution.h"
#include "ir/text.h"
#include "ops/op_table.h"
#include "rewrite/rewrite.h"

namespace sdx {
namespace {

/// The outputs of a graph, rewritten or as it stands.
std::vector<Value> outputs_of(const std::string& text, const std::vector<Value>& inputs, bool rewritten) {
  rewrite::Options options;
  options.enabled = rewritten;
  rewrite::Report report;
  const auto program = plan::make_program(rewrite::rewrite(ir::parse(text, ops::find), options, report));
  engine::Execution execution(*program);
  return execution.run(inputs, {}, {}, {});
}

// A rank that only a run knows is a size like others: what is computed from it needs the node that finds it out.
TEST(Plan, RunsWhatBindsASymbolOfKnownValues) {
  const std::string text =
      "input %c: bool[]\ninput %x: float32[a,b]\n"
      "%r = If(%c; %x) {\n  input %x: float32[a,b]\n  const %i: int64[1] = 0\n  %q = Unsqueeze(%x, %i)\n  output %q\n} "
      "{\n"
      "  input %x: float32[a,b]\n  output %x\n}\n"
      "%s = Shape(%r)\n%n = Size(%s)\n%m = Mul(%n, %n)\noutput %m\n";
  const Tensor x = Tensor::from<float>({2, 1}, std::vector<float>{1, 2});
  for (const bool rewritten : {false, true}) {
    for (const bool deep : {false, true}) {
      const auto out = outputs_of(text, {Tensor::scalar(deep), x}, rewritten);
      EXPECT_EQ(out[0].tensor().as<int64_t>()[0], deep ? 9 : 4);
    }
  }
}

// What infer could not check is checked by the run, though the sizes of the outputs were known all along.
TEST(Plan, ChecksOperandsWhoseSizesOrRanksOnlyARunKnows) {
  const Tensor x = Tensor::from<float>({2, 3}, std::vector<float>(6, 1));
  const Tensor updates = Tensor::from<float>({1}, std::vector<float>{5});
  for (const char* sizes : {"[n,t]", "[...]"}) {
    const std::string text = cat("input %x: float32[2,3]\ninput %i: int64", sizes, "\ninput %u: float32[m]\n",
                                 "%y = ScatterND(%x, %i, %u)\noutput %y\n");
    const Tensor place = Tensor::from<int64_t>({1, 2}, std::vector<int64_t>{1, 2});
    EXPECT_EQ(outputs_of(text, {x, place, updates}, true)[0].tensor().as<float>()[5], 5);
    for (const Extents& wrong : {Extents{1, 4}, Extents{2, 2}, Extents{1, 0}, Extents{4}}) {
      const Tensor indices = Tensor::from<int64_t>(wrong, std::vector<int64_t>(static_cast<size_t>(wrong.count()), 0));
      EXPECT_THROW(outputs_of(text, {x, indices, updates}, true), Error) << sizes << " given " << wrong.text();
    }
  }
}

}  // namespace
}  // namespace sdx
