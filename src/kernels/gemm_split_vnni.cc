// Split products by AVX-512 VNNI: packing, the products of few rows, and what becomes of the sums.
#include "base/cpu.h"
#include "kernels/gemm_split_combine.h"

#if defined(__x86_64__) && defined(__GNUC__)
#include <immintrin.h>

#include <algorithm>
#include <cmath>
#include <utility>

namespace sdx::kernels {
namespace {

constexpr int64_t kRow = 64;  // bytes of a row of a tile

SDX_VNNI inline __m512 magnitude(__m512 x) { return _mm512_abs_ps(x); }

// NaN where a lane of `largest` is infinite or of `check` NaN: 0 times what is not finite is NaN, and stays it.
SDX_VNNI inline __m512 largest_of(__m512 x, __m512 largest, __m512& check) {
  check = _mm512_fmadd_ps(x, _mm512_setzero_ps(), check);
  return _mm512_max_ps(largest, magnitude(x));
}

SDX_VNNI float largest(const float* x, int64_t count) {
  __m512 most = _mm512_setzero_ps(), check = _mm512_setzero_ps();
  int64_t i = 0;
  for (; i + 16 <= count; i += 16) most = largest_of(_mm512_loadu_ps(x + i), most, check);
  if (i < count) {
    const auto mask = static_cast<__mmask16>((1u << (count - i)) - 1);
    most = largest_of(_mm512_maskz_loadu_ps(mask, x + i), most, check);
  }
  const bool finite = _mm512_cmp_ps_mask(check, check, _CMP_UNORD_Q) == 0;
  return finite ? _mm512_reduce_max_ps(most) : std::nanf("");
}

SDX_VNNI void largest_columns(const float* rows, int64_t stride, int64_t depths, float* largest) {
  for (int64_t column = 0; column < kSplitColumns; column += 16) {
    __m512 most = _mm512_loadu_ps(largest + column),
           check = _mm512_fmadd_ps(most, _mm512_setzero_ps(), _mm512_setzero_ps());
    for (int64_t p = 0; p < depths; ++p) most = largest_of(_mm512_loadu_ps(rows + p * stride + column), most, check);
    _mm512_storeu_ps(largest + column, _mm512_add_ps(most, check));
  }
}

// Integers of 24 bits, so that each byte less 128 is a balanced digit.
SDX_VNNI inline __m512i integers(__m512 x, __m512 inverse) {
  return _mm512_add_epi32(_mm512_cvtps_epi32(_mm512_mul_ps(x, inverse)), _mm512_set1_epi32(0x808080));
}

// The digits of weight 2^(8 digit) of 64 numbers, four from each lane side by side; `flip` takes 128 away from each.
template <int kDigit>
SDX_VNNI inline __m512i digits(const __m512i (&y)[4], __m512i flip) {
  // Byte i of a lane comes from y[i], whose digit has to move by 8 (i - digit) bits.
  const auto moved = [&](int i) SDX_VNNI {
    const int by = 8 * (i - kDigit);
    return by >= 0 ? _mm512_slli_epi32(y[i], static_cast<unsigned>(by))
                   : _mm512_srli_epi32(y[i], static_cast<unsigned>(-by));
  };
  constexpr int kSelect = 0xca;  // first operand ? second : third
  const __m512i low = _mm512_ternarylogic_epi32(_mm512_set1_epi32(0x000000ff), moved(0), moved(1), kSelect);
  const __m512i high = _mm512_ternarylogic_epi32(_mm512_set1_epi32(0x00ff0000), moved(2), moved(3), kSelect);
  return _mm512_xor_si512(_mm512_ternarylogic_epi32(_mm512_set1_epi32(0x0000ffff), low, high, kSelect), flip);
}

SDX_VNNI inline __m512i flip_of(bool offset) { return _mm512_set1_epi8(static_cast<char>(offset ? 0 : 0x80)); }

SDX_VNNI inline void store_digits(const __m512i (&y)[4], std::byte* to, int64_t digit_bytes, __m512i flip) {
  _mm512_storeu_si512(to, digits<2>(y, flip));
  _mm512_storeu_si512(to + digit_bytes, digits<1>(y, flip));
  _mm512_storeu_si512(to + 2 * digit_bytes, digits<0>(y, flip));
}

SDX_VNNI void pack_row(const float* from, int64_t k, __m512 inverse, std::byte* to, const SplitStack& stack,
                       __m512i flip) {
  const int64_t first = stack.digit_at(0), second = stack.digit_at(1), third = stack.digit_at(2);
  for (int64_t depth = 0; depth < k; depth += kSplitDepth, from += kSplitDepth, to += kSplitGroupBytes) {
    __m512i y[4];
    const int64_t left = std::min(kSplitDepth, k - depth);
    const uint64_t mask = left == kSplitDepth ? ~uint64_t{0} : (uint64_t{1} << left) - 1;
#pragma GCC unroll 4
    for (int i = 0; i < 4; ++i) {
      y[i] = integers(_mm512_maskz_loadu_ps(static_cast<__mmask16>(mask >> (16 * i)), from + 16 * i), inverse);
    }
    _mm512_storeu_si512(to + first, digits<2>(y, flip));
    _mm512_storeu_si512(to + second, digits<1>(y, flip));
    _mm512_storeu_si512(to + third, digits<0>(y, flip));
  }
}

SDX_VNNI void pack_rows(const SplitRows& rows, int64_t k, std::byte* packed, float* scales) {
  const __m512i flip = flip_of(rows.offset);
  const __m512i zero = _mm512_xor_si512(flip, flip_of(false));
  for (int64_t r = 0; r < rows.height; ++r) {
    const SplitScale scale = r < rows.count ? split_scale(largest(rows.a + r * rows.stride, k)) : SplitScale{0, 0};
    if (r < rows.count) scales[r] = scale.scale;
    if (scale.inverse > 0) {
      pack_row(rows.a + r * rows.stride, k, _mm512_set1_ps(scale.inverse), packed + r * kRow, rows.stack, flip);
    } else {
      for (int64_t block = 0; block < split_blocks(k); ++block) {
        std::byte* to = packed + block * kSplitGroupBytes + r * kRow;
        for (int64_t i = 0; i < kSplitDigits; ++i) _mm512_storeu_si512(to + rows.stack.digit_at(i), zero);
      }
    }
  }
  if (rows.stack.digits == 1) return;
  for (int64_t block = 0; block < split_blocks(k); ++block) {
    for (int which = 0; which < 2; ++which) {
      std::byte* to = packed + block * kSplitGroupBytes + rows.stack.zeros_at(which);
      for (int64_t r = 0; r < rows.height; ++r) _mm512_storeu_si512(to + r * kRow, _mm512_setzero_si512());
    }
  }
}

SDX_VNNI void pack_block(const float* rows, int64_t stride, const float* inverses, const SplitLayout& layout,
                         std::byte* packed, SplitColumns& columns) {
  const __m512i flip = flip_of(false), ones = _mm512_set1_epi8(1);
  for (int64_t tile = 0; tile < 2; ++tile) {
    const __m512 inverse = _mm512_loadu_ps(inverses + tile * 16);
    __m512i sums[kSplitDigits];
    for (int i = 0; i < kSplitDigits; ++i) sums[i] = _mm512_loadu_si512(columns.sums[i] + tile * 16);
    for (int64_t quad = 0; quad < kSplitQuads; ++quad) {
      __m512i y[4];
#pragma GCC unroll 4
      for (int64_t i = 0; i < 4; ++i) {
        y[i] = integers(_mm512_loadu_ps(rows + (kSplitQuads * i + quad) * stride + tile * 16), inverse);
      }
      const __m512i bytes[kSplitDigits] = {digits<2>(y, flip), digits<1>(y, flip), digits<0>(y, flip)};
      std::byte* to = packed + tile * layout.half + quad * layout.quad;
      for (int i = 0; i < kSplitDigits; ++i) {
        sums[i] = _mm512_dpbusd_epi32(sums[i], ones, bytes[i]);
        _mm512_storeu_si512(to + i * layout.digit, bytes[i]);
      }
    }
    for (int i = 0; i < kSplitDigits; ++i) _mm512_storeu_si512(columns.sums[i] + tile * 16, sums[i]);
  }
}

// Turns 16 rows of 16 floats in registers.
SDX_VNNI inline void transpose(__m512 (&x)[16]) {
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

// 16 pixels of 16 channels from channel `first` on, as integers; lanes of `inside` lie in the row.
SDX_VNNI inline void load_pixels(const SplitPixels& p, const float* at, int64_t first, __mmask16 inside,
                                 __m512i (&y)[16]) {
  const int64_t channels = inside != 0 ? p.channels : 0;
  __m512 x[16];
#pragma GCC unroll 16
  for (int64_t c = 0; c < 16; ++c) {
    x[c] =
        first + c < channels ? _mm512_maskz_loadu_ps(inside, at + (first + c) * p.channel_stride) : _mm512_setzero_ps();
  }
  transpose(x);
  const __m512 inverse = _mm512_set1_ps(p.inverse);
#pragma GCC unroll 16
  for (int i = 0; i < 16; ++i) y[i] = integers(x[i], inverse);
}

SDX_VNNI void pack_pixels(const SplitPixels& p, std::byte* packed) {
  for (int64_t at = 0; at < p.count; at += 16) {
    const int64_t left = std::min<int64_t>(16, p.count - at);
    const int64_t from = p.first + at, begin = std::max<int64_t>(0, -from), end = std::min<int64_t>(16, p.width - from);
    const uint32_t inside =
        p.row == nullptr || end <= begin ? 0 : ((uint32_t{1} << end) - 1) & ~((uint32_t{1} << begin) - 1);
    __m512i y[4][16];
    const float* const row = inside != 0 ? p.row + from : nullptr;
    for (int i = 0; i < 4; ++i) load_pixels(p, row, 16 * i, static_cast<__mmask16>(inside), y[i]);
    for (int64_t i = 0; i < left; ++i) {
      const __m512i pixel[4] = {y[0][i], y[1][i], y[2][i], y[3][i]};
      store_digits(pixel, packed + (at + i) * kSplitPixelBytes, kSplitDepth, flip_of(false));
    }
  }
}

SDX_VNNI void turn(const float* from, int64_t rows, float* to, int64_t stride) {
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

// The sums of one row and 16 columns, by falling weight. Of few of them each product of digits has its own, so that
// none waits for another; for more there are not enough registers, and no need.
constexpr int kApartSums = 4, kMostSums = 8;

// The sums of kRows rows and kHalves times 16 columns from `first` on, from one pass over B. Where B streams by, it
// fetches one of kShares shares of the lines to come.
template <int kDigits, int kRows, int kHalves, int kShares = 1>
SDX_VNNI void few_columns(const SplitTile& t, const SplitColumns& columns, int64_t first) {
  constexpr bool kLowest = kDigits == kSplitDigits, kApart = kRows * kHalves <= kApartSums;
  constexpr SplitLayout kLayout = SplitLayout::of_vectors(kDigits);
  constexpr int64_t kQuad = kLayout.quad, kHalf = kLayout.half, kDigit = kLayout.digit;
  constexpr int64_t kPanel = split_panel_bytes(kDigits), kFetches = split_fetches(kDigits);
  constexpr int kFetch = 8 * kFetches / kSplitQuads;
  constexpr int kMiddle = 1, kLow = kApart ? 3 : 2, kNext = kApart ? 1 : 0, kSums = kApart ? 6 : 3;
  const __m512i zero = _mm512_setzero_si512();
  __m512i sums[kHalves][kRows][kSums] = {};
  // Unrolled before the compiler decides what stays in registers.
  const auto for_each = [](auto count, auto step) SDX_VNNI {
    [&]<int... i>(std::integer_sequence<int, i...>) SDX_VNNI { (step(std::integral_constant<int, i>()), ...); }
    (std::make_integer_sequence<int, decltype(count)::value>());
  };
  constexpr std::integral_constant<int, kRows> kAllRows;
  constexpr std::integral_constant<int, kHalves> kAllHalves;
  const std::byte* a = t.a;
  const std::byte *b = t.b + first * kHalf, *ahead = t.ahead[first];
  const bool streams = t.stacked > 0;
  const int64_t step = t.fetch_lines * kFetches / kSplitQuads * kRow, lines = streams ? 0 : t.fetch_lines * kFetches;
  for (int64_t block = 0; block < t.blocks; ++block, a += kSplitGroupBytes, b += kPanel, ahead += kPanel) {
    int64_t line = 0;
    for (int64_t quad = 0; quad < kSplitQuads; ++quad) {
      if (step > 0 && streams) split_fetch_stream<2 * kFetch / kShares>(ahead + quad * step, kPanel);
      for (; line < (quad + 1) * lines / kSplitQuads; ++line) split_fetch<1>(ahead + line * kRow);
      for_each(kAllHalves, [&](auto h) SDX_VNNI {
        const std::byte* at = b + h * kHalf + quad * kQuad;
        const __m512i w0 = _mm512_loadu_si512(at), w1 = _mm512_loadu_si512(at + kDigit);
        const __m512i w2 = kLowest ? _mm512_loadu_si512(at + 2 * kDigit) : zero;
        for_each(kAllRows, [&](auto r) SDX_VNNI {
          const auto* digits = reinterpret_cast<const int32_t*>(a + r * kRow + quad * 4);
          const __m512i x0 = _mm512_set1_epi32(digits[0]), x1 = _mm512_set1_epi32(digits[kSplitTileBytes / 4]);
          const __m512i x2 = _mm512_set1_epi32(digits[2 * kSplitTileBytes / 4]);
          __m512i(&sum)[kSums] = sums[h][r];
          sum[0] = _mm512_dpbusd_epi32(sum[0], x0, w0);
          sum[kMiddle] = _mm512_dpbusd_epi32(sum[kMiddle], x0, w1);
          if constexpr (kLowest) sum[kLow] = _mm512_dpbusd_epi32(sum[kLow], x0, w2);
          sum[kMiddle + kNext] = _mm512_dpbusd_epi32(sum[kMiddle + kNext], x1, w0);
          sum[kLow + kNext] = _mm512_dpbusd_epi32(sum[kLow + kNext], x1, w1);
          sum[kLow + 2 * kNext] = _mm512_dpbusd_epi32(sum[kLow + 2 * kNext], x2, w0);
        });
      });
    }
  }
  for_each(kAllHalves, [&](auto h) SDX_VNNI {
    const int64_t column = (first + h) * 16;
    // The offset of 128 of each digit of A met each digit of B once; what has been summed before is without it.
    __m512i surplus[kSplitDigits];
    __m512i sum = zero;
    for (int i = 0; i < kSplitDigits; ++i) {
      if (i < kDigits && !t.accumulate) sum = _mm512_add_epi32(sum, _mm512_loadu_si512(columns.sums[i] + column));
      surplus[i] = _mm512_slli_epi32(sum, 7);
    }
    constexpr int64_t kWeight = kSplitRows * kSplitColumns;
    for_each(kAllRows, [&](auto r) SDX_VNNI {
      __m512i middle = sums[h][r][kMiddle], low = sums[h][r][kLow];
      if constexpr (kApart) {
        middle = _mm512_add_epi32(middle, sums[h][r][kMiddle + 1]);
        low = _mm512_add_epi32(_mm512_add_epi32(low, sums[h][r][kLow + 1]), sums[h][r][kLow + 2]);
      }
      int32_t* to = t.sums + r * kSplitColumns + column;
      const __m512i made[kSplitDigits] = {sums[h][r][0], middle, low};
      for (int i = 0; i < kSplitDigits; ++i) {
        int32_t* const at = to + i * kWeight;
        const __m512i more = _mm512_sub_epi32(made[i], surplus[i]);
        _mm512_storeu_si512(at, t.accumulate ? _mm512_add_epi32(_mm512_loadu_si512(at), more) : more);
      }
    });
  });
}

using FewFn = void (*)(const SplitTile&, const SplitColumns&, int64_t);
// By rows less one.
template <int kDigits>
constexpr FewFn kOneHalf[kMostSums] = {
    few_columns<kDigits, 1, 1>, few_columns<kDigits, 2, 1>, few_columns<kDigits, 3, 1>, few_columns<kDigits, 4, 1>,
    few_columns<kDigits, 5, 1>, few_columns<kDigits, 6, 1>, few_columns<kDigits, 7, 1>, few_columns<kDigits, 8, 1>};
template <int kDigits, int kShares>
constexpr FewFn kBothHalves[kMostSums / 2] = {few_columns<kDigits, 1, 2, kShares>, few_columns<kDigits, 2, 2, kShares>,
                                              few_columns<kDigits, 3, 2, kShares>, few_columns<kDigits, 4, 2, kShares>};
template <int kDigits>
const FewFn* both_halves(int64_t shares) {
  return shares == 1 ? kBothHalves<kDigits, 1> : kBothHalves<kDigits, 2>;
}

// B streams by. A few rows meet all columns of a piece of it, the others follow while that is in the first-level cache.
void multiply_stream(const SplitTile& t, int64_t rows, const SplitColumns& columns) {
  constexpr int64_t kWhole = 16;  // lines of each fetch that make a block
  constexpr int64_t kUnfetchedRows = 2, kOneBlockRows = 5, kMostRows = kMostSums / 2, kMostShares = 2;
  static const int64_t unfetched_rows = cpu_fetches_best_alone() ? kUnfetchedRows : 0;
  const int64_t passes = (rows + kMostRows - 1) / kMostRows, block_bytes = split_panel_bytes(t.b_digits);
  const int64_t shares = std::min(passes, kMostShares), piece = passes == 1 ? t.blocks : rows > kOneBlockRows ? 2 : 1;
  const FewFn* both =
      t.b_digits == kSplitDigits ? both_halves<kSplitDigits>(shares) : both_halves<kSplitDigits - 1>(shares);
  SplitTile part = t;
  for (int64_t block = 0; block == 0 || block < t.blocks; block += piece) {
    part.b = t.b + block * block_bytes;
    part.blocks = std::min(piece, t.blocks - block);
    part.accumulate = t.accumulate || block > 0;
    for (int64_t pass = 0; pass < passes; ++pass) {
      const int64_t first = rows * pass / passes, count = rows * (pass + 1) / passes - first;
      part.a = t.a + block * kSplitGroupBytes + first * kRow;
      part.sums = t.sums + first * kSplitColumns;
      part.fetch_lines = rows <= unfetched_rows || pass >= shares ? 0 : kWhole / shares;
      part.ahead[0] = part.b + (passes > 1 ? piece : 1) * block_bytes + pass * block_bytes / shares;
      both[count - 1](part, columns, 0);
    }
  }
}

void multiply_few(const SplitTile& t, int64_t rows, const SplitColumns& columns) {
  if (t.stacked > 0) return multiply_stream(t, rows, columns);
  SplitTile part = t;
  const FewFn* halves = t.b_digits == kSplitDigits ? kOneHalf<kSplitDigits> : kOneHalf<kSplitDigits - 1>;
  const int64_t passes = (rows + kMostSums - 1) / kMostSums;
  for (int64_t half = 0; half < 2; ++half) {
    part.fetch_lines = t.fetch_lines;
    for (int64_t pass = 0; pass < passes; ++pass) {
      const int64_t first = rows * pass / passes, count = rows * (pass + 1) / passes - first;
      part.a = t.a + first * kRow;
      part.sums = t.sums + first * kSplitColumns;
      halves[count - 1](part, columns, half);
      part.fetch_lines = 0;
    }
  }
}

SDX_VNNI int32_t multiply_digit(const std::byte* a, bool offset, const std::byte* b, int64_t blocks) {
  const __m512i flip = flip_of(offset), ones = _mm512_set1_epi8(1);
  __m512i sum = _mm512_setzero_si512(), surplus = sum;
  for (int64_t block = 0; block < blocks; ++block, a += kSplitGroupBytes, b += kSplitDepth) {
    const __m512i x = _mm512_xor_si512(_mm512_loadu_si512(a), flip), w = _mm512_loadu_si512(b);
    sum = _mm512_dpbusd_epi32(sum, x, w);
    surplus = _mm512_dpbusd_epi32(surplus, ones, w);
  }
  return _mm512_reduce_add_epi32(_mm512_sub_epi32(sum, _mm512_slli_epi32(surplus, 7)));
}

SDX_VNNI void combine(const SplitParts& parts, float* to) {
  SplitCombiner combiner(parts, to);
  while (combiner.left() > 0) combiner.row();
}

bool usable() {
  return __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl") &&
         __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vnni");
}

}  // namespace

const SplitKernels* vnni_split_kernels() {
  static const SplitKernels kernels = [] {
    SplitKernels all = {};
    all.largest = largest;
    all.largest_columns = largest_columns;
    all.pack_rows = pack_rows;
    all.pack_block = pack_block;
    all.pack_pixels = pack_pixels;
    all.multiply_few = multiply_few;
    all.combine = combine;
    all.multiply_digit = multiply_digit;
    all.turn = turn;
    return all;
  }();
  static const bool available = usable();
  return available ? &kernels : nullptr;
}

}  // namespace sdx::kernels
#else
namespace sdx::kernels {
const SplitKernels* vnni_split_kernels() { return nullptr; }
}  // namespace sdx::kernels
#endif
