// Gemm tiles: the inner kernels that one instruction set gives to the loops of gemm.cc.
#pragma once

#include <algorithm>
#include <cstdint>

#include "kernels/gemm.h"

namespace sdx::kernels {

inline constexpr int kGemmMaxRows = 14;   ///< most rows of any tile kernel
inline constexpr int kGemmMaxPanels = 4;  ///< most panels that a tile kernel reads at once

/// Where results of whole panels go straight from registers: c = max(least, acc + row_bias) + residual.
/// Worth it for few depths alone: with many, what stores wait for holds up the next tile.
struct TileStore {
  float* c;
  int64_t c_stride;
  const float* row_bias;  ///< or null
  float least;            ///< 0 or -infinity
  const float* residual;  ///< or null
  int64_t residual_stride;
  bool least_last;  ///< max(least, acc + row_bias + residual) instead
};

/// Operands of one tile: acc[panel][rows][columns] (+)= A[k, rows] B[panel][k, columns] with the columns of one panel.
struct TileArgs {
  int64_t k;
  const float* a;  ///< [k][rows], depths a_stride apart
  int64_t a_stride;
  const void* b;  ///< first panel: k rows, b_stride elements apart
  int64_t b_stride;
  const int32_t* b_offsets;  ///< of kernels whose depths lie apart: elements from b to each of them
  int64_t panel_stride;      ///< elements of B between panels
  float* acc;                ///< [rows][columns] of the first panel
  int64_t acc_stride;        ///< elements between the panels of acc
  bool accumulate;           ///< add to acc instead of starting from zero
  const TileStore* store;    ///< of kernels of whole panels: where results go rather than to acc, or null
  /// What kernels of one panel fetch into the second-level cache meanwhile: ahead_step bytes for each depth, at most
  /// those that a depth has in a panel, one after the other. Null: nothing.
  const char* ahead;
  int64_t ahead_step;
  bool unfetched;  ///< nothing is fetched, not even what the kernel itself will soon read
};

using TileFn = void (*)(const TileArgs&);

/// The kernels of one instruction set.
struct GemmTiles {
  const char* name;
  int rows;           ///< most rows of a tile
  int panel_columns;  ///< columns of a panel
  /// Where the hardware fetches packed B best alone: up to so many rows, from so many panels at once.
  int unfetched_rows, unfetched_panels;
  /// tile[type][rows][panels - 1]; null where the shape does not fit the registers.
  TileFn tile[3][kGemmMaxRows + 1][kGemmMaxPanels];
  /// The float kernel of one panel of which only the first half of the columns is computed.
  TileFn half[kGemmMaxRows + 1];
  /// The float kernels of one panel, and of its first half, whose depths lie apart.
  TileFn apart[kGemmMaxRows + 1], half_apart[kGemmMaxRows + 1];

  /// Whether the second-level cache has at least 1 MB, as that of machines with so wide panels.
  bool large_cache() const { return panel_columns >= 32; }
  /// Panels that the kernels compute at once with so many rows, at most `most`.
  int panels(int64_t rows, int64_t most) const {
    int panels = static_cast<int>(std::min<int64_t>(most, kGemmMaxPanels));
    while (tile[0][rows][panels - 1] == nullptr) --panels;
    return panels;
  }
  /// The float kernel of one panel that computes at least its first `columns`.
  TileFn one_panel(int64_t rows, int64_t columns) const {
    return 2 * columns <= panel_columns ? half[rows] : tile[0][rows][0];
  }
  TileFn one_panel_apart(int64_t rows, int64_t columns) const {
    return 2 * columns <= panel_columns ? half_apart[rows] : apart[rows];
  }
};

/// The kernels of the active instruction set.
const GemmTiles& gemm_tiles();

/// A block of accumulators to finish: rows x columns at (row, column) of C.
struct FinishArgs {
  const float* acc;  ///< [rows][acc_stride]
  int64_t acc_stride;
  int64_t row, column;
  int64_t rows, columns;
};

/// Whether tile kernels can apply the epilogue and store to C themselves, to the bits of gemm_finish, and well.
bool gemm_stores(const Gemm& gemm);
/// What they do so with at (row, column) of C.
TileStore gemm_store(const Gemm& gemm, int64_t row, int64_t column);

/// Applies the epilogue to a block and stores it to C.
void gemm_finish(const Gemm& gemm, const FinishArgs& block);

/// One row of accumulators on its way to C, with a bias, an activation and a residual alone; absent terms are null.
struct FinishRow {
  const float* acc;
  const float* column_bias;
  const float* residual;
  float* c;
  float alpha;
};
/// What does the same with `columns` elements of one row as gemm_finish, for a multiple of 16 columns, without looking
/// up anything for each.
using RowFinisher = void (*)(const FinishRow& row, int64_t columns);
RowFinisher row_finisher(Activation activation);

/// A weight as it lies in a file, any alignment; kF32, kF16 or kBf16.
float read_weight(const unsigned char* at, WeightType type);

/// Packs rows [row, row + rows) and depths [0, k) of A as [k][rows].
void gemm_pack_a(const MatrixView& a, int64_t row, int64_t rows, int64_t k, float* packed);

/// Packs columns [column, column + columns) and depths [depth, depth + k) of a float B as [k][panel_columns], zeros
/// beyond the columns.
void gemm_pack_panel(const MatrixView& b, int64_t depth, int64_t k, int64_t column, int64_t columns, float* packed);

}  // namespace sdx::kernels
