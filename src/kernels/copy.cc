// strided_copy, transpose_2d and their relatives. Elements travel as opaque words; memcpy keeps any alignment defined.
#include "kernels/copy.h"

#include <algorithm>
#include <cstring>

#include "kernels/transpose.h"

namespace sdx::kernels {
namespace {

struct Word16 {
  uint64_t low, high;
};

template <class Word>
void copy_run(char* to, int64_t to_stride, const char* from, int64_t from_stride, int64_t n) {
  constexpr int64_t kBytes = sizeof(Word);
  if (from_stride == 0) {
    Word value;
    std::memcpy(&value, from, kBytes);
    for (int64_t i = 0; i < n; ++i) std::memcpy(to + i * to_stride * kBytes, &value, kBytes);
    return;
  }
  for (int64_t i = 0; i < n; ++i) {
    Word value;
    std::memcpy(&value, from + i * from_stride * kBytes, kBytes);
    std::memcpy(to + i * to_stride * kBytes, &value, kBytes);
  }
}

/// Runs f with a word of the given width.
template <class F>
void with_word(int bytes, const F& f) {
  switch (bytes) {
    case 1: return f(uint8_t());
    case 2: return f(uint16_t());
    case 4: return f(uint32_t());
    case 8: return f(uint64_t());
    default: return f(Word16());
  }
}

template <class Word>
void copy_runs(const StridedLoop<2>& loop, char* to, const char* from, int64_t begin, int64_t end) {
  constexpr int64_t kBytes = sizeof(Word);
  const int64_t to_stride = loop.inner(0), from_stride = loop.inner(1);
  const bool rows = to_stride == 1 && from_stride == 1;
  for_runs(loop, begin, end, [&](int64_t, const std::array<int64_t, 2>& o, int64_t n) {
    char* target = to + o[0] * kBytes;
    const char* source = from + o[1] * kBytes;
    if (rows) {
      std::memcpy(target, source, static_cast<size_t>(n * kBytes));
    } else {
      copy_run<Word>(target, to_stride, source, from_stride, n);
    }
  });
}

struct Word32 {
  Word16 low, high;
};

/// Rows of `bytes`, of one Word to two of them, which then overlap.
template <class Word>
void copy_short_rows(char* to, int64_t to_stride, const char* from, int64_t from_stride, int64_t bytes, int64_t n) {
  const int64_t last = bytes - static_cast<int64_t>(sizeof(Word));
  for (int64_t i = 0; i < n; ++i, to += to_stride, from += from_stride) {
    Word first, second;
    std::memcpy(&first, from, sizeof(Word));
    std::memcpy(&second, from + last, sizeof(Word));
    std::memcpy(to, &first, sizeof(Word));
    std::memcpy(to + last, &second, sizeof(Word));
  }
}

constexpr int64_t kShortRow = 64;

void copy_short_rows(char* to, int64_t to_stride, const char* from, int64_t from_stride, int64_t bytes, int64_t n) {
  if (bytes >= 32) return copy_short_rows<Word32>(to, to_stride, from, from_stride, bytes, n);
  if (bytes >= 16) return copy_short_rows<Word16>(to, to_stride, from, from_stride, bytes, n);
  if (bytes >= 8) return copy_short_rows<uint64_t>(to, to_stride, from, from_stride, bytes, n);
  if (bytes >= 4) return copy_short_rows<uint32_t>(to, to_stride, from, from_stride, bytes, n);
  copy_short_rows<uint16_t>(to, to_stride, from, from_stride, bytes, n);
}

/// Repeats the first `period` bytes at `to` until there are `total`; by doubling, up to a part that stays in the cache.
void repeat_period(char* to, int64_t period, int64_t total) {
  const int64_t most = std::max<int64_t>(1, 4096 / period) * period;
  for (int64_t done = period; done < total;) {
    const int64_t count = std::min({done, total - done, most});
    std::memcpy(to + done, to, static_cast<size_t>(count));
    done += count;
  }
}

/// Dimensions [first, first + rank) of a loop.
StridedLoop<2> part_of(const StridedLoop<2>& loop, int first, int rank) {
  StridedLoop<2> part;
  if (rank <= 0) return part;
  part.rank = rank;
  for (int d = 0; d < rank; ++d) {
    part.extent[d] = loop.extent[first + d];
    for (int k = 0; k < 2; ++k) part.stride[k][d] = loop.stride[k][first + d];
  }
  return part;
}

/// Whether rows are contiguous and so short that calls for each would take longest.
bool has_short_rows(const StridedLoop<2>& loop, int bytes) {
  const int last = loop.rank - 1;
  return last > 0 && loop.inner(0) == 1 && loop.inner(1) == 1 && loop.extent[last] * bytes <= kShortRow &&
         loop.extent[last] * bytes > 1;
}

void copy_by_short_rows(const StridedLoop<2>& loop, char* to, const char* from, int bytes, int64_t begin, int64_t end) {
  const int64_t length = loop.extent[loop.rank - 1];
  const int64_t first = (begin + length - 1) / length, last = end / length;
  const auto by_elements = [&](int64_t b, int64_t e) {
    with_word(bytes, [&](auto word) { copy_runs<decltype(word)>(loop, to, from, b, e); });
  };
  if (first >= last) return by_elements(begin, end);
  by_elements(begin, first * length);
  const StridedLoop<2> rows = part_of(loop, 0, loop.rank - 1);
  for_runs(rows, first, last, [&](int64_t, const std::array<int64_t, 2>& o, int64_t n) {
    copy_short_rows(to + o[0] * bytes, rows.inner(0) * bytes, from + o[1] * bytes, rows.inner(1) * bytes,
                    length * bytes, n);
  });
  by_elements(last * length, end);
}

/// Whether the innermost dimension is a block that the one before repeats behind itself.
bool repeats_blocks(const StridedLoop<2>& loop) {
  const int last = loop.rank - 1;
  return last > 0 && loop.inner(0) == 1 && loop.inner(1) == 1 && loop.stride[1][last - 1] == 0 &&
         loop.stride[0][last - 1] == loop.extent[last];
}

void copy_repeated(const StridedLoop<2>& loop, char* to, const char* from, int bytes, int64_t begin, int64_t end) {
  // The repeats of a block as one dimension along which the source stands still.
  StridedLoop<2> repeats = loop;
  const int last = --repeats.rank - 1;
  const int64_t block = loop.extent[last + 1];
  repeats.extent[last] *= block;
  repeats.stride[0][last] = 1;
  for_runs(repeats, begin, end, [&](int64_t index, const std::array<int64_t, 2>& o, int64_t n) {
    char* target = to + o[0] * bytes;
    const char* source = from + o[1] * bytes;
    const int64_t first = index % block, period = std::min(n, block), head = std::min(period, block - first);
    std::memcpy(target, source + first * bytes, static_cast<size_t>(head * bytes));
    std::memcpy(target + head * bytes, source, static_cast<size_t>((period - head) * bytes));
    repeat_period(target, period * bytes, n * bytes);
  });
}

/// The dimension along which the source is contiguous, where the innermost one of the loop is not: together they make
/// a transposition. -1 where there is none worth tiles.
int transposed_dimension(const StridedLoop<2>& loop) {
  const int last = loop.rank - 1;
  if (loop.inner(0) != 1 || loop.inner(1) == 1 || loop.inner(1) == 0 || loop.extent[last] < 2) return -1;
  for (int d = last - 1; d >= 0; --d) {
    if (loop.stride[1][d] == 1) return loop.extent[d] >= 4 ? d : -1;
  }
  return -1;
}

/// A plane holds all that lies inside dimension t, a row all that lies inside one index of it. Whole rows of a plane
/// go to transpose_block, once for each index between t and the innermost dimension; what a range has of the rows at
/// its ends goes by elements.
class Planes {
 public:
  Planes(const StridedLoop<2>& loop, int t, int bytes)
      : outer_(part_of(loop, 0, t)),
        plane_(part_of(loop, t, loop.rank - t)),
        middle_(part_of(loop, t + 1, loop.rank - t - 2)),
        row_(middle_.count() * loop.extent[loop.rank - 1]),
        size_(plane_.extent[0] * row_),
        bytes_(bytes) {}

