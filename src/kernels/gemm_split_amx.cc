// Split products by AMX: tiles of bfloat16, summed in float32 by the matrix unit.
#include "kernels/gemm_split.h"

#if defined(__x86_64__) && defined(__linux__) && defined(__GNUC__)
#include <cpuid.h>
#include <immintrin.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <limits>

// A target attribute instead of compile flags, so that nothing but these functions uses the instructions.
#define SDX_AMX __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx512bf16,amx-tile,amx-bf16")))

namespace sdx::kernels {
namespace {

// The operand of the instruction that shapes the tiles: accumulators 0-3 and A in 4-5 with the rows of a group, B in 6-7.
struct alignas(64) TileConfig {
  uint8_t palette = 1;
  uint8_t start_row = 0;
  uint8_t reserved[14] = {};
  uint16_t row_bytes[16] = {};
  uint8_t rows[16] = {};
};

SDX_AMX void begin(int64_t height) {
  TileConfig config;
  for (int i = 0; i < 8; ++i) {
    config.row_bytes[i] = 64;
    config.rows[i] = static_cast<uint8_t>(i < 6 ? height : kSplitRows);
  }
  // The compiler does not know that the instruction reads memory.
  asm volatile("" ::"r"(&config) : "memory");
  _tile_loadconfig(&config);
}

SDX_AMX void end() { _tile_release(); }

constexpr int64_t kRow = 64;  // bytes of a row of a tile

struct Halves {
  __m512i hi, lo;
};

// 32 floats as 32 + 32 bfloat16 in their order.
SDX_AMX inline Halves split(__m512 first, __m512 second) {
  const __m512i hi = (__m512i)_mm512_cvtne2ps_pbh(second, first);
  const __m512 first_hi = _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(_mm512_castsi512_si256(hi)), 16));
  const __m512 second_hi = _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(_mm512_extracti64x4_epi64(hi, 1)), 16));
  return {hi, (__m512i)_mm512_cvtne2ps_pbh(_mm512_sub_ps(second, second_hi), _mm512_sub_ps(first, first_hi))};
}

SDX_AMX void pack_rows(const SplitRows& rows, int64_t k, std::byte* packed) {
  const int64_t blocks = split_blocks(k);
  for (int64_t r = 0; r < rows.height; ++r) {
    const float* from = rows.a + r * rows.stride;
    std::byte* to = packed + r * kRow;
    for (int64_t block = 0; block < blocks; ++block, to += kSplitGroupBytes) {
      Halves halves = {_mm512_setzero_si512(), _mm512_setzero_si512()};
      if (r < rows.count) {
        const int64_t left = k - block * kSplitDepth;
        const float* at = from + block * kSplitDepth;
        if (left >= kSplitDepth) {
          halves = split(_mm512_loadu_ps(at), _mm512_loadu_ps(at + 16));
        } else {
          const uint32_t mask = (uint32_t{1} << left) - 1;
          halves = split(_mm512_maskz_loadu_ps(static_cast<__mmask16>(mask), at),
                         _mm512_maskz_loadu_ps(static_cast<__mmask16>(mask >> 16), at + 16));
        }
      }
      _mm512_storeu_si512(to, halves.hi);
      _mm512_storeu_si512(to + kSplitTileBytes, halves.lo);
    }
  }
}

// Rounds to bfloat16 in the upper half of each lane, without overflow of finite values to infinity.
SDX_AMX inline __m512i round_high(__m512 x) {
  const __m512i bits = _mm512_castps_si512(x);
  const __m512i odd = _mm512_and_si512(_mm512_srli_epi32(bits, 16), _mm512_set1_epi32(1));
  const __m512i rounded = _mm512_add_epi32(bits, _mm512_add_epi32(odd, _mm512_set1_epi32(0x7fff)));
  const __m512i magnitude = _mm512_and_si512(bits, _mm512_set1_epi32(0x7fffffff));
  const __mmask16 keep = _mm512_cmpge_epi32_mask(magnitude, _mm512_set1_epi32(0x7f7f8000));
  return _mm512_and_si512(_mm512_mask_mov_epi32(rounded, keep, bits), _mm512_set1_epi32(static_cast<int>(0xffff0000)));
}

