// scan, top_k: line by line; top_k keeps a heap of the best in its outputs.
#include "kernels/scan.h"

#include <cmath>
#include <type_traits>
#include <utility>

namespace sdx::kernels {
namespace {

template <class T>
auto wide(T x) {
  if constexpr (std::is_integral_v<T>) {
    return static_cast<uint64_t>(x);
  } else if constexpr (std::is_floating_point_v<T>) {
    return static_cast<double>(x);
  } else {
    return static_cast<double>(to_float(x));
  }
}

template <class T, class Wide>
T narrow(Wide x) {
  if constexpr (std::is_same_v<T, Half>) {
    return to_half(x);
  } else if constexpr (std::is_same_v<T, BFloat16>) {
    return to_bfloat16(x);
  } else {
    return static_cast<T>(x);
  }
}

template <class T>
auto value_of(T x) {
  if constexpr (std::is_arithmetic_v<T>) {
    return x;
  } else {
    return to_float(x);
  }
}

/// Whether `a` comes before `b` among the largest (or smallest); NaN is larger than any number.
template <class T>
bool before(T a, T b, bool largest) {
  const auto u = value_of(a), v = value_of(b);
  if (largest) return u > v || (u != u && v == v);
  return u < v || (u == u && v != v);
}

/// The best elements so far as a heap with the worst on top, in two strided arrays.
template <class T>
class Heap {
 public:
  Heap(T* values, int64_t* indices, int64_t stride, bool largest)
      : values_(values), indices_(indices), stride_(stride), largest_(largest) {}

  bool beats_worst(T value) const { return before(value, values_[0], largest_); }

  void place(int64_t i, T value, int64_t index) {
    values_[i * stride_] = value;
    indices_[i * stride_] = index;
  }

  /// Lets the entry at `i` sink in a heap of `n`.
  void sink(int64_t i, int64_t n) {
    for (;;) {
      int64_t worst = i;
      for (int64_t child = 2 * i + 1; child <= 2 * i + 2 && child < n; ++child) {
        if (worse(child, worst)) worst = child;
      }
      if (worst == i) return;
      swap(i, worst);
      i = worst;
    }
  }

  void build(int64_t n) {
    for (int64_t i = n / 2 - 1; i >= 0; --i) sink(i, n);
  }

  /// Turns the heap into a list, best first.
  void sort(int64_t n) {
    for (int64_t last = n - 1; last > 0; --last) {
      swap(0, last);
      sink(0, last);
    }
  }

 private:
  bool worse(int64_t a, int64_t b) const {
    const T u = values_[a * stride_], v = values_[b * stride_];
    if (before(v, u, largest_)) return true;
    if (before(u, v, largest_)) return false;
    return indices_[a * stride_] > indices_[b * stride_];
  }
  void swap(int64_t a, int64_t b) {
    std::swap(values_[a * stride_], values_[b * stride_]);
    std::swap(indices_[a * stride_], indices_[b * stride_]);
  }

  T* values_;
  int64_t* indices_;
  int64_t stride_;
  bool largest_;
};

}  // namespace

template <class T>
void scan(ScanMode mode, const T* x, T* y, LineShape shape, int64_t begin, int64_t end) {
  for (int64_t line = begin; line < end; ++line) {
    const int64_t first = line / shape.inner * shape.length * shape.inner + line % shape.inner;
    auto total = wide(T());
    if (mode.product) total = 1;
    for (int64_t i = 0; i < shape.length; ++i) {
      const int64_t at = first + (mode.reverse ? shape.length - 1 - i : i) * shape.inner;
      const auto before_this = total;
      const auto v = wide(x[at]);
      total = mode.product ? total * v : total + v;
      y[at] = narrow<T>(mode.exclusive ? before_this : total);
    }
  }
}

template <class T>
void top_k(bool largest, int64_t k, const T* x, LineShape shape, T* values, int64_t* indices, int64_t begin,
           int64_t end) {
  if (k <= 0) return;
  for (int64_t line = begin; line < end; ++line) {
    const T* from = x + line / shape.inner * shape.length * shape.inner + line % shape.inner;
    const int64_t to = line / shape.inner * k * shape.inner + line % shape.inner;
    Heap<T> heap(values + to, indices + to, shape.inner, largest);
    for (int64_t i = 0; i < k; ++i) heap.place(i, from[i * shape.inner], i);
    heap.build(k);
    for (int64_t i = k; i < shape.length; ++i) {
      const T value = from[i * shape.inner];
      if (!heap.beats_worst(value)) continue;
      heap.place(0, value, i);
      heap.sink(0, k);
    }
    heap.sort(k);
  }
}

#define SDX_SCAN(T)                                                           \
  template void scan<T>(ScanMode, const T*, T*, LineShape, int64_t, int64_t); \
  template void top_k<T>(bool, int64_t, const T*, LineShape, T*, int64_t*, int64_t, int64_t);
SDX_SCAN(float)
SDX_SCAN(double)
SDX_SCAN(Half)
SDX_SCAN(BFloat16)
SDX_SCAN(int8_t)
SDX_SCAN(int16_t)
SDX_SCAN(int32_t)
SDX_SCAN(int64_t)
SDX_SCAN(uint8_t)
SDX_SCAN(uint16_t)
SDX_SCAN(uint32_t)
SDX_SCAN(uint64_t)
#undef SDX_SCAN

}  // namespace sdx::kernels
