// Elements as text and back: the string side of Cast.
#pragma once

#include <string>

#include "tensor/view.h"

namespace sdx::ops {

/// Writes each element as text: integers in decimal, bool as 1 and 0, floats with the fewest digits that tell them from
/// their neighbours (in scientific notation outside [1e-4, 1e16)), "NaN", "INF" and "-INF".
void format_elements(const ConstView& from, std::string* to);

/// Reads numbers as the standard's Cast allows them: decimal and scientific notation, "INF", "+INF", "-INF" and "NaN"
/// in any case. Throws InvalidInput for other text.
void parse_elements(const ConstView& from, const View& to);

}  // namespace sdx::ops
