// Gemm packing: operands rearranged into the order in which the tile kernels read them.
#include <algorithm>
#include <cstring>

#include "base/half.h"
#include "kernels/gemm.h"
#include "kernels/gemm_split.h"
#include "kernels/gemm_tiles.h"

#include "hwy/foreach_target.h"
#include "hwy/highway.h"
#include "kernels/pack-inl.h"

HWY_BEFORE_NAMESPACE();
namespace sdx::kernels::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// out[p * width + r] = x[r * stride + p]; writes up to 15 floats past the end.
void transpose_panel(const float* x, int64_t stride, int64_t rows, int64_t depth, float* out, int64_t width) {
  const hn::ScalableTag<float> d;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(d));
  // The last strip may run into the next depth's columns, so it goes first and the others write over it.
  for (int64_t r = (rows - 1) / lanes * lanes; r >= 0; r -= lanes) {
    transpose_strip(d, x + r * stride, stride, rows - r, depth, out + r, width);
  }
}

}  // namespace sdx::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace sdx::kernels {
namespace {

HWY_EXPORT(transpose_panel);

void write(float value, unsigned char* at, WeightType type) {
  if (type == WeightType::kF32) {
    std::memcpy(at, &value, sizeof(value));
    return;
  }
  const uint16_t bits = type == WeightType::kF16 ? to_half(value).bits : to_bfloat16(value).bits;
  std::memcpy(at, &bits, sizeof(bits));
}

// One panel of any type, strides and alignment. Blocks of depths keep both sides in the cache.
void pack_general(const WeightView& b, int64_t k, int64_t column, int64_t columns, WeightType type,
                  unsigned char* out) {
  constexpr int64_t kBlock = 64;
  const int64_t width = gemm_tiles().panel_columns;
  const int64_t from_bytes = static_cast<int64_t>(weight_bytes(b.type));
  const int64_t to_bytes = static_cast<int64_t>(weight_bytes(type));
  const unsigned char* data = static_cast<const unsigned char*>(b.data);
  for (int64_t block = 0; block < k; block += kBlock) {
    const int64_t end = std::min(k, block + kBlock);
    for (int64_t j = 0; j < width; ++j) {
      for (int64_t p = block; p < end; ++p) {
        unsigned char* to = out + (p * width + j) * to_bytes;
        if (j >= columns) {
          write(0.0f, to, type);
        } else if (b.type == type) {
          std::memcpy(to, data + (p * b.row_stride + (column + j) * b.column_stride) * from_bytes,
                      static_cast<size_t>(to_bytes));
        } else {
          write(read_weight(data + (p * b.row_stride + (column + j) * b.column_stride) * from_bytes, b.type), to, type);
        }
      }
    }
  }
}

// Whole panels of rows that lie as they are needed: each row is read in one go, which the caches like, not by panel.
void pack_rows(const unsigned char* data, int64_t row_bytes, int64_t k, int64_t panels, unsigned char* out,
               int64_t width_bytes) {
  for (int64_t p = 0; p < k; ++p) {
    const unsigned char* from = data + p * row_bytes;
    unsigned char* to = out + p * width_bytes;
    for (int64_t panel = 0; panel < panels; ++panel, from += width_bytes, to += k * width_bytes) {
      std::memcpy(to, from, static_cast<size_t>(width_bytes));
    }
  }
}

}  // namespace

float read_weight(const unsigned char* at, WeightType type) {
  if (type == WeightType::kF32) {
    float value;
    std::memcpy(&value, at, sizeof(value));
    return value;
  }
  uint16_t bits;
  std::memcpy(&bits, at, sizeof(bits));
  return type == WeightType::kF16 ? to_float(Half{bits}) : to_float(BFloat16{bits});
}

size_t gemm_packed_bytes(int64_t k, int64_t n, WeightType type) {
  if (is_split(type)) return split_packed_bytes(k, n, type);
  const size_t bytes = static_cast<size_t>(gemm_panels(n) * gemm_tiles().panel_columns * k) * weight_bytes(type);
  return (bytes + 63) / 64 * 64;
}

int64_t gemm_panels(int64_t n, WeightType type) {
  const int64_t columns = is_split(type) ? kSplitColumns : gemm_tiles().panel_columns;
  return (n + columns - 1) / columns;
}

void gemm_pack_b(const WeightView& b, int64_t k, int64_t n, WeightType type, int64_t panel_begin, int64_t panel_end,
                 void* packed) {
  if (is_split(type)) return split_pack_b(b, k, n, type, panel_begin, panel_end, packed);
  const int64_t width = gemm_tiles().panel_columns;
  const int64_t bytes = static_cast<int64_t>(weight_bytes(type));
  const unsigned char* data = static_cast<const unsigned char*>(b.data);
  const bool aligned = reinterpret_cast<uintptr_t>(data) % alignof(float) == 0;
  for (int64_t panel = panel_begin; panel < panel_end; ++panel) {
    unsigned char* out = static_cast<unsigned char*>(packed) + panel * k * width * bytes;
    const int64_t column = panel * width;
    const int64_t columns = std::min(width, n - column);
    if (columns == width && b.type == type && b.column_stride == 1) {
      const int64_t whole = std::min(panel_end, n / width) - panel;
      pack_rows(data + column * bytes, b.row_stride * bytes, k, whole, out, width * bytes);
      panel += whole - 1;
    } else if (columns == width && b.type == type && type == WeightType::kF32 && b.row_stride == 1 && aligned) {
      const float* from = static_cast<const float*>(b.data) + column * b.column_stride;
      HWY_DYNAMIC_DISPATCH(transpose_panel)(from, b.column_stride, width, k, reinterpret_cast<float*>(out), width);
    } else {
      pack_general(b, k, column, columns, type, out);
    }
  }
}

void gemm_pack_a(const MatrixView& a, int64_t row, int64_t rows, int64_t k, float* packed) {
  const float* from = a.data + row * a.row_stride;
  if (a.column_stride == 1) {
    HWY_DYNAMIC_DISPATCH(transpose_panel)(from, a.row_stride, rows, k, packed, rows);
    return;
  }
  for (int64_t p = 0; p < k; ++p) {
    for (int64_t r = 0; r < rows; ++r) packed[p * rows + r] = from[p * a.column_stride + r * a.row_stride];
  }
}

void gemm_pack_panel(const MatrixView& b, int64_t depth, int64_t k, int64_t column, int64_t columns, float* packed) {
  const int64_t width = gemm_tiles().panel_columns;
  const float* from = b.data + depth * b.row_stride + column * b.column_stride;
  if (b.column_stride == 1) {
    for (int64_t p = 0; p < k; ++p) {
      std::memcpy(packed + p * width, from + p * b.row_stride, static_cast<size_t>(columns) * sizeof(float));
      std::fill(packed + p * width + columns, packed + (p + 1) * width, 0.0f);
    }
  } else if (b.row_stride == 1) {
    HWY_DYNAMIC_DISPATCH(transpose_panel)(from, b.column_stride, columns, k, packed, width);
  } else {
    for (int64_t p = 0; p < k; ++p) {
      for (int64_t j = 0; j < width; ++j) {
        packed[p * width + j] = j < columns ? from[p * b.row_stride + j * b.column_stride] : 0.0f;
      }
    }
  }
}

}  // namespace sdx::kernels
#endif
