// top_k: line by line, with a heap of the best in the outputs.
#include <type_traits>
#include <utility>

#include "kernels/scan.h"

namespace sdx::kernels {
namespace {

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

#define SDX_TOP_K(T) template void top_k<T>(bool, int64_t, const T*, LineShape, T*, int64_t*, int64_t, int64_t);
SDX_TOP_K(float)
SDX_TOP_K(double)
SDX_TOP_K(Half)
SDX_TOP_K(BFloat16)
SDX_TOP_K(int8_t)
SDX_TOP_K(int16_t)
SDX_TOP_K(int32_t)
SDX_TOP_K(int64_t)
SDX_TOP_K(uint8_t)
SDX_TOP_K(uint16_t)
SDX_TOP_K(uint32_t)
SDX_TOP_K(uint64_t)
#undef SDX_TOP_K

}  // namespace sdx::kernels