SDX_AMX void pack_pair(const float* even, const float* odd, int64_t pair, std::byte* packed) {
  for (int64_t tile = 0; tile < 2; ++tile) {
    const __m512 x = _mm512_loadu_ps(even + tile * 16), y = _mm512_loadu_ps(odd + tile * 16);
    const __m512i x_hi = round_high(x), y_hi = round_high(y);
    const __m512i x_lo = round_high(_mm512_sub_ps(x, _mm512_castsi512_ps(x_hi)));
    const __m512i y_lo = round_high(_mm512_sub_ps(y, _mm512_castsi512_ps(y_hi)));
    std::byte* to = packed + tile * kSplitTileBytes + pair * kRow;
    _mm512_storeu_si512(to, _mm512_or_si512(_mm512_srli_epi32(x_hi, 16), y_hi));
    _mm512_storeu_si512(to + 2 * kSplitTileBytes, _mm512_or_si512(_mm512_srli_epi32(x_lo, 16), y_lo));
  }
}

// Turns 16 rows of 16 floats in registers.
SDX_AMX inline void transpose(__m512 (&x)[16]) {
  __m512 t[16];
#pragma GCC unroll 8
  for (int i = 0; i < 16; i += 2) {
    t[i] = _mm512_unpacklo_ps(x[i], x[i + 1]);
    t[i + 1] = _mm512_unpackhi_ps(x[i], x[i + 1]);
  }
#pragma GCC unroll 4
  for (int i = 0; i < 16; i += 4) {
    x[i] = _mm512_castpd_ps(_mm512_unpacklo_pd(_mm512_castps_pd(t[i]), _mm512_castps_pd(t[i + 2])));
    x[i + 1] = _mm512_castpd_ps(_mm512_unpackhi_pd(_mm512_castps_pd(t[i]), _mm512_castps_pd(t[i + 2])));
    x[i + 2] = _mm512_castpd_ps(_mm512_unpacklo_pd(_mm512_castps_pd(t[i + 1]), _mm512_castps_pd(t[i + 3])));
    x[i + 3] = _mm512_castpd_ps(_mm512_unpackhi_pd(_mm512_castps_pd(t[i + 1]), _mm512_castps_pd(t[i + 3])));
  }
#pragma GCC unroll 4
  for (int i = 0; i < 4; ++i) {
    const __m512 low = _mm512_shuffle_f32x4(x[i], x[i + 4], 0x88), high = _mm512_shuffle_f32x4(x[i], x[i + 4], 0xdd);
    const __m512 low2 = _mm512_shuffle_f32x4(x[i + 8], x[i + 12], 0x88);
    const __m512 high2 = _mm512_shuffle_f32x4(x[i + 8], x[i + 12], 0xdd);
    t[i] = _mm512_shuffle_f32x4(low, low2, 0x88);
    t[i + 8] = _mm512_shuffle_f32x4(low, low2, 0xdd);
    t[i + 4] = _mm512_shuffle_f32x4(high, high2, 0x88);
    t[i + 12] = _mm512_shuffle_f32x4(high, high2, 0xdd);
  }
#pragma GCC unroll 16
  for (int i = 0; i < 16; ++i) x[i] = t[i];
}

// 16 pixels of 16 channels from channel `first` on; lanes of `inside` lie in the row.
SDX_AMX inline void load_pixels(const SplitPixels& p, const float* at, int64_t first, __mmask16 inside, __m512 (&x)[16]) {
#pragma GCC unroll 16
  for (int64_t c = 0; c < 16; ++c) {
    x[c] = first + c < p.channels ? _mm512_maskz_loadu_ps(inside, at + (first + c) * p.channel_stride) : _mm512_setzero_ps();
  }
  transpose(x);
}

