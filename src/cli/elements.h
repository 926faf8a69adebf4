// Single elements of tensors of any numeric type, for input and output where speed does not matter.
#pragma once

#include "tensor/view.h"

namespace sdx::cli {

/// Element `i` as a double; bool is 0 or 1, codes of narrow floats are decoded. 0 for strings and complex numbers.
double element(const ConstView& view, int64_t i);

/// Stores `value` rounded to the type, or saturated at its ends. Not for strings and complex numbers.
void set_element(const View& view, int64_t i, double value);
/// The same for integers beyond 2^53.
void set_integer(const View& view, int64_t i, int64_t value);

}  // namespace sdx::cli
