// transpose_block: tiles of 4-byte elements in vectors, other widths in blocks that stay in the first cache.
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

/// 4 x 4 tiles of 4-byte elements by two rounds of interleaving.
HWY_INLINE void tile_4x4(char* to, int64_t to_stride, const char* from, int64_t from_stride) {
  const hn::Full128<uint32_t> d;
  const hn::Repartition<uint64_t, decltype(d)> dw;
  const auto row = [&](int64_t i) {
    return hn::LoadU(d, reinterpret_cast<const uint32_t*>(from + i * from_stride * 4));
  };
  const auto a = row(0), b = row(1), c = row(2), e = row(3);
  const auto ab_low = hn::BitCast(dw, hn::InterleaveLower(d, a, b));
  const auto ce_low = hn::BitCast(dw, hn::InterleaveLower(d, c, e));
  const auto ab_high = hn::BitCast(dw, hn::InterleaveUpper(d, a, b));
  const auto ce_high = hn::BitCast(dw, hn::InterleaveUpper(d, c, e));
  const auto put = [&](int64_t i, auto v) {
    hn::StoreU(hn::BitCast(d, v), d, reinterpret_cast<uint32_t*>(to + i * to_stride * 4));
  };
  put(0, hn::InterleaveLower(dw, ab_low, ce_low));
  put(1, hn::InterleaveUpper(dw, ab_low, ce_low));
  put(2, hn::InterleaveLower(dw, ab_high, ce_high));
  put(3, hn::InterleaveUpper(dw, ab_high, ce_high));
}

void words4(char* to, int64_t to_stride, const char* from, int64_t from_stride, Extent2 extent) {
  constexpr int64_t kBlock = 32;
  const int64_t rows = extent.rows / 4 * 4, cols = extent.cols / 4 * 4;
  for (int64_t r0 = 0; r0 < rows; r0 += kBlock) {
    for (int64_t c0 = 0; c0 < cols; c0 += kBlock) {
      for (int64_t r = r0; r < std::min(rows, r0 + kBlock); r += 4) {
        for (int64_t c = c0; c < std::min(cols, c0 + kBlock); c += 4) {
          tile_4x4(to + (r * to_stride + c) * 4, to_stride, from + (c * from_stride + r) * 4, from_stride);
        }
      }
    }
  }
  by_elements<uint32_t>(to, to_stride, from, from_stride, {0, cols}, {rows, extent.cols});
  by_elements<uint32_t>(to, to_stride, from, from_stride, {rows, 0}, extent);
}

template <class Word>
void words(char* to, int64_t to_stride, const char* from, int64_t from_stride, Extent2 extent) {
  constexpr int64_t kBlock = 64 / sizeof(Word) < 16 ? 16 : 64 / sizeof(Word);
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
    case 1: return words<uint8_t>(target, to_stride, source, from_stride, extent);
    case 2: return words<uint16_t>(target, to_stride, source, from_stride, extent);
    case 4: return words4(target, to_stride, source, from_stride, extent);
    case 8: return words<uint64_t>(target, to_stride, source, from_stride, extent);
    default: return words<Word16>(target, to_stride, source, from_stride, extent);
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
