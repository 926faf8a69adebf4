// scan: line by line.
#include "kernels/scan.h"

#include <type_traits>

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

#define SDX_SCAN(T) template void scan<T>(ScanMode, const T*, T*, LineShape, int64_t, int64_t);
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
