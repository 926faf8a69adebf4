// If: which body runs, what it gives, and the facts of its outputs.
#include <gtest/gtest.h>

#include "ir/evaluate.h"
#include "ops/family.h"

namespace sdx::ops {
namespace {

/// A body without inputs whose output is a constant.
ir::Graph constant_body(const std::shared_ptr<SymbolTable>& symbols, Tensor value) {
  ir::Graph body(symbols);
  body.add_output("y", body.add_constant("y", std::move(value)));
  return body;
}

/// Answers each body with its index.
class IndexHost : public ir::PlainHost {
 public:
  std::vector<Value> run_body(int body, std::span<const Value>) override { return {Tensor::scalar<int64_t>(body)}; }
};

ir::Fact fact_of_if(Tensor then_value, Tensor else_value) {
  auto symbols = std::make_shared<SymbolTable>();
  ir::Graph graph(symbols);
  const auto condition = graph.add_input("c", Fact::tensor(DType::kBool, Shape({1})));
  ir::NodeOptions options;
  options.bodies.push_back(constant_body(symbols, std::move(then_value)));
  options.bodies.push_back(constant_body(symbols, std::move(else_value)));
  return graph.fact(graph.call(get("If"), NoAttrs{}, {condition}, std::move(options)));
}

TEST(If, RunsTheBodyThatTheConditionNames) {
  for (bool condition : {false, true}) {
    ir::Slot in, out;
    ir::fill(in, Tensor::scalar<bool>(condition));
    ir::Slot *inputs[] = {&in}, *outputs[] = {&out};
    IndexHost host;
    ir::run_concrete({get("If"), Attrs(), {}}, inputs, outputs, host, Parallel());
    EXPECT_EQ(*out.view.as<int64_t>(), condition ? 0 : 1);
  }
}

TEST(If, JoinsTheFactsOfBothBodies) {
  EXPECT_EQ(fact_of_if(Tensor::ints(std::vector<int64_t>{1, 2}), Tensor::ints(std::vector<int64_t>{3, 4})).text(),
            "int64[2]");
  const ir::Fact unequal = fact_of_if(Tensor::ints(std::vector<int64_t>{1}), Tensor::ints(std::vector<int64_t>{3, 4}));
  ASSERT_EQ(unequal.rank(), 1);
  EXPECT_FALSE(unequal.shape[0].known());
}

TEST(If, RefusesBodiesOfOtherTypes) {
  EXPECT_THROW(fact_of_if(Tensor::scalar<int64_t>(1), Tensor::scalar<float>(1)), Error);
}

}  // namespace
}  // namespace sdx::ops
