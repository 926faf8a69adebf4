// transpose_block: square tiles in vectors of 16 bytes.
#include "kernels/transpose.h"

#include <algorithm>
#include <cstring>

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

/// A square tile of one vector of 16 bytes a row. Interleaving row i with row i + n/2 moves the top bit of the row
/// number to the bottom of the lane number; log2(n) rounds exchange the two numbers.
template <class Word>
HWY_INLINE void tile(char* to, int64_t to_stride, const char* from, int64_t from_stride) {
  constexpr int64_t kBytes = sizeof(Word);
  constexpr int kSide = 16 / sizeof(Word);
  const hn::Full128<Word> d;
  hn::Vec<decltype(d)> rows[kSide], next[kSide];
  for (int i = 0; i < kSide; ++i)
    rows[i] = hn::LoadU(d, reinterpret_cast<const Word*>(from + i * from_stride * kBytes));
  for (int round = 1; round < kSide; round *= 2) {
    for (int i = 0; i < kSide / 2; ++i) {
      next[2 * i] = hn::InterleaveLower(d, rows[i], rows[i + kSide / 2]);
      next[2 * i + 1] = hn::InterleaveUpper(d, rows[i], rows[i + kSide / 2]);
    }
    for (int i = 0; i < kSide; ++i) rows[i] = next[i];
  }
  for (int i = 0; i < kSide; ++i) hn::StoreU(rows[i], d, reinterpret_cast<Word*>(to + i * to_stride * kBytes));
}

/// Tiles in blocks whose rows and columns stay in the first cache, then the rest.
template <class Word>
void tiles(char* to, int64_t to_stride, const char* from, int64_t from_stride, Extent2 extent) {
  constexpr int64_t kBytes = sizeof(Word), kSide = 16 / sizeof(Word);
  constexpr int64_t kBlock = kSide < 8 ? 32 : 64;
  const int64_t rows = extent.rows / kSide * kSide, cols = extent.cols / kSide * kSide;
  for (int64_t r0 = 0; r0 < rows; r0 += kBlock) {
    for (int64_t c0 = 0; c0 < cols; c0 += kBlock) {
      for (int64_t r = r0; r < std::min(rows, r0 + kBlock); r += kSide) {
        for (int64_t c = c0; c < std::min(cols, c0 + kBlock); c += kSide) {
          tile<Word>(to + (r * to_stride + c) * kBytes, to_stride, from + (c * from_stride + r) * kBytes, from_stride);
        }
      }
    }
  }
  by_elements<Word>(to, to_stride, from, from_stride, {0, cols}, {rows, extent.cols});
  by_elements<Word>(to, to_stride, from, from_stride, {rows, 0}, extent);
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