SDX_AMX void pack_pixels(const SplitPixels& p, std::byte* packed) {
  for (int64_t at = 0; at < p.count; at += 16) {
    const int64_t left = std::min<int64_t>(16, p.count - at);
    const int64_t from = p.first + at, begin = std::max<int64_t>(0, -from), end = std::min<int64_t>(16, p.width - from);
    const uint32_t inside = p.row == nullptr || end <= begin ? 0 : ((uint32_t{1} << end) - 1) & ~((uint32_t{1} << begin) - 1);
    __m512 x[16], y[16];
    load_pixels(p, p.row + from, 0, static_cast<__mmask16>(inside), x);
    load_pixels(p, p.row + from, 16, static_cast<__mmask16>(inside), y);
    for (int64_t i = 0; i < left; ++i) {
      const Halves halves = split(x[i], y[i]);
      std::byte* to = packed + (at + i) * kSplitPixelBytes;
      _mm512_storeu_si512(to, halves.hi);
      _mm512_storeu_si512(to + kSplitPixelBytes / 2, halves.lo);
    }
  }
}

SDX_AMX void turn(const float* from, int64_t rows, float* to, int64_t stride) {
  for (int64_t row = 0; row < rows; row += 16) {
    for (int64_t column = 0; column < kSplitColumns; column += 16) {
      __m512 x[16];
#pragma GCC unroll 16
      for (int64_t i = 0; i < 16; ++i) x[i] = _mm512_loadu_ps(from + (row + i) * kSplitColumns + column);
      transpose(x);
#pragma GCC unroll 16
      for (int64_t i = 0; i < 16; ++i) _mm512_storeu_ps(to + (column + i) * stride + row, x[i]);
    }
  }
}

SDX_AMX inline void fetch(const std::byte* from, int lines) {
  for (int line = 0; line < lines; ++line) _mm_prefetch(reinterpret_cast<const char*>(from) + line * 64, _MM_HINT_T1);
}

// Orders plain stores before the loads of tiles, which the compiler does not see as reads.
inline void fence() { asm volatile("" ::: "memory"); }

inline const std::byte* block_of(const SplitTile& t, int64_t block) {
  return t.a + (t.a_blocks == nullptr ? block * kSplitGroupBytes : t.a_blocks[block]);
}

SDX_AMX void two_groups(const SplitTile& t) {
  fence();
  float *c0 = t.acc, *c1 = t.acc + t.acc_group;
  if (t.accumulate) {
    _tile_loadd(0, c0, t.acc_row_bytes);
    _tile_loadd(1, c0 + 16, t.acc_row_bytes);
    _tile_loadd(2, c1, t.acc_row_bytes);
    _tile_loadd(3, c1 + 16, t.acc_row_bytes);
  } else {
    _tile_zero(0);
    _tile_zero(1);
    _tile_zero(2);
    _tile_zero(3);
  }
  const std::byte *b = t.b, *ahead = t.ahead;
  const int64_t row = t.a_row_bytes, low = t.a_low_bytes;
  const int64_t group = t.a_group_bytes;
  for (int64_t block = 0; block < t.blocks; ++block, b += kSplitPanelBytes, ahead += kSplitPanelBytes) {
    const std::byte* a = block_of(t, block);
    fetch(ahead, t.ahead_lines);
    // Nine loads for twelve products: a load takes nearly as long as a product.
    _tile_loadd(6, b, kRow);
    _tile_loadd(4, a, row);
    _tile_dpbf16ps(0, 4, 6);
    _tile_loadd(7, b + kSplitTileBytes, kRow);
    _tile_dpbf16ps(1, 4, 7);
    _tile_loadd(5, a + low, row);
    _tile_dpbf16ps(0, 5, 6);
    _tile_dpbf16ps(1, 5, 7);
    _tile_loadd(4, a + group, row);
    _tile_dpbf16ps(2, 4, 6);
    _tile_dpbf16ps(3, 4, 7);
    _tile_loadd(5, a + group + low, row);
    _tile_dpbf16ps(2, 5, 6);
    _tile_loadd(6, b + 2 * kSplitTileBytes, kRow);
    _tile_dpbf16ps(3, 5, 7);
    _tile_dpbf16ps(2, 4, 6);
    _tile_loadd(7, b + 3 * kSplitTileBytes, kRow);
    _tile_dpbf16ps(3, 4, 7);
    _tile_loadd(5, a, row);
    _tile_dpbf16ps(0, 5, 6);
    _tile_dpbf16ps(1, 5, 7);
  }
  _tile_stored(0, c0, t.acc_row_bytes);
  _tile_stored(1, c0 + 16, t.acc_row_bytes);
  _tile_stored(2, c1, t.acc_row_bytes);
  _tile_stored(3, c1 + 16, t.acc_row_bytes);
  fence();
}

