// Int8 products: packing into quads, the loops around the tile kernels, zero points and scales.
//
// Kernels multiply unsigned A with signed B. Other types are shifted by 128, bits and zero points alike.
#include "kernels/gemm_int8.h"

#include <algorithm>
#include <cstring>

#include "kernels/gemm_int8_tiles.h"
#include "kernels/gemm_tiles.h"
#include "kernels/isa.h"

namespace sdx::kernels {
namespace {

constexpr int64_t kRowBlock = 112;
constexpr int64_t kMostColumns = 64;  // of a panel

int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }
int64_t quads_of(int64_t k) { return ceil_div(k, 4); }

const Int8Tiles& int8_tiles() {
  const bool wide = active_isa() >= Isa::kVnni && gemm_tiles().panel_columns == kInt8VnniColumns;
  const Int8Tiles* vnni = wide ? int8_vnni_tiles() : nullptr;
  return vnni != nullptr ? *vnni : int8_portable_tiles();
}

// Zero point i, shifted to the type that the kernels use.
int32_t zero_point(const ZeroPoints& zeros, int64_t i, bool is_signed, bool kernel_signed) {
  const int32_t shift = is_signed == kernel_signed ? 0 : is_signed ? 128 : -128;
  if (zeros.data == nullptr) return shift;
  const uint8_t bits = static_cast<const uint8_t*>(zeros.data)[i * zeros.stride];
  return (is_signed ? static_cast<int32_t>(static_cast<int8_t>(bits)) : static_cast<int32_t>(bits)) + shift;
}

// Whether any zero point of B differs from 0 after the shift.
bool has_zero_points(const Int8Gemm& gemm) {
  const int64_t count = gemm.b_zero.stride == 0 ? 1 : gemm.n;
  for (int64_t j = 0; j < count; ++j) {
    if (zero_point(gemm.b_zero, j, gemm.b_signed, true) != 0) return true;
  }
  return false;
}

// Parts of a worker's scratch, in 4-byte words.
struct Layout {
  int64_t a, acc, rows, columns;
  Layout(int64_t k, int64_t row_block) {
    a = (quads_of(k) * row_block + 15) / 16 * 16;
    acc = kInt8MaxRows * kMostColumns;
    rows = (2 * row_block + 15) / 16 * 16;
    columns = 2 * kMostColumns;
  }
  int64_t total() const { return a + acc + rows + columns; }
};

class RowBlock {
 public:
  RowBlock(const Int8Gemm& gemm, const GemmPlan& plan, void* scratch)
      : gemm_(gemm),
        tiles_(int8_tiles()),
        width_(gemm_tiles().panel_columns),
        quads_(quads_of(gemm.k)),
        b_zeros_(has_zero_points(gemm)) {
    const Layout layout(gemm.k, plan.row_block);
    a_ = static_cast<uint32_t*>(scratch);
    acc_ = reinterpret_cast<int32_t*>(a_ + layout.a);
    a_zero_ = acc_ + layout.acc;
    row_sum_ = a_zero_ + plan.row_block;
    b_zero_ = acc_ + layout.acc + layout.rows;
    scale_ = reinterpret_cast<float*>(b_zero_ + kMostColumns);
  }

  void select(int64_t row, int64_t rows) {
    row_ = row;
    rows_ = rows;
    count_ = ceil_div(rows, tiles_.rows);
    for (int64_t t = 0; t < count_; ++t) pack_rows(first(t), first(t + 1) - first(t));
    for (int64_t i = 0; i < rows; ++i) a_zero_[i] = zero_point(gemm_.a_zero, row + i, gemm_.a.is_signed, false);
  }

