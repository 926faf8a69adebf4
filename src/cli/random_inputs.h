// Random inputs that a model accepts: values by what each input is for.
#pragma once

#include <vector>

#include "cli/sizes.h"
#include "engine/model.h"

namespace sdx::cli {

/// Fills the empty values of `values`, one for each input. The same seed gives the same values on every machine:
/// floats are standard normal; a bool is false; integers are ones in a mask, 0, 1, 2, … along the last axis (after the
/// past) for position ids, zeros for token types, and otherwise below the rows of the table that they index, or 2.
void fill_random(const engine::Model& model, Sizes& sizes, uint64_t seed, std::vector<Value>& values);

}  // namespace sdx::cli
