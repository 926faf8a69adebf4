// Attention: the loops over tiles of keys and panels of queries.
#include "kernels/attention.h"

#include <algorithm>
#include <cmath>

#include "kernels/attention_few.h"
#include "kernels/attention_products.h"
#include "kernels/attention_tiles.h"
#include "kernels/gemm_tiles.h"

namespace sdx::kernels {
namespace {

// Up to this many query rows, panels of queries would be too empty to be worth packing keys for.
int64_t few_rows() { return gemm_tiles().panel_columns * 3 / 4; }

int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }
int64_t round_up(int64_t a, int64_t b) { return ceil_div(a, b) * b; }

// Keys of a tile: 128 KB of packed keys, 32 KB of scores.
int64_t tile_keys(const AttentionShape& shape) {
  const int64_t keys = std::clamp<int64_t>(32768 / std::max<int64_t>(shape.d, 1), 32, 256);
  return std::min(keys, std::max<int64_t>(shape.skv, 1));
}

AttentionExtents extents_of(const AttentionShape& shape) {
  const int64_t width = gemm_tiles().panel_columns;
  return {shape.d, shape.dv, width, ceil_div(attention_row_block(shape), width), tile_keys(shape)};
}

// Parts of the scratch memory beside the operands of the products, in floats.
struct Layout {
  int64_t acc;     // accumulators of a panel: whole groups of rows
  int64_t state;   // softmax state of a panel
  int64_t scores;  // of a tile, likewise
  int64_t terms;

  explicit Layout(const AttentionExtents& e) {
    acc = round_up(e.dv, kSplitRows) * e.width;
    state = 4 * e.width;
    scores = round_up(e.keys, kSplitDepth) * e.width;
    terms = e.keys * e.width;
  }
  int64_t total(const AttentionExtents& e) const { return e.panels * (acc + state) + scores + terms; }
};

template <class Products>
class Block {
 public:
  Block(const AttentionShape& shape, const AttentionHead& head, float* scratch)
      : shape_(shape), head_(head), extents_(extents_of(shape)), layout_(extents_), products_(extents_, head, scratch) {
    acc_ = scratch + Products::floats(extents_);
    state_ = acc_ + extents_.panels * layout_.acc;
    scores_ = state_ + extents_.panels * layout_.state;
    terms_ = scores_ + layout_.scores;
  }

  void run(int64_t row_begin, int64_t row_end) {
    row_begin_ = row_begin;
    row_end_ = row_end;
    const int64_t panels = ceil_div(row_end - row_begin, extents_.width);
    for (int64_t panel = 0; panel < panels; ++panel) start_panel(panel);
    int64_t last = shape_.skv;
    if (shape_.causal) last = std::min(last, row_end + shape_.causal_offset);
    for (int64_t key = 0; key < last; key += extents_.keys) {
      const int64_t keys = std::min(extents_.keys, last - key);
      products_.place_keys(key, keys);
      for (int64_t panel = 0; panel < panels; ++panel) run_tile(panel, key, keys);
    }
    for (int64_t panel = 0; panel < panels; ++panel) finish_panel(panel);
  }

 private:
  int64_t first_row(int64_t panel) const { return row_begin_ + panel * extents_.width; }
  int64_t rows(int64_t panel) const { return std::min(extents_.width, row_end_ - first_row(panel)); }
  float* acc(int64_t panel) const { return acc_ + panel * layout_.acc; }

  SoftmaxState state(int64_t panel) const {
    float* at = state_ + panel * layout_.state;
    return {at, at + extents_.width, at + 2 * extents_.width};
  }

  // Where nothing else is done to scores, queries take their scale, and no pass over the scores is left but that for
  // the largest.
  bool scales_queries() const {
    return Products::kScalesQueries && head_.mask.data == nullptr && head_.bias.data == nullptr &&
           head_.allowed.data == nullptr && !shape_.causal && !(shape_.softcap > 0);
  }

  void start_panel(int64_t panel) {
    products_.pack_queries(panel, first_row(panel), rows(panel));
    if constexpr (Products::kScalesQueries) {
      if (scales_queries()) products_.scale_queries(panel, shape_.scale);
    }
    const SoftmaxState s = state(panel);
    std::fill_n(s.maximum, extents_.width, -HUGE_VALF);
    std::fill_n(s.sum, extents_.width, 0.0f);
    std::fill_n(acc(panel), layout_.acc, 0.0f);
  }

  void run_tile(int64_t panel, int64_t key, int64_t keys) {
    int64_t visible = keys;
    if (shape_.causal) visible = std::min(keys, first_row(panel) + rows(panel) + shape_.causal_offset - key);
    if (visible <= 0) return;
    products_.scores(panel, visible, scores_);
    float* largest = state_ + panel * layout_.state + 3 * extents_.width;
    apply_terms(panel, key, visible, largest);
    const SoftmaxState s = state(panel);
    attention_weights(scores_, visible, largest, s);
    if (key > 0) attention_rescale(acc(panel), shape_.dv, s.correction);
    products_.values(visible, scores_, acc(panel));
  }

