// If: one of two bodies.
#include "ops/family.h"
#include "ops/stacked.h"

namespace sdx::ops {
namespace {

constexpr int kThen = 0, kElse = 1;

void infer(InferContext& c) {
  c.require_dtype(0, {DType::kBool});
  if (c.input(0).shape.has_rank()) c.require_equal(c.input(0).shape.count(), 1, "the elements of the condition and 1");
  if (c.bodies().size() != 2) c.invalid("If needs the attributes 'then_branch' and 'else_branch'");
  const ir::Graph &then_body = c.bodies()[kThen], &else_body = c.bodies()[kElse];
  const auto outputs = static_cast<size_t>(c.output_count());
  if (then_body.outputs().size() < outputs || else_body.outputs().size() < outputs) {
    c.invalid("the branches give ", then_body.outputs().size(), " and ", else_body.outputs().size(),
              " values but the node has ", outputs, " outputs");
  }
  for (size_t i = 0; i < outputs; ++i) {
    c.set(static_cast<int>(i),
          ir::join(then_body.fact(then_body.outputs()[i]), else_body.fact(else_body.outputs()[i]), c.symbols()));
  }
}

void run(RunContext& c) {
  const bool taken = only_element<bool>(c.input(0));
  auto results = c.host().run_body(taken ? kThen : kElse, {});
  for (int i = 0; i < c.output_count(); ++i) c.set_output(i, std::move(results[static_cast<size_t>(i)]));
}

const Op kFamily[] = {
    {.domain = "",
     .name = "If",
     .inputs = {1, 1},
     .outputs = {1, ir::kVariadic},
     .parse = Attrs::parse<NoAttrs>,
     .infer = infer,
     .run = run,
     .traits = {.returns_values = true},
     .bodies = 2,
     .body_names = {"then_branch", "else_branch"}},
};

}  // namespace

std::span<const Op> branch_family() { return kFamily; }

}  // namespace sdx::ops
