// Attention products in float32.
#include "kernels/attention_products.h"

namespace sdx::kernels {
namespace {

constexpr int64_t kSlack = 16;

int64_t round_up(int64_t a, int64_t b) { return (a + b - 1) / b * b; }

// Groups of rows as even as the tallest tile kernel allows.
int64_t group_begin(int64_t extent, int64_t count, int64_t group) { return extent * group / count; }

int64_t query_floats(const AttentionExtents& e) { return round_up(e.d * e.width, 16); }
int64_t key_floats(const AttentionExtents& e) { return round_up(e.keys * e.d + kSlack, 16); }
int64_t value_floats(const AttentionExtents& e) { return round_up(e.keys * e.dv + kSlack, 16); }

}  // namespace

int64_t FloatProducts::floats(const AttentionExtents& e) {
  return e.panels * query_floats(e) + key_floats(e) + value_floats(e);
}

FloatProducts::FloatProducts(const AttentionExtents& extents, const AttentionHead& head, float* scratch)
    : extents_(extents), head_(head), tiles_(gemm_tiles()) {
  queries_ = scratch;
  packed_k_ = queries_ + extents.panels * query_floats(extents);
  packed_v_ = packed_k_ + key_floats(extents);
}

void FloatProducts::pack_queries(int64_t panel, int64_t first, int64_t rows) {
  const MatrixView transposed = {head_.q.data, head_.q.column_stride, head_.q.row_stride};
  gemm_pack_panel(transposed, 0, extents_.d, first, rows, queries_ + panel * query_floats(extents_));
}

void FloatProducts::scale_queries(int64_t panel, float scale) {
  float* const packed = queries_ + panel * query_floats(extents_);
  for (int64_t i = 0; i < extents_.d * extents_.width; ++i) packed[i] *= scale;
}

void FloatProducts::place_keys(int64_t key, int64_t keys) {
  key_ = key;
  keys_ = keys;
  const int64_t count = groups(keys);
  if (head_.k.row_stride != 1) {
    for (int64_t g = 0; g < count; ++g) {
      const int64_t begin = group_begin(keys, count, g);
      gemm_pack_a(head_.k, key + begin, group_begin(keys, count, g + 1) - begin, extents_.d,
                  packed_k_ + begin * extents_.d);
    }
  }
  v_ = head_.v.data + key * head_.v.row_stride;
  v_stride_ = head_.v.row_stride;
  if (head_.v.column_stride != 1) {
    const MatrixView columns = {v_, head_.v.column_stride, head_.v.row_stride};
    gemm_pack_a(columns, 0, extents_.dv, keys, packed_v_);
    v_ = packed_v_;
    v_stride_ = extents_.dv;
  }
}

void FloatProducts::scores(int64_t panel, int64_t visible, float* scores) {
  TileArgs args = {};
  args.k = extents_.d;
  args.b = queries_ + panel * query_floats(extents_);
  args.b_stride = extents_.width;
  const int64_t count = groups(keys_);
  for (int64_t g = 0; g < count; ++g) {
    const int64_t begin = group_begin(keys_, count, g);
    if (begin >= visible) break;
    const int64_t height = group_begin(keys_, count, g + 1) - begin;
    const bool transposed = head_.k.row_stride == 1;
    args.a = transposed ? head_.k.data + key_ + begin : packed_k_ + begin * extents_.d;
    args.a_stride = transposed ? head_.k.column_stride : height;
    args.acc = scores + begin * extents_.width;
    tiles_.tile[0][height][0](args);
  }
}

void FloatProducts::values(int64_t visible, float* weights, float* acc) {
  TileArgs args = {};
  args.k = visible;
  args.a_stride = v_stride_;
  args.b = weights;
  args.b_stride = extents_.width;
  args.accumulate = true;
  const int64_t count = groups(extents_.dv);
  for (int64_t g = 0; g < count; ++g) {
    const int64_t begin = group_begin(extents_.dv, count, g);
    args.a = v_ + begin;
    args.acc = acc + begin * extents_.width;
    tiles_.tile[0][group_begin(extents_.dv, count, g + 1) - begin][0](args);
  }
}

}  // namespace sdx::kernels
