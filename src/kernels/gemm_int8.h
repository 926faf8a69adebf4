// Int8 products: C = (A - a_zero) (B - b_zero) exactly in 32 bits, or scaled to float with an epilogue.
//
// Used like gemm.h: plan, then ranges of tiles with a scratch memory per worker. Sums are exact (they wrap beyond 32
// bits).
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/gemm.h"

namespace sdx::kernels {

/// A byte matrix as it lies in memory; strides in elements.
struct ByteView {
  const void* data = nullptr;
  bool is_signed = false;
  int64_t row_stride = 0;
  int64_t column_stride = 1;
};

/// Zero points: one for all (stride 0) or one per row or column (stride 1); null means 0. Bytes of the matrix's own
/// type.
struct ZeroPoints {
  const void* data = nullptr;
  int64_t stride = 0;
};

/// One product A [m, k] B [k, n]. Exactly one of `c` and `y` is set.
struct Int8Gemm {
  int64_t m = 0;
  int64_t n = 0;
  int64_t k = 0;
  ByteView a;         ///< column_stride 1
  ZeroPoints a_zero;  ///< per row where stride is 1
  const void* packed_b = nullptr;
  bool b_signed = true;  ///< the type that B had when it was packed
  ZeroPoints b_zero;     ///< per column where stride is 1
  int32_t* c = nullptr;  ///< [m, n], rows c_stride apart
  int64_t c_stride = 0;
  float* y = nullptr;  ///< [m, n], rows c_stride apart: epilogue of float(c) * (a_scale * b_scale[j])
  float a_scale = 1.0f;
  const float* b_scale = nullptr;  ///< one (b_scale_stride 0) or n; null means 1
  int64_t b_scale_stride = 0;
  Epilogue epilogue;  ///< for y; alpha is applied as well
};

/// Bytes that int8_pack_b writes; a multiple of 64.
size_t int8_packed_bytes(int64_t k, int64_t n);

/// Packs B [k, n] into `packed` (aligned to 64 bytes). Valid for the instruction set active now.
void int8_pack_b(const ByteView& b, int64_t k, int64_t n, void* packed);

/// A plan; tiles and scratch as in gemm.h.
GemmPlan int8_plan(const Int8Gemm& gemm, int threads);

/// Computes the tiles [tile_begin, tile_end).
void int8_run(const Int8Gemm& gemm, const GemmPlan& plan, int64_t tile_begin, int64_t tile_end, void* scratch);

/// Name of the kernels in use: "vnni", or that of the instruction set.
const char* int8_kernel_name();

}  // namespace sdx::kernels