  void run(int64_t panel) {
    const int64_t column = panel * width_;
    const int64_t columns = std::min(width_, gemm_.n - column);
    place_columns(column, columns);
    const uint32_t* b = static_cast<const uint32_t*>(gemm_.packed_b) + panel * (quads_ + 1) * width_;
    for (int64_t t = 0; t < count_; ++t) {
      const int64_t height = first(t + 1) - first(t);
      tiles_.tile[height]({quads_, a_ + first(t) * quads_, b + width_, acc_});
      // Whole panels of integers go straight to C.
      const bool direct = gemm_.y == nullptr && columns == width_;
      int32_t* out = direct ? gemm_.c + (row_ + first(t)) * gemm_.c_stride + column : acc_;
      int8_correct({acc_, out, direct ? gemm_.c_stride : width_, height, width_, static_cast<int32_t>(gemm_.k),
                    a_zero_ + first(t), row_sum_ + first(t), b_zeros_ ? b_zero_ : nullptr,
                    reinterpret_cast<const int32_t*>(b), gemm_.y == nullptr ? nullptr : scale_});
      if (!direct) store(first(t), height, column, columns);
    }
  }

 private:
  int64_t first(int64_t t) const { return rows_ * t / count_; }

  // [quads][rows], and the sums of the rows where B has zero points. Bytes of B beyond k are zero, so those of A may be
  // anything.
  void pack_rows(int64_t begin, int64_t rows) {
    const uint8_t* from = static_cast<const uint8_t*>(gemm_.a.data) + (row_ + begin) * gemm_.a.row_stride;
    uint32_t* to = a_ + begin * quads_;
    const uint8_t flip = gemm_.a.is_signed ? 0x80 : 0;
    const bool whole = gemm_.k % 4 == 0 && gemm_.a.row_stride % 4 == 0 && reinterpret_cast<uintptr_t>(from) % 4 == 0;
    if (whole) {
      // Quads are moved as floats are: bits are kept.
      gemm_pack_a({reinterpret_cast<const float*>(from), gemm_.a.row_stride / 4, 1}, 0, rows, quads_,
                  reinterpret_cast<float*>(to));
    } else {
      for (int64_t r = 0; r < rows; ++r) {
        for (int64_t p = 0; p < quads_; ++p) {
          uint32_t quad = 0;
          std::memcpy(&quad, from + r * gemm_.a.row_stride + 4 * p,
                      static_cast<size_t>(std::min<int64_t>(4, gemm_.k - 4 * p)));
          to[p * rows + r] = quad;
        }
      }
    }
    if (flip != 0) {
      for (int64_t i = 0; i < rows * quads_; ++i) to[i] ^= 0x80808080u;
    }
    for (int64_t r = 0; b_zeros_ && r < rows; ++r) {
      uint32_t sum = 0;
      for (int64_t p = 0; p < gemm_.k; ++p) sum += static_cast<uint8_t>(from[r * gemm_.a.row_stride + p] ^ flip);
      row_sum_[begin + r] = static_cast<int32_t>(sum);
    }
  }

  void place_columns(int64_t column, int64_t columns) {
    for (int64_t j = 0; j < width_; ++j) {
      const int64_t at = column + std::min(j, columns - 1);
      b_zero_[j] = zero_point(gemm_.b_zero, at, gemm_.b_signed, true);
      scale_[j] = gemm_.a_scale * (gemm_.b_scale == nullptr ? 1.0f : gemm_.b_scale[at * gemm_.b_scale_stride]);
    }
  }

  void store(int64_t begin, int64_t height, int64_t column, int64_t columns) {
    if (gemm_.y == nullptr) {
      for (int64_t i = 0; i < height; ++i) {
        std::copy_n(acc_ + i * width_, columns, gemm_.c + (row_ + begin + i) * gemm_.c_stride + column);
      }
      return;
    }
    Gemm output;
    output.c = gemm_.y;
    output.c_stride = gemm_.c_stride;
    output.epilogue = gemm_.epilogue;
    gemm_finish(output, {reinterpret_cast<const float*>(acc_), width_, row_ + begin, column, height, columns});
  }