SDX_AMX void two_panels(const SplitTile& t) {
  fence();
  float *c0 = t.acc, *c1 = t.acc + t.acc_panel;
  if (t.accumulate) {
    _tile_loadd(0, c0, t.acc_row_bytes);
    _tile_loadd(1, c0 + 16, t.acc_row_bytes);
    _tile_loadd(2, c1, t.acc_row_bytes);
    _tile_loadd(3, c1 + 16, t.acc_row_bytes);
  } else {
    _tile_zero(0);
    _tile_zero(1);
    _tile_zero(2);
    _tile_zero(3);
  }
  const std::byte *b = t.b, *ahead = t.ahead;
  const int64_t row = t.a_row_bytes, low = t.a_low_bytes;
  const int64_t panel = t.b_panel_bytes;
  for (int64_t block = 0; block < t.blocks; ++block, b += kSplitPanelBytes, ahead += kSplitPanelBytes) {
    const std::byte* a = block_of(t, block);
    fetch(ahead, t.ahead_lines);
    fetch(ahead + panel, t.ahead_lines);
    _tile_loadd(4, a, row);
    _tile_loadd(6, b, kRow);
    _tile_dpbf16ps(0, 4, 6);
    _tile_loadd(5, a + low, row);
    _tile_loadd(7, b + kSplitTileBytes, kRow);
    _tile_dpbf16ps(1, 4, 7);
    _tile_dpbf16ps(0, 5, 6);
    _tile_dpbf16ps(1, 5, 7);
    _tile_loadd(6, b + panel, kRow);
    _tile_dpbf16ps(2, 4, 6);
    _tile_loadd(7, b + panel + kSplitTileBytes, kRow);
    _tile_dpbf16ps(3, 4, 7);
    _tile_dpbf16ps(2, 5, 6);
    _tile_dpbf16ps(3, 5, 7);
    _tile_loadd(6, b + 2 * kSplitTileBytes, kRow);
    _tile_dpbf16ps(0, 4, 6);
    _tile_loadd(7, b + 3 * kSplitTileBytes, kRow);
    _tile_dpbf16ps(1, 4, 7);
    _tile_loadd(6, b + panel + 2 * kSplitTileBytes, kRow);
    _tile_dpbf16ps(2, 4, 6);
    _tile_loadd(7, b + panel + 3 * kSplitTileBytes, kRow);
    _tile_dpbf16ps(3, 4, 7);
  }
  _tile_stored(0, c0, t.acc_row_bytes);
  _tile_stored(1, c0 + 16, t.acc_row_bytes);
  _tile_stored(2, c1, t.acc_row_bytes);
  _tile_stored(3, c1 + 16, t.acc_row_bytes);
  fence();
}

