// Split products: floats as sums of two bfloat16, multiplied by the machine's matrix units.
//
// x = hi + lo with hi = bfloat16(x) and lo = bfloat16(x - hi) keeps 16 bits of the fraction. Three of the four products
// are summed in float32: A B = Ahi Bhi + Alo Bhi + Ahi Blo. What is dropped and rounded away is at most 2^-16 |a b| for
// each term, so that the error of a sum of k terms, which is random, is that of a float32 sum of about a thousand.
// Elements are one chain over k in blocks of kSplitDepth, whatever the plan and the threads. Up to kSplitFewRows rows of A
// are multiplied as they are, by vector instructions. Infinities and NaN take a slower path with float32's own results.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/gemm.h"

namespace sdx::kernels {

inline constexpr int64_t kSplitRows = 16;     ///< most rows of a group
inline constexpr int64_t kSplitFewRows = 4;   ///< up to so many rows of A, vector instructions read B faster
inline constexpr int64_t kSplitDepth = 32;    ///< depths of a block
inline constexpr int64_t kSplitColumns = 32;  ///< columns of a panel
inline constexpr int64_t kSplitTileBytes = 1024;
/// A block of a group of A: its high halves, then its low ones.
inline constexpr int64_t kSplitGroupBytes = 2 * kSplitTileBytes;
/// A block of a panel of B: high halves of both tiles of columns, then their low ones.
inline constexpr int64_t kSplitPanelBytes = 4 * kSplitTileBytes;

inline int64_t split_blocks(int64_t k) { return (k + kSplitDepth - 1) / kSplitDepth; }

/// Rows of A in groups of one height, at most kSplitRows.
struct SplitGroups {
  int64_t count;
  int64_t height;
  explicit SplitGroups(int64_t m)
      : count((m + kSplitRows - 1) / kSplitRows), height(count == 0 ? 0 : (m + count - 1) / count) {
    if (height > 0) count = (m + height - 1) / height;
  }
};

/// Operands of one step: acc[group][rows][columns] (+)= A[group] B[panel].
struct SplitTile {
  const std::byte* a;          ///< high halves of the first row of the first group
  int64_t a_row_bytes;         ///< between rows
  int64_t a_low_bytes;         ///< from high halves to low ones
  int64_t a_group_bytes;       ///< between groups
  const int64_t* a_blocks;     ///< bytes from `a` to each block of depth; null: kSplitGroupBytes apart
  const std::byte* b;          ///< first block of the first panel
  int64_t b_panel_bytes;       ///< between panels
  int64_t blocks;              ///< of depth
  float* acc;                  ///< first group, first panel
  int64_t acc_row_bytes;       ///< between rows
  int64_t acc_group;           ///< floats between groups
  int64_t acc_panel;           ///< floats between panels
  bool accumulate;             ///< add to acc instead of starting from zero
  const std::byte* ahead;      ///< what to fetch into the cache meanwhile: ahead_lines lines a block
  int ahead_lines;
};

/// A step over groups that gemm_split_a or SplitKernels::pack_rows made.
inline SplitTile split_tile() {
  SplitTile tile = {};
  tile.a_row_bytes = 64;
  tile.a_low_bytes = kSplitTileBytes;
  tile.acc_row_bytes = kSplitColumns * static_cast<int64_t>(sizeof(float));
  return tile;
}

/// Rows of A that make a group: `count` of them, and zeros up to its height.
struct SplitRows {
  const float* a;
  int64_t stride;
  int64_t count;
  int64_t height;
};

/// Neighbouring pixels of a plane, each packed as kSplitDepth high halves and as many low ones, one channel after the
/// other; zeros beyond the channels and outside the plane's row.
struct SplitPixels {
  const float* row;         ///< of the first channel, or null for zeros
  int64_t channel_stride;
  int64_t channels;
  int64_t first, count;     ///< pixels [first, first + count) of the row, which may begin before it and end beyond
  int64_t width;            ///< of the row
};
inline constexpr int64_t kSplitPixelBytes = 2 * kSplitDepth * 2;

/// What one instruction set has to give.
struct SplitKernels {
  /// Packs depths [0, k) as blocks of a group, zeros beyond.
  void (*pack_rows)(const SplitRows& rows, int64_t k, std::byte* packed);
  /// Packs two rows of depth of a panel of B, each kSplitColumns floats long: row `pair` of a block at `packed`.
  void (*pack_pair)(const float* even, const float* odd, int64_t pair, std::byte* packed);
  /// Packs pixels of at most kSplitDepth channels.
  void (*pack_pixels)(const SplitPixels& pixels, std::byte* packed);
  /// to[column * stride + row] = from[row * kSplitColumns + column] for all columns and rows up to the next multiple of 16.
  void (*turn)(const float* from, int64_t rows, float* to, int64_t stride);
  /// Brackets all uses of the matrix units on a thread; groups of `height` rows.
  void (*begin)(int64_t height);
  void (*end)();
  void (*two_groups)(const SplitTile& tile);  ///< 2 groups, 1 panel
  void (*two_panels)(const SplitTile& tile);  ///< 1 group, 2 panels
  void (*one)(const SplitTile& tile);         ///< 1 group, 1 panel
  bool (*all_finite)(const float* x, int64_t stride, int64_t rows, int64_t columns);
  /// acc[rows.count][kSplitColumns] = up to kSplitFewRows rows of A, as they are, times the sums of the halves of a panel of
  /// B; the result is NaN where a weight is infinite.
  void (*few_rows)(const SplitRows& rows, const std::byte* b, int64_t k, float* acc);
  /// acc[kSplitColumns] = row of A [k] times a panel of B, in float32.
  void (*plain_row)(const float* a, int64_t column_stride, const std::byte* b, int64_t k, float* acc);
};

/// Those of the active instruction set; null where it has no matrix units.
const SplitKernels* split_kernels();
/// Those of AMX with bfloat16; null where this machine or its system lacks it.
const SplitKernels* amx_split_kernels();

/// Packs kSplitDepth rows of depth (zeros where B ends) of a panel of B as one block.
inline void split_pack_block(const SplitKernels& kernels, const float* rows, int64_t stride, std::byte* packed) {
  for (int64_t pair = 0; pair < kSplitDepth / 2; ++pair) {
    kernels.pack_pair(rows + 2 * pair * stride, rows + (2 * pair + 1) * stride, pair, packed);
  }
}

/// gemm_plan, gemm_run and packing for WeightType::kSplit.
GemmPlan split_plan(const Gemm& gemm, int threads);
void split_run(const Gemm& gemm, const GemmPlan& plan, int64_t tile_begin, int64_t tile_end, void* scratch);
void split_pack_b(const WeightView& b, int64_t k, int64_t n, int64_t panel_begin, int64_t panel_end, void* packed);

}  // namespace sdx::kernels
