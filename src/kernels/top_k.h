// TopK: the k largest or smallest elements of each line.
#pragma once

#include <cstdint>

#include "kernels/scan.h"

namespace sdx::kernels {

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
