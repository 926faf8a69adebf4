// Conv of three taps in steps of two by pairs of outputs: five products of [out_channels, in_channels] and
// [in_channels, pairs] for two outputs, which the definition makes from six.
#include <algorithm>
#include <cstring>

#include "kernels/conv_pairs_tiles.h"
#include "kernels/conv_routes.h"
#include "kernels/gemm_tiles.h"

namespace sdx::kernels {
namespace {

// Panels of one block, and the most input channels of one pass: what they become stays in the second-level cache while
// the weights stream by.
constexpr int64_t kPanels = 2;
constexpr int64_t kDepth = 512;
constexpr int64_t kTaps = 3;
constexpr int64_t kSlack = 16;

int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }

// Rows of outputs of all images, and the pairs and panels of each.
struct Rows {
  int64_t count, pairs, panels;
  explicit Rows(const ConvShape& shape)
      : count(shape.batch * shape.out[0] * shape.out[1]),
        pairs(ceil_div(shape.out[2], 2)),
        panels(ceil_div(pairs, gemm_tiles().panel_columns)) {}
};

int64_t pass_depth(const ConvShape& shape) { return ceil_div(shape.in_channels, ceil_div(shape.in_channels, kDepth)); }

// Some pairs of one row of outputs and a range of channel groups.
class Block {
 public:
  Block(const Conv& conv, const ConvPlan& plan, float* scratch)
      : conv_(conv),
        shape_(conv.shape),
        tiles_(gemm_tiles()),
        groups_(conv.shape),
        width_(tiles_.panel_columns),
        depth_(pass_depth(conv.shape)),
        single_(depth_ == conv.shape.in_channels),
        sum_floats_(tiles_.rows * width_),
        part_stride_(depth_ * width_),
        panel_stride_(kPairParts * part_stride_ + kSlack) {
    values_ = scratch;
    sums_ = values_ + plan.pixel_block / width_ * panel_stride_;
    weights_ = sums_ + sum_slots(shape_, plan.pixel_block, plan.channel_block) * sum_floats_;
    outputs_ = weights_ + depth_ * tiles_.rows + kSlack;
  }

  static size_t floats(const ConvShape& shape, int64_t pairs, int64_t groups) {
    const GemmTiles& tiles = gemm_tiles();
    const int64_t depth = pass_depth(shape), width = tiles.panel_columns;
    const int64_t values = pairs / width * (kPairParts * depth * width + kSlack);
    const int64_t sums = sum_slots(shape, pairs, groups) * tiles.rows * width;
    return static_cast<size_t>(values + sums + depth * tiles.rows + kSlack + 2 * tiles.rows * width + kSlack);
  }

  void run(int64_t row, int64_t pair, int64_t pair_end, int64_t group_first, int64_t group_end) {
    row_ = row;
    pair_ = pair;
    count_ = pair_end - pair;
    panels_ = ceil_div(count_, width_);
    for (int64_t depth = 0; depth < shape_.in_channels; depth += depth_) {
      const int64_t depths = std::min(depth_, shape_.in_channels - depth);
      transform(depth, depths);
      for (int64_t group = group_first; group < group_end; ++group) {
        float* const sums = sums_ + (single_ ? 0 : group - group_first) * panels_ * kSums * sum_floats_;
        multiply(group, group + 1 < group_end ? group + 1 : group_first, depth, depths, sums);
        if (depth + depths == shape_.in_channels) finish(group, sums);
      }
    }
  }

 private:
  static constexpr int64_t kSums = 3;  // y0's own, what both have, y1's own

  // Without a second pass the sums of a group are finished before the next group.
  static int64_t sum_slots(const ConvShape& shape, int64_t pairs, int64_t groups) {
    return (pass_depth(shape) == shape.in_channels ? 1 : groups) * pairs / gemm_tiles().panel_columns * kSums;
  }
  int64_t panel_end(int64_t panel) const { return std::min(count_, (panel + 1) * width_); }

