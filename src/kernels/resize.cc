// resize_axis, resize_nearest: an axis inside others by whole rows; the innermost axis by lookups of lanes, wherever
// the sources of a vector of results lie within two vectors.
#include "kernels/resize.h"

#include <algorithm>

#include "hwy/foreach_target.h"
#include "hwy/highway.h"
#include "kernels/partial-inl.h"

HWY_BEFORE_NAMESPACE();
namespace sdx::kernels::HWY_NAMESPACE {

/// One result row as the weighted sum of source rows, each `inner` long.
template <class T>
HWY_INLINE void weighted_rows(const T* x, T* y, const ResizeTable<T>& t, int64_t j, int64_t inner) {
  const hn::ScalableTag<T> d;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(d));
  const auto sum = [&](auto load) {
    auto acc = hn::Mul(hn::Set(d, t.weight[j]), load(x + t.index[j] * inner));
    for (int64_t at = j + t.row; at < t.taps * t.row; at += t.row) {
      acc = hn::MulAdd(hn::Set(d, t.weight[at]), load(x + t.index[at] * inner), acc);
    }
    return acc;
  };
  int64_t i = 0;
  for (; i + lanes <= inner; i += lanes) {
    hn::StoreU(sum([&](const T* p) { return hn::LoadU(d, p + i); }), d, y + i);
  }
  if (i == inner) return;
  const size_t rest = static_cast<size_t>(inner - i);
  store_partial(sum([&](const T* p) { return load_partial(d, p + i, rest); }), d, y + i, rest);
}

/// Lanes that hold elements of type T, and their transfer from and to memory.
template <class T>
using Lane = std::conditional_t<sizeof(T) < 4, uint32_t, T>;
template <class T>
using LaneTag = hn::ScalableTag<Lane<T>>;
template <class T>
using LaneVec = hn::Vec<LaneTag<T>>;

int64_t most_lanes() { return static_cast<int64_t>(hn::Lanes(LaneTag<uint32_t>())); }

template <class T>
HWY_INLINE LaneVec<T> load_lanes(const T* from, int64_t n) {
  const LaneTag<T> d;
  const hn::Rebind<T, LaneTag<T>> narrow;
  const bool full = n >= static_cast<int64_t>(hn::Lanes(d));
  const auto v =
      full ? hn::LoadU(narrow, from) : load_partial(narrow, from, static_cast<size_t>(std::max<int64_t>(n, 0)));
  if constexpr (sizeof(T) < 4) {
    return hn::PromoteTo(d, v);
  } else {
    return v;
  }
}

template <class T>
HWY_INLINE void store_lanes(LaneVec<T> v, T* to, int64_t n) {
  const hn::Rebind<T, LaneTag<T>> narrow;
  const auto store = [&](auto elements) {
    if (n >= static_cast<int64_t>(hn::Lanes(narrow))) {
      hn::StoreU(elements, narrow, to);
    } else {
      store_partial(elements, narrow, to, static_cast<size_t>(n));
    }
  };
  if constexpr (sizeof(T) < 4) {
    store(hn::TruncateTo(narrow, v));
  } else {
    store(v);
  }
}

/// The elements low … high of a line of `in`, at most two vectors of them, to be looked up.
template <class T>
class Sources {
 public:
  using D = LaneTag<T>;
  using DI = hn::RebindToSigned<D>;
  using Index = hn::TFromD<DI>;

  static HWY_INLINE int64_t lanes() { return static_cast<int64_t>(hn::Lanes(D())); }
  static HWY_INLINE bool fits(int64_t low, int64_t high) { return high - low < 2 * lanes(); }

  HWY_INLINE Sources(const T* line, int64_t in, int64_t low, int64_t high) : two_(high - low >= lanes()) {
    base_ = std::min(low, std::max<int64_t>(0, in - (two_ ? 2 : 1) * lanes()));
    first_ = load_lanes(line + base_, in - base_);
    second_ = two_ ? load_lanes(line + base_ + lanes(), in - base_ - lanes()) : first_;
  }
  HWY_INLINE LaneVec<T> at(const Index* index) const {
    const DI d;
    const auto from = hn::Sub(hn::LoadU(d, index), hn::Set(d, static_cast<Index>(base_)));
    if (!two_) return hn::TableLookupLanes(first_, hn::IndicesFromVec(D(), from));
    const auto last = hn::Set(d, static_cast<Index>(lanes() - 1));
    const auto wrapped = hn::IndicesFromVec(D(), hn::And(from, last));
    return hn::IfThenElse(hn::RebindMask(D(), hn::Gt(from, last)), hn::TableLookupLanes(second_, wrapped),
                          hn::TableLookupLanes(first_, wrapped));
  }

 private:
  bool two_;
  int64_t base_;
  LaneVec<T> first_, second_;
};

