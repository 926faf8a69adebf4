// Conv routes: the functions behind each way of computing a convolution.
#pragma once

#include "kernels/conv.h"

namespace sdx::kernels {

/// One row of the table of routes.
struct ConvRow {
  ConvRoute route;
  const char* name;
  bool (*fits)(const ConvShape& shape);
  size_t (*packed_floats)(const ConvShape& shape);
  int64_t (*pack_parts)(const ConvShape& shape);
  void (*pack)(const ConvShape& shape, const void* weights, int64_t part_begin, int64_t part_end, float* packed);
  ConvPlan (*plan)(const ConvShape& shape, int threads);
  void (*run)(const Conv& conv, const ConvPlan& plan, int64_t tile_begin, int64_t tile_end, float* scratch);
};

/// The table, best first; the last row fits every shape.
const ConvRow* conv_rows();
int conv_row_count();

/// The output channels of each convolution group in groups of at most one tile kernel's height, as even as possible.
struct ChannelGroups {
  int64_t channels, count;
  explicit ChannelGroups(const ConvShape& shape);
  int64_t begin(int64_t group) const { return channels * group / count; }
  int64_t rows(int64_t group) const { return begin(group + 1) - begin(group); }
};

/// C [channels, positions] and its epilogue for the output channels of an image from `channel` on.
Gemm conv_output(const Conv& conv, int64_t image, int64_t channel);

/// Sets channel_block and tiles of a plan with so many blocks of positions. Each part of the channels transforms the
/// input again, so there are only as many as keep all threads busy.
void conv_cut_channels(ConvPlan& plan, int64_t blocks, int64_t groups, int threads);

size_t conv_gemm_packed_floats(const ConvShape& shape);
inline int64_t conv_gemm_pack_parts(const ConvShape&) { return 1; }
void conv_gemm_pack(const ConvShape& shape, const void* weights, int64_t, int64_t, float* packed);
ConvPlan conv_gemm_plan(const ConvShape& shape, int threads);
void conv_gemm_run(const Conv& conv, const ConvPlan& plan, int64_t tile_begin, int64_t tile_end, float* scratch);

/// The same products, from the same weights and to the same bits, where it is faster to read columns from a padded copy
/// of the input than to gather them.
bool conv_direct_pays(const ConvShape& shape);
ConvPlan conv_direct_plan(const ConvShape& shape, int threads);
void conv_direct_run(const Conv& conv, const ConvPlan& plan, int64_t tile_begin, int64_t tile_end, float* scratch);

/// The same where there are few positions. Where `taps_first`, depths are packed as [taps][channels], not
/// [channels][taps].
bool conv_few_pays(const ConvShape& shape);
ConvPlan conv_few_plan(const ConvShape& shape, int threads);
void conv_few_run(const Conv& conv, const ConvPlan& plan, bool taps_first, int64_t tile_begin, int64_t tile_end,
                  float* scratch);

/// Groups of output channels at a few positions: acc[r][n] (+)= sum_p weights[p][r] columns[p][n], to the bits of the
/// tile kernels.
struct FewColumns {
  static constexpr int64_t kMostPositions = 8, kMostGroups = 4;
  struct Group {
    const float* weights;  ///< [depths][rows], and what a vector reads beyond them
    int64_t rows;
    float* acc;  ///< [rows][acc_stride]
  };
  const float* columns;  ///< [depths][column_stride]
  int64_t column_stride;
  int64_t depths, positions;
  int64_t acc_stride;
  bool accumulate;
  Group group[kMostGroups];
  int64_t count;
};
void conv_few_columns(const FewColumns& args);

size_t conv_depthwise_packed_floats(const ConvShape& shape);
inline int64_t conv_depthwise_pack_parts(const ConvShape&) { return 1; }
void conv_depthwise_pack(const ConvShape& shape, const void* weights, int64_t, int64_t, float* packed);
ConvPlan conv_depthwise_plan(const ConvShape& shape, int threads);
void conv_depthwise_run(const Conv& conv, const ConvPlan& plan, int64_t tile_begin, int64_t tile_end, float* scratch);

bool conv_split_fits(const ConvShape& shape);
size_t conv_split_packed_floats(const ConvShape& shape);
int64_t conv_split_pack_parts(const ConvShape& shape);
void conv_split_pack(const ConvShape& shape, const void* weights, int64_t part_begin, int64_t part_end, float* packed);
ConvPlan conv_split_plan(const ConvShape& shape, int threads);
void conv_split_run(const Conv& conv, const ConvPlan& plan, int64_t tile_begin, int64_t tile_end, float* scratch);

bool conv_winograd_fits(const ConvShape& shape);
size_t conv_winograd_packed_floats(const ConvShape& shape);
int64_t conv_winograd_pack_parts(const ConvShape& shape);
void conv_winograd_pack(const ConvShape& shape, const void* weights, int64_t part_begin, int64_t part_end,
                        float* packed);
ConvPlan conv_winograd_plan(const ConvShape& shape, int threads);
void conv_winograd_run(const Conv& conv, const ConvPlan& plan, int64_t tile_begin, int64_t tile_end, float* scratch);

bool conv_pairs_fits(const ConvShape& shape);
size_t conv_pairs_packed_floats(const ConvShape& shape);
int64_t conv_pairs_pack_parts(const ConvShape& shape);
void conv_pairs_pack(const ConvShape& shape, const void* weights, int64_t part_begin, int64_t part_end, float* packed);
ConvPlan conv_pairs_plan(const ConvShape& shape, int threads);
void conv_pairs_run(const Conv& conv, const ConvPlan& plan, int64_t tile_begin, int64_t tile_end, float* scratch);

/// Input values of consecutive output positions of one row, for `count` kernel elements of one kernel row:
/// to[l * width + j] = row[x + l * dilation + j * stride], zero outside [0, row_width) or where row is null.
struct GatherRun {
  const float* row;
  int64_t row_width;
  int64_t x;
  int64_t stride;
  int64_t dilation;
  int64_t length;  ///< positions
  int64_t count;
  float* to;
  int64_t width;
  int64_t ahead = 0;  ///< floats from `row` to a row that will be gathered soon, or 0
};

void conv_gather_run(const GatherRun& run);

/// Rows of `width` floats, `stride` apart, for the places [first, end) of `count` rows, from column `left` on; zeros
/// everywhere else. Of two phases even columns lie at phase 0. A row may be written up to a vector beyond its pitch
/// before the next one is.
struct PadRows {
  const float* from;
  int64_t stride, width;
  float* to;
  int64_t row_step;                   ///< floats between rows of one phase
  int64_t phases, phase_step, pitch;  ///< one or two, floats between them and of a row of one
  int64_t left;
  int64_t count, first, end;
};
void conv_pad_rows(const PadRows& rows);

/// Gathers B panels of a convolution: the input values that each output position of a panel meets at each depth.
/// Depth p = ((channel kernel[0] + i) kernel[1] + j) kernel[2] + l of the group's channels.
class ConvGather {
 public:
  static constexpr int kMostPositions = 1024;

