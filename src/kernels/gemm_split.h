// Split products: floats as fixed-point numbers of three signed bytes, multiplied exactly by the machine's matrix units
// or, few rows at a time, by vector instructions on bytes.
//
// A row of A, or a column of B, has one power of two as its scale, so that x = scale (d0 + d1 2^-8 + d2 2^-16) with
// digits in [-128, 127]: 24 bits for its largest element. Of the nine products of digits the six of the highest weight
// are summed as integers: d0 d0; d0 d1 + d1 d0; d0 d2 + d1 d1 + d2 d0. With elements of similar magnitude the error is
// that of a chain of float32 multiply-adds; the bound is 2^-22 k max|a_i| max|b_j|. Integer sums do not depend on any
// order: results do not depend on m, the plan or the threads. Rows with infinities or NaN take a slower path with
// float32's own results; a column of B with one gives NaN.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/parallel.h"
#include "kernels/gemm.h"

namespace sdx::kernels {

inline constexpr int64_t kSplitRows = 16;     ///< most rows of a group
inline constexpr int64_t kSplitDepth = 64;    ///< depths of a block
inline constexpr int64_t kSplitColumns = 32;  ///< columns of a panel
inline constexpr int64_t kSplitDigits = 3;
inline constexpr int64_t kSplitTileBytes = 1024;
/// Sums of products of digits must fit 32 bits.
inline constexpr int64_t kSplitMostDepth = 32768;
/// Depths p, p + 16, p + 32 and p + 48 of a block lie side by side, as four bytes.
inline constexpr int64_t kSplitQuads = kSplitDepth / 4;
/// A block of a group of A: a tile for each digit, the highest first.
inline constexpr int64_t kSplitGroupBytes = kSplitDigits * kSplitTileBytes;
/// A block of a panel of B: for each digit two tiles of 16 columns.
inline constexpr int64_t kSplitPanelBytes = 2 * kSplitDigits * kSplitTileBytes;
/// Of a panel of which `digits` digits lie together.
inline constexpr int64_t split_panel_bytes(int64_t digits) { return 2 * digits * kSplitTileBytes; }
/// How the tiles of a block of B lie. Matrix units take one tile after the other, vectors one row of every tile after
/// the other: either way B goes by in one rising order.
struct SplitLayout {
  int64_t quad = 64;                    ///< bytes between the rows of a tile, four depths each
  int64_t half = kSplitTileBytes;       ///< between the tiles of 16 columns
  int64_t digit = 2 * kSplitTileBytes;  ///< between the tiles of digits

  static constexpr SplitLayout of_vectors(int64_t digits) { return {2 * digits * 64, digits * 64, 64}; }
};
/// Times that a block of one half of the columns fetches lines, between its products, for that many digits of B.
inline constexpr int64_t split_fetches(int64_t digits) { return 2 * digits; }
/// What stands before the blocks of a panel: for each of its columns the scale and the sums of its digits.
struct SplitColumns {
  float scales[kSplitColumns];
  int32_t sums[kSplitDigits][kSplitColumns];
};

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

/// Digits of a group of A that stand below each other in one tile where B streams by: with few rows a tile has room
/// for the rows of several digits, and one matrix instruction multiplies them all by a tile of B. A digit one place
/// further down falls on the sums of the next lower weight, and rows of zeros stand where a digit has no product:
///
///   digits   rows of a block            tile of A with B's highest digit   with its middle one   with its lowest
///   3        0 0 d0 d1 d2               d0 d1 d2                           0 d0 d1               0 0 d0
///   2        0 d0 d1 0 d2               d0 d1, and 0 d2                    d0 d1                 0 d0
///   1        the digits a tile apart    d0, d1 and d2                      d0 and d1             d0
///
/// With two digits the first tile makes the sums of the higher weights, all others those of the lower ones.
struct SplitStack {
  int64_t digits = 1;
  int64_t height = kSplitRows;  ///< of the group

  SplitStack() = default;
  explicit SplitStack(int64_t rows) : digits(rows <= 5 ? 3 : rows <= 8 ? 2 : 1), height(rows) {}

