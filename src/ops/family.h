// What every operator file includes: schema, contexts, and the adapters that operators share.
#pragma once

#include <array>
#include <span>

#include "ir/infer_context.h"
#include "ir/op.h"
#include "ir/run_context.h"
#include "ops/op_table.h"

namespace sdx::ops {

using ir::Accuracy;
using ir::Attrs;
using ir::Call;
using ir::Fact;
using ir::field;
using ir::InferContext;
using ir::NoAttrs;
using ir::Op;
using ir::required;
using ir::RunContext;
using ir::Traits;

inline constexpr std::array kFloats = {DType::kF32, DType::kF64, DType::kF16, DType::kBF16};
inline constexpr std::array kNumbers = {DType::kF32, DType::kF64, DType::kF16, DType::kBF16, DType::kI8,  DType::kI16,
                                        DType::kI32, DType::kI64, DType::kU8,  DType::kU16,  DType::kU32, DType::kU64};

/// infer of operators whose output 0 has the type and shape of input 0.
void infer_same_as_input(InferContext& c);

/// Runs `run` with float32 copies of the float16 and bfloat16 inputs and rounds its float outputs back: how an operator
/// that only computes in float32 serves the narrow types. Use as `if (widened(c, run)) return;` at the top of run: it
/// returns false, having done nothing, where no input is narrow. Not for operators that size their own outputs.
bool widened(RunContext& c, void (*run)(RunContext&));

}  // namespace sdx::ops
