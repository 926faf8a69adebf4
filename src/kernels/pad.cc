// pad: the source of each row, then the row as copied and as invented elements.
#include "kernels/pad.h"

#include <algorithm>
#include <cstring>

#include "kernels/copy.h"

namespace sdx::kernels {
namespace {

int64_t positive_mod(int64_t a, int64_t n) {
  const int64_t r = a % n;
  return r < 0 ? r + n : r;
}

/// Source index of position `i` (which may lie outside) on an axis of extent n; -1 where the constant stands.
int64_t source_index(PadMode mode, int64_t i, int64_t n) {
  if (i >= 0 && i < n) return i;
  switch (mode) {
    case PadMode::kConstant: return -1;
    case PadMode::kEdge: return i < 0 ? 0 : n - 1;
    case PadMode::kWrap: return positive_mod(i, n);
    case PadMode::kReflect: break;
  }
  if (n == 1) return 0;
  const int64_t k = positive_mod(i, 2 * (n - 1));
  return k < n ? k : 2 * (n - 1) - k;
}

/// Offset of the source row of result row r in rows; -1 where the whole row is constant.
int64_t source_row(PadMode mode, const PadShape& s, int64_t r) {
  int64_t offset = 0, stride = 1;
  for (int d = s.rank - 2; d >= 0; --d) {
    const int64_t k = source_index(mode, r % s.out[d] - s.before[d], s.in[d]);
    if (k < 0) return -1;
    offset += k * stride;
    stride *= s.in[d];
    r /= s.out[d];
  }
  return offset;
}

struct Row {
  const char* from;
  char* to;
  const void* value;
  int bytes;
};

/// Elements [begin, end) of a row that lie outside the source.
void invent(PadMode mode, const PadShape& s, const Row& row, int64_t begin, int64_t end) {
  const int last = s.rank - 1;
  if (begin >= end) return;
  if (mode == PadMode::kConstant) {
    fill(row.to + begin * row.bytes, row.value, row.bytes, end - begin);
    return;
  }
  for (int64_t i = begin; i < end; ++i) {
    const int64_t k = source_index(mode, i - s.before[last], s.in[last]);
    std::memcpy(row.to + i * row.bytes, row.from + k * row.bytes, static_cast<size_t>(row.bytes));
  }
}

}  // namespace

void pad(PadMode mode, const PadShape& shape, const void* x, void* y, const void* value, int bytes, int64_t begin,
         int64_t end) {
  const int last = shape.rank - 1;
  const int64_t in = shape.in[last], out = shape.out[last], before = shape.before[last];
  const int64_t first = std::clamp<int64_t>(before, 0, out);
  const int64_t stop = std::clamp<int64_t>(before + in, first, out);
  for (int64_t r = begin; r < end; ++r) {
    char* to = static_cast<char*>(y) + r * out * bytes;
    const int64_t source = source_row(mode, shape, r);
    if (source < 0) {
      fill(to, value, bytes, out);
      continue;
    }
    const Row row{static_cast<const char*>(x) + source * in * bytes, to, value, bytes};
    invent(mode, shape, row, 0, first);
    if (stop > first) {
      std::memcpy(to + first * bytes, row.from + (first - before) * bytes, static_cast<size_t>((stop - first) * bytes));
    }
    invent(mode, shape, row, stop, out);
  }
}

}  // namespace sdx::kernels
