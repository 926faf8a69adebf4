// Isa: which instruction set the kernels use, and how a kernel file is written.
//
// A kernel `f` is a plain function over raw pointers and extents, declared in f.h and defined in f.cc like this:
//
//   #include "kernels/f.h"
//
//   #include "hwy/foreach_target.h"  // re-includes this file once per instruction set
//   #include "hwy/highway.h"
//
//   HWY_BEFORE_NAMESPACE();
//   namespace sdx::kernels::HWY_NAMESPACE {
//   namespace hn = hwy::HWY_NAMESPACE;
//   void f(const float* x, int64_t n, float* y) { … }
//   }  // namespace sdx::kernels::HWY_NAMESPACE
//   HWY_AFTER_NAMESPACE();
//
//   #if HWY_ONCE
//   namespace sdx::kernels {
//   HWY_EXPORT(f);
//   void f(const float* x, int64_t n, float* y) { HWY_DYNAMIC_DISPATCH(f)(x, n, y); }
//   }  // namespace sdx::kernels
//   #endif
//
// The build defines HWY_TARGET_INCLUDE. Every other #include stands above foreach_target.h, except x-inl.h headers,
// which come after highway.h and whose guard is the HWY_TARGET_TOGGLE idiom. One call covers a block of rows or a tile
// panel, never a vector. Kernels do not thread, allocate or throw: the operator splits the work, owns the scratch
// memory and has checked the extents. Each declaration names its extents by letters, says which pointers may alias, and
// gives the error bound. Never give a kernel file -m flags: an inline function of the standard library that is compiled
// with them may be the copy that the linker keeps for every machine.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

namespace sdx::kernels {

/// Instruction sets, worst first.
enum class Isa : uint8_t { kOther, kNeon, kSse4, kAvx2, kAvx512, kVnni, kAmx };

/// "sse4", "avx2", "avx512", "vnni" (AVX-512 with products of bytes), "amx" (that and matrix units for bytes), "neon"
/// or "other".
std::string_view isa_name(Isa isa);

/// The instruction set that kernels use now.
Isa active_isa();

/// Those that this build holds and this machine can run, best first.
std::vector<Isa> available_isas();

/// Lets kernels use nothing better than `best`, for the whole process. Weights packed before the call are invalid after
/// it, so it belongs at the start of a program or of a test. A build or machine without a worse set keeps what it has.
void limit_isa(Isa best);

}  // namespace sdx::kernels