SDX_AMX void one(const SplitTile& t) {
  fence();
  if (t.accumulate) {
    _tile_loadd(0, t.acc, t.acc_row_bytes);
    _tile_loadd(1, t.acc + 16, t.acc_row_bytes);
  } else {
    _tile_zero(0);
    _tile_zero(1);
  }
  const std::byte *b = t.b, *ahead = t.ahead;
  const int64_t row = t.a_row_bytes, low = t.a_low_bytes;
  for (int64_t block = 0; block < t.blocks; ++block, b += kSplitPanelBytes, ahead += kSplitPanelBytes) {
    const std::byte* a = block_of(t, block);
    fetch(ahead, t.ahead_lines);
    _tile_loadd(4, a, row);
    _tile_loadd(6, b, kRow);
    _tile_dpbf16ps(0, 4, 6);
    _tile_loadd(7, b + kSplitTileBytes, kRow);
    _tile_dpbf16ps(1, 4, 7);
    _tile_loadd(5, a + low, row);
    _tile_dpbf16ps(0, 5, 6);
    _tile_dpbf16ps(1, 5, 7);
    _tile_loadd(6, b + 2 * kSplitTileBytes, kRow);
    _tile_dpbf16ps(0, 4, 6);
    _tile_loadd(7, b + 3 * kSplitTileBytes, kRow);
    _tile_dpbf16ps(1, 4, 7);
  }
  _tile_stored(0, t.acc, t.acc_row_bytes);
  _tile_stored(1, t.acc + 16, t.acc_row_bytes);
  fence();
}

SDX_AMX bool all_finite(const float* x, int64_t stride, int64_t rows, int64_t columns) {
  // 0 times what is not finite is NaN, and stays it.
  __m512 sum = _mm512_setzero_ps();
  for (int64_t r = 0; r < rows; ++r) {
    for (int64_t c = 0; c < columns; c += 16) {
      sum = _mm512_fmadd_ps(_mm512_loadu_ps(x + r * stride + c), _mm512_setzero_ps(), sum);
    }
  }
  return _mm512_cmp_ps_mask(sum, sum, _CMP_UNORD_Q) == 0;
}

// One row of depth pairs of a tile: the sums of the halves of even and odd depths.
struct WeightPair {
  __m512 even, odd;
};
SDX_AMX inline WeightPair weights_at(const std::byte* row) {
  const __m512i mask = _mm512_set1_epi32(static_cast<int>(0xffff0000));
  const __m512i hi = _mm512_loadu_si512(row), lo = _mm512_loadu_si512(row + 2 * kSplitTileBytes);
  return {_mm512_add_ps(_mm512_castsi512_ps(_mm512_slli_epi32(hi, 16)), _mm512_castsi512_ps(_mm512_slli_epi32(lo, 16))),
          _mm512_add_ps(_mm512_castsi512_ps(_mm512_and_si512(hi, mask)), _mm512_castsi512_ps(_mm512_and_si512(lo, mask)))};
}

template <int kRows>
SDX_AMX void few(const SplitRows& rows, const std::byte* b, int64_t k, float* acc) {
  __m512 even[kRows][2], odd[kRows][2];
#pragma GCC unroll 4
  for (int r = 0; r < kRows; ++r) even[r][0] = even[r][1] = odd[r][0] = odd[r][1] = _mm512_setzero_ps();
  const auto step = [&](const std::byte* row, int64_t p, bool both) SDX_AMX {
    const WeightPair w0 = weights_at(row), w1 = weights_at(row + kSplitTileBytes);
#pragma GCC unroll 4
    for (int r = 0; r < kRows; ++r) {
      const float* a = rows.a + r * rows.stride + p;
      const __m512 x = _mm512_set1_ps(a[0]), y = _mm512_set1_ps(both ? a[1] : 0.0f);
      even[r][0] = _mm512_fmadd_ps(x, w0.even, even[r][0]);
      even[r][1] = _mm512_fmadd_ps(x, w1.even, even[r][1]);
      odd[r][0] = _mm512_fmadd_ps(y, w0.odd, odd[r][0]);
      odd[r][1] = _mm512_fmadd_ps(y, w1.odd, odd[r][1]);
    }
  };
  int64_t p = 0;
  for (; p + kSplitDepth <= k; p += kSplitDepth, b += kSplitPanelBytes) {
    for (int64_t pair = 0; pair < kSplitDepth / 2; ++pair) step(b + pair * kRow, p + 2 * pair, true);
  }
  for (int64_t pair = 0; p + 2 * pair < k; ++pair) step(b + pair * kRow, p + 2 * pair, p + 2 * pair + 1 < k);
#pragma GCC unroll 4
  for (int r = 0; r < kRows; ++r) {
    _mm512_storeu_ps(acc + r * kSplitColumns, _mm512_add_ps(even[r][0], odd[r][0]));
    _mm512_storeu_ps(acc + r * kSplitColumns + 16, _mm512_add_ps(even[r][1], odd[r][1]));
  }
}

