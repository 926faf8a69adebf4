// The lanes of an operator case: every way of running it that must give the same results.
#pragma once

#include "case.h"

namespace sdx::ops {

/// Runs the case in all lanes and reports failures to GoogleTest:
///  - infer with symbolic sizes (one per dimension; one per size), with unknown ranks and with symbolic elements: what
///  it
///    states must agree with the expected results;
///  - every instruction set with 1, 2 and 4 threads, bitwise equal over the threads;
///  - in place and with misaligned inputs, where the operator's traits allow that;
///  - a float32 case in float16 and bfloat16, against float32 on the rounded inputs.
void run_lanes(const Case& c);

}  // namespace sdx::ops
