// Pool: one output row at a time. The input rows of its windows are merged into one line, which has neutral margins,
// and then the elements of the line.
#include "kernels/pool.h"

#include <algorithm>
#include <limits>

#include "hwy/foreach_target.h"
#include "hwy/highway.h"
#include "kernels/partial-inl.h"

HWY_BEFORE_NAMESPACE();
namespace sdx::kernels::HWY_NAMESPACE {

template <class T>
using Tag = hn::ScalableTag<T>;
template <class T>
using V = hn::Vec<Tag<T>>;

/// The taps [first, last) of the window at `position` along an axis that lie in (-reach, in), the first one at `start`.
struct Taps {
  int64_t start, first, last;
};

HWY_INLINE Taps taps_at(const PoolShape& s, int axis, int64_t position, int64_t reach) {
  const int64_t start = position * s.stride[axis] - s.pad_begin[axis];
  const int64_t room = s.in[axis] - 1 - start;
  if (start > -reach && room >= (s.kernel[axis] - 1) * s.dilation[axis]) return {start, 0, s.kernel[axis]};
  const int64_t first = start > -reach ? 0 : (-reach - start) / s.dilation[axis] + 1;
  const int64_t last = room < 0 ? 0 : std::min(s.kernel[axis], room / s.dilation[axis] + 1);
  return {start, first, std::max(first, last)};
}

/// How values merge, and what becomes of the value of a window in column c of the row that `enter_row` told.
template <class T>
struct Largest {
  static constexpr T kNeutral =
      std::numeric_limits<T>::has_infinity ? -std::numeric_limits<T>::infinity() : std::numeric_limits<T>::lowest();
  template <class D>
  static HWY_INLINE hn::Vec<D> merge(D, hn::Vec<D> acc, hn::Vec<D> x) {
    // On x86 the second operand of Max survives where either is NaN.
    if constexpr (std::numeric_limits<T>::has_infinity) return hn::IfThenElse(hn::Eq(x, x), hn::Max(x, acc), x);
    return hn::Max(x, acc);
  }
  HWY_INLINE void enter_row(int64_t, int64_t) {}
  HWY_INLINE V<T> finish(V<T> v, int64_t, int64_t) const { return v; }
  HWY_INLINE T finish(T v, int64_t) const { return v; }
};

template <class T>
struct Mean {
  static constexpr T kNeutral = 0;
  PoolCounts<T> counts;
  T rows = 1;  ///< counts of the axes but the last

  template <class D>
  static HWY_INLINE hn::Vec<D> merge(D, hn::Vec<D> acc, hn::Vec<D> x) {
    return hn::Add(acc, x);
  }
  HWY_INLINE void enter_row(int64_t z, int64_t y) { rows = counts.axis[0][z] * counts.axis[1][y]; }
  HWY_INLINE V<T> finish(V<T> v, int64_t c, int64_t n) const {
    const Tag<T> d;
    const T* from = counts.axis[2] + c;
    const bool full = n >= static_cast<int64_t>(hn::Lanes(d));
    const V<T> columns = full ? hn::LoadU(d, from) : load_partial(d, from, static_cast<size_t>(n), T(1));
    return hn::Div(v, hn::Max(hn::Mul(columns, hn::Set(d, rows)), hn::Set(d, T(1))));
  }
  HWY_INLINE T finish(T v, int64_t c) const { return v / std::max(counts.axis[2][c] * rows, T(1)); }
};

template <class T>
struct Data {
  const PoolShape& shape;
  const T* x;
  T* y;
  T* line;        ///< element 0 of the first of kPoolRows lines, between their margins
  int64_t pitch;  ///< from one line to the next
};

/// The rows of the windows of output row (z, y), from `plane`, merged into a line.
template <class Op, class T>
HWY_INLINE void merge_rows(const PoolShape& s, const T* plane, int64_t z, int64_t y, T* line) {
  const Tag<T> d;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(d)), width = s.in[2];
  const Taps planes = taps_at(s, 0, z, 1), rows = taps_at(s, 1, y, 1);
  const int64_t z_step = s.dilation[0] * s.in[1] * width, y_step = s.dilation[1] * width;
  const int64_t z_count = planes.last - planes.first, y_count = rows.last - rows.first;
  const int64_t offset = (planes.start * s.in[1] + rows.start) * width + planes.first * z_step + rows.first * y_step;
  const T* first = z_count * y_count > 0 ? plane + offset : plane;
  const auto merged = [&](int64_t c, auto load) {
    V<T> acc = hn::Set(d, Op::kNeutral);
    const T* from = first + c;
    for (int64_t i = 0; i < z_count; ++i, from += z_step) {
      const T* at = from;
      for (int64_t j = 0; j < y_count; ++j, at += y_step) acc = Op::merge(d, acc, load(at));
    }
    return acc;
  };
  int64_t c = 0;
  for (; c + lanes <= width; c += lanes) {
    hn::StoreU(merged(c, [&](const T* p) { return hn::LoadU(d, p); }), d, line + c);
  }
  if (c == width) return;
  const size_t rest = static_cast<size_t>(width - c);
  // The margin stays neutral.
  hn::StoreU(merged(c, [&](const T* p) { return load_partial(d, p, rest, Op::kNeutral); }), d, line + c);
}

