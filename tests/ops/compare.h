// Comparing results with what is expected, by the accuracy that an operator declares.
#pragma once

#include <optional>
#include <string>

#include "ir/op.h"
#include "tensor/tensor.h"

namespace sdx::ops {

/// How far a result may be from the expected one.
struct Tolerance {
  ir::Accuracy accuracy = ir::Accuracy::kExact;
  std::optional<double> absolute;  ///< instead of `accuracy`
};

/// What differs, or nothing. Results that are floats may be of a narrower type than expected: then they may be off by
/// one unit in the last place of their own type as well. NaN equals NaN.
std::optional<std::string> difference(const Value& result, const Value& expected, const Tolerance& tolerance);

/// True where type, extents and all bits are equal.
bool same_bits(const Value& a, const Value& b);

}  // namespace sdx::ops
