// The lanes of an operator case that only infer.
#include "symbolic_lanes.h"

#include <gtest/gtest.h>

#include "elements.h"
#include "ir/evaluate.h"
#include "single_op.h"

namespace sdx::ops {
namespace {

/// Symbols that stand for known numbers.
class Numbers {
 public:
  std::shared_ptr<SymbolTable> symbols = std::make_shared<SymbolTable>();

  Dim name(const std::string& name, int64_t value) {
    const Dim d = symbols->symbol(name);
    values_.emplace_back(*d.symbol(), value);
    return d;
  }
  Bindings bindings() const {
    Bindings out(static_cast<size_t>(symbols->count()), kUnbound);
    for (auto [symbol, value] : values_) out[static_cast<size_t>(symbol)] = value;
    return out;
  }

 private:
  std::vector<std::pair<int, int64_t>> values_;
};

void check_shape(const Shape& shape, const Extents& expected, const Bindings& bindings) {
  if (!shape.has_rank()) return;
  ASSERT_EQ(shape.rank(), expected.rank()) << shape.text() << " for " << expected.text();
  for (int axis = 0; axis < shape.rank(); ++axis) {
    const auto size = shape[axis].evaluate(bindings);
    if (!size) continue;
    EXPECT_EQ(*size, expected[axis]) << "axis " << axis << " of " << shape.text() << " for " << expected.text();
  }
}

void check_values(const ir::Fact& fact, const Tensor& expected, const Bindings& bindings) {
  if (!fact.values) return;
  ASSERT_EQ(static_cast<int64_t>(fact.values->size()), expected.extents().count());
  for (size_t i = 0; i < fact.values->size(); ++i) {
    const auto value = (*fact.values)[i].evaluate(bindings);
    if (!value) continue;
    EXPECT_EQ(static_cast<double>(*value), load_element(expected.view(), static_cast<int64_t>(i)))
        << "element " << i << ", inferred as " << (*fact.values)[i].text();
  }
}

void check_facts(const Case& c, const SingleOp& op, const Bindings& bindings) {
  for (const ir::Constraint& constraint : op.node().constraints) EXPECT_NO_THROW(ir::check(constraint, bindings));
  for (size_t i = 0; i < c.outputs.size(); ++i) {
    if (!c.outputs[i].wanted || !c.outputs[i].value.is_tensor()) continue;
    SCOPED_TRACE(cat("fact of output ", i));
    const ir::Fact& fact = op.fact(i);
    const Tensor& expected = c.outputs[i].value.tensor();
    EXPECT_EQ(dtype_name(fact.dtype), dtype_name(expected.dtype()));
    check_shape(fact.shape, expected.extents(), bindings);
    if (!c.outputs[i].any) check_values(fact, expected, bindings);
  }
}

void run_lane(const Case& c, const char* lane, const Numbers& numbers, const FactOf& fact_of) try {
  SCOPED_TRACE(lane);
  const SingleOp op(c, numbers.symbols, fact_of);
  check_facts(c, op, numbers.bindings());
} catch (const std::exception& e) {
  ADD_FAILURE() << lane << ": infer throws: " << e.what();
}

ir::Fact with_symbolic_elements(Numbers& numbers, int index, const Tensor& tensor) {
  ir::Fact fact = concrete_fact(index, tensor);
  const bool tracked = fact.dtype == DType::kI64 || fact.dtype == DType::kI32 || fact.dtype == DType::kBool;
  if (!tracked || tensor.extents().count() > ir::kMaxKnownValues) return fact;
  fact.values.emplace();
  for (int64_t i = 0; i < tensor.extents().count(); ++i) {
    const bool wide = fact.dtype == DType::kI64;  // double does not hold INT64_MAX
    const auto value = wide ? tensor.as<int64_t>()[i] : static_cast<int64_t>(*load_element(tensor.view(), i));
    const bool symbol = value >= 0 && fact.dtype != DType::kBool;
    fact.values->push_back(symbol ? numbers.name(cat("e", index, "_", i), value) : Dim(value));
  }
  return fact;
}

}  // namespace

void run_symbolic(const Case& c) {
  Numbers own, shared, elements;
  run_lane(c, "a symbol per dimension", own, [&](int index, const Tensor& t) {
    std::vector<Dim> dims;
    for (int64_t size : t.extents()) dims.push_back(own.name(cat("d", index, "_", dims.size()), size));
    return ir::Fact::tensor(t.dtype(), dims);
  });
  run_lane(c, "a symbol per size", shared, [&](int, const Tensor& t) {
    std::vector<Dim> dims;
    for (int64_t size : t.extents()) dims.push_back(size == 1 ? Dim(1) : shared.name(cat("s", size), size));
    return ir::Fact::tensor(t.dtype(), dims);
  });
  run_lane(c, "unknown ranks", Numbers(), [](int, const Tensor& t) { return ir::Fact::tensor(t.dtype(), Shape()); });
  run_lane(c, "symbolic elements", elements,
           [&](int index, const Tensor& t) { return with_symbolic_elements(elements, index, t); });
}

}  // namespace sdx::ops