  const Int8Gemm& gemm_;
  const Int8Tiles& tiles_;
  const int64_t width_;
  const int64_t quads_;
  const bool b_zeros_;  ///< B has zero points, as the kernels see it
  uint32_t* a_;
  int32_t* acc_;
  int32_t* a_zero_;   ///< [row_block]
  int32_t* row_sum_;  ///< [row_block]
  int32_t* b_zero_;   ///< [width]
  float* scale_;      ///< [width]
  int64_t row_ = 0;
  int64_t rows_ = 0;
  int64_t count_ = 0;
};

}  // namespace

// A panel is its column sums, then [quads][columns] quads.
size_t int8_packed_bytes(int64_t k, int64_t n) {
  return static_cast<size_t>((gemm_panels(n) * (quads_of(k) + 1) * gemm_tiles().panel_columns * 4 + 63) / 64 * 64);
}

void int8_pack_b(const ByteView& b, int64_t k, int64_t n, void* packed) {
  const int64_t width = gemm_tiles().panel_columns;
  const uint8_t flip = b.is_signed ? 0 : 0x80;
  const uint8_t* data = static_cast<const uint8_t*>(b.data);
  for (int64_t panel = 0; panel < gemm_panels(n); ++panel) {
    uint8_t* out = static_cast<uint8_t*>(packed) + panel * (quads_of(k) + 1) * width * 4;
    std::memset(out, 0, static_cast<size_t>((quads_of(k) + 1) * width * 4));
    for (int64_t j = 0; j < std::min(width, n - panel * width); ++j) {
      const uint8_t* from = data + (panel * width + j) * b.column_stride;
      uint32_t sum = 0;
      for (int64_t p = 0; p < k; ++p) {
        const uint8_t bits = from[p * b.row_stride] ^ flip;
        out[((p / 4 + 1) * width + j) * 4 + p % 4] = bits;
        sum += static_cast<uint32_t>(static_cast<int32_t>(static_cast<int8_t>(bits)));
      }
      std::memcpy(out + j * 4, &sum, 4);
    }
  }
}

GemmPlan int8_plan(const Int8Gemm& gemm, int threads) {
  GemmPlan plan;
  if (gemm.m <= 0 || gemm.n <= 0) return plan;
  const int64_t panels = gemm_panels(gemm.n);
  plan.row_blocks = ceil_div(gemm.m, kRowBlock);
  if (threads > 1 && gemm.m >= 32 * threads) plan.row_blocks = ceil_div(plan.row_blocks, threads) * threads;
  plan.row_block = ceil_div(gemm.m, plan.row_blocks);
  plan.row_blocks = ceil_div(gemm.m, plan.row_block);
  const int64_t wanted = threads > 1 ? ceil_div(4 * threads, plan.row_blocks) : 1;
  plan.panel_block = std::max(ceil_div(panels, wanted), std::min<int64_t>(panels, plan.row_block >= 32 ? 16 : 4));
  plan.column_blocks = ceil_div(panels, plan.panel_block);
  plan.scratch_bytes = static_cast<size_t>(Layout(gemm.k, plan.row_block).total()) * 4;
  return plan;
}

void int8_run(const Int8Gemm& gemm, const GemmPlan& plan, int64_t tile_begin, int64_t tile_end, void* scratch) {
  RowBlock block(gemm, plan, scratch);
  int64_t selected = -1;
  const int64_t panels = gemm_panels(gemm.n);
  for (int64_t tile = tile_begin; tile < tile_end; ++tile) {
    const int64_t row_index = tile / plan.column_blocks;
    if (row_index != selected) {
      const int64_t row = row_index * plan.row_block;
      block.select(row, std::min(plan.row_block, gemm.m - row));
      selected = row_index;
    }
    const int64_t begin = tile % plan.column_blocks * plan.panel_block;
    for (int64_t panel = begin; panel < std::min(panels, begin + plan.panel_block); ++panel) block.run(panel);
  }
}

const char* int8_kernel_name() { return int8_tiles().name; }

}  // namespace sdx::kernels
