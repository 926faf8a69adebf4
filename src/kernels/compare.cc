// compare: comparisons of every element type.
#include <cstring>

#include "kernels/binary.h"

namespace sdx::kernels {
namespace {

/// A byte of a bool tensor may hold anything, which a bool may not.
bool truth(const bool& x) {
  uint8_t byte;
  std::memcpy(&byte, &x, 1);
  return byte != 0;
}

template <class T>
auto operand(const T& x) {
  if constexpr (std::is_same_v<T, bool>) {
    return truth(x);
  } else {
    return value_of(x);
  }
}

template <class T>
struct Pair {
  const T* a;
  int64_t a_stride;
  const T* b;
  int64_t b_stride;
  bool* y;
  int64_t n;
};

template <class T, class F>
void map_pair(const Pair<T>& p, const F& f) {
  if (p.a_stride == 1 && p.b_stride == 1) {
    for (int64_t i = 0; i < p.n; ++i) p.y[i] = f(operand(p.a[i]), operand(p.b[i]));
  } else if (p.a_stride == 1 && p.b_stride == 0) {
    const auto b = p.n > 0 ? operand(*p.b) : decltype(operand(*p.b))();
    for (int64_t i = 0; i < p.n; ++i) p.y[i] = f(operand(p.a[i]), b);
  } else {
    for (int64_t i = 0; i < p.n; ++i) p.y[i] = f(operand(p.a[i * p.a_stride]), operand(p.b[i * p.b_stride]));
  }
}

}  // namespace

template <class T>
void compare(CompareOp op, const T* a, int64_t a_stride, const T* b, int64_t b_stride, bool* y, int64_t n) {
  const Pair<T> p{a, a_stride, b, b_stride, y, n};
  switch (op) {
    case CompareOp::kEqual: return map_pair(p, [](auto u, auto v) { return u == v; });
    case CompareOp::kNotEqual: return map_pair(p, [](auto u, auto v) { return u != v; });
    case CompareOp::kLess: return map_pair(p, [](auto u, auto v) { return u < v; });
    case CompareOp::kLessOrEqual: return map_pair(p, [](auto u, auto v) { return u <= v; });
    case CompareOp::kGreater: return map_pair(p, [](auto u, auto v) { return u > v; });
    case CompareOp::kGreaterOrEqual: return map_pair(p, [](auto u, auto v) { return u >= v; });
    default: break;
  }
  if constexpr (std::is_same_v<T, bool>) {
    if (op == CompareOp::kAnd) return map_pair(p, [](bool u, bool v) { return u && v; });
    if (op == CompareOp::kOr) return map_pair(p, [](bool u, bool v) { return u || v; });
    return map_pair(p, [](bool u, bool v) { return u != v; });
  }
}

#define SDX_COMPARE(T) template void compare<T>(CompareOp, const T*, int64_t, const T*, int64_t, bool*, int64_t);
SDX_COMPARE(float)
SDX_COMPARE(double)
SDX_COMPARE(Half)
SDX_COMPARE(BFloat16)
SDX_COMPARE(int8_t)
SDX_COMPARE(int16_t)
SDX_COMPARE(int32_t)
SDX_COMPARE(int64_t)
SDX_COMPARE(uint8_t)
SDX_COMPARE(uint16_t)
SDX_COMPARE(uint32_t)
SDX_COMPARE(uint64_t)
SDX_COMPARE(bool)
#undef SDX_COMPARE

}  // namespace sdx::kernels