  /// Bytes from a block to `places` times the rows of the group.
  int64_t at(int64_t places) const { return places * height * kSplitDepth; }
  /// Bytes from a block to the rows of a digit.
  int64_t digit_at(int64_t digit) const {
    return digits == 1 ? digit * kSplitTileBytes : digits == 3 ? at(2 + digit) : at(digit < 2 ? 1 + digit : 4);
  }
  /// Where the two groups of rows of zeros begin; none with one digit.
  int64_t zeros_at(int64_t which) const { return which == 0 ? 0 : at(digits == 3 ? 1 : 3); }
  /// Elements of the sums from the highest weight to the others.
  int64_t middle() const { return (digits == 1 ? kSplitRows : height) * kSplitColumns; }
  int64_t low() const { return (digits == 1 ? 2 * kSplitRows : digits == 2 ? 3 * height : 2 * height) * kSplitColumns; }
};

/// Sums of products of one group and one panel, by weight.
using SplitSums = int32_t[kSplitDigits][kSplitRows][kSplitColumns];

/// Rows of SplitSums from one on, the scales of the same rows and of the columns, and what becomes of their products.
struct SplitParts {
  const int32_t* sums;
  int64_t rows;
  const float* row_scales;
  const float* column_scales;
  bool add = false;                   ///< to what is there
  int64_t to_stride = kSplitColumns;  ///< floats between rows of the result
  float alpha = 1;                    ///< factor of the sums with their scales
  const float* bias = nullptr;        ///< [kSplitColumns], added; or null
  const float* residual = nullptr;    ///< [rows][kSplitColumns], added last; or null
  int64_t residual_stride = 0;
  int64_t middle = kSplitRows * kSplitColumns, low = 2 * middle;  ///< elements from the highest sums to the others
};

/// Blocks of B that are on their way into the second-level cache where nothing but reading it takes time.
inline constexpr int64_t kSplitAhead = 2;

/// Operands of one step: sums[rows][columns] = A[group] B[panel] over all blocks of depth.
struct SplitTile {
  const std::byte* a;       ///< highest digits of the first row
  int64_t a_row_bytes;      ///< between rows
  int64_t a_digit_bytes;    ///< between digits
  const int64_t* a_blocks;  ///< bytes from `a` to each block of depth; null: kSplitGroupBytes apart
  const std::byte* b;       ///< first block
  int64_t b_digits;         ///< that it has, and that are multiplied: kSplitDigits, or one less
  int64_t blocks;
  bool accumulate;  ///< to the sums, instead of starting from zero
  int64_t stacked;  ///< 0, or SplitStack::digits of A where B is read once: as it lies, with nothing else fetched
  int64_t height;   ///< rows of a group that are stacked
  int32_t* sums;    ///< SplitSums
  /// What each half of the columns fetches into the cache meanwhile: split_fetches() * fetch_lines lines for each
  /// block, split_panel_bytes() apart.
  const std::byte* ahead[2];
  int64_t fetch_lines;  ///< 0 or a power of two up to 16
  SplitParts before;    ///< sums of an earlier step, which are combined between the products of this one; or no rows
  float* before_to;
  bool (*meanwhile)(void* context);  ///< null, or called between products once nothing of `before` is left, until false
  void* context;
};

/// Rows of A that make a group: `count` of them, and zeros up to its height. `offset`: digits are stored with 128
/// added, as SplitKernels::multiply_few wants them.
struct SplitRows {
  const float* a;
  int64_t stride;
  int64_t count;
  int64_t height;
  bool offset = false;
  SplitStack stack = {};
};

/// Neighbouring pixels of a plane, each packed as kSplitDepth digits of each weight, one channel after the other; zeros
/// beyond the channels and outside the plane's row.
struct SplitPixels {
  const float* row;  ///< of the first channel, or null for zeros
  int64_t channel_stride;
  int64_t channels;
  int64_t first, count;  ///< pixels [first, first + count) of the row, which may begin before it and end beyond
  int64_t width;         ///< of the row
  float inverse;         ///< what makes integers of 24 bits of the values
};
inline constexpr int64_t kSplitPixelBytes = kSplitDigits * kSplitDepth;

/// A common scale: values are `scale` (d0 + d1 2^-8 + d2 2^-16), and value * inverse is the integer of 24 bits.
struct SplitScale {
  float scale;
  float inverse;
};
/// Of values up to `largest` in magnitude; zeros for 0, NaN for what is not finite.
SplitScale split_scale(float largest);

/// Fetches lines into the second-level cache.
template <int kLines>
inline void split_fetch(const std::byte* lines) {
  constexpr int64_t kLine = 64;
#pragma GCC unroll 16
  for (int line = 0; line < kLines; ++line) __builtin_prefetch(lines + line * kLine, 0, 2);
}
/// Fetches lines of the next of blocks that stream by into the first-level cache, and those of the block that comes
/// kSplitAhead blocks after the one at hand into the second-level one: without the second step loads would wait for it.
template <int kLines>
inline void split_fetch_stream(const std::byte* next, int64_t block_bytes) {
  constexpr int64_t kLine = 64;
#pragma GCC unroll 16
  for (int line = 0; line < kLines; ++line) {
    __builtin_prefetch(next + (kSplitAhead - 1) * block_bytes + line * kLine, 0, 2);
    __builtin_prefetch(next + line * kLine, 0, 3);
  }
}

/// What one instruction set has to give.
struct SplitKernels {
  bool has_units() const { return multiply != nullptr; }
  /// The largest magnitude of `count` floats; NaN where one of them is not finite.
  float (*largest)(const float* x, int64_t count);
  /// largest[column] = the maximum of it and the magnitudes of a column of rows [depths][kSplitColumns].
  void (*largest_columns)(const float* rows, int64_t stride, int64_t depths, float* largest);
  /// Packs depths [0, k) as blocks of a group, zeros beyond, and writes the scale of each row.
  void (*pack_rows)(const SplitRows& rows, int64_t k, std::byte* packed, float* scales);
  /// Packs rows [kSplitDepth][kSplitColumns], stride floats apart, of a panel of B as one block, and adds to the sums.
  void (*pack_block)(const float* rows, int64_t stride, const float* inverses, const SplitLayout& layout,
                     std::byte* packed, SplitColumns& columns);
  /// Packs pixels of at most kSplitDepth channels.
  void (*pack_pixels)(const SplitPixels& pixels, std::byte* packed);
  /// Brackets all uses of the matrix units on a thread; groups of `height` rows, and SplitTile::stacked of all tiles.
  /// These four are null without them.
  void (*begin)(int64_t height, int64_t stacked);
  void (*end)();
  void (*multiply)(const SplitTile& tile);
  /// The same for `groups` groups of A, group_bytes apart, with the sums combined: to [groups * parts.rows]
  /// [kSplitColumns]; `parts` has the scales of all rows, and its sums are not used. Fetches nothing.
  void (*multiply_groups)(const SplitTile& tile, int64_t groups, int64_t group_bytes, const SplitParts& parts,
                          float* to);
  /// The same sums for up to kSplitRows rows with offset digits, without matrix units.
  void (*multiply_few)(const SplitTile& tile, int64_t rows, const SplitColumns& columns);
  /// to[row][kSplitColumns] = (or +=) the sums with the scales of rows and columns.
  void (*combine)(const SplitParts& parts, float* to);
  /// The sum of products of kSplitDepth digits in each of `blocks` blocks: of a row of A, kSplitGroupBytes apart and
  /// `offset` or not as in SplitRows, and of a column of B, kSplitDepth apart.
  int32_t (*multiply_digit)(const std::byte* a, bool offset, const std::byte* b, int64_t blocks);
  /// to[column * stride + row] = from[row * kSplitColumns + column] for all columns and rows up to the next multiple
  /// of 16.
  void (*turn)(const float* from, int64_t rows, float* to, int64_t stride);
};

/// Those of the active instruction set; null where it does not multiply bytes fast enough.
const SplitKernels* split_kernels();
/// The same, null where there are no matrix units: then floats multiply many rows faster.
const SplitKernels* unit_kernels();
/// Those of AMX with bytes, and of AVX-512 VNNI; null where this machine or its system lacks it.
const SplitKernels* amx_split_kernels();
const SplitKernels* vnni_split_kernels();

/// A step over groups that SplitKernels::pack_rows made.
inline SplitTile split_tile() {
  SplitTile tile = {};
  tile.b_digits = kSplitDigits;
  tile.a_row_bytes = kSplitDepth;
  tile.a_digit_bytes = kSplitTileBytes;
  return tile;
}

/// Where the digits of a panel of B lie.
struct SplitDigits {
  const std::byte* blocks;
  const std::byte* lowest = nullptr;  ///< of each column kSplitDepth a block, where they are not in the blocks
  int64_t column_bytes = 0;           ///< between columns of `lowest`
};

/// acc[kSplitColumns] += first row of A [k], as it is, times a panel of B, in float32.
void split_plain_row(const MatrixView& a, int64_t k, const SplitDigits& digits, const SplitColumns& columns,
                     float* acc);

/// A panel of B on its way into packed form: where the depths of each of its blocks lie, and how many there are.
struct SplitBlock {
  WeightView view;  ///< from the block's first depth and the panel's first column on
  int64_t depths;   ///< at most kSplitDepth; zeros beyond
};
/// Packs `blocks` blocks of `columns` columns as one panel; `largest`: the greatest magnitude of each column, NaN where
/// one is not finite.
void split_pack_panel(const float* largest, int64_t columns, int64_t blocks, FunctionRef<SplitBlock(int64_t)> block,
                      std::byte* to);

/// gemm_plan, gemm_run and packing for WeightType::kSplit and kSplitApart.
GemmPlan split_plan(const Gemm& gemm, int threads);
void split_run(const Gemm& gemm, const GemmPlan& plan, int64_t tile_begin, int64_t tile_end, void* scratch);
void split_pack_b(const WeightView& b, int64_t k, int64_t n, WeightType type, int64_t panel_begin, int64_t panel_end,
                  void* packed);
size_t split_packed_bytes(int64_t k, int64_t n, WeightType type);

}  // namespace sdx::kernels
