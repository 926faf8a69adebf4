// transpose_block: square tiles in vectors or half vectors of 16 bytes.
#include "kernels/transpose.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "hwy/cache_control.h"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace sdx::kernels::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

struct Word16 {
  uint64_t low, high;
};

/// Rows [r0, r1) and columns [c0, c1), element by element.
template <class Word>
HWY_INLINE void by_elements(char* to, int64_t to_stride, const char* from, int64_t from_stride, Extent2 first,
                            Extent2 last) {
  constexpr int64_t kBytes = sizeof(Word);
  for (int64_t r = first.rows; r < last.rows; ++r) {
    for (int64_t c = first.cols; c < last.cols; ++c) {
      Word w;
      std::memcpy(&w, from + (c * from_stride + r) * kBytes, kBytes);
      std::memcpy(to + (r * to_stride + c) * kBytes, &w, kBytes);
    }
  }
}

/// Rows and columns of a square tile.
template <class Word>
inline constexpr int64_t kSide = 16 / sizeof(Word);

#if HWY_TARGET <= HWY_AVX2
inline constexpr int64_t kMostBlocks = 2;  ///< of 16 bytes in a vector
#else
inline constexpr int64_t kMostBlocks = 1;
#endif

/// kSide rows of kBlocks vectors of 16 bytes, one square tile in each. Interleaving row i with row i + n/2 moves the
/// top bit of the row number to the bottom of the lane number; log2(n) rounds exchange the two numbers.
template <class Word, int64_t kBlocks>
HWY_INLINE void tile(char* to, int64_t to_stride, const char* from, int64_t from_stride) {
  constexpr int64_t kBytes = sizeof(Word), kRows = kSide<Word>;
  const hn::FixedTag<Word, kRows * kBlocks> d;
  const hn::Full128<Word> block;
  hn::Vec<decltype(d)> rows[kRows], next[kRows];
  const auto load = [&](int64_t c) {
    return hn::LoadU(block, reinterpret_cast<const Word*>(from + c * from_stride * kBytes));
  };
  for (int64_t i = 0; i < kRows; ++i) {
    if constexpr (kBlocks == 2) {
      rows[i] = hn::Combine(d, load(kRows + i), load(i));
    } else {
      rows[i] = load(i);
    }
  }
  for (int64_t round = 1; round < kRows; round *= 2) {
    for (int64_t i = 0; i < kRows / 2; ++i) {
      next[2 * i] = hn::InterleaveLower(d, rows[i], rows[i + kRows / 2]);
      next[2 * i + 1] = hn::InterleaveUpper(d, rows[i], rows[i + kRows / 2]);
    }
    for (int64_t i = 0; i < kRows; ++i) rows[i] = next[i];
  }
  for (int64_t i = 0; i < kRows; ++i) hn::StoreU(rows[i], d, reinterpret_cast<Word*>(to + i * to_stride * kBytes));
}

/// Whether 16 lines of the source fight for places in a cache, and harder than those of the target do: the higher the
/// power of two in a stride, the fewer places there are for its lines.
inline bool source_fights(int64_t to_bytes, int64_t from_bytes) {
  const int from = std::countr_zero(static_cast<uint64_t>(from_bytes));
  return from >= 11 && from >= std::countr_zero(static_cast<uint64_t>(to_bytes));
}

/// Tiles through bands of rows that are a cache line wide in the source. Either few columns go through the band, so
/// that each line of the source is read at once, or as many as make whole lines of the target. The last tiles of a band
/// and the last rows overlap those before.
template <class Word>
void tiles(char* to, int64_t to_stride, const char* from, int64_t from_stride, Extent2 extent) {
  constexpr int64_t kBytes = sizeof(Word), kRows = kSide<Word>, kWide = kMostBlocks * kRows;
  constexpr int64_t kLine = 64 / kBytes, kAhead = 32;
  if (extent.rows < kRows || extent.cols < kRows) {
    return by_elements<Word>(to, to_stride, from, from_stride, {0, 0}, extent);
  }
  const auto tile_at = [&]<int64_t kBlocks>(int64_t r, int64_t c) {
    const int64_t row = std::min(r, extent.rows - kRows);
    tile<Word, kBlocks>(to + (row * to_stride + c) * kBytes, to_stride, from + (c * from_stride + row) * kBytes,
                        from_stride);
  };
  const int64_t group = source_fights(to_stride * kBytes, from_stride * kBytes) ? kWide : kLine;
  const int64_t wide_cols = extent.cols / kWide * kWide;
  for (int64_t r0 = 0; r0 < extent.rows; r0 += kLine) {
    const int64_t r1 = std::min(extent.rows, r0 + kLine);
    for (int64_t c0 = 0; c0 < wide_cols; c0 += group) {
      const int64_t c1 = std::min(wide_cols, c0 + group);
      for (int64_t c = c0 + kAhead; c < std::min(extent.cols, c1 + kAhead); ++c)
        hwy::Prefetch(from + (c * from_stride + r0) * kBytes);
      for (int64_t r = r0; r < r1; r += kRows) {
        for (int64_t c = c0; c < c1; c += kWide) tile_at.template operator()<kMostBlocks>(r, c);
      }
    }
    for (int64_t c = wide_cols; c < extent.cols; c += kRows) {
      for (int64_t r = r0; r < r1; r += kRows) tile_at.template operator()<1>(r, std::min(c, extent.cols - kRows));
    }
  }
}

/// Elements as wide as a vector: blocks alone.
template <class Word>
void blocks(char* to, int64_t to_stride, const char* from, int64_t from_stride, Extent2 extent) {
  constexpr int64_t kBlock = 16;
  for (int64_t r = 0; r < extent.rows; r += kBlock) {
    for (int64_t c = 0; c < extent.cols; c += kBlock) {
      by_elements<Word>(to, to_stride, from, from_stride, {r, c},
                        {std::min(extent.rows, r + kBlock), std::min(extent.cols, c + kBlock)});
    }
  }
}

void transpose_block(void* to, int64_t to_stride, const void* from, int64_t from_stride, Extent2 extent, int bytes) {
  char* target = static_cast<char*>(to);
  const char* source = static_cast<const char*>(from);
  switch (bytes) {
    case 1: return tiles<uint8_t>(target, to_stride, source, from_stride, extent);
    case 2: return tiles<uint16_t>(target, to_stride, source, from_stride, extent);
    case 4: return tiles<uint32_t>(target, to_stride, source, from_stride, extent);
    case 8: return tiles<uint64_t>(target, to_stride, source, from_stride, extent);
    default: return blocks<Word16>(target, to_stride, source, from_stride, extent);
  }
}

}  // namespace sdx::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace sdx::kernels {
HWY_EXPORT(transpose_block);
void transpose_block(void* to, int64_t to_stride, const void* from, int64_t from_stride, Extent2 extent, int bytes) {
  HWY_DYNAMIC_DISPATCH(transpose_block)(to, to_stride, from, from_stride, extent, bytes);
}
}  // namespace sdx::kernels
#endif