  void transform(int64_t depth, int64_t depths) {
    const int64_t y = row_ % shape_.out[1], z = row_ / shape_.out[1] % shape_.out[0];
    const int64_t image = row_ / shape_.out[1] / shape_.out[0];
    const bool inside = y < shape_.in[1] && z < shape_.in[0];
    for (int64_t panel = 0; panel < panels_; ++panel) {
      PairInput input = {};
      input.first = 4 * (pair_ + panel * width_) - shape_.pad_begin[2];
      input.width = shape_.in[2];
      input.count = panel_end(panel) - panel * width_;
      input.part_stride = part_stride_;
      for (int64_t c = 0; c < depths; ++c) {
        const int64_t plane = image * shape_.in_channels + depth + c;
        input.row = inside ? conv_.x + ((plane * shape_.in[0] + z) * shape_.in[1] + y) * shape_.in[2] : nullptr;
        input.to = values_ + panel * panel_stride_ + c * width_;
        pair_input(input);
      }
    }
  }

  const float* weights_at(int64_t group, int64_t tap, int64_t depth) const {
    return static_cast<const float*>(conv_.packed) + groups_.begin(group) * kTaps * shape_.in_channels +
           (tap * shape_.in_channels + depth) * groups_.rows(group);
  }

  // The sums of all panels of a group, while the weights of the next group are fetched, a part in each step.
  void multiply(int64_t group, int64_t next, int64_t depth, int64_t depths, float* sums) {
    const int64_t rows = groups_.rows(group), next_rows = groups_.rows(next);
    const float *w0 = weights_at(group, 0, depth), *w1 = weights_at(group, 1, depth), *w2 = weights_at(group, 2, depth);
    pair_weights(w0, w2, depths * rows, weights_);
    struct Step {
      int64_t part, sum;
      const float* weights;
      bool add;
      int64_t tap;  // of the next group, which is fetched; or none
    };
    const Step steps[kPairParts] = {{0, 0, w0, false, 0},
                                    {1, 0, w1, true, 1},
                                    {2, 1, weights_, false, -1},
                                    {3, 2, w2, false, 2},
                                    {4, 2, w1, true, -1}};
    TileArgs args = {};
    args.k = depths;
    args.a_stride = rows;
    args.b_stride = width_;
    const int64_t ahead_step = ceil_div(next_rows * static_cast<int64_t>(sizeof(float)), panels_);
    for (int64_t panel = 0; panel < panels_; ++panel) {
      const TileFn tile = tiles_.one_panel(rows, panel_end(panel) - panel * width_);
      for (const Step& step : steps) {
        args.a = step.weights;
        args.b = values_ + panel * panel_stride_ + step.part * part_stride_;
        args.acc = sums + (panel * kSums + step.sum) * sum_floats_;
        args.accumulate = step.add || depth > 0;
        args.ahead = nullptr;
        args.ahead_step = 0;
        if (step.tap >= 0) {
          args.ahead = reinterpret_cast<const char*>(weights_at(next, step.tap, depth)) + panel * ahead_step * depths;
          args.ahead_step = ahead_step;
        }
        tile(args);
      }
    }
  }

  void finish(int64_t group, const float* sums) {
    const int64_t plane = shape_.out[0] * shape_.out[1], column_of_row = row_ % plane * shape_.out[2];
    const Gemm output = conv_output(conv_, row_ / plane, groups_.begin(group));
    const int64_t rows = groups_.rows(group);
    for (int64_t panel = 0; panel < panels_; ++panel) {
      const float* at = sums + panel * kSums * sum_floats_;
      pair_output(at, at + sum_floats_, at + 2 * sum_floats_, rows, width_, outputs_);
      const int64_t column = 2 * (pair_ + panel * width_);
      const int64_t columns = std::min(2 * (panel_end(panel) - panel * width_), shape_.out[2] - column);
      gemm_finish(output, {outputs_, 2 * width_, 0, column_of_row + column, rows, columns});
    }
  }