  /// Panels of `width` columns, panel_stride floats apart.
  ConvGather(const ConvShape& shape, int64_t width, int64_t panel_stride)
      : shape_(shape), width_(width), panel_stride_(panel_stride) {}
  /// Chooses positions [position, position + count) of one output plane, count <= kMostPositions.
  void select(int64_t position, int64_t count);
  /// Writes depths [depth, depth + depths) of every panel as [depths][width]; `x` is the first channel of the group.
  /// Columns beyond the positions are zeros. All panels are filled channel by channel, because their inputs adjoin.
  void fill(const float* x, int64_t depth, int64_t depths, float* panels) const;

 private:
  // Consecutive positions in one output row and one panel.
  struct Segment {
    int64_t offset, length;  // of its first column from the start of the panels
    int64_t in[3];           // input coordinate of the first position at kernel element 0
  };
  void fill_kernel_row(const float* plane, int64_t kernel_row, int64_t first, int64_t count, float* rows) const;

  const ConvShape& shape_;
  int64_t width_;
  int64_t panel_stride_;
  int64_t tail_ = 0;  // first unused column of the last panel, from the start of the panels
  int64_t tail_length_ = 0;
  int segments_ = 0;
  Segment segment_[kMostPositions];
};

}  // namespace sdx::kernels
