// Asks the compiler's runtime which instruction sets the processor and the system support.
#include "base/cpu.h"

namespace sdx {

std::string cpu_description() {
#if defined(__x86_64__)
  std::string text = "x86_64:";
  __builtin_cpu_init();
#define SDX_FEATURE(name) \
  if (__builtin_cpu_supports(name)) text += " " name
  SDX_FEATURE("ssse3");
  SDX_FEATURE("sse4.1");
  SDX_FEATURE("sse4.2");
  SDX_FEATURE("avx");
  SDX_FEATURE("avx2");
  SDX_FEATURE("fma");
#if !defined(__clang__)  // clang 14 does not know the name
  SDX_FEATURE("f16c");
#endif
  SDX_FEATURE("avx512f");
  SDX_FEATURE("avx512bw");
  SDX_FEATURE("avx512dq");
  SDX_FEATURE("avx512vl");
  SDX_FEATURE("avx512vnni");
  SDX_FEATURE("avx512bf16");
#undef SDX_FEATURE
  return text;
#elif defined(__aarch64__)
  return "aarch64: neon";
#else
  return "portable";
#endif
}

bool cpu_fetches_best_alone() {
#if defined(__x86_64__)
  __builtin_cpu_init();
  return __builtin_cpu_is("amdfam19h") != 0;
#else
  return false;
#endif
}

}  // namespace sdx
