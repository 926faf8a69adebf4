// Every operator on hostile attributes, sizes and operands: a result or one Error, within a limit of memory.
//
// SARDONYX_SEEDS is how many seeds each operator gets, SARDONYX_SEED the only one.
#include <iostream>

#include "compare.h"
#include "hostile_case.h"
#include "ir/evaluate.h"
#include "ops/op_table.h"
#include "single_op.h"
#include "tensor/memory_budget.h"

extern "C" void __sanitizer_set_death_callback(void (*)()) __attribute__((weak));

namespace sdx::ops {
namespace {

constexpr int64_t kMemory = int64_t{64} << 20;

std::string current;  ///< what to print where a sanitizer ends the process

/// Runs `body`; every Error but Internal is a proper answer.
template <class Body>
void attempt(const char* way, const Body& body) {
  try {
    body();
  } catch (const Error& e) {
    EXPECT_NE(e.kind(), ErrorKind::kInternal) << way << ": " << e.what();
    EXPECT_FALSE(e.message().empty()) << way;
  } catch (const std::exception& e) {
    ADD_FAILURE() << way << ": not an Error, but " << e.what();
  }
}

std::vector<Value> run_concrete(const Case& c) {
  const SingleOp op(c, std::make_shared<SymbolTable>(), concrete_fact);
  return op.run(input_values(c), Parallel(2));
}

/// Sizes from symbols: inference without them, the constraints, then the run alone, as a planned program does it, which
/// always has memory for the first output.
/// Nothing where a run has to infer again.
std::vector<Value> run_planned(const Case& c) {
  auto symbols = std::make_shared<SymbolTable>();
  Bindings bindings;
  const SingleOp op(c, symbols, [&](int index, const Tensor& t) {
    std::vector<Dim> dims;
    for (int64_t size : t.extents()) {
      dims.push_back(symbols->symbol(cat("d", index, "_", dims.size())));
      bindings.push_back(size);
    }
    return ir::Fact::tensor(t.dtype(), dims);
  });
  bindings.resize(static_cast<size_t>(symbols->count()), kUnbound);
  const ir::Node& node = op.node();
  const ir::Traits& traits = node.op->traits;
  if (op.graph().live_nodes() > 1 || traits.data_dependent || traits.returns_values || traits.view_of >= 0) return {};
  for (const ir::Constraint& constraint : node.constraints) {
    if (!constraint.a.evaluate(bindings) || !constraint.b.evaluate(bindings)) return {};
    ir::check(constraint, bindings);
  }
  std::vector<ir::Slot> slots(node.inputs.size() + node.outputs.size());
  std::vector<ir::Slot*> in, out;
  for (size_t i = 0; i < node.inputs.size(); ++i) {
    in.push_back(node.inputs[i] == ir::kNone ? nullptr : &slots[i]);
    if (in[i]) ir::fill(slots[i], op.operand(c, i));
  }
  for (size_t i = 0; i < node.outputs.size(); ++i) {
    const bool wanted = i == 0 || (i < c.outputs.size() && c.outputs[i].wanted);
    out.push_back(wanted ? &slots[node.inputs.size() + i] : nullptr);
    if (!wanted) continue;
    const ir::Fact& fact = op.fact(i);
    const auto extents = fact.shape.evaluate(bindings);
    if (fact.kind != ir::Kind::kTensor || !extents) return {};
    ir::fill(*out[i], Tensor(fact.dtype, *extents));
  }
  ir::PlainHost host;
  ir::RunContext run(host, node.attrs, Parallel(2), in, out);
  node.op->run(run);
  std::vector<Value> results;
  for (const ir::Slot* slot : out) results.push_back(slot ? ir::to_value(*slot) : Value());
  return results;
}

void expect_same(const Case& c, const std::vector<Value>& concrete, const std::vector<Value>& planned) {
  if (concrete.empty() || planned.empty() || find(c.domain, c.name)->traits.impure) return;
  for (size_t i = 0; i < planned.size(); ++i) {
    if (planned[i].empty() || concrete[i].empty()) continue;
    EXPECT_TRUE(same_bits(concrete[i], planned[i])) << "output " << i << " differs where sizes are symbols";
  }
}

void run_hostile(const OpCases& known, int seed) {
  Random random(static_cast<uint64_t>(seed));
  const Case c = hostile_case(known, random);
  current = cat("SARDONYX_SEED=", seed, " ", describe(c));
  SCOPED_TRACE(current);
  const MemoryScope scope(std::make_shared<MemoryBudget>(kMemory));
  std::vector<Value> concrete, planned;
  attempt("concrete", [&] { concrete = run_concrete(c); });
  attempt("planned", [&] { planned = run_planned(c); });
  expect_same(c, concrete, planned);
  attempt("declared sizes", [&] {
    auto symbols = std::make_shared<SymbolTable>();
    SingleOp(c, symbols, [&](int, const Tensor& t) {
      return ir::Fact::tensor(t.dtype(), hostile_shape(t.extents(), *symbols, random));
    });
  });
}

int number_from(const char* variable, int otherwise) {
  const char* text = std::getenv(variable);
  return text ? std::atoi(text) : otherwise;
}

struct HostileTest : testing::Test {
  explicit HostileTest(const OpCases& cases) : known(cases) {}
  void TestBody() override {
    const int only = number_from("SARDONYX_SEED", -1), count = number_from("SARDONYX_SEEDS", 40);
    for (int seed = 0; seed < count && !HasFailure(); ++seed) run_hostile(known, only >= 0 ? only : seed);
  }
  const OpCases& known;
};

std::string test_name(std::string name) {
  for (char& c : name) c = std::isalnum(static_cast<unsigned char>(c)) ? c : '_';
  return name;
}

}  // namespace
}  // namespace sdx::ops

int main(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  if (__sanitizer_set_death_callback) {
    __sanitizer_set_death_callback([] { std::cerr << "while running " << sdx::ops::current << std::endl; });
  }
  for (const auto& [name, known] : sdx::ops::cases_by_operator()) {
    testing::RegisterTest("Hostile", sdx::ops::test_name(name).c_str(), nullptr, nullptr, __FILE__, __LINE__,
                          [&known = known] { return new sdx::ops::HostileTest(known); });
  }
  return RUN_ALL_TESTS();
}
