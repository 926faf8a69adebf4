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

}  // namespace
}  // namespace sdx
