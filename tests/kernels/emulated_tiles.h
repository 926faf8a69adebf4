// Tiles of the matrix unit in plain C++, so that kernels/gemm_split_amx.cc is tested on processors without one. Takes
// the place of the compiler's intrinsics where it is included first. What a processor would refuse ends the process.
#pragma once

#include <immintrin.h>

#include <array>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace sdx::kernels::emulated_tiles {

struct Tile {
  int rows = 0, row_bytes = 0;  ///< 0: the unit is not set up
  std::array<std::array<std::uint8_t, 64>, 16> bytes = {};
};

inline thread_local std::array<Tile, 8> tiles;

inline void demand(bool holds, const char* what) {
  if (holds) return;
  std::fprintf(stderr, "emulated tiles: %s\n", what);
  std::abort();
}

inline Tile& ready(int index) {
  Tile& tile = tiles[static_cast<size_t>(index)];
  demand(tile.rows > 0 && tile.row_bytes > 0, "a tile is used that has no shape");
  return tile;
}

// Bytes of the operand: palette 0, row it starts at 1, bytes of a row from 16 on (two each), rows from 48 on.
inline void load_config(const void* from) {
  std::array<std::uint8_t, 64> config;
  std::memcpy(config.data(), from, config.size());
  demand(config[0] == 1 && config[1] == 0, "palette or first row");
  for (size_t i = 2; i < 16; ++i) demand(config[i] == 0, "reserved bytes");
  for (size_t i = 0; i < tiles.size(); ++i) {
    tiles[i] = {config[48 + i], config[16 + 2 * i] | config[17 + 2 * i] << 8, {}};
    demand(tiles[i].rows <= 16 && tiles[i].row_bytes <= 64, "a shape beyond 16 rows of 64 bytes");
  }
}

inline void load(int index, const void* from, std::int64_t stride) {
  Tile& tile = ready(index);
  tile.bytes = {};
  for (int r = 0; r < tile.rows; ++r) {
    std::memcpy(tile.bytes[static_cast<size_t>(r)].data(), static_cast<const char*>(from) + r * stride,
                static_cast<size_t>(tile.row_bytes));
  }
}

inline void store(int index, void* to, std::int64_t stride) {
  const Tile& tile = ready(index);
  for (int r = 0; r < tile.rows; ++r) {
    std::memcpy(static_cast<char*>(to) + r * stride, tile.bytes[static_cast<size_t>(r)].data(),
                static_cast<size_t>(tile.row_bytes));
  }
}

/// c[m][n] += sum over k and i of a[m][4 k + i] b[k][4 n + i]: signed bytes, sums of 32 bits that wrap. Bytes behind a
/// tile's rows are zeros.
__attribute__((target("avx2"))) inline void multiply(int c_index, int a_index, int b_index) {
  Tile& c = ready(c_index);
  const Tile &a = ready(a_index), &b = ready(b_index);
  demand(c_index != a_index && c_index != b_index && a_index != b_index, "operands of a product are one tile");
  demand(a.rows == c.rows && b.row_bytes == c.row_bytes && a.row_bytes == 4 * b.rows, "shapes of a product");
  constexpr int kWords = 16;
  // Byte i of a word, with its sign.
  const auto byte = [](std::uint32_t word, int i) {
    return static_cast<std::uint32_t>(static_cast<std::int32_t>(word << (24 - 8 * i)) >> 24);
  };
  std::uint32_t words[16][kWords];
  std::memcpy(words, b.bytes.data(), sizeof(words));
  for (size_t m = 0; m < static_cast<size_t>(c.rows); ++m) {
    std::uint32_t sums[kWords], factors[kWords];
    std::memcpy(sums, c.bytes[m].data(), sizeof(sums));
    std::memcpy(factors, a.bytes[m].data(), sizeof(factors));
    for (int k = 0; k < b.rows; ++k) {
      const std::uint32_t factor = factors[k],
                          f[4] = {byte(factor, 0), byte(factor, 1), byte(factor, 2), byte(factor, 3)};
      for (int n = 0; n < kWords; ++n) {
        const std::uint32_t word = words[k][n];
        sums[n] += byte(word, 0) * f[0] + byte(word, 1) * f[1] + byte(word, 2) * f[2] + byte(word, 3) * f[3];
      }
    }
    std::memcpy(c.bytes[m].data(), sums, sizeof(sums));
  }
}

}  // namespace sdx::kernels::emulated_tiles

#undef _tile_loadd
#undef _tile_stream_loadd
#undef _tile_stored
#undef _tile_zero
#undef _tile_dpbssd
#define _tile_loadconfig(from) sdx::kernels::emulated_tiles::load_config(from)
#define _tile_release() (sdx::kernels::emulated_tiles::tiles = {})
#define _tile_loadd(tile, from, stride) sdx::kernels::emulated_tiles::load(tile, from, stride)
#define _tile_stream_loadd(tile, from, stride) sdx::kernels::emulated_tiles::load(tile, from, stride)
#define _tile_stored(tile, to, stride) sdx::kernels::emulated_tiles::store(tile, to, stride)
#define _tile_zero(tile) (sdx::kernels::emulated_tiles::ready(tile).bytes = {})
#define _tile_dpbssd(c, a, b) sdx::kernels::emulated_tiles::multiply(c, a, b)
#define SDX_EMULATED_TILES 1
