// top_k: a heap of the best elements so far, as integers that compare as their elements and positions do.
#include "kernels/top_k.h"

#include <algorithm>
#include <bit>
#include <functional>
#include <type_traits>

namespace sdx::kernels {
namespace {

/// An unsigned integer that is larger for larger elements; equal for 0 and -0, and the largest for every NaN.
template <class T>
auto key_of(T x) {
  if constexpr (std::is_integral_v<T>) {
    using Key = std::conditional_t<sizeof(T) == 8, uint64_t, uint32_t>;
    constexpr Key kSign = std::is_signed_v<T> ? Key{1} << (8 * sizeof(Key) - 1) : Key{0};
    return static_cast<Key>(static_cast<Key>(x) ^ kSign);
  } else {
    const auto value = value_of(x);
    using Key = std::conditional_t<sizeof(value) == 8, uint64_t, uint32_t>;
    constexpr Key kSign = Key{1} << (8 * sizeof(Key) - 1);
    if (value != value) return static_cast<Key>(~Key{0});
    const Key bits = std::bit_cast<Key>(value + 0);  // which makes 0 of -0
    return static_cast<Key>(bits & kSign ? ~bits : bits | kSign);
  }
}

/// Key and position in 64 bits, where they fit.
struct NarrowEntry {
  uint64_t bits;

  NarrowEntry(uint64_t key, int64_t index) : bits(key << 32 | (~static_cast<uint64_t>(index) & 0xffffffff)) {}
  uint64_t key() const { return bits >> 32; }
  int64_t index() const { return static_cast<int64_t>(~bits & 0xffffffff); }
  bool operator>(const NarrowEntry& other) const { return bits > other.bits; }
};

struct WideEntry : TopKEntry {
  WideEntry(uint64_t key, int64_t index) : TopKEntry{key, ~static_cast<uint64_t>(index)} {}
  int64_t index() const { return static_cast<int64_t>(~order); }
  bool operator>(const WideEntry& other) const { return key > other.key || (key == other.key && order > other.order); }
};
static_assert(sizeof(NarrowEntry) <= sizeof(TopKEntry) && sizeof(WideEntry) == sizeof(TopKEntry));

/// Puts an entry in the place of the worst, which is on top of the heap.
template <class Entry>
void replace_worst(Entry* heap, int64_t k, Entry entry) {
  int64_t at = 0;
  for (int64_t child; (child = 2 * at + 1) < k; at = child) {
    if (child + 1 < k) child += heap[child] > heap[child + 1];
    if (!(entry > heap[child])) break;
    heap[at] = heap[child];
  }
  heap[at] = entry;
}

/// Whether an element may be better than the bound: a test without branches that lets NaN pass.
template <bool kLargest, class Value>
bool may_be_better(Value value, Value bound) {
  return kLargest ? !(value <= bound) : !(value >= bound);
}

/// Whether one of kBlock neighbours may be; most blocks of a long line hold none.
constexpr int64_t kBlock = 64;
template <bool kLargest, class T, class Value>
bool block_may_be_better(const T* x, Value bound) {
  std::conditional_t<sizeof(Value) == 8, int64_t, int32_t> found = 0;
  for (int64_t i = 0; i < kBlock; ++i) found |= may_be_better<kLargest>(value_of(x[i]), bound);
  return found != 0;
}

/// The entries of the best elements of a line in `heap`, best first.
template <bool kLargest, class Entry, class T>
void select(const T* x, int64_t stride, int64_t length, int64_t k, Entry* heap) {
  const auto entry = [&](int64_t i) {
    const auto key = key_of(x[i * stride]);
    return Entry(kLargest ? key : static_cast<decltype(key)>(~key), i);
  };
  for (int64_t i = 0; i < k; ++i) heap[i] = entry(i);
  std::make_heap(heap, heap + k, std::greater<>());
  auto bound = value_of(x[heap[0].index() * stride]);
  for (int64_t begin = k; begin < length; begin += kBlock) {
    const int64_t end = std::min(length, begin + kBlock);
    if (stride == 1 && end - begin == kBlock && !block_may_be_better<kLargest>(x + begin, bound)) continue;
    for (int64_t i = begin; i < end; ++i) {
      if (!may_be_better<kLargest>(value_of(x[i * stride]), bound)) continue;
      if (const Entry e = entry(i); e > heap[0]) {
        replace_worst(heap, k, e);
        bound = value_of(x[heap[0].index() * stride]);
      }
    }
  }
  std::sort(heap, heap + k, std::greater<>());
}

}  // namespace

template <class T>
void top_k(bool largest, int64_t k, const T* x, LineShape shape, T* values, int64_t* indices, TopKEntry* scratch,
           int64_t begin, int64_t end) {
  if (k <= 0) return;
  const auto lines = [&]<class Entry>(Entry* heap) {
    for (int64_t line = begin; line < end; ++line) {
      const int64_t block = line / shape.inner, at = line % shape.inner;
      const T* from = x + block * shape.length * shape.inner + at;
      if (largest) {
        select<true>(from, shape.inner, shape.length, k, heap);
      } else {
        select<false>(from, shape.inner, shape.length, k, heap);
      }
      for (int64_t i = 0; i < k; ++i) {
        const int64_t to = (block * k + i) * shape.inner + at;
        indices[to] = heap[i].index();
        values[to] = from[heap[i].index() * shape.inner];
      }
    }
  };
  if (sizeof(T) <= 4 && shape.length <= int64_t{1} << 32) {
    lines(reinterpret_cast<NarrowEntry*>(scratch));
  } else {
    lines(static_cast<WideEntry*>(scratch));
  }
}

#define SDX_TOP_K(T) \
  template void top_k<T>(bool, int64_t, const T*, LineShape, T*, int64_t*, TopKEntry*, int64_t, int64_t);
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
