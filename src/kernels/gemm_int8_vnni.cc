// Int8 tiles by AVX-512 VNNI, which Highway 1.0.3 does not reach: one instruction sums four products in 32 bits.
#include "kernels/gemm_int8_tiles.h"

#if defined(__x86_64__) && defined(__GNUC__)
#include <immintrin.h>

// A target attribute instead of compile flags, so that nothing but these functions uses the instructions.
#define SDX_VNNI __attribute__((target("avx512f,avx512vnni")))

namespace sdx::kernels {
namespace {

template <int kRows>
SDX_VNNI void tile(const Int8TileArgs& args) {
  __m512i acc[kRows][2];
#pragma GCC unroll 16
  for (int i = 0; i < kRows; ++i) acc[i][0] = acc[i][1] = _mm512_setzero_si512();
  const uint32_t* a = args.a;
  const uint32_t* b = args.b;
  for (int64_t p = 0; p < args.quads; ++p, a += kRows, b += 32) {
    const __m512i b0 = _mm512_loadu_si512(b);
    const __m512i b1 = _mm512_loadu_si512(b + 16);
#pragma GCC unroll 16
    for (int i = 0; i < kRows; ++i) {
      const __m512i value = _mm512_set1_epi32(static_cast<int>(a[i]));
      acc[i][0] = _mm512_dpbusd_epi32(acc[i][0], value, b0);
      acc[i][1] = _mm512_dpbusd_epi32(acc[i][1], value, b1);
    }
  }
#pragma GCC unroll 16
  for (int i = 0; i < kRows; ++i) {
    _mm512_storeu_si512(args.acc + i * 32, acc[i][0]);
    _mm512_storeu_si512(args.acc + i * 32 + 16, acc[i][1]);
  }
}

}  // namespace

const Int8Tiles* int8_vnni_tiles() {
  static const Int8Tiles tiles = {"vnni",
                                  14,
                                  {nullptr, &tile<1>, &tile<2>, &tile<3>, &tile<4>, &tile<5>, &tile<6>, &tile<7>,
                                   &tile<8>, &tile<9>, &tile<10>, &tile<11>, &tile<12>, &tile<13>, &tile<14>}};
  return __builtin_cpu_supports("avx512vnni") ? &tiles : nullptr;
}

}  // namespace sdx::kernels
#else
namespace sdx::kernels {
const Int8Tiles* int8_vnni_tiles() { return nullptr; }
}  // namespace sdx::kernels
#endif