  void copy(char* to, const char* from, int64_t begin, int64_t end) const {
    for_runs(outer_, begin / size_, (end + size_ - 1) / size_,
             [&](int64_t index, const std::array<int64_t, 2>& o, int64_t n) {
               for (int64_t p = 0; p < n; ++p) {
                 const int64_t start = (index + p) * size_;
                 copy_plane(to + (o[0] + p * outer_.inner(0)) * bytes_, from + (o[1] + p * outer_.inner(1)) * bytes_,
                            std::max<int64_t>(begin - start, 0), std::min(end - start, size_));
               }
             });
  }

 private:
  void copy_plane(char* to, const char* from, int64_t begin, int64_t end) const {
    const int64_t first = (begin + row_ - 1) / row_, last = end / row_;
    if (first >= last) return by_elements(to, from, begin, end);
    by_elements(to, from, begin, first * row_);
    const Extent2 extent{last - first, plane_.extent[plane_.rank - 1]};
    for_runs(middle_, 0, middle_.count(), [&](int64_t, const std::array<int64_t, 2>& o, int64_t n) {
      for (int64_t m = 0; m < n; ++m) {
        const int64_t target = o[0] + m * middle_.inner(0) + first * plane_.stride[0][0];
        const int64_t source = o[1] + m * middle_.inner(1) + first;
        transpose_block(to + target * bytes_, plane_.stride[0][0], from + source * bytes_, plane_.inner(1), extent,
                        bytes_);
      }
    });
    by_elements(to, from, last * row_, end);
  }

