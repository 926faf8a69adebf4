// gather_elements, scatter_elements, gather_tuples, scatter_tuples.
#include "kernels/scatter.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <type_traits>

namespace sdx::kernels {
namespace {

template <class T>
T combine_native(ScatterOp op, T old, T update) {
  using U = std::conditional_t<std::is_integral_v<T>, uint64_t, T>;
  switch (op) {
    case ScatterOp::kAdd: return static_cast<T>(static_cast<U>(old) + static_cast<U>(update));
    case ScatterOp::kMul: return static_cast<T>(static_cast<U>(old) * static_cast<U>(update));
    case ScatterOp::kMin: return update < old || update != update ? update : old;
    case ScatterOp::kMax: return update > old || update != update ? update : old;
    default: return update;
  }
}

template <class T>
T combine(ScatterOp op, T old, T update) {
  if constexpr (std::is_arithmetic_v<T>) {
    return combine_native(op, old, update);
  } else {
    if (op == ScatterOp::kSet) return update;
    const float y = combine_native(op, to_float(old), to_float(update));
    if constexpr (std::is_same_v<T, Half>) {
      return to_half(y);
    } else {
      return to_bfloat16(y);
    }
  }
}

template <class Index>
int64_t wrapped(Index index, int64_t limit) {
  const auto k = static_cast<int64_t>(index);
  return k + (k >> 63 & limit);  // no branch, which signs at random would mislead
}

template <int kBytes, class Index>
bool gather_words(const AxisIndex<Index>& at, char* to, const char* from, int64_t begin, int64_t end) {
  bool inside = true;
  const auto gather = [&](int64_t inner, int64_t axis_stride) {
    // A copy of what the stores below might alias.
    const int64_t limit = at.limit;
    for_runs(at.loop, begin, end, [&](int64_t index, const std::array<int64_t, 1>& o, int64_t n) {
      const Index* const indices = at.index + index;
      const char* const source = from + o[0] * kBytes;
      char* const target = to + index * kBytes;
      for (int64_t i = 0; i < n; ++i) {
        const int64_t k = wrapped(indices[i], limit);
        if (static_cast<uint64_t>(k) >= static_cast<uint64_t>(limit)) {
          inside = false;
          return;
        }
        std::memcpy(target + i * kBytes, source + (i * inner + k * axis_stride) * kBytes, kBytes);
      }
    });
  };
  const int64_t inner = at.loop.inner(0);
  if (inner == 0 && at.axis_stride == 1) {
    gather(0, 1);
  } else if (inner == 1) {
    gather(1, at.axis_stride);
  } else {
    gather(inner, at.axis_stride);
  }
  return inside;
}

}  // namespace

template <class Index>
bool gather_elements(const AxisIndex<Index>& at, void* to, const void* from, int bytes, int64_t begin, int64_t end) {
  char* target = static_cast<char*>(to);
  const char* source = static_cast<const char*>(from);
  switch (bytes) {
    case 1: return gather_words<1>(at, target, source, begin, end);
    case 2: return gather_words<2>(at, target, source, begin, end);
    case 4: return gather_words<4>(at, target, source, begin, end);
    case 8: return gather_words<8>(at, target, source, begin, end);
    default: return gather_words<16>(at, target, source, begin, end);
  }
}

template <class T, class Index>
void scatter_elements(ScatterOp op, const AxisIndex<Index>& at, T* to, const T* updates, int64_t begin, int64_t end) {
  const int64_t inner = at.loop.inner(0);
  for_runs(at.loop, begin, end, [&](int64_t index, const std::array<int64_t, 1>& o, int64_t n) {
    for (int64_t i = 0; i < n; ++i) {
      T& element = to[o[0] + i * inner + wrapped(at.index[index + i], at.limit) * at.axis_stride];
      element = combine(op, element, updates[index + i]);
    }
  });
}

int64_t first_bad_tuple(const TupleIndex& at, int64_t tuples) {
  for (int64_t i = 0; i < tuples * at.width; ++i) {
    const int64_t extent = at.extent[i % at.width];
    if (at.index[i] < -extent || at.index[i] >= extent) return i;
  }
  return -1;
}

void gather_tuples(const TupleIndex& at, void* to, const void* from, int64_t row, int bytes, int64_t begin,
                   int64_t end) {
  const int64_t row_bytes = row * bytes;
  for (int64_t i = begin; i < end; ++i) {
    std::memcpy(static_cast<char*>(to) + i * row_bytes, static_cast<const char*>(from) + at.offset(i) * bytes,
                static_cast<size_t>(row_bytes));
  }
}

template <class T>
void scatter_tuples(ScatterOp op, const TupleIndex& at, T* to, const T* updates, int64_t row, int64_t begin,
                    int64_t end) {
  for (int64_t i = begin; i < end; ++i) {
    T* target = to + at.offset(i);
    const T* source = updates + i * row;
    if (op == ScatterOp::kSet) {
      std::copy(source, source + row, target);
      continue;
    }
    for (int64_t k = 0; k < row; ++k) target[k] = combine(op, target[k], source[k]);
  }
}

template bool gather_elements<int32_t>(const AxisIndex<int32_t>&, void*, const void*, int, int64_t, int64_t);
template bool gather_elements<int64_t>(const AxisIndex<int64_t>&, void*, const void*, int, int64_t, int64_t);

#define SDX_SCATTER(T)                                                                                              \
  template void scatter_elements<T, int32_t>(ScatterOp, const AxisIndex<int32_t>&, T*, const T*, int64_t, int64_t); \
  template void scatter_elements<T, int64_t>(ScatterOp, const AxisIndex<int64_t>&, T*, const T*, int64_t, int64_t); \
  template void scatter_tuples<T>(ScatterOp, const TupleIndex&, T*, const T*, int64_t, int64_t, int64_t);
SDX_SCATTER(float)
SDX_SCATTER(double)
SDX_SCATTER(Half)
SDX_SCATTER(BFloat16)
SDX_SCATTER(int8_t)
SDX_SCATTER(int16_t)
SDX_SCATTER(int32_t)
SDX_SCATTER(int64_t)
SDX_SCATTER(uint8_t)
SDX_SCATTER(uint16_t)
SDX_SCATTER(uint32_t)
SDX_SCATTER(uint64_t)
SDX_SCATTER(bool)
#undef SDX_SCATTER

}  // namespace sdx::kernels
