// probe_multiply_add, probe_units, probe_read: the least that a processor must do, to measure what it can do at most.
#pragma once

#include <cstdint>

namespace sdx::kernels {

/// Multiplies and adds float vectors in registers alone, in independent chains. Returns the floating-point operations
/// done: two for each multiply-add of each lane. `sink` gets a value that depends on all of them.
int64_t probe_multiply_add(int64_t rounds, float* sink);

/// Multiplies tiles of digits out of the first-level cache by the matrix units, as split products do. Returns the
/// floating-point operations that so many products stand for; 0 where the instruction set in use has no such units.
int64_t probe_units(int64_t rounds);

/// Reads x [n] once, front to back in four streams; n is a multiple of 4096. Returns a sum so that nothing is left out.
float probe_read(const float* x, int64_t n);

}  // namespace sdx::kernels