  const Conv& conv_;
  const ConvShape& shape_;
  const GemmTiles& tiles_;
  const ChannelGroups groups_;
  const int64_t width_;
  const int64_t depth_;
  const bool single_;  ///< one pass
  const int64_t sum_floats_, part_stride_, panel_stride_;
  float* values_;   ///< [panel][part][depth][width]
  float* sums_;     ///< [group][panel][kSums][rows][width]
  float* weights_;  ///< w0 + w2 of a group, [depth][rows]
  float* outputs_;  ///< [rows][2 width]
  int64_t row_ = 0, pair_ = 0;
  int64_t count_ = 0;   ///< pairs
  int64_t panels_ = 0;  ///< that hold them
};

}  // namespace

bool conv_pairs_fits(const ConvShape& shape) {
  // Fewer channels than this and the transforms cost more than the products save.
  constexpr int64_t kFewest = 64;
  if (shape.groups != 1 || shape.in_channels < kFewest || shape.out_channels < kFewest) return false;
  for (int i = 0; i < 2; ++i) {
    if (shape.kernel[i] != 1 || shape.stride[i] != 1 || shape.pad_begin[i] != 0) return false;
  }
  return shape.kernel[2] == kTaps && shape.stride[2] == 2 && shape.dilation[2] == 1;
}

size_t conv_pairs_packed_floats(const ConvShape& shape) {
  return static_cast<size_t>(shape.out_channels * kTaps * shape.in_channels + kSlack);
}

int64_t conv_pairs_pack_parts(const ConvShape& shape) { return ChannelGroups(shape).count; }

// [group][tap][in_channel][rows of the group]
void conv_pairs_pack(const ConvShape& shape, const void* weights, int64_t part_begin, int64_t part_end, float* packed) {
  const ChannelGroups groups(shape);
  const auto* from = static_cast<const unsigned char*>(weights);
  for (int64_t group = part_begin; group < part_end; ++group) {
    const int64_t begin = groups.begin(group), rows = groups.rows(group);
    float* to = packed + begin * kTaps * shape.in_channels;
    for (int64_t r = 0; r < rows; ++r) {
      for (int64_t c = 0; c < shape.in_channels; ++c) {
        float taps[kTaps];
        std::memcpy(taps, from + ((begin + r) * shape.in_channels + c) * static_cast<int64_t>(sizeof(taps)),
                    sizeof(taps));
        for (int64_t tap = 0; tap < kTaps; ++tap) to[(tap * shape.in_channels + c) * rows + r] = taps[tap];
      }
    }
  }
}

// A tile is a block of pairs of one row and a range of channel groups.
ConvPlan conv_pairs_plan(const ConvShape& shape, int threads) {
  if (conv_few_pays(shape)) return conv_few_plan(shape, threads);
  ConvPlan plan;
  const Rows rows(shape);
  const int64_t width = gemm_tiles().panel_columns, groups = ChannelGroups(shape).count;
  const int64_t panels = std::max<int64_t>(rows.panels, 1);
  plan.pixel_block = ceil_div(panels, ceil_div(panels, kPanels)) * width;
  const int64_t blocks = rows.count * ceil_div(panels * width, plan.pixel_block);
  conv_cut_channels(plan, blocks, groups, threads);
  plan.scratch_bytes = Block::floats(shape, plan.pixel_block, plan.channel_block) * sizeof(float);
  return plan;
}

void conv_pairs_run(const Conv& conv, const ConvPlan& plan, int64_t tile_begin, int64_t tile_end, float* scratch) {
  if (plan.columns == ConvColumns::kFew) return conv_few_run(conv, plan, true, tile_begin, tile_end, scratch);
  const Rows rows(conv.shape);
  const int64_t groups = ChannelGroups(conv.shape).count;
  const int64_t blocks = ceil_div(rows.panels * gemm_tiles().panel_columns, plan.pixel_block);
  Block block(conv, plan, scratch);
  for (int64_t tile = tile_begin; tile < tile_end; ++tile) {
    const int64_t first = tile % blocks * plan.pixel_block, row = tile / blocks % rows.count;
    const int64_t group = tile / blocks / rows.count * plan.channel_block;
    block.run(row, first, std::min(rows.pairs, first + plan.pixel_block), group,
              std::min(groups, group + plan.channel_block));
  }
}

}  // namespace sdx::kernels
