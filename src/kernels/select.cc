// select: the choice between two operands, in loops that the compiler turns into vectors for each instruction set.
#include <cstdint>
#include <cstring>

#include "kernels/binary.h"

#include "hwy/foreach_target.h"
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace sdx::kernels::HWY_NAMESPACE {

struct Word16 {
  uint64_t low, high;
};

struct Choice {
  const uint8_t* c;  ///< bytes, because those of a bool tensor may hold anything
  int64_t c_stride;
  const char* a;
  int64_t a_stride;
  const char* b;
  int64_t b_stride;
  char* y;
  int64_t n;
};

/// Element i of an operand, at any address.
template <class Word>
HWY_INLINE Word word_at(const char* x, int64_t i) {
  Word w;
  std::memcpy(&w, x + i * int64_t{sizeof(Word)}, sizeof(Word));
  return w;
}

template <class Word>
HWY_INLINE void put_word(char* y, int64_t i, Word w) {
  std::memcpy(y + i * int64_t{sizeof(Word)}, &w, sizeof(Word));
}

template <class Word>
void choose(const Choice& s) {
  const Word a = word_at<Word>(s.a, 0), b = word_at<Word>(s.b, 0);
  const bool rows = s.c_stride == 1;
  if (rows && s.a_stride == 1 && s.b_stride == 1) {
    for (int64_t i = 0; i < s.n; ++i) put_word(s.y, i, s.c[i] != 0 ? word_at<Word>(s.a, i) : word_at<Word>(s.b, i));
  } else if (rows && s.a_stride == 0 && s.b_stride == 1) {
    for (int64_t i = 0; i < s.n; ++i) put_word(s.y, i, s.c[i] != 0 ? a : word_at<Word>(s.b, i));
  } else if (rows && s.a_stride == 1 && s.b_stride == 0) {
    for (int64_t i = 0; i < s.n; ++i) put_word(s.y, i, s.c[i] != 0 ? word_at<Word>(s.a, i) : b);
  } else {
    for (int64_t i = 0; i < s.n; ++i) {
      const Word u = word_at<Word>(s.a, i * s.a_stride), v = word_at<Word>(s.b, i * s.b_stride);
      put_word(s.y, i, s.c[i * s.c_stride] != 0 ? u : v);
    }
  }
}

void select_bytes(const bool* c, int64_t c_stride, const void* a, int64_t a_stride, const void* b, int64_t b_stride,
                  void* y, int64_t n, int bytes) {
  if (n <= 0) return;
  const Choice s{reinterpret_cast<const uint8_t*>(c), c_stride, static_cast<const char*>(a), a_stride,
                 static_cast<const char*>(b),         b_stride, static_cast<char*>(y),       n};
  switch (bytes) {
    case 1: return choose<uint8_t>(s);
    case 2: return choose<uint16_t>(s);
    case 4: return choose<uint32_t>(s);
    case 8: return choose<uint64_t>(s);
    default: return choose<Word16>(s);
  }
}

}  // namespace sdx::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace sdx::kernels {
HWY_EXPORT(select_bytes);
void select(const bool* c, int64_t c_stride, const void* a, int64_t a_stride, const void* b, int64_t b_stride, void* y,
            int64_t n, int bytes) {
  HWY_DYNAMIC_DISPATCH(select_bytes)(c, c_stride, a, a_stride, b, b_stride, y, n, bytes);
}
}  // namespace sdx::kernels
#endif
