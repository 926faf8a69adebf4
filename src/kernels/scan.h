// Scan: running sums and products along one axis.
#pragma once

#include <cstdint>

#include "base/half.h"

namespace sdx::kernels {

/// Lines of x [outer, length, inner]: line i holds the elements x[i / inner][·][i % inner].
struct LineShape {
  int64_t length;
  int64_t inner;
};

struct ScanMode {
  bool product = false;    ///< CumProd, else CumSum
  bool exclusive = false;  ///< element i is left out of result i
  bool reverse = false;    ///< from the end
};

/// Neighbouring lines, of one x[i / inner], that are best scanned by one call.
inline constexpr int64_t kScanLines = 128;

/// The running sums of the lines in [begin, end), in order; y may be x. float and the 16-bit types sum
/// in double and round each result once; integers wrap. T is float, double, Half, BFloat16 or (u)int8 … (u)int64.
template <class T>
void scan(ScanMode mode, const T* x, T* y, LineShape shape, int64_t begin, int64_t end);

}  // namespace sdx::kernels
