// Split products by AMX: tiles of signed bytes, summed in 32 bits by the matrix unit.
#include "kernels/gemm_split_combine.h"

#if defined(__x86_64__) && defined(__linux__) && defined(__GNUC__)
#include <cpuid.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>

#define SDX_AMX __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,amx-tile,amx-int8")))

namespace sdx::kernels {
namespace {

constexpr int64_t kRow = 64;  // bytes of a row of a tile

// The first of the tiles that hold B, and the one behind the last, for each SplitTile::stacked; the others are sums and
// then A, or A last where nothing is stacked.
constexpr int kTilesOfB[][2] = {{3, 6}, {7, 8}, {6, 8}, {5, 8}};

// The operand of the instruction that shapes the tiles.
struct alignas(64) TileConfig {
  uint8_t palette = 1;
  uint8_t start_row = 0;
  uint8_t reserved[14] = {};
  uint16_t row_bytes[16] = {};
  uint8_t rows[16] = {};
};

SDX_AMX void begin(int64_t height, int64_t stacked) {
  TileConfig config;
  for (int i = 0; i < 8; ++i) {
    const bool of_b = i >= kTilesOfB[stacked][0] && i < kTilesOfB[stacked][1];
    config.row_bytes[i] = kRow;
    config.rows[i] = static_cast<uint8_t>(of_b ? kSplitRows : height * std::max<int64_t>(stacked, 1));
  }
  // The compiler does not know that the instruction reads memory.
  asm volatile("" ::"r"(&config) : "memory");
  _tile_loadconfig(&config);
}

SDX_AMX void end() { _tile_release(); }

// Orders plain stores before the loads of tiles, which the compiler does not see as reads.
inline void fence() { asm volatile("" ::: "memory"); }

inline const std::byte* block_of(const SplitTile& t, int64_t block) {
  return t.a + (t.a_blocks == nullptr ? block * kSplitGroupBytes : t.a_blocks[block]);
}

// What stands between two matrix instructions: fetches of lines, and as many cheap instructions that six stand there.
// Where another thread of the core is busy, matrix instructions side by side take half as long again.
template <int kLines>
SDX_AMX inline void apart(const std::byte* lines) {
  split_fetch<kLines>(lines);
#pragma GCC unroll 6
  for (int i = kLines; i < 6; ++i) asm volatile("nopw 0(%%rax,%%rax)" ::);
}

// What vector units do between products, piece by piece. It has to stand between single ones: the processor does not
// look past a few of them that wait; what follows them all would be done after them.
class Meanwhile {
 public:
  SDX_AMX Meanwhile(const SplitTile& t, SplitCombiner& before)
      : before_(before), more_(t.meanwhile), context_(t.context) {}
  // Up to kRows rows of an earlier step's sums become floats.
  template <int kRows>
  SDX_AMX inline void combine() {
#pragma GCC unroll 2
    for (int i = 0; i < kRows; ++i) {
      if (before_.left() > 0) before_.row();
    }
  }
  // What the caller has. Long chains of instructions would take all places for those that wait if they came at once.
  SDX_AMX inline void more() {
    if (more_ != nullptr && before_.left() <= 0 && !more_(context_)) more_ = nullptr;
  }

