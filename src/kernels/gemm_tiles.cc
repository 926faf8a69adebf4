// Gemm tiles: register-blocked outer products over packed panels, one body for every instruction set.
#include "kernels/gemm_tiles.h"

#include "base/cpu.h"
#include "hwy/cache_control.h"

#include "hwy/foreach_target.h"
#include "hwy/highway.h"
#include "kernels/register-inl.h"

HWY_BEFORE_NAMESPACE();
namespace sdx::kernels::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

using D = hn::ScalableTag<float>;
using V = hn::Vec<D>;

constexpr int kVectors = 2;
constexpr int kColumns = kVectors * static_cast<int>(HWY_MAX_BYTES / sizeof(float));
constexpr int kLine = 64;
constexpr int kRegisters = HWY_TARGET == HWY_AVX3 || HWY_TARGET == HWY_NEON ? 32 : 16;
// With more rows, or narrower vectors, a depth takes so long that the hardware does not ask for memory early enough.
constexpr int kUnfetchedRows = kRegisters == 32 ? 5 : 0, kUnfetchedPanels = 2;

HWY_INLINE V load(const float* p) { return hn::LoadU(D(), p); }
HWY_INLINE V load(const hwy::float16_t* p) { return hn::PromoteTo(D(), hn::LoadU(hn::Rebind<hwy::float16_t, D>(), p)); }
HWY_INLINE V load(const hwy::bfloat16_t* p) {
  return hn::PromoteTo(D(), hn::LoadU(hn::Rebind<hwy::bfloat16_t, D>(), p));
}

// Into the second-level cache only.
HWY_INLINE void fetch_ahead(const char* line) {
#if HWY_COMPILER_GCC || HWY_COMPILER_CLANG
  __builtin_prefetch(line, 0, 2);
#else
  (void)line;
#endif
}

template <int kRows, int kWidth>
HWY_INLINE void store_outputs(const TileStore& to, V (&acc)[kRows][kWidth]) {
  const D d;
  const V least = hn::Set(d, to.least);
#pragma GCC unroll 16
  for (int i = 0; i < kRows; ++i) {
    const V bias = hn::Set(d, to.row_bias == nullptr ? 0.0f : to.row_bias[i]);
    const int64_t row = i * to.c_stride;
    const float* const residual = to.residual == nullptr ? nullptr : to.residual + i * to.residual_stride;
#pragma GCC unroll 16
    for (int j = 0; j < kWidth; ++j) {
      // x86 returns the second operand for NaN.
      const int64_t column = j * static_cast<int64_t>(hn::Lanes(d));
      V v = hn::Add(acc[i][j], bias);
      if (residual != nullptr && to.least_last) v = hn::Add(v, hn::LoadU(d, residual + column));
      v = hn::Max(least, v);
      if (residual != nullptr && !to.least_last) v = hn::Add(v, hn::LoadU(d, residual + column));
      hn::StoreU(v, d, to.c + row + column);
    }
  }
}

