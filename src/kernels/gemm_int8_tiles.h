// Int8 tiles: inner kernels over quads, 4 neighbouring depths of a row or column in 32 bits.
#pragma once

#include <cstdint>

#include "kernels/gemm_int8.h"

namespace sdx::kernels {

inline constexpr int kInt8MaxRows = 14;
inline constexpr int kInt8VnniColumns = 32;  ///< of a panel of the VNNI kernels

/// acc[rows][columns] = sum over quads: A [quads][rows] of unsigned bytes, B [quads][columns] of signed bytes.
struct Int8TileArgs {
  int64_t quads;
  const uint32_t* a;
  const uint32_t* b;
  int32_t* acc;
};
using Int8TileFn = void (*)(const Int8TileArgs&);

struct Int8Tiles {
  const char* name;
  int rows;
  Int8TileFn tile[kInt8MaxRows + 1];
};

/// Kernels by Highway, exact through 16-bit products.
const Int8Tiles& int8_portable_tiles();
/// Kernels by AVX-512 VNNI for panels of 32 columns; null where compiler or machine lack it.
const Int8Tiles* int8_vnni_tiles();

/// Takes the zero points out of acc [rows][columns] on the way to `out` (which may be acc): acc_ij - a_zero_i
/// column_sum_j - b_zero_j row_sum_i
/// + k a_zero_i b_zero_j, where a null b_zero means zeros; then, if scale is not null, turns it into float(acc_ij)
/// scale_j.
struct Int8Correction {
  const int32_t* acc;
  int32_t* out;  ///< rows out_stride apart
  int64_t out_stride;
  int64_t rows;
  int64_t columns;  ///< of a panel
  int32_t k;
  const int32_t* a_zero;      ///< [rows]
  const int32_t* row_sum;     ///< [rows]; not read where b_zero is null
  const int32_t* b_zero;      ///< [columns] or null
  const int32_t* column_sum;  ///< [columns]
  const float* scale;         ///< [columns] or null
};
void int8_correct(const Int8Correction& correction);

}  // namespace sdx::kernels