  void by_elements(char* to, const char* from, int64_t begin, int64_t end) const {
    with_word(bytes_, [&](auto word) { copy_runs<decltype(word)>(plane_, to, from, begin, end); });
  }

  StridedLoop<2> outer_, plane_, middle_;
  int64_t row_, size_;
  int bytes_;
};

}  // namespace

void strided_copy(const StridedLoop<2>& loop, void* to, const void* from, int bytes, int64_t begin, int64_t end) {
  if (begin >= end) return;
  char* target = static_cast<char*>(to);
  const char* source = static_cast<const char*>(from);
  if (const int t = transposed_dimension(loop); t >= 0) return Planes(loop, t, bytes).copy(target, source, begin, end);
  if (repeats_blocks(loop)) return copy_repeated(loop, target, source, bytes, begin, end);
  if (has_short_rows(loop, bytes)) return copy_by_short_rows(loop, target, source, bytes, begin, end);
  with_word(bytes, [&](auto word) { copy_runs<decltype(word)>(loop, target, source, begin, end); });
}

void transpose_2d(void* to, const void* from, int64_t rows, int64_t cols, int bytes, int64_t begin, int64_t end) {
  for (int64_t i = begin; i < end;) {
    const int64_t matrix = i / cols, column = i % cols;
    const int64_t n = std::min(end - i, cols - column);
    transpose_block(static_cast<char*>(to) + i * rows * bytes, rows,
                    static_cast<const char*>(from) + (matrix * rows * cols + column) * bytes, cols, {n, rows}, bytes);
    i += n;
  }
}

void swap_middle(void* to, const void* from, int64_t n, int64_t m, int64_t row_bytes, int64_t begin, int64_t end) {
  char* target = static_cast<char*>(to) + begin * n * row_bytes;
  for (int64_t i = begin; i < end; ++i) {
    const char* source = static_cast<const char*>(from) + ((i / m) * n * m + i % m) * row_bytes;
    for (int64_t k = 0; k < n; ++k, target += row_bytes, source += m * row_bytes) {
      std::memcpy(target, source, static_cast<size_t>(row_bytes));
    }
  }
}

int64_t copy_grain(const StridedLoop<2>& loop, int64_t wanted) {
  const int t = transposed_dimension(loop);
  if (t < 0) return wanted;
  int64_t rows = 16;  // of a tile at most
  for (int d = t + 1; d < loop.rank; ++d) rows *= loop.extent[d];
  return rows > 4 * wanted ? wanted : (wanted + rows - 1) / rows * rows;
}

void fill(void* to, const void* value, int bytes, int64_t n) {
  char* target = static_cast<char*>(to);
  const int64_t total = n * bytes;
  if (total <= 0) return;
  std::memcpy(target, value, static_cast<size_t>(bytes));
  repeat_period(target, bytes, total);
}

template <class Index>
void gather_rows(void* to, const void* from, int64_t row_bytes, const Index* index, int64_t limit, int64_t begin,
                 int64_t end) {
  const char* source = static_cast<const char*>(from);
  const auto run = [&](const auto& copy) {
    for (int64_t i = begin; i < end; ++i) {
      const int64_t row = index[i] < 0 ? index[i] + limit : index[i];
      copy(static_cast<char*>(to) + i * row_bytes, source + row * row_bytes);
    }
  };
  switch (row_bytes) {
    case 4: return run([](char* t, const char* s) { std::memcpy(t, s, 4); });
    case 8: return run([](char* t, const char* s) { std::memcpy(t, s, 8); });
    default: return run([&](char* t, const char* s) { std::memcpy(t, s, static_cast<size_t>(row_bytes)); });
  }
}

template <class Index>
int64_t first_bad_index(const Index* index, int64_t n, int64_t limit) {
  for (int64_t i = 0; i < n; ++i) {
    if (index[i] < -limit || index[i] >= limit) return i;
  }
  return -1;
}

template void gather_rows<int32_t>(void*, const void*, int64_t, const int32_t*, int64_t, int64_t, int64_t);
template void gather_rows<int64_t>(void*, const void*, int64_t, const int64_t*, int64_t, int64_t, int64_t);
template int64_t first_bad_index<int32_t>(const int32_t*, int64_t, int64_t);
template int64_t first_bad_index<int64_t>(const int64_t*, int64_t, int64_t);

}  // namespace sdx::kernels