SDX_AMX void few_rows(const SplitRows& rows, const std::byte* b, int64_t k, float* acc) {
  switch (rows.count) {
    case 1: return few<1>(rows, b, k, acc);
    case 2: return few<2>(rows, b, k, acc);
    case 3: return few<3>(rows, b, k, acc);
    default: return few<4>(rows, b, k, acc);
  }
}

SDX_AMX void plain_row(const float* a, int64_t column_stride, const std::byte* b, int64_t k, float* acc) {
  for (int64_t tile = 0; tile < 2; ++tile) {
    __m512 sum = _mm512_setzero_ps();
    for (int64_t p = 0; p < k; ++p) {
      const std::byte* row = b + p / kSplitDepth * kSplitPanelBytes + tile * kSplitTileBytes + p % kSplitDepth / 2 * 64;
      __m512i hi = _mm512_loadu_si512(row), lo = _mm512_loadu_si512(row + 2 * kSplitTileBytes);
      hi = p % 2 == 0 ? _mm512_slli_epi32(hi, 16) : _mm512_and_si512(hi, _mm512_set1_epi32(static_cast<int>(0xffff0000)));
      lo = p % 2 == 0 ? _mm512_slli_epi32(lo, 16) : _mm512_and_si512(lo, _mm512_set1_epi32(static_cast<int>(0xffff0000)));
      const __m512 high = _mm512_castsi512_ps(hi);
      // An infinite weight has no low half.
      const __mmask16 finite = _mm512_cmp_ps_mask(_mm512_sub_ps(high, high), _mm512_setzero_ps(), _CMP_EQ_OQ);
      __m512 value = _mm512_mask_add_ps(high, finite, high, _mm512_castsi512_ps(lo));
      // Halves of the largest floats may add up to more than those.
      value = _mm512_mask_min_ps(value, finite, value, _mm512_set1_ps(std::numeric_limits<float>::max()));
      value = _mm512_mask_max_ps(value, finite, value, _mm512_set1_ps(std::numeric_limits<float>::lowest()));
      sum = _mm512_fmadd_ps(_mm512_set1_ps(a[p * column_stride]), value, sum);
    }
    _mm512_storeu_ps(acc + tile * 16, sum);
  }
}

// The processor has the units, and the system lets this process keep their state.
bool usable() {
  unsigned a = 0, b = 0, c = 0, d = 0;
  if (__get_cpuid_count(7, 0, &a, &b, &c, &d) == 0) return false;
  constexpr unsigned kBf16 = 1u << 22, kTile = 1u << 24;
  if ((d & kBf16) == 0 || (d & kTile) == 0) return false;
  if (!__builtin_cpu_supports("avx512bw") || !__builtin_cpu_supports("avx512vl") || !__builtin_cpu_supports("avx512bf16")) return false;
  constexpr long kRequestPermission = 0x1023, kTileData = 18;
  return syscall(SYS_arch_prctl, kRequestPermission, kTileData) == 0;
}

}  // namespace

const SplitKernels* amx_split_kernels() {
  static const SplitKernels kernels = {pack_rows, pack_pair, pack_pixels, turn, begin, end, two_groups, two_panels, one, all_finite, few_rows, plain_row};
  static const bool available = usable();
  return available ? &kernels : nullptr;
}

}  // namespace sdx::kernels
#else
namespace sdx::kernels {
const SplitKernels* amx_split_kernels() { return nullptr; }
}  // namespace sdx::kernels
#endif
