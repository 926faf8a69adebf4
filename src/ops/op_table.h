// The table of all operators, built from families.inc.
#pragma once

#include <span>
#include <string_view>

#include "ir/op.h"

namespace sdx::ops {

/// The operator of that domain ("" or "ai.onnx" for the standard) and name; nullptr where there is none.
const ir::Op* find(std::string_view domain, std::string_view name);
/// Like find, for operators that rules and the planner rely on; throws Internal where there is none.
const ir::Op& get(std::string_view name, std::string_view domain = "");
/// Every operator, ordered by domain and name.
std::span<const ir::Op* const> all();

/// Whether products are faster with weights split into bytes: on matrix units always, elsewhere at most for few rows.
bool has_fast_bytes(bool few_rows);

/// The domain of operators of our own, which only rewriting makes.
inline constexpr std::string_view kOwnDomain = "sardonyx";
inline constexpr std::string_view kMicrosoft = "com.microsoft";

}  // namespace sdx::ops