  // Passes over the scores: one for each term that is present, at least one.
  void apply_terms(int64_t panel, int64_t key, int64_t keys, float* largest) {
    ScorePass pass = {};
    pass.scores = scores_;
    pass.keys = keys;
    pass.scale = scales_queries() ? 1.0f : shape_.scale;
    pass.softcap = shape_.softcap;
    pass.reach = first_row(panel) + shape_.causal_offset - key;
    pass.causal = shape_.causal && keys - 1 > pass.reach;
    int left = (head_.mask.data != nullptr) + (head_.bias.data != nullptr) + (head_.allowed.data != nullptr);
    if (left == 0) pass.largest = largest;
    const auto apply = [&](bool present) {
      if (!present) return;
      if (--left == 0) pass.largest = largest;
      attention_score_pass(pass);
      pass.scale = 1.0f;
      pass.softcap = 0.0f;
      pass.causal = false;
      pass.key_term = nullptr;
      pass.tile_term = nullptr;
    };
    if (left == 0) attention_score_pass(pass);
    apply(place_term(head_.mask, panel, key, pass));
    apply(place_term(head_.bias, panel, key, pass));
    apply(place_allowed(panel, key, pass));
  }

  bool place_term(const ScoreTerm<float>& term, int64_t panel, int64_t key, ScorePass& pass) {
    if (term.data == nullptr) return false;
    if (term.row_stride == 0) {
      pass.key_term = term.data + key * term.column_stride;
      pass.key_stride = term.column_stride;
      return true;
    }
    const MatrixView transposed = {term.data, term.column_stride, term.row_stride};
    gemm_pack_panel(transposed, key, pass.keys, first_row(panel), rows(panel), terms_);
    pass.tile_term = terms_;
    return true;
  }

  bool place_allowed(int64_t panel, int64_t key, ScorePass& pass) {
    const ScoreTerm<uint8_t>& term = head_.allowed;
    if (term.data == nullptr) return false;
    const bool per_key = term.row_stride == 0;
    const int64_t width = per_key ? 1 : extents_.width;
    const int64_t queries = per_key ? 1 : rows(panel);
    for (int64_t c = 0; c < queries; ++c) {
      const uint8_t* from = term.data + (first_row(panel) + c) * term.row_stride + key * term.column_stride;
      for (int64_t t = 0; t < pass.keys; ++t) {
        terms_[t * width + c] = from[t * term.column_stride] != 0 ? 0.0f : -HUGE_VALF;
      }
    }
    (per_key ? pass.key_term : pass.tile_term) = terms_;
    pass.key_stride = 1;
    return true;
  }

  void finish_panel(int64_t panel) {
    attention_finish({acc(panel), shape_.dv, state(panel).sum, rows(panel),
                      head_.out + first_row(panel) * head_.out_stride, head_.out_stride,
                      shape_.zero_masked_rows || shape_.skv == 0});
  }

  const AttentionShape& shape_;
  const AttentionHead& head_;
  const AttentionExtents extents_;
  const Layout layout_;
  Products products_;
  float* acc_;
  float* state_;
  float* scores_;
  float* terms_;
  int64_t row_begin_ = 0;
  int64_t row_end_ = 0;
};

}  // namespace

int64_t attention_row_block(const AttentionShape& shape) {
  // Packed queries and accumulators take at most about half of the second-level cache.
  const int64_t width = gemm_tiles().panel_columns;
  const int64_t fit = 128 * 1024 / std::max<int64_t>(shape.d + shape.dv, 1) / width * width;
  return std::min(std::clamp<int64_t>(fit, width, 512), round_up(std::max<int64_t>(shape.sq, 1), width));
}

int64_t attention_row_block(const AttentionShape& shape, int64_t heads, int threads) {
  constexpr int64_t kFewest = 128;
  const int64_t width = gemm_tiles().panel_columns;
  const int64_t most = attention_row_block(shape);
  int64_t blocks = std::max<int64_t>(ceil_div(shape.sq, most), 1);
  while (heads * blocks < 4 * threads && ceil_div(shape.sq, blocks) > kFewest) blocks *= 2;
  return std::min(most, std::max(round_up(ceil_div(shape.sq, blocks), width), width));
}

size_t attention_scratch_bytes(const AttentionShape& shape) {
  const AttentionExtents extents = extents_of(shape);
  const int64_t operands = SplitProducts::fit(shape) ? SplitProducts::floats(extents) : FloatProducts::floats(extents);
  const int64_t tiled = operands + Layout(extents).total(extents);
  return static_cast<size_t>(std::max(tiled, attention_few_scratch(shape))) * sizeof(float);
}

void attention_run(const AttentionShape& shape, const AttentionHead& head, int64_t row_begin, int64_t row_end,
                   void* scratch) {
  if (row_begin >= row_end || shape.dv == 0) return;
  float* floats = static_cast<float*>(scratch);
  if (shape.sq <= few_rows() && (head.k.row_stride == 1 || head.k.column_stride == 1)) {
    for (int64_t row = row_begin; row < row_end; row += kAttentionFewRows) {
      attention_few_run(shape, head, row, std::min(kAttentionFewRows, row_end - row), floats);
    }
    return;
  }
  if (SplitProducts::fit(shape)) {
    Block<SplitProducts>(shape, head, floats).run(row_begin, row_end);
  } else {
    Block<FloatProducts>(shape, head, floats).run(row_begin, row_end);
  }
}

}  // namespace sdx::kernels
