// Attention products by matrix units: keys and the columns of V in groups of 16, queries and weights in panels.
#include <algorithm>

#include "kernels/attention_products.h"

namespace sdx::kernels {
namespace {

constexpr int64_t kSlack = 16;

int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }

int64_t query_bytes(const AttentionExtents& e) { return split_blocks(e.d) * kSplitPanelBytes; }
int64_t key_bytes(const AttentionExtents& e) { return ceil_div(e.keys, kSplitRows) * split_blocks(e.d) * kSplitGroupBytes; }
int64_t value_bytes(const AttentionExtents& e) { return ceil_div(e.dv, kSplitRows) * split_blocks(e.keys) * kSplitGroupBytes; }
int64_t weight_bytes(const AttentionExtents& e) { return split_blocks(e.keys) * kSplitPanelBytes; }
int64_t turned_floats(const AttentionExtents& e) {
  return ceil_div(std::max(e.keys * std::max(e.d, e.dv), e.d * e.width) + kSlack, 16) * 16;
}

}  // namespace

bool SplitProducts::available() { return split_kernels() != nullptr && gemm_tiles().panel_columns == kSplitColumns; }

int64_t SplitProducts::floats(const AttentionExtents& e) {
  const int64_t bytes = e.panels * query_bytes(e) + key_bytes(e) + value_bytes(e) + weight_bytes(e);
  return bytes / static_cast<int64_t>(sizeof(float)) + turned_floats(e);
}

SplitProducts::SplitProducts(const AttentionExtents& extents, const AttentionHead& head, float* scratch)
    : extents_(extents), head_(head), kernels_(*split_kernels()) {
  queries_ = reinterpret_cast<std::byte*>(scratch);
  packed_k_ = queries_ + extents.panels * query_bytes(extents);
  packed_v_ = packed_k_ + key_bytes(extents);
  weights_ = packed_v_ + value_bytes(extents);
  turned_ = reinterpret_cast<float*>(weights_ + weight_bytes(extents));
  kernels_.begin(kSplitRows);
}

void SplitProducts::pack_groups(const float* rows, int64_t stride, int64_t count, int64_t depths, std::byte* packed) {
  for (int64_t r = 0; r < count; r += kSplitRows, packed += split_blocks(depths) * kSplitGroupBytes) {
    kernels_.pack_rows({rows + r * stride, stride, std::min(kSplitRows, count - r), kSplitRows}, depths, packed);
  }
}

// rows [depths][width]
void SplitProducts::pack_panel(const float* rows, int64_t depths, std::byte* packed) {
  alignas(64) static constexpr float kZeros[kSplitColumns] = {};
  for (int64_t p = 0; p < split_blocks(depths) * kSplitDepth; p += 2) {
    const float* even = p < depths ? rows + p * kSplitColumns : kZeros;
    const float* odd = p + 1 < depths ? rows + (p + 1) * kSplitColumns : kZeros;
    kernels_.pack_pair(even, odd, p % kSplitDepth / 2, packed + p / kSplitDepth * kSplitPanelBytes);
  }
}

void SplitProducts::pack_queries(int64_t panel, int64_t first, int64_t rows) {
  const MatrixView transposed = {head_.q.data, head_.q.column_stride, head_.q.row_stride};
  gemm_pack_panel(transposed, 0, extents_.d, first, rows, turned_);
  pack_panel(turned_, extents_.d, queries_ + panel * query_bytes(extents_));
}

void SplitProducts::place_keys(int64_t key, int64_t keys) {
  keys_ = keys;
  const MatrixView &k = head_.k, &v = head_.v;
  if (k.column_stride == 1) {
    pack_groups(k.data + key * k.row_stride, k.row_stride, keys, extents_.d, packed_k_);
  } else {
    gemm_pack_a({k.data + key * k.row_stride, k.column_stride, k.row_stride}, 0, extents_.d, keys, turned_);
    pack_groups(turned_, extents_.d, keys, extents_.d, packed_k_);
  }
  const float* from = v.data + key * v.row_stride;
  if (v.row_stride == 1) {
    pack_groups(from, v.column_stride, extents_.dv, keys, packed_v_);
  } else {
    gemm_pack_a({from, v.row_stride, v.column_stride}, 0, keys, extents_.dv, turned_);
    pack_groups(turned_, keys, extents_.dv, keys, packed_v_);
  }
}

void SplitProducts::multiply(SplitTile tile, int64_t groups) {
  tile.acc_group = kSplitRows * kSplitColumns;
  tile.ahead = tile.b;
  for (int64_t g = 0; g < groups; g += 2) {
    (g + 1 < groups ? kernels_.two_groups : kernels_.one)(tile);
    tile.a += 2 * tile.a_group_bytes;
    tile.acc += 2 * tile.acc_group;
  }
}

void SplitProducts::scores(int64_t panel, int64_t visible, float* scores) {
  SplitTile tile = split_tile();
  tile.a = packed_k_;
  tile.a_group_bytes = split_blocks(extents_.d) * kSplitGroupBytes;
  tile.b = queries_ + panel * query_bytes(extents_);
  tile.blocks = split_blocks(extents_.d);
  tile.acc = scores;
  multiply(tile, ceil_div(visible, kSplitRows));
}

void SplitProducts::values(int64_t visible, float* weights, float* acc) {
  pack_panel(weights, visible, weights_);
  SplitTile tile = split_tile();
  tile.a = packed_v_;
  tile.a_group_bytes = split_blocks(keys_) * kSplitGroupBytes;
  tile.b = weights_;
  tile.blocks = split_blocks(visible);
  tile.acc = acc;
  tile.accumulate = true;
  multiply(tile, ceil_div(extents_.dv, kSplitRows));
}

}  // namespace sdx::kernels
