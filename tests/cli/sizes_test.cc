// Default sizes: what nobody gave is changed until the program's conditions hold, and what was given never.
#include "cli/sizes.h"

#include <gtest/gtest.h>

#include "ir/text.h"
#include "ops/op_table.h"
#include "plan/program.h"

namespace sdx::cli {
namespace {

struct Case {
  explicit Case(const std::string& text) {
    ir::Graph graph = ir::parse(text, ops::find);
    for (ir::ValueId v : graph.inputs()) ports.push_back({graph.value(v).name, graph.fact(v)});
    program = plan::make_program(std::move(graph));
    sizes.emplace(*program);
  }
  Extents operator[](size_t i) { return sizes->extents_of(ports[i]); }
  void settle() { sizes->settle(ports); }

  std::vector<engine::Port> ports;
  std::unique_ptr<plan::Program> program;
  std::optional<Sizes> sizes;
};

TEST(Sizes, FitTheTableOfPositions) {
  Case c(
      "input %x: float32[batch,1,frames]\nconst %w: float32[4,1,2] = seed 1\nconst %p: float32[4,60] = seed 2\n"
      "%c = Conv{strides=[2]}(%x, %w)\n%y = Add(%c, %p)\noutput %y\n");
  c.settle();
  EXPECT_EQ(c[0], (Extents{1, 1, 121}));  // the longest signal that makes 60 windows
}

TEST(Sizes, AreLongEnoughForEveryWindow) {
  Case c(
      "input %x: float32[batch,1,sequence_length]\nconst %w: float32[4,1,10] = seed 1\nconst %v: float32[2,4,3] = seed "
      "2\n"
      "%c = Conv{strides=[5]}(%x, %w)\n%y = Conv{strides=[2]}(%c, %v)\noutput %y\n");
  c.settle();
  EXPECT_EQ(c[0], (Extents{1, 1, 20}));
}

TEST(Sizes, MakeAMaskAsLongAsWhatItMasks) {
  Case c(
      "input %x: float32[batch,sequence_length]\ninput %p: float32[batch,past_sequence_length]\n"
      "input %m: float32[batch,total_length]\n%a = Concat{axis=1}(%p, %x)\n%y = Add(%a, %m)\noutput %y\n");
  c.settle();
  EXPECT_EQ(c[2], (Extents{1, 12}));
}

TEST(Sizes, KeepWhatIsGiven) {
  Case c("input %x: float32[batch,a]\ninput %m: float32[batch,b]\n%y = Add(%x, %m)\noutput %y\n");
  ASSERT_TRUE(c.sizes->bind_symbol("b", 5));
  c.sizes->bind_input(c.ports[0].name, c.ports[0].fact.shape, {3, 7});
  c.settle();
  EXPECT_EQ(c[0], (Extents{3, 7}));
  EXPECT_EQ(c[1], (Extents{3, 5}));
}

}  // namespace
}  // namespace sdx::cli
