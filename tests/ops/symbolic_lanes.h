// The lanes of an operator case that only infer: with symbolic sizes, unknown ranks and symbolic elements.
#pragma once

#include "case.h"

namespace sdx::ops {

/// Reports to GoogleTest where infer throws or states something that the expected results contradict.
void run_symbolic(const Case& c);

}  // namespace sdx::ops
