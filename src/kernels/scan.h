// Scan: running sums and products along one axis, and the k largest or smallest elements of a line.
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

/// The running sums of the lines in [begin, end), in order; y may be x. float and the 16-bit types sum
/// in double and round each result once; integers wrap. T is float, double, Half, BFloat16 or (u)int8 … (u)int64.
template <class T>
void scan(ScanMode mode, const T* x, T* y, LineShape shape, int64_t begin, int64_t end);

/// What top_k keeps of an element: the higher the better.
struct TopKEntry {
  uint64_t key, order;
};

/// The k (at most shape.length) largest or smallest elements of the lines in [begin, end), best first; of equal
/// elements the earlier one is better, NaN counts as larger than any number. values and indices are
/// [outer, k, inner]; scratch holds k elements. T as above.
template <class T>
void top_k(bool largest, int64_t k, const T* x, LineShape shape, T* values, int64_t* indices, TopKEntry* scratch,
           int64_t begin, int64_t end);

}  // namespace sdx::kernels