 private:
  SplitCombiner& before_;
  bool (*more_)(void* context);
  void* context_;
};

constexpr int64_t kSumsRow = kSplitColumns * sizeof(int32_t), kSums = kSplitRows * kSplitColumns;

SDX_AMX inline void load_sums(const int32_t* from) {
  _tile_loadd(0, from, kSumsRow);
  _tile_loadd(1, from + kSums, kSumsRow);
  _tile_loadd(2, from + 2 * kSums, kSumsRow);
}

// 16 columns: tiles 0 to 2 hold the sums by falling weight, 3 to 5 the digits of B, 6 and 7 those of A in turn. As many
// loads as products: twelve for a panel, ten where its lowest digits are left out. Fetches stand apart, or they would
// take all places for lines on their way, and loads of tiles would wait. B streams by, so that A stays in the
// first-level cache.
template <int kDigits, int kLines>
SDX_AMX __attribute__((always_inline)) inline void multiply_columns(const SplitTile& t, int64_t columns,
                                                                    Meanwhile& between) {
  constexpr int64_t kMany = 9;
  const bool single = t.blocks == 1, few = t.blocks < kMany;
  constexpr bool kLowest = kDigits == kSplitDigits;
  if (t.accumulate) {
    load_sums(t.sums + columns * 16);
  } else {
    _tile_zero(0);
    _tile_zero(1);
    _tile_zero(2);
  }
  const std::byte *b = t.b + columns * kSplitTileBytes, *ahead = t.ahead[columns];
  const int64_t row = t.a_row_bytes, digit = t.a_digit_bytes;
  constexpr int64_t kFetch = kLines * kRow;
  for (int64_t block = 0; block < t.blocks; ++block, b += split_panel_bytes(kDigits)) {
    const std::byte* a = block_of(t, block);
    _tile_stream_loadd(3, b, kRow);
    apart<0>(nullptr);
    _tile_loadd(6, a, row);
    apart<kLines>(ahead);
    _tile_dpbssd(0, 6, 3);
    single ? between.combine<2>() : between.combine<1>();
    apart<0>(nullptr);
    _tile_stream_loadd(4, b + 2 * kSplitTileBytes, kRow);
    apart<kLines>(ahead + kFetch);
    _tile_dpbssd(1, 6, 4);
    between.combine<1>();
    apart<0>(nullptr);
    if constexpr (kLowest) {
      _tile_stream_loadd(5, b + 4 * kSplitTileBytes, kRow);
      apart<kLines>(ahead + 4 * kFetch);
      _tile_dpbssd(2, 6, 5);
      between.combine<1>();
      apart<0>(nullptr);
    }
    if (few) between.more();
    _tile_loadd(7, a + digit, row);
    apart<kLines>(ahead + 2 * kFetch);
    _tile_dpbssd(1, 7, 3);
    single ? between.combine<2>() : between.combine<1>();
    apart<kLowest ? kLines : 0>(ahead + 5 * kFetch);
    _tile_dpbssd(2, 7, 4);
    between.combine<1>();
    apart<0>(nullptr);
    _tile_loadd(6, a + 2 * digit, row);
    apart<kLines>(ahead + 3 * kFetch);
    _tile_dpbssd(2, 6, 3);
    between.combine<1>();
    apart<0>(nullptr);
    if constexpr (kLines > 0) ahead += split_panel_bytes(kDigits);
    between.more();
  }
  int32_t* to = t.sums + columns * 16;
  _tile_stored(0, to, kSumsRow);
  _tile_stored(1, to + kSums, kSumsRow);
  _tile_stored(2, to + 2 * kSums, kSumsRow);
}

// Walks the blocks of a panel that streams by, both halves of its columns in one pass; what it fetches stands apart.
template <int kDigits>
class Stream {
 public:
  static constexpr bool kLowest = kDigits == kSplitDigits;

  SDX_AMX explicit Stream(const SplitTile& t) : b_(t.b) {}
  SDX_AMX inline const std::byte* tile(int64_t digit, int64_t half) const {
    return b_ + (2 * digit + half) * kSplitTileBytes;
  }
  // A tile's lines of the blocks to come, or half of them.
  template <int kPart, int kParts = 1>
  SDX_AMX inline void fetch() const {
    constexpr int kLines = static_cast<int>(kSplitRows) / kParts;
    split_fetch_stream<kLines>(b_ + kBlock + kPart * kLines * kRow, kBlock);
  }
  SDX_AMX inline void next() { b_ += kBlock; }