// kUsed: vectors of each panel that are computed; the layout of B and acc is that of whole panels. kApart: depths of B
// lie at args.b_offsets.
template <class T, int kRows, int kPanels, int kUsed = kVectors, bool kApart = false>
void tile(const TileArgs& args) {
  constexpr int kWidth = kPanels * kUsed;
  const D d;
  const int lanes = static_cast<int>(hn::Lanes(d));
  constexpr int kPanelBytes = kColumns / kVectors * kUsed * static_cast<int>(sizeof(T));
  constexpr int kAhead = 2048 / kPanelBytes;
  V acc[kRows][kWidth];
#pragma GCC unroll 16
  for (int i = 0; i < kRows; ++i) {
#pragma GCC unroll 16
    for (int j = 0; j < kWidth; ++j) {
      const float* at = args.acc + j / kUsed * args.acc_stride + (i * kVectors + j % kUsed) * lanes;
      acc[i][j] = args.accumulate ? hn::LoadU(d, at) : hn::Zero(d);
    }
  }
  const float* HWY_RESTRICT a = args.a;
  const int64_t a_stride = args.a_stride;
  const int64_t b_stride = args.b_stride;
  const T* b[kPanels];
#pragma GCC unroll 4
  for (int j = 0; j < kPanels; ++j) b[j] = static_cast<const T*>(args.b) + j * args.panel_stride;
  const T* const b_begin = b[0];
  const bool fetches = !args.unfetched && !kApart;
  const int64_t ahead_step = args.ahead_step;
  const char* ahead = args.ahead != nullptr ? args.ahead : static_cast<const char*>(args.b);
  for (int64_t p = 0; p < args.k; ++p) {
    // Several panels are streams that the hardware follows well. Where a depth has less than a line of what comes next,
    // a line is asked for once, in the last of its depths.
    if constexpr (kPanels == 1) {
      const char* const further = ahead + ahead_step;
      if ((reinterpret_cast<uintptr_t>(ahead) ^ reinterpret_cast<uintptr_t>(further)) >= kLine) {
        fetch_ahead(ahead);
        if (kPanelBytes > kLine && ahead_step > kLine) fetch_ahead(ahead + kLine);
      }
      ahead = further;
    }
#pragma GCC unroll 4
    for (int j = 0; j < kPanels; ++j) {
      if constexpr (kApart) b[j] = b_begin + args.b_offsets[p];
      V column[kUsed];
#pragma GCC unroll 2
      for (int u = 0; u < kUsed; ++u) {
        column[u] = load(b[j] + u * lanes);
        if constexpr (kRows > 1 && kRows <= 3) keep_in_register(column[u]);
      }
      const char* soon = reinterpret_cast<const char*>(b[j] + kAhead * b_stride);
      if (fetches) {
        for (int line = 0; line < kPanelBytes; line += kLine) hwy::Prefetch(soon + line);
      }
#pragma GCC unroll 16
      for (int i = 0; i < kRows; ++i) {
        const V value = hn::Set(d, a[i]);
#pragma GCC unroll 2
        for (int u = 0; u < kUsed; ++u) {
          acc[i][j * kUsed + u] = hn::MulAdd(value, column[u], acc[i][j * kUsed + u]);
        }
      }
      if constexpr (!kApart) b[j] += b_stride;
    }
    a += a_stride;
  }
  if constexpr (kUsed == kVectors) {
    if (args.store != nullptr) return store_outputs<kRows, kWidth>(*args.store, acc);
  }
#pragma GCC unroll 16
  for (int i = 0; i < kRows; ++i) {
#pragma GCC unroll 16
    for (int j = 0; j < kWidth; ++j) {
      hn::StoreU(acc[i][j], d, args.acc + j / kUsed * args.acc_stride + (i * kVectors + j % kUsed) * lanes);
    }
  }
}

template <int kRows, int kPanels>
void add_tile(GemmTiles& tiles) {
  tiles.tile[static_cast<int>(WeightType::kF32)][kRows][kPanels - 1] = &tile<float, kRows, kPanels>;
  tiles.tile[static_cast<int>(WeightType::kF16)][kRows][kPanels - 1] = &tile<hwy::float16_t, kRows, kPanels>;
  tiles.tile[static_cast<int>(WeightType::kBf16)][kRows][kPanels - 1] = &tile<hwy::bfloat16_t, kRows, kPanels>;
  if constexpr (kPanels == 1) {
    tiles.half[kRows] = &tile<float, kRows, 1, kVectors / 2>;
    tiles.apart[kRows] = &tile<float, kRows, 1, kVectors, true>;
    tiles.half_apart[kRows] = &tile<float, kRows, 1, kVectors / 2, true>;
  }
  if (kRows > tiles.rows) tiles.rows = kRows;
}

template <int kCount>
GemmTiles make_tiles() {
  GemmTiles tiles = {};
  tiles.name = hwy::TargetName(HWY_TARGET);
  tiles.panel_columns = kColumns;
  if (cpu_fetches_best_alone()) {
    tiles.unfetched_rows = kUnfetchedRows;
    tiles.unfetched_panels = kUnfetchedPanels;
  }
#define SDX_GEMM_TILE(registers, rows, panels) \
  if constexpr (kCount == registers) add_tile<rows, panels>(tiles);
#include "kernels/gemm_tiles.inc"
#undef SDX_GEMM_TILE
  return tiles;
}

const GemmTiles& target_tiles() {
  static const GemmTiles tiles = make_tiles<kRegisters>();
  return tiles;
}

}  // namespace sdx::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace sdx::kernels {
namespace {
HWY_EXPORT(target_tiles);
}
const GemmTiles& gemm_tiles() { return HWY_DYNAMIC_DISPATCH(target_tiles)(); }
}  // namespace sdx::kernels
#endif
