// Values that stay in a register between their uses.
#if defined(SDX_KERNELS_REGISTER_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef SDX_KERNELS_REGISTER_INL_H_
#undef SDX_KERNELS_REGISTER_INL_H_
#else
#define SDX_KERNELS_REGISTER_INL_H_
#endif

#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace sdx::kernels::HWY_NAMESPACE {

/// Without this, GCC loads a vector again for each of up to 3 uses, and the load ports become the limit.
template <class Vector>
HWY_INLINE void keep_in_register(Vector& v) {
#if HWY_ARCH_X86 && (HWY_COMPILER_GCC || HWY_COMPILER_CLANG)
  asm("" : "+v"(v.raw));
#else
  (void)v;
#endif
}

}  // namespace sdx::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
