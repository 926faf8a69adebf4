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

/// Where the two innermost dimensions of the loop are a transposition (the source walks down columns) that is worth
/// blocks: whole planes go to transpose_block.
bool is_transposition(const StridedLoop<2>& loop) {
  const int r = loop.rank;
  if (r < 2 || loop.inner(0) != 1 || loop.inner(1) == 1 || loop.inner(1) == 0) return false;
  return loop.stride[1][r - 2] == 1 && loop.extent[r - 1] >= 4 && loop.extent[r - 2] >= 4;
}

void copy_planes(const StridedLoop<2>& loop, char* to, const char* from, int bytes, int64_t begin, int64_t end) {
  const int r = loop.rank;
  const int64_t height = loop.extent[r - 2], width = loop.extent[r - 1], plane = height * width;
  StridedLoop<2> outer = loop;
  outer.rank = r > 2 ? r - 2 : 1;
  if (r == 2) {
    outer.extent[0] = 1;
    outer.stride[0][0] = outer.stride[1][0] = 0;
  }
  // Rows of the destination are the unit of the split, so a range may begin and end inside a plane.
  const int64_t first = begin / plane, last = (end + plane - 1) / plane;
  for_runs(outer, first, last, [&](int64_t index, const std::array<int64_t, 2>& o, int64_t n) {
    for (int64_t p = 0; p < n; ++p) {
      char* target = to + (o[0] + p * outer.inner(0)) * bytes;
      const char* source = from + (o[1] + p * outer.inner(1)) * bytes;
      const int64_t plane_begin = std::max<int64_t>(begin - (index + p) * plane, 0);
      const int64_t plane_end = std::min(end - (index + p) * plane, plane);
      const int64_t row_begin = (plane_begin + width - 1) / width, row_end = plane_end / width;
      const auto piece = [&](int64_t from_element, int64_t to_element) {
        StridedLoop<2> inner = loop;
        inner.rank = 2;
        for (int k = 0; k < 2; ++k) {
          inner.extent[k] = loop.extent[r - 2 + k];
          for (int operand = 0; operand < 2; ++operand) inner.stride[operand][k] = loop.stride[operand][r - 2 + k];
        }
        with_word(bytes,
                  [&](auto word) { copy_runs<decltype(word)>(inner, target, source, from_element, to_element); });
      };
      if (row_begin >= row_end) {
        piece(plane_begin, plane_end);
        continue;
      }
      piece(plane_begin, row_begin * width);
      transpose_block(target + row_begin * loop.stride[0][r - 2] * bytes, loop.stride[0][r - 2],
                      source + row_begin * bytes, loop.inner(1), {row_end - row_begin, width}, bytes);
      piece(row_end * width, plane_end);
    }
  });
}

}  // namespace

void strided_copy(const StridedLoop<2>& loop, void* to, const void* from, int bytes, int64_t begin, int64_t end) {
  if (begin >= end) return;
  char* target = static_cast<char*>(to);
  const char* source = static_cast<const char*>(from);
  if (is_transposition(loop)) return copy_planes(loop, target, source, bytes, begin, end);
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

void fill(void* to, const void* value, int bytes, int64_t n) {
  char* target = static_cast<char*>(to);
  const int64_t total = n * bytes;
  if (total <= 0) return;
  std::memcpy(target, value, static_cast<size_t>(bytes));
  // Doubling, up to a block that stays in the cache.
  int64_t done = bytes;
  while (done < total) {
    const int64_t count = std::min({done, total - done, 4096 / bytes * int64_t{bytes} + bytes});
    std::memcpy(target + done, target, static_cast<size_t>(count));
    done += count;
  }
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
