// What operators of one argument share: the rows of their tables and the loops over their elements.
#pragma once

#include "kernels/unary.h"
#include "ops/elementwise.h"

namespace sdx::ops {

/// About how many additions one element of the function costs.
int64_t unary_cost(kernels::UnaryOp op);

/// Output 0 = op(input 0), where the input may be of any type of kNumbers.
void run_unary(RunContext& c, kernels::UnaryOp op, kernels::UnaryParams params = {});

template <kernels::UnaryOp kOp>
void run_unary(RunContext& c) {
  run_unary(c, kOp);
}

void infer_float_unary(InferContext& c);

constexpr Op unary(std::string_view name, void (*infer)(InferContext&), void (*run)(RunContext&), int since = 1) {
  return {.domain = "",
          .name = name,
          .inputs = {1, 1},
          .outputs = {1, 1},
          .parse = Attrs::parse<NoAttrs>,
          .infer = infer,
          .run = run,
          .traits = {.elementwise = true, .in_place = 1},
          .accuracy = Accuracy::kFunction,
          .since = since,
          .upgrade = upgrade_unary};
}

}  // namespace sdx::ops
