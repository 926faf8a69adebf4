// scan: lines one by one where they lie in one piece, else many neighbouring lines at a time.
#include "kernels/scan.h"

#include <algorithm>
#include <type_traits>
#include <utility>

#include "hwy/foreach_target.h"
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace sdx::kernels::HWY_NAMESPACE {

template <class T>
HWY_INLINE auto wide(T x) {
  if constexpr (std::is_integral_v<T>) {
    return static_cast<uint64_t>(x);
  } else if constexpr (std::is_floating_point_v<T>) {
    return static_cast<double>(x);
  } else {
    return static_cast<double>(to_float(x));
  }
}

template <class T, class Wide>
HWY_INLINE T narrow(Wide x) {
  if constexpr (std::is_same_v<T, Half>) {
    return to_half(x);
  } else if constexpr (std::is_same_v<T, BFloat16>) {
    return to_bfloat16(x);
  } else {
    return static_cast<T>(x);
  }
}

template <bool kProduct, class Wide>
HWY_INLINE Wide joined(Wide total, Wide v) {
  return kProduct ? total * v : total + v;
}

template <bool kProduct, class T>
HWY_INLINE void scan_line(ScanMode mode, const T* x, T* y, int64_t length) {
  auto total = wide(T());
  if (kProduct) total = 1;
  for (int64_t i = 0; i < length; ++i) {
    const int64_t at = mode.reverse ? length - 1 - i : i;
    const auto before = total;
    total = joined<kProduct>(total, wide(x[at]));
    y[at] = narrow<T>(mode.exclusive ? before : total);
  }
}

/// The first `n` lines from x, at most kScanLines.
template <bool kProduct, class T>
HWY_INLINE void scan_lines(ScanMode mode, const T* x, T* y, LineShape shape, int64_t n) {
  using Wide = decltype(wide(T()));
  Wide buffers[2][kScanLines];
  std::fill_n(buffers[0], n, kProduct ? Wide(1) : Wide(0));
  for (int64_t i = 0; i < shape.length; ++i) {
    const int64_t at = (mode.reverse ? shape.length - 1 - i : i) * shape.inner;
    const Wide* totals = buffers[i % 2];
    Wide* next = buffers[1 - i % 2];
    // In two loops, neither of which reads one of x and y and writes the other: they may be the same.
    for (int64_t k = 0; k < n; ++k) next[k] = joined<kProduct>(totals[k], wide(x[at + k]));
    const Wide* results = mode.exclusive ? totals : next;
    for (int64_t k = 0; k < n; ++k) y[at + k] = narrow<T>(results[k]);
  }
}

template <bool kProduct, class T>
HWY_INLINE void scan_all(ScanMode mode, const T* x, T* y, LineShape shape, int64_t begin, int64_t end) {
  for (int64_t line = begin; line < end;) {
    const int64_t column = line % shape.inner, first = line / shape.inner * shape.length * shape.inner + column;
    const int64_t n = std::min({end - line, shape.inner - column, kScanLines});
    if (shape.inner == 1) {
      scan_line<kProduct>(mode, x + first, y + first, shape.length);
    } else {
      scan_lines<kProduct>(mode, x + first, y + first, shape, n);
    }
    line += n;
  }
}

template <class T>
HWY_INLINE void scan_of(ScanMode mode, const T* x, T* y, LineShape shape, int64_t begin, int64_t end) {
  mode.product ? scan_all<true>(mode, x, y, shape, begin, end) : scan_all<false>(mode, x, y, shape, begin, end);
}

#undef SDX_SCAN_TYPES
#define SDX_SCAN_TYPES(each)                                                                                        \
  each(float, f32) each(double, f64) each(Half, f16) each(BFloat16, bf16) each(int8_t, i8) each(int16_t, i16) each( \
      int32_t, i32) each(int64_t, i64) each(uint8_t, u8) each(uint16_t, u16) each(uint32_t, u32) each(uint64_t, u64)
#define SDX_SCAN(T, name)                                                                          \
  void scan_##name(ScanMode mode, const T* x, T* y, LineShape shape, int64_t begin, int64_t end) { \
    scan_of(mode, x, y, shape, begin, end);                                                        \
  }
SDX_SCAN_TYPES(SDX_SCAN)
#undef SDX_SCAN

}  // namespace sdx::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace sdx::kernels {

#define SDX_SCAN(T, name)                                                                      \
  HWY_EXPORT(scan_##name);                                                                     \
  template <>                                                                                  \
  void scan<T>(ScanMode mode, const T* x, T* y, LineShape shape, int64_t begin, int64_t end) { \
    HWY_DYNAMIC_DISPATCH(scan_##name)(mode, x, y, shape, begin, end);                          \
  }
SDX_SCAN_TYPES(SDX_SCAN)
#undef SDX_SCAN

}  // namespace sdx::kernels
#endif