template <class T>
HWY_INLINE void weighted_line(const T* x, T* y, const ResizeTable<T>& t) {
  const hn::ScalableTag<T> d;
  const int64_t lanes = Sources<T>::lanes(), end = t.taps * t.row;
  for (int64_t j = 0; j < t.out; j += lanes) {
    const int64_t n = std::min(lanes, t.out - j), last = j + n - 1;
    const auto [low, high] =
        std::minmax<int64_t>({t.index[j], t.index[last], t.index[end - t.row + j], t.index[end - t.row + last]});
    if (!Sources<T>::fits(low, high)) {
      for (int64_t k = j; k <= last; ++k) {
        T sum = 0;
        for (int64_t at = k; at < end; at += t.row) sum += t.weight[at] * x[t.index[at]];
        y[k] = sum;
      }
      continue;
    }
    const Sources<T> sources(x, t.in, low, high);
    auto acc = hn::Mul(hn::LoadU(d, t.weight + j), sources.at(t.index + j));
    for (int64_t at = j + t.row; at < end; at += t.row) {
      acc = hn::MulAdd(hn::LoadU(d, t.weight + at), sources.at(t.index + at), acc);
    }
    store_lanes<T>(acc, y + j, n);
  }
}

template <class T>
HWY_INLINE void resize_axis_of(const T* x, T* y, const ResizeTable<T>& t, int64_t inner, int64_t begin, int64_t end) {
  for (int64_t i = begin; i < end; ++i) {
    if (inner == 1) {
      weighted_line(x + i * t.in, y + i * t.out, t);
    } else {
      weighted_rows(x + i / t.out * t.in * inner, y + i * inner, t, i % t.out, inner);
    }
  }
}

void resize_axis_f32(const float* x, float* y, const ResizeTable<float>& t, int64_t inner, int64_t begin, int64_t end) {
  resize_axis_of(x, y, t, inner, begin, end);
}
void resize_axis_f64(const double* x, double* y, const ResizeTable<double>& t, int64_t inner, int64_t begin,
                     int64_t end) {
  resize_axis_of(x, y, t, inner, begin, end);
}

/// One row, which is written `copies` times.
template <class T>
HWY_INLINE void nearest_row(const ResizeNearest<sizeof(T)>& maps, const T* x, T* y, int64_t copies) {
  const int64_t lanes = Sources<T>::lanes();
  const auto* index = maps.column;
  for (int64_t j = 0; j < maps.out; j += lanes) {
    const int64_t n = std::min(lanes, maps.out - j);
    const auto [low, high] = std::minmax<int64_t>({index[j], index[j + n - 1]});
    if (Sources<T>::fits(low, high)) {
      const LaneVec<T> v = Sources<T>(x, maps.in, low, high).at(index + j);
      for (int64_t i = 0; i < copies; ++i) store_lanes<T>(v, y + i * maps.out + j, n);
    } else {
      for (int64_t k = j; k < j + n; ++k) {
        for (int64_t i = 0; i < copies; ++i) y[i * maps.out + k] = x[index[k]];
      }
    }
  }
}

template <class T>
HWY_INLINE void nearest(const ResizeNearest<sizeof(T)>& maps, const void* from, void* to, int64_t begin, int64_t end) {
  for (int64_t r = begin; r < end;) {
    int64_t next = r + 1;
    while (next < end && maps.row[next] == maps.row[r]) ++next;
    nearest_row<T>(maps, static_cast<const T*>(from) + maps.row[r] * maps.in,
                   static_cast<T*>(to) + (r - begin) * maps.out, next - r);
    r = next;
  }
}

#define SDX_NEAREST(bytes, T)                                                                                      \
  void nearest_##bytes(const ResizeNearest<bytes>& maps, const void* from, void* to, int64_t begin, int64_t end) { \
    nearest<T>(maps, from, to, begin, end);                                                                        \
  }
SDX_NEAREST(1, uint8_t)
SDX_NEAREST(2, uint16_t)
SDX_NEAREST(4, uint32_t)
SDX_NEAREST(8, uint64_t)
#undef SDX_NEAREST

}  // namespace sdx::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace sdx::kernels {

HWY_EXPORT(most_lanes);
int64_t resize_row(int64_t out) { return out + HWY_DYNAMIC_DISPATCH(most_lanes)(); }

HWY_EXPORT(resize_axis_f32);
HWY_EXPORT(resize_axis_f64);
template <>
void resize_axis<float>(const float* x, float* y, const ResizeTable<float>& table, int64_t inner, int64_t begin,
                        int64_t end) {
  HWY_DYNAMIC_DISPATCH(resize_axis_f32)(x, y, table, inner, begin, end);
}
template <>
void resize_axis<double>(const double* x, double* y, const ResizeTable<double>& table, int64_t inner, int64_t begin,
                         int64_t end) {
  HWY_DYNAMIC_DISPATCH(resize_axis_f64)(x, y, table, inner, begin, end);
}

#define SDX_NEAREST(bytes)                                                                                        \
  HWY_EXPORT(nearest_##bytes);                                                                                    \
  template <>                                                                                                     \
  void resize_nearest(const ResizeNearest<bytes>& maps, const void* from, void* to, int64_t begin, int64_t end) { \
    HWY_DYNAMIC_DISPATCH(nearest_##bytes)(maps, from, to, begin, end);                                            \
  }
SDX_NEAREST(1)
SDX_NEAREST(2)
SDX_NEAREST(4)
SDX_NEAREST(8)
#undef SDX_NEAREST

}  // namespace sdx::kernels
#endif
