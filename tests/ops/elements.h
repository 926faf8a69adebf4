// Elements of tensors of any type as text and as numbers.
#pragma once

#include <optional>
#include <string>

#include "tensor/tensor.h"

namespace sdx::ops {

/// Stores the element that `word` spells; a number that the type cannot hold is rounded as Cast does.
void store_element(const View& tensor, int64_t index, const std::string& word);

/// The element as a number; nothing for strings.
std::optional<double> load_element(const ConstView& tensor, int64_t index);

/// Bits of the element, for the comparison of types up to 64 bits.
uint64_t element_code(const ConstView& tensor, int64_t index);

/// The element as a person reads it.
std::string element_text(const ConstView& tensor, int64_t index);

/// The distance between neighbours of `value` in a floating type (float32 for types that are not).
double ulp(DType type, double value);

/// The tensor in another floating type; other tensors as they are. From and to float32, float16, bfloat16.
Tensor convert_float(const Tensor& tensor, DType type);

}  // namespace sdx::ops
