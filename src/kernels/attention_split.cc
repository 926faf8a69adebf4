// Attention products by matrix units: keys and the columns of V in groups of 16 rows, queries and weights in panels.
#include <algorithm>
#include <cmath>

#include "kernels/attention_products.h"

namespace sdx::kernels {
namespace {

constexpr int64_t kSlack = 16;
constexpr int64_t kHeaderBytes = sizeof(SplitColumns);

int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }
int64_t round_up(int64_t a, int64_t b) { return ceil_div(a, b) * b; }

int64_t panel_bytes(int64_t depths) { return kHeaderBytes + split_blocks(depths) * kSplitPanelBytes; }
int64_t groups_bytes(int64_t rows, int64_t depths) {
  return ceil_div(rows, kSplitRows) * split_blocks(depths) * kSplitGroupBytes;
}
int64_t turned_floats(const AttentionExtents& e) {
  const int64_t queries = split_blocks(e.d) * kSplitDepth * kSplitColumns;
  return round_up(std::max(e.keys * std::max(e.d, e.dv), queries) + kSlack, 16);
}

SplitColumns& columns_of(std::byte* panel) { return *reinterpret_cast<SplitColumns*>(panel); }

}  // namespace

bool SplitProducts::fit(const AttentionShape& shape) {
  constexpr int64_t kNarrowest = 40;
  const bool wide = shape.d >= kNarrowest && shape.d <= kSplitMostDepth && shape.dv >= kNarrowest;
  return wide && unit_kernels() != nullptr && gemm_tiles().panel_columns == kSplitColumns;
}

int64_t SplitProducts::floats(const AttentionExtents& e) {
  const int64_t bytes =
      e.panels * panel_bytes(e.d) + groups_bytes(e.keys, e.d) + groups_bytes(e.dv, e.keys) + panel_bytes(e.keys);
  const int64_t scales = round_up(e.keys, kSplitRows) + round_up(e.dv, kSplitRows);
  return bytes / static_cast<int64_t>(sizeof(float)) + scales + turned_floats(e);
}

SplitProducts::SplitProducts(const AttentionExtents& e, const AttentionHead& head, float* scratch)
    : extents_(e), head_(head), kernels_(*unit_kernels()) {
  queries_ = reinterpret_cast<std::byte*>(scratch);
  packed_k_ = queries_ + e.panels * panel_bytes(e.d);
  packed_v_ = packed_k_ + groups_bytes(e.keys, e.d);
  weights_ = packed_v_ + groups_bytes(e.dv, e.keys);
  key_scales_ = reinterpret_cast<float*>(weights_ + panel_bytes(e.keys));
  value_scales_ = key_scales_ + round_up(e.keys, kSplitRows);
  turned_ = value_scales_ + round_up(e.dv, kSplitRows);
  kernels_.begin(kSplitRows, 0);
  // Weights are at most 1.
  std::fill_n(columns_of(weights_).scales, kSplitColumns, split_scale(1.0f).scale);
}

void SplitProducts::pack_groups(const Rows& rows, std::byte* packed, float* scales) {
  for (int64_t r = 0; r < rows.count; r += kSplitRows, packed += split_blocks(rows.depths) * kSplitGroupBytes) {
    const SplitRows group = {rows.at + r * rows.stride, rows.stride, std::min(kSplitRows, rows.count - r), kSplitRows};
    kernels_.pack_rows(group, rows.depths, packed, scales + r);
  }
}

// rows [whole blocks][kSplitColumns], of which the last ones are filled with zeros; scales of the columns are known.
void SplitProducts::pack_blocks(float* rows, int64_t depths, SplitColumns& columns, std::byte* packed) {
  alignas(64) float inverses[kSplitColumns];
  for (int64_t j = 0; j < kSplitColumns; ++j) inverses[j] = columns.scales[j] > 0 ? 0x1p16f / columns.scales[j] : 0.0f;
  std::fill(rows + depths * kSplitColumns, rows + split_blocks(depths) * kSplitDepth * kSplitColumns, 0.0f);
  for (int64_t block = 0; block < split_blocks(depths); ++block) {
    kernels_.pack_block(rows + block * kSplitDepth * kSplitColumns, kSplitColumns, inverses, SplitLayout(),
                        packed + block * kSplitPanelBytes, columns);
  }
}

void SplitProducts::pack_queries(int64_t panel, int64_t first, int64_t rows) {
  const MatrixView transposed = {head_.q.data, head_.q.column_stride, head_.q.row_stride};
  gemm_pack_panel(transposed, 0, extents_.d, first, rows, turned_);
  alignas(64) float largest[kSplitColumns] = {};
  kernels_.largest_columns(turned_, kSplitColumns, extents_.d, largest);
  std::byte* to = queries_ + panel * panel_bytes(extents_.d);
  for (int64_t j = 0; j < kSplitColumns; ++j) columns_of(to).scales[j] = split_scale(largest[j]).scale;
  pack_blocks(turned_, extents_.d, columns_of(to), to + kHeaderBytes);
}

void SplitProducts::place_keys(int64_t key, int64_t keys) {
  keys_ = keys;
  const MatrixView &k = head_.k, &v = head_.v;
  if (k.column_stride == 1) {
    pack_groups({k.data + key * k.row_stride, k.row_stride, keys, extents_.d}, packed_k_, key_scales_);
  } else {
    gemm_pack_a({k.data + key * k.row_stride, k.column_stride, k.row_stride}, 0, extents_.d, keys, turned_);
    pack_groups({turned_, extents_.d, keys, extents_.d}, packed_k_, key_scales_);
  }
  const float* from = v.data + key * v.row_stride;
  if (v.row_stride == 1) {
    pack_groups({from, v.column_stride, extents_.dv, keys}, packed_v_, value_scales_);
  } else {
    gemm_pack_a({from, v.row_stride, v.column_stride}, 0, keys, extents_.dv, turned_);
    pack_groups({turned_, keys, extents_.dv, keys}, packed_v_, value_scales_);
  }
}

void SplitProducts::scores(int64_t panel, int64_t visible, float* scores) {
  std::byte* queries = queries_ + panel * panel_bytes(extents_.d);
  SplitTile tile = split_tile();
  tile.a = packed_k_;
  tile.b = queries + kHeaderBytes;
  tile.blocks = split_blocks(extents_.d);
  kernels_.multiply_groups(tile, ceil_div(visible, kSplitRows), tile.blocks * kSplitGroupBytes,
                           {nullptr, kSplitRows, key_scales_, columns_of(queries).scales, false}, scores);
}

void SplitProducts::values(int64_t visible, float* weights, float* acc) {
  pack_blocks(weights, visible, columns_of(weights_), weights_ + kHeaderBytes);
  SplitTile tile = split_tile();
  tile.a = packed_v_;
  tile.b = weights_ + kHeaderBytes;
  tile.blocks = split_blocks(visible);
  kernels_.multiply_groups(tile, ceil_div(extents_.dv, kSplitRows), split_blocks(keys_) * kSplitGroupBytes,
                           {nullptr, kSplitRows, value_scales_, columns_of(weights_).scales, true}, acc);
}

}  // namespace sdx::kernels
