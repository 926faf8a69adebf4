// Gemm: float matrix products C = act(alpha A B + bias …) over a B that is packed once, or packed on the fly.
//
// An operator makes a plan, splits its tiles over threads, and calls gemm_run on each range of tiles with its own
// scratch:
//
//   const GemmPlan plan = gemm_plan(gemm, threads);
//   parallel.run(plan.tiles(), 1, [&](int64_t begin, int64_t end, int worker) {
//     gemm_run(gemm, plan, begin, end, scratch + worker * plan.scratch_bytes);
//   });
//
// Each element of C is one chain of fused multiply-adds in the order of k, so results are bitwise equal whatever the
// plan, the split and the number of threads. Error bound: |error| <= k eps sum_p |a_ip b_pj| (with split weights
// 2^-22 k max_p |a_ip| max_p |b_pj|), and that of the activation.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/parallel.h"

namespace sdx::kernels {

/// What the last step of a product applies to an element.
enum class Activation : uint8_t { kNone, kRelu, kGeluErf, kGeluTanh, kSilu, kSigmoid, kTanh, kQuickGelu };

/// How the elements of a weight matrix are stored. kSplit: as three signed bytes with a scale for each column; see
/// gemm_split.h for what that does to the error. kSplitApart: the same bytes with the lowest apart: gemm_run multiplies
/// the two higher ones, gemm_add_lowest adds what is missing to elements that are worth it.
enum class WeightType : uint8_t { kF32, kF16, kBf16, kSplit, kSplitApart };

inline bool is_split(WeightType type) { return type == WeightType::kSplit || type == WeightType::kSplitApart; }

/// Bytes of one element.
inline size_t weight_bytes(WeightType type) { return type == WeightType::kF32 ? 4 : is_split(type) ? 3 : 2; }

/// Whether the instruction set active now multiplies split weights, and whether it has matrix units, so that they are
/// faster than floats for any number of rows; otherwise only for few, because there is less to read.
bool gemm_splits();
bool gemm_has_units();

/// A matrix seen through strides in elements: element (row, column) is data[row * row_stride + column * column_stride].
struct MatrixView {
  const float* data = nullptr;
  int64_t row_stride = 0;
  int64_t column_stride = 1;
};

/// c_ij = act(alpha sum_ij + addend_scale addend_ij + column_bias_j + row_bias_i) + residual_ij; absent terms are null.
/// `addend` and `residual` may be C itself (same pointer and stride), but may not overlap it in another way.
struct Epilogue {
  float alpha = 1.0f;
  const float* column_bias = nullptr;  ///< [n]
  const float* row_bias = nullptr;     ///< [m]
  const float* addend = nullptr;       ///< [m, n], rows addend_stride apart
  int64_t addend_stride = 0;
  float addend_scale = 1.0f;
  Activation activation = Activation::kNone;
  const float* residual = nullptr;  ///< [m, n], rows residual_stride apart
  int64_t residual_stride = 0;
  bool activates_last = false;  ///< the activation is that of the sum with the residual
};

/// One product: A [m, k], B [k, n], C [m, n]. C may not overlap A or B. All pointers are borrowed.
struct Gemm {
  int64_t m = 0;
  int64_t n = 0;
  int64_t k = 0;
  MatrixView a;
  const void* packed_b = nullptr;             ///< what gemm_pack_b made; null to use `b`
  WeightType packed_type = WeightType::kF32;  ///< the type that gemm_pack_b made
  const void* split_a = nullptr;              ///< with split weights: what gemm_split_a made of A
  const float* packed_a = nullptr;  ///< what gemm_pack_rows made of A for the plan, or null to pack in each range
  bool keep_rows = false;           ///< scratch memory begun by gemm_begin keeps packed rows from range to range
  MatrixView b;                     ///< used where packed_b is null
  float* c = nullptr;
  int64_t c_stride = 0;  ///< elements between the rows of C
  Epilogue epilogue;
};

/// A weight matrix B [k, n] as it lies in a file: any alignment, strides in elements.
struct WeightView {
  const void* data = nullptr;
  WeightType type = WeightType::kF32;
  int64_t row_stride = 0;
  int64_t column_stride = 1;
};

/// Bytes that gemm_pack_b writes for a B [k, n] stored as `type`; a multiple of 64.
size_t gemm_packed_bytes(int64_t k, int64_t n, WeightType type);

/// Number of panels that hold n columns; packing may be split by panels.
int64_t gemm_panels(int64_t n, WeightType type = WeightType::kF32);

/// Packs the panels [panel_begin, panel_end) of B [k, n] into `packed` (the start of the whole packed matrix, aligned
/// to 64 bytes), converting to `type`: a half type is rounded to nearest even. Valid for the instruction set active
/// now.
void gemm_pack_b(const WeightView& b, int64_t k, int64_t n, WeightType type, int64_t panel_begin, int64_t panel_end,
                 void* packed);

/// Groups of rows that gemm_split_a makes of A [m, k] (column_stride 1), and the bytes of all; only for products with
/// split weights.
int64_t gemm_split_groups(int64_t m);
size_t gemm_split_bytes(int64_t m, int64_t k);

/// Splits the groups [group_begin, group_end) of A into `packed` (the start of all, aligned to 64 bytes).
void gemm_split_a(const Gemm& gemm, int64_t group_begin, int64_t group_end, void* packed);

/// How a product is cut. Tiles are independent; consecutive tiles share their rows of A.
struct GemmPlan {
  int64_t row_block = 0;    ///< rows of C in a tile
  int64_t panel_block = 0;  ///< panels of B in a tile
  int64_t row_blocks = 0;
  int64_t column_blocks = 0;
  size_t scratch_bytes = 0;  ///< per worker; aligned to 64 bytes
  int64_t tiles() const { return row_blocks * column_blocks; }
};

/// A plan for a product of these extents by up to `threads` threads. Only m, n, k, the strides and packed_b are read.
GemmPlan gemm_plan(const Gemm& gemm, int threads);

/// Groups of rows that gemm_pack_rows makes of A for a plan, 0 where each of `threads` threads had better pack what it
/// needs, and the floats of all.
int64_t gemm_row_groups(const Gemm& gemm, const GemmPlan& plan, int threads);
int64_t gemm_row_floats(const Gemm& gemm, const GemmPlan& plan);

/// Packs the groups [group_begin, group_end) of A into `packed` (the start of all), so that ranges of tiles need not.
void gemm_pack_rows(const Gemm& gemm, const GemmPlan& plan, int64_t group_begin, int64_t group_end, float* packed);

/// With kSplitApart, after gemm_run: adds to C in `row` at the columns [count] what their weights' lowest bytes give,
/// times alpha. What is left out elsewhere is at most 2^-15 sum_p |a_p| max_p |b_pj|. Without an activation only.
void gemm_add_lowest(const Gemm& gemm, int64_t row, const int32_t* columns, int64_t count);

/// What one worker does of a product whose B is packed: units [begin, end), a unit being one group of rows times one
/// panel of B, of the rows [row_begin, row_end).
struct GemmShare {
  int64_t row_begin = 0, row_end = 0;
  int64_t begin = 0, end = 0;
};

/// The share of a worker, in place of a plan. Where that is faster, workers keep to rows of their own, in whose memory
/// their caches find what the last product left there; otherwise they keep to panels and read all rows.
GemmShare gemm_share(const Gemm& gemm, const Shares& shares, int worker);

/// Bytes of scratch memory that gemm_run_share needs for each worker; aligned to 64 bytes.
size_t gemm_share_bytes(const Gemm& gemm);

/// Computes piece `piece` of `pieces` equal ones of a share. packed_a must be null.
void gemm_run_share(const Gemm& gemm, const GemmShare& share, int64_t piece, int64_t pieces, void* scratch);

/// Prepares one worker's scratch memory for ranges of products with keep_rows, whose A must not change meanwhile.
void gemm_begin(void* scratch);

/// Computes the tiles [tile_begin, tile_end).
void gemm_run(const Gemm& gemm, const GemmPlan& plan, int64_t tile_begin, int64_t tile_end, void* scratch);

}  // namespace sdx::kernels