template <int kStride, class T>
HWY_INLINE V<T> load_every(const T* from) {
  const Tag<T> d;
  const size_t lanes = hn::Lanes(d);
  if constexpr (kStride == 1) {
    return hn::LoadU(d, from);
  } else if constexpr (kStride == 3) {
    V<T> first, second, third;
    hn::LoadInterleaved3(d, from, first, second, third);
    return first;
  } else {
    return hn::ConcatEven(d, load_every<kStride / 2>(from + kStride / 2 * lanes), load_every<kStride / 2>(from));
  }
}

/// `count` output rows, from `to` on.
template <int kStride, class Op, class T>
HWY_INLINE void merge_columns(const Data<T>& data, const Op* ops, int64_t count, T* to) {
  const PoolShape& s = data.shape;
  const Tag<T> d;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(d));
  for (int64_t c = 0; c < s.out[2]; c += lanes) {
    const Taps taps = taps_at(s, 2, c, lanes * kStride);
    V<T> acc[kPoolRows];
    for (int64_t i = 0; i < kPoolRows; ++i) acc[i] = hn::Set(d, Op::kNeutral);
    for (int64_t t = taps.first; t < taps.last; ++t) {
      const T* from = data.line + taps.start + t * s.dilation[2];
      for (int64_t i = 0; i < kPoolRows; ++i) {
        acc[i] = Op::merge(d, acc[i], load_every<kStride>(from + i * data.pitch));
      }
    }
    const int64_t n = std::min(lanes, s.out[2] - c);
    for (int64_t i = 0; i < kPoolRows; ++i) {
      if (i >= count) break;
      const V<T> result = ops[i].finish(acc[i], c, n);
      T* at = to + i * s.out[2] + c;
      if (n == lanes) {
        hn::StoreU(result, d, at);
      } else {
        store_partial(result, d, at, static_cast<size_t>(n));
      }
    }
  }
}

/// For any stride, one result at a time.
template <class Op, class T>
HWY_INLINE void merge_columns_apart(const Data<T>& data, const Op* ops, int64_t count, T* to) {
  const PoolShape& s = data.shape;
  const hn::CappedTag<T, 1> d;
  for (int64_t c = 0; c < s.out[2]; ++c) {
    const Taps taps = taps_at(s, 2, c, 1);
    for (int64_t i = 0; i < count; ++i) {
      auto acc = hn::Set(d, Op::kNeutral);
      for (int64_t t = taps.first; t < taps.last; ++t) {
        acc = Op::merge(d, acc, hn::LoadU(d, data.line + i * data.pitch + taps.start + t * s.dilation[2]));
      }
      to[i * s.out[2] + c] = ops[i].finish(hn::GetLane(acc), c);
    }
  }
}

/// On either side of the line, so that whole vectors of every fourth element may hang over its ends.
int64_t margin_bytes() { return 4 * static_cast<int64_t>(hn::Lanes(Tag<uint8_t>())); }

template <class Op, class T>
HWY_INLINE void merge_columns_of(const Data<T>& data, const Op* ops, int64_t count, T* to) {
  switch (data.shape.stride[2]) {
    case 1: return merge_columns<1>(data, ops, count, to);
    case 2: return merge_columns<2>(data, ops, count, to);
    case 3: return merge_columns<3>(data, ops, count, to);
    case 4: return merge_columns<4>(data, ops, count, to);
    default: return merge_columns_apart(data, ops, count, to);
  }
}