 private:
  static constexpr int64_t kBlock = split_panel_bytes(kDigits);
  const std::byte* b_;
};

// Sums of the first half of the columns in tiles 0 to 2 by falling weight, of the second in 3 to 5; A in 6, B in 7.
template <int kDigits>
SDX_AMX void stream_single(const SplitTile& t, Meanwhile& between) {
  _tile_zero(0);
  _tile_zero(1);
  _tile_zero(2);
  _tile_zero(3);
  _tile_zero(4);
  _tile_zero(5);
  Stream<kDigits> b(t);
  constexpr bool kLowest = b.kLowest;
  for (int64_t block = 0; block < t.blocks; ++block, b.next()) {
    const std::byte* a = block_of(t, block);
    _tile_loadd(6, a, t.a_row_bytes);
    _tile_loadd(7, b.tile(0, 0), kRow);
    b.template fetch<0, 2>();
    _tile_dpbssd(0, 6, 7);
    _tile_loadd(7, b.tile(0, 1), kRow);
    b.template fetch<1, 2>();
    _tile_dpbssd(3, 6, 7);
    between.combine<1>();
    _tile_loadd(7, b.tile(1, 0), kRow);
    b.template fetch<2, 2>();
    _tile_dpbssd(1, 6, 7);
    _tile_loadd(7, b.tile(1, 1), kRow);
    b.template fetch<3, 2>();
    _tile_dpbssd(4, 6, 7);
    between.combine<1>();
    if constexpr (kLowest) {
      _tile_loadd(7, b.tile(2, 0), kRow);
      b.template fetch<8, 2>();
      _tile_dpbssd(2, 6, 7);
      _tile_loadd(7, b.tile(2, 1), kRow);
      b.template fetch<9, 2>();
      _tile_dpbssd(5, 6, 7);
    }
    _tile_loadd(6, a + t.a_digit_bytes, t.a_row_bytes);
    _tile_loadd(7, b.tile(0, 0), kRow);
    b.template fetch<4, 2>();
    _tile_dpbssd(1, 6, 7);
    _tile_loadd(7, b.tile(0, 1), kRow);
    b.template fetch<5, 2>();
    _tile_dpbssd(4, 6, 7);
    between.combine<1>();
    _tile_loadd(7, b.tile(1, 0), kRow);
    b.template fetch<6, 2>();
    _tile_dpbssd(2, 6, 7);
    _tile_loadd(7, b.tile(1, 1), kRow);
    b.template fetch<7, 2>();
    _tile_dpbssd(5, 6, 7);
    between.combine<1>();
    _tile_loadd(6, a + 2 * t.a_digit_bytes, t.a_row_bytes);
    _tile_loadd(7, b.tile(0, 0), kRow);
    if constexpr (kLowest) b.template fetch<10, 2>();
    _tile_dpbssd(2, 6, 7);
    _tile_loadd(7, b.tile(0, 1), kRow);
    if constexpr (kLowest) b.template fetch<11, 2>();
    _tile_dpbssd(5, 6, 7);
    between.more();
  }
  _tile_stored(0, t.sums, kSumsRow);
  _tile_stored(1, t.sums + kSums, kSumsRow);
  _tile_stored(2, t.sums + 2 * kSums, kSumsRow);
  int32_t* const second = t.sums + kSplitColumns / 2;
  _tile_stored(3, second, kSumsRow);
  _tile_stored(4, second + kSums, kSumsRow);
  _tile_stored(5, second + 2 * kSums, kSumsRow);
}

// Two digits of A in a tile. Sums of the first half of the columns in 0 (higher weights) and 1 (lower ones), of the
// second in 2 and 3; A in 4 and 5, B in 6 and 7.
template <int kDigits>
SDX_AMX void stream_pairs(const SplitTile& t, Meanwhile& between) {
  _tile_zero(0);
  _tile_zero(1);
  _tile_zero(2);
  _tile_zero(3);
  Stream<kDigits> b(t);
  const int64_t rows = t.height * kRow;
  for (int64_t block = 0; block < t.blocks; ++block, b.next()) {
    const std::byte* a = block_of(t, block);
    _tile_loadd(4, a + rows, kRow);
    _tile_loadd(5, a + 3 * rows, kRow);
    _tile_loadd(6, b.tile(0, 0), kRow);
    b.template fetch<0, 2>();
    _tile_dpbssd(0, 4, 6);
    b.template fetch<1, 2>();
    _tile_dpbssd(1, 5, 6);
    between.combine<1>();
    _tile_loadd(7, b.tile(0, 1), kRow);
    b.template fetch<2, 2>();
    _tile_dpbssd(2, 4, 7);
    b.template fetch<3, 2>();
    _tile_dpbssd(3, 5, 7);
    between.combine<1>();
    _tile_loadd(6, b.tile(1, 0), kRow);
    b.template fetch<2>();
    _tile_dpbssd(1, 4, 6);
    _tile_loadd(7, b.tile(1, 1), kRow);
    b.template fetch<3>();
    _tile_dpbssd(3, 4, 7);
    between.combine<1>();
    if constexpr (b.kLowest) {
      _tile_loadd(5, a, kRow);
      _tile_loadd(6, b.tile(2, 0), kRow);
      b.template fetch<4>();
      _tile_dpbssd(1, 5, 6);
      _tile_loadd(7, b.tile(2, 1), kRow);
      b.template fetch<5>();
      _tile_dpbssd(3, 5, 7);
    }
    between.more();
  }
  int32_t* const low = t.sums + 2 * t.height * kSplitColumns;
  constexpr int64_t kSecond = kSplitColumns / 2;
  _tile_stored(0, t.sums, kSumsRow);
  _tile_stored(1, low, kSumsRow);
  _tile_stored(2, t.sums + kSecond, kSumsRow);
  _tile_stored(3, low + kSecond, kSumsRow);
  fence();
  // Both have products of the weight in the middle.
  int32_t* const middle = t.sums + t.height * kSplitColumns;
  for (int64_t i = 0; i < t.height * kSplitColumns; i += 16) {
    _mm512_storeu_si512(middle + i, _mm512_add_epi32(_mm512_loadu_si512(middle + i), _mm512_loadu_si512(low + i)));
  }
}

// All digits of A in a tile. Sums of the first half of the columns in 0, of the second in 1; A in 2 to 4, B in 5 to 7.
template <int kDigits>
SDX_AMX void stream_triples(const SplitTile& t, Meanwhile& between) {
  _tile_zero(0);
  _tile_zero(1);
  Stream<kDigits> b(t);
  const int64_t rows = t.height * kRow;
  for (int64_t block = 0; block < t.blocks; ++block, b.next()) {
    const std::byte* a = block_of(t, block);
    _tile_loadd(2, a + 2 * rows, kRow);
    _tile_loadd(5, b.tile(0, 0), kRow);
    b.template fetch<0>();
    _tile_dpbssd(0, 2, 5);
    _tile_loadd(6, b.tile(0, 1), kRow);
    b.template fetch<1>();
    _tile_dpbssd(1, 2, 6);
    between.combine<1>();
    _tile_loadd(3, a + rows, kRow);
    _tile_loadd(7, b.tile(1, 0), kRow);
    b.template fetch<2>();
    _tile_dpbssd(0, 3, 7);
    _tile_loadd(5, b.tile(1, 1), kRow);
    b.template fetch<3>();
    _tile_dpbssd(1, 3, 5);
    between.combine<1>();
    if constexpr (b.kLowest) {
      _tile_loadd(4, a, kRow);
      _tile_loadd(6, b.tile(2, 0), kRow);
      b.template fetch<4>();
      _tile_dpbssd(0, 4, 6);
      _tile_loadd(7, b.tile(2, 1), kRow);
      b.template fetch<5>();
      _tile_dpbssd(1, 4, 7);
    }
    between.more();
  }
  _tile_stored(0, t.sums, kSumsRow);
  _tile_stored(1, t.sums + kSplitColumns / 2, kSumsRow);
}

template <int kDigits>
SDX_AMX void multiply_stream(const SplitTile& t) {
  SplitCombiner before(t.before, t.before_to);
  Meanwhile between(t, before);
  (t.stacked == 3   ? stream_triples<kDigits>
   : t.stacked == 2 ? stream_pairs<kDigits>
                    : stream_single<kDigits>)(t, between);
  while (before.left() > 0) before.row();
}

template <int kDigits, int kLines>
SDX_AMX void multiply_group(const SplitTile& t) {
  SplitCombiner before(t.before, t.before_to);
  Meanwhile between(t, before);
  multiply_columns<kDigits, kLines>(t, 0, between);
  multiply_columns<kDigits, kLines>(t, 1, between);
  while (before.left() > 0) before.row();
}

template <int kDigits>
auto group_of(int64_t fetch_lines) {
  return fetch_lines == 0   ? multiply_group<kDigits, 0>
         : fetch_lines == 1 ? multiply_group<kDigits, 1>
         : fetch_lines == 2 ? multiply_group<kDigits, 2>
         : fetch_lines == 4 ? multiply_group<kDigits, 4>
         : fetch_lines == 8 ? multiply_group<kDigits, 8>
                            : multiply_group<kDigits, 16>;
}

SDX_AMX void multiply(const SplitTile& t) {
  fence();
  if (t.stacked > 0) {
    (t.b_digits == kSplitDigits ? multiply_stream<kSplitDigits> : multiply_stream<kSplitDigits - 1>)(t);
  } else {
    (t.b_digits == kSplitDigits ? group_of<kSplitDigits> : group_of<kSplitDigits - 1>)(t.fetch_lines)(t);
  }
  fence();
}

SDX_AMX void multiply_groups(const SplitTile& first, int64_t groups, int64_t group_bytes, const SplitParts& parts,
                             float* to) {
  alignas(64) SplitSums sums[2];
  SplitTile t = first;
  SplitParts none = parts;
  none.rows = 0;
  SplitCombiner before(none, to);
  Meanwhile between(first, before);
  fence();
  for (int64_t group = 0; group < groups; ++group, t.a += group_bytes) {
    t.sums = &sums[group % 2][0][0][0];
    multiply_columns<kSplitDigits, 0>(t, 0, between);
    multiply_columns<kSplitDigits, 0>(t, 1, between);
    fence();
    while (before.left() > 0) before.row();
    before.next(t.sums, parts.rows);
  }
  while (before.left() > 0) before.row();
}

// The processor has the units, and the system lets this process keep their state.
#ifdef SDX_EMULATED_TILES  // tests without such a processor
bool usable() { return true; }
#else
bool usable() {
  unsigned a = 0, b = 0, c = 0, d = 0;
  if (__get_cpuid_count(7, 0, &a, &b, &c, &d) == 0) return false;
  constexpr unsigned kTile = 1u << 24, kBytes = 1u << 25;
  if ((d & kTile) == 0 || (d & kBytes) == 0) return false;
  constexpr long kRequestPermission = 0x1023, kTileData = 18;
  return syscall(SYS_arch_prctl, kRequestPermission, kTileData) == 0;
}
#endif

}  // namespace

const SplitKernels* amx_split_kernels() {
  static const bool available = vnni_split_kernels() != nullptr && usable();
  if (!available) return nullptr;
  static const SplitKernels kernels = [] {
    SplitKernels all = *vnni_split_kernels();
    all.begin = begin;
    all.end = end;
    all.multiply = multiply;
    all.multiply_groups = multiply_groups;
    return all;
  }();
  return &kernels;
}

}  // namespace sdx::kernels
#else
namespace sdx::kernels {
const SplitKernels* amx_split_kernels() { return nullptr; }
}  // namespace sdx::kernels
#endif
