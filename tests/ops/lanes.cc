// The lanes of an operator case.
#include "lanes.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>

#include "compare.h"
#include "elements.h"
#include "ir/evaluate.h"
#include "kernels/isa.h"
#include "ops/op_table.h"
#include "single_op.h"
#include "symbolic_lanes.h"

namespace sdx::ops {
namespace {

SingleOp concrete(const Case& c) { return SingleOp(c, std::make_shared<SymbolTable>(), concrete_fact); }

Tolerance tolerance_of(const Case& c) { return {find(c.domain, c.name)->accuracy, c.tolerance}; }

void compare_outputs(const Case& c, const std::vector<Value>& results) {
  for (size_t i = 0; i < c.outputs.size(); ++i) {
    if (!c.outputs[i].wanted) continue;
    ASSERT_LT(i, results.size()) << "output " << i << " is missing";
    Tolerance tolerance = tolerance_of(c);
    if (c.outputs[i].any) tolerance.absolute = std::numeric_limits<double>::infinity();
    const auto found = difference(results[i], c.outputs[i].value, tolerance);
    EXPECT_FALSE(found) << "output " << i << ": " << *found;
  }
}

void run_threads(const Case& c) {
  const SingleOp op = concrete(c);
  const auto inputs = input_values(c);
  const auto first = op.run(inputs, Parallel(1));
  compare_outputs(c, first);
  for (int threads : {2, 4}) {
    const auto again = op.run(inputs, Parallel(threads));
    for (size_t i = 0; i < first.size(); ++i) {
      EXPECT_TRUE(same_bits(first[i], again[i])) << "output " << i << " is not the same on " << threads << " threads";
    }
  }
}

void run_isas(const Case& c) {
  const auto isas = kernels::available_isas();
  for (kernels::Isa isa : isas) {
    kernels::limit_isa(isa);
    SCOPED_TRACE(std::string(kernels::isa_name(isa)));
    run_threads(c);
  }
  kernels::limit_isa(isas.front());
}

/// Runs the operator once more with output 0 in the memory of operand `shared`.
void run_in_place(const Case& c, const SingleOp& op, size_t shared) {
  const ir::Node& node = op.node();
  std::vector<ir::Slot> slots(node.inputs.size() + node.outputs.size());
  std::vector<ir::Slot*> in, out;
  for (size_t i = 0; i < node.inputs.size(); ++i) {
    in.push_back(node.inputs[i] == ir::kNone ? nullptr : &slots[i]);
    if (in[i]) ir::fill(slots[i], op.operand(c, i));
  }
  slots[shared].owner = nullptr;  // so that to_value copies
  const Tensor copy = ir::to_value(slots[shared]).tensor();
  slots[shared].view = View{const_cast<std::byte*>(copy.view().data), copy.dtype(), copy.extents()};
  for (size_t i = 0; i < node.outputs.size(); ++i) {
    const bool wanted = i < c.outputs.size() && c.outputs[i].wanted;
    out.push_back(wanted ? &slots[node.inputs.size() + i] : nullptr);
    if (!wanted) continue;
    const Tensor& expected = c.outputs[i].value.tensor();
    ir::fill(*out[i], Tensor(expected.dtype(), expected.extents()));
    if (i == 0) out[i]->view.data = slots[shared].view.data;
  }
  ir::PlainHost host;
  ir::RunContext run(host, node.attrs, Parallel(2), in, out);
  node.op->run(run);
  std::vector<Value> results;
  for (ir::Slot* slot : out) {
    if (slot && slot == out[0]) slot->owner = nullptr;  // its data is the input's
    results.push_back(slot ? ir::to_value(*slot) : Value());
  }
  SCOPED_TRACE(cat("in place of input ", shared));
  compare_outputs(c, results);
}

void run_aliased(const Case& c) {
  const SingleOp op = concrete(c);
  const ir::Traits& traits = op.node().op->traits;
  if (traits.view_of >= 0 || traits.data_dependent || traits.returns_values || c.outputs.empty()) return;
  if (op.graph().live_nodes() > 1) return;  // the upgrade computes an operand
  for (size_t i = 0; i < op.node().inputs.size() && i < 32; ++i) {
    const int line = op.line_of(i);
    if (!(traits.in_place >> i & 1) || line < 0) continue;
    const Value& value = c.inputs[static_cast<size_t>(line)].value;
    if (!value.is_tensor() || !c.outputs[0].wanted || !c.outputs[0].value.is_tensor()) continue;
    const ConstView from = value.tensor().view(), to = c.outputs[0].value.tensor().view();
    if (from.bytes() == to.bytes() && from.count() > 0 && from.dtype != DType::kString) run_in_place(c, op, i);
  }
}

Tensor misaligned(const Tensor& t) {
  const int64_t bytes = t.view().bytes();
  Tensor shifted(DType::kU8, {bytes + 1});
  std::memcpy(shifted.mutable_view().data + 1, t.view().data, static_cast<size_t>(bytes));
  return Tensor(t.dtype(), t.extents(), shifted.owner(), shifted.view().data + 1);
}

void run_misaligned(const Case& c) {
  const SingleOp op = concrete(c);
  auto inputs = input_values(c);
  bool any = false;
  for (size_t i = 0; i < op.node().inputs.size() && i < 32; ++i) {
    const int line = op.line_of(i);
    if (!(op.node().op->traits.misaligned >> i & 1) || line < 0) continue;
    Value& value = inputs[static_cast<size_t>(line)];
    if (!value.is_tensor() || value.tensor().dtype() == DType::kString) continue;
    value = misaligned(value.tensor());
    any = true;
  }
  if (!any) return;
  SCOPED_TRACE("misaligned inputs");
  compare_outputs(c, op.run(inputs, Parallel(1)));
}

/// The case with its float32 tensors in another type; nothing where it has none.
std::optional<Case> converted(const Case& c, DType type) {
  Case out = c;
  bool any = false;
  for (CaseInput& line : out.inputs) {
    if (!line.value.is_tensor() || line.value.tensor().dtype() != DType::kF32) continue;
    line.value = convert_float(line.value.tensor(), type);
    any = true;
  }
  return any ? std::optional(out) : std::nullopt;
}

bool refused(const Case& c) {
  try {
    concrete(c);
    return false;
  } catch (const Error& e) {
    return e.kind() == ErrorKind::kInvalidModel || e.kind() == ErrorKind::kUnsupportedModel;
  }
}

void run_half(const Case& c, DType type) {
  SCOPED_TRACE(std::string(dtype_name(type)));
  auto narrow = converted(c, type);
  if (!narrow || refused(*narrow)) return;
  const auto results = concrete(*narrow).run(input_values(*narrow), Parallel(1));
  Case wide = c;
  for (size_t i = 0; i < wide.inputs.size(); ++i) {
    if (narrow->inputs[i].value.is_tensor() && c.inputs[i].value.tensor().dtype() == DType::kF32) {
      wide.inputs[i].value = convert_float(narrow->inputs[i].value.tensor(), DType::kF32);
    }
  }
  const auto expected = concrete(wide).run(input_values(wide), Parallel(1));
  for (size_t i = 0; i < c.outputs.size(); ++i) {
    if (!c.outputs[i].wanted || c.outputs[i].any) continue;
    const auto found = difference(results[i], expected[i], tolerance_of(c));
    EXPECT_FALSE(found) << "output " << i << " against float32: " << *found;
  }
}

void expect_error(const Case& c) {
  try {
    concrete(c).run(input_values(c), Parallel(1));
    ADD_FAILURE() << "no error, but expected one with '" << *c.error << "'";
  } catch (const Error& e) {
    EXPECT_NE(std::string(e.what()).find(*c.error), std::string::npos) << "the error is: " << e.what();
  }
}

}  // namespace

void run_lanes(const Case& c) try {
  if (c.error) return expect_error(c);
  if (c.symbolic) run_symbolic(c);
  run_isas(c);
  run_aliased(c);
  run_misaligned(c);
  if (!c.half) return;
  run_half(c, DType::kF16);
  run_half(c, DType::kBF16);
} catch (const std::exception& e) {
  ADD_FAILURE() << e.what();
}

}  // namespace sdx::ops
