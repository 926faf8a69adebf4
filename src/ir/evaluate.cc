// Evaluating one operator on concrete values.
#include "ir/evaluate.h"

#include "ir/infer_context.h"
#include "tensor/memory_budget.h"

namespace sdx::ir {
namespace {

Fact fact_of(const Slot& slot) {
  if (slot.sequence) {
    Fact f;
    f.kind = Kind::kSequence;
    f.dtype = slot.sequence->dtype;
    return f;
  }
  return Fact::of(Tensor(slot.view.dtype, slot.view.extents, slot.owner, slot.view.data));
}

Tensor make_output(const Fact& fact, const Extents& extents, const Parallel& parallel, PagePool* pool) {
  const int64_t bytes = dtype_bytes(fact.dtype, extents.count());
  if (!pool || !PagePool::takes(static_cast<size_t>(bytes))) return Tensor(fact.dtype, extents);
  const std::shared_ptr<MemoryBudget> budget = MemoryScope::current();
  if (budget) budget->take(bytes);
  auto memory = pool->take(static_cast<size_t>(bytes), parallel);
  if (!memory) fail(ErrorKind::kResource, "cannot allocate ", bytes, " bytes for a tensor of ", dtype_name(fact.dtype));
  std::shared_ptr<const void> owner(memory.get(), [budget, bytes, keep = memory](const void*) {
    if (budget) budget->give(bytes);
  });
  return Tensor(fact.dtype, extents, std::move(owner), memory.get());
}

void allocate_outputs(const OpCall& call, const std::vector<Fact>& facts, std::span<Slot* const> inputs,
                      std::span<Slot* const> outputs, const Parallel& parallel, PagePool* pool) {
  for (size_t i = 0; i < outputs.size(); ++i) {
    if (!outputs[i]) continue;
    auto extents = facts[i].shape.extents();
    if (!extents) fail(ErrorKind::kInternal, call.op.name, " did not size output ", i, " for known inputs");
    if (i == 0 && call.op.traits.view_of >= 0) {
      const Slot& from = *inputs[static_cast<size_t>(call.op.traits.view_of)];
      if (from.owner) {
        *outputs[i] = from;
        outputs[i]->view.extents = *extents;
        continue;
      }
    }
    fill(*outputs[i], make_output(facts[i], *extents, parallel, pool));
  }
}

}  // namespace

std::byte* PlainHost::scratch(int64_t bytes) { return blocks_.emplace_back(allocate(DType::kU8, bytes)).get(); }

std::vector<Value> PlainHost::run_body(int, std::span<const Value>) {
  fail(ErrorKind::kInternal, "an operator with bodies cannot be folded");
}

const Fact& PlainHost::body_input(int, int) { fail(ErrorKind::kInternal, "an operator with bodies cannot be folded"); }
const Fact& PlainHost::body_output(int, int) { fail(ErrorKind::kInternal, "an operator with bodies cannot be folded"); }

void run_concrete(const OpCall& call, std::span<Slot* const> inputs, std::span<Slot* const> outputs, RunHost& host,
                  const Parallel& parallel, PagePool* pool) {
  const Traits& traits = call.op.traits;
  if (traits.returns_values) {
    RunContext run(host, call.attrs, parallel, inputs, outputs);
    return call.op.run(run);
  }
  Slot unread;
  std::vector<Slot*> wanted;
  if (!outputs.empty() && !outputs[0]) {
    wanted.assign(outputs.begin(), outputs.end());
    wanted[0] = &unread;
    outputs = wanted;
  }
  RunContext run(host, call.attrs, parallel, inputs, outputs);
  SymbolTable symbols;
  std::vector<Fact> facts(inputs.size());
  std::vector<const Fact*> given(inputs.size());
  for (size_t i = 0; i < inputs.size(); ++i) {
    if (!inputs[i] || !inputs[i]->present) continue;
    facts[i] = fact_of(*inputs[i]);
    given[i] = &facts[i];
  }
  InferContext infer(call.op, call.attrs, std::move(given), static_cast<int>(outputs.size()), symbols, call.bodies);
  call.op.infer(infer);
  if (traits.data_dependent) return call.op.run(run);
  allocate_outputs(call, infer.outputs(), inputs, outputs, parallel, pool);
  if (traits.view_of >= 0) {
    const Slot& from = *inputs[static_cast<size_t>(traits.view_of)];
    if (outputs[0] && !from.owner) {
      copy_elements(from.view, outputs[0]->view);
    }
    return;
  }
  call.op.run(run);
}

void check(const Constraint& c, std::span<const int64_t> bindings) {
  auto a = c.a.evaluate(bindings), b = c.b.evaluate(bindings);
  if (!a || !b || *a == *b) return;
  switch (c.kind) {
    case Constraint::Kind::kEqual:
      fail(ErrorKind::kInvalidInput, c.what, " are ", *a, " and ", *b, " for these inputs but must be equal");
    case Constraint::Kind::kBroadcast:
      if (*a == 1 || *b == 1) return;
      fail(ErrorKind::kInvalidInput, c.what, " do not broadcast for these inputs: sizes ", *a, " and ", *b,
           " must be equal, or one of them 1");
    case Constraint::Kind::kAtMost:
      if (*a < *b) return;
      fail(ErrorKind::kInvalidInput, c.what, ": ", *a, " must be at most ", *b, " for these inputs");
  }
}

}  // namespace sdx::ir