template <class Op, class T>
HWY_INLINE void pool_rows(Data<T> data, Op op, int64_t begin, int64_t end) {
  const PoolShape& s = data.shape;
  const int64_t margin = margin_bytes() / static_cast<int64_t>(sizeof(T)), in_plane = s.in[0] * s.in[1] * s.in[2];
  data.pitch = s.in[2] + margin;
  std::fill_n(data.line, margin + kPoolRows * data.pitch, Op::kNeutral);
  data.line += margin;
  int64_t plane = begin / (s.out[0] * s.out[1]), z = begin / s.out[1] % s.out[0], y = begin % s.out[1];
  for (int64_t row = begin; row < end; row += kPoolRows) {
    const int64_t count = std::min(kPoolRows, end - row);
    Op ops[kPoolRows];
    for (int64_t i = 0; i < count; ++i) {
      merge_rows<Op>(s, data.x + plane * in_plane, z, y, data.line + i * data.pitch);
      ops[i] = op;
      ops[i].enter_row(z, y);
      if (++y < s.out[1]) continue;
      y = 0;
      if (++z < s.out[0]) continue;
      z = 0;
      ++plane;
    }
    merge_columns_of(data, ops, count, data.y + row * s.out[2]);
  }
}

#define SDX_MAX_POOL(T, name)                                                                              \
  void max_pool_##name(const PoolShape& shape, const T* x, T* y, T* scratch, int64_t begin, int64_t end) { \
    pool_rows(Data<T>{shape, x, y, scratch, 0}, Largest<T>(), begin, end);                                 \
  }
SDX_MAX_POOL(float, f32)
SDX_MAX_POOL(double, f64)
SDX_MAX_POOL(int8_t, i8)
SDX_MAX_POOL(uint8_t, u8)
#undef SDX_MAX_POOL

#define SDX_MEAN_POOL(T, name)                                                                             \
  void mean_pool_##name(const PoolShape& shape, const PoolCounts<T>& counts, const T* x, T* y, T* scratch, \
                        int64_t begin, int64_t end) {                                                      \
    pool_rows(Data<T>{shape, x, y, scratch, 0}, Mean<T>{counts}, begin, end);                              \
  }
SDX_MEAN_POOL(float, f32)
SDX_MEAN_POOL(double, f64)
#undef SDX_MEAN_POOL

}  // namespace sdx::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace sdx::kernels {

HWY_EXPORT(margin_bytes);
int64_t pool_scratch(const PoolShape& shape, int bytes) {
  const int64_t margin = HWY_DYNAMIC_DISPATCH(margin_bytes)() / bytes;
  return margin + kPoolRows * (shape.in[2] + margin);
}

#define SDX_MAX_POOL(T, name)                                                                          \
  HWY_EXPORT(max_pool_##name);                                                                         \
  template <>                                                                                          \
  void max_pool<T>(const PoolShape& shape, const T* x, T* y, T* scratch, int64_t begin, int64_t end) { \
    HWY_DYNAMIC_DISPATCH(max_pool_##name)(shape, x, y, scratch, begin, end);                           \
  }
SDX_MAX_POOL(float, f32)
SDX_MAX_POOL(double, f64)
SDX_MAX_POOL(int8_t, i8)
SDX_MAX_POOL(uint8_t, u8)
#undef SDX_MAX_POOL

#define SDX_MEAN_POOL(T, name)                                                                                        \
  HWY_EXPORT(mean_pool_##name);                                                                                       \
  template <>                                                                                                         \
  void mean_pool<T>(const PoolShape& shape, const PoolCounts<T>& counts, const T* x, T* y, T* scratch, int64_t begin, \
                    int64_t end) {                                                                                    \
    HWY_DYNAMIC_DISPATCH(mean_pool_##name)(shape, counts, x, y, scratch, begin, end);                                 \
  }
SDX_MEAN_POOL(float, f32)
SDX_MEAN_POOL(double, f64)
#undef SDX_MEAN_POOL

}  // namespace sdx::kernels
#endif
