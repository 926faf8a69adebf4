// Split products: packing, plan, and the loops around the kernels of a matrix unit.
#include "kernels/gemm_split.h"

#include <algorithm>

#include "kernels/gemm_tiles.h"

namespace sdx::kernels {
namespace {

// Blocks of depth of one pass: 128 KB of a panel of B, which stay in the second-level cache while groups of rows go by.
constexpr int64_t kPass = 32;
// Bytes of accumulators between passes; with a block of A they must fit the second-level cache.
constexpr int64_t kAccumulatorBytes = 128 * 1024;
constexpr int64_t kRowBlock = 256;

int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }
int64_t round_up(int64_t a, int64_t b) { return ceil_div(a, b) * b; }

int64_t group_bytes(int64_t k) { return split_blocks(k) * kSplitGroupBytes; }
int64_t panel_bytes(int64_t k) { return split_blocks(k) * kSplitPanelBytes; }

// Panels whose accumulators are kept between passes.
int64_t panels_at_once(int64_t row_block) {
  const int64_t fit = kAccumulatorBytes / (row_block * kSplitColumns * static_cast<int64_t>(sizeof(float)));
  return std::max<int64_t>(fit, 2);
}

bool few(const Gemm& gemm) { return gemm.m <= kSplitFewRows && gemm.a.column_stride == 1; }

// The tiles of one block of rows.
class Block {
 public:
  Block(const Gemm& gemm, const GemmPlan& plan, float* acc)
      : gemm_(gemm), kernels_(*split_kernels()), acc_(acc), groups_(gemm.m), at_once_(panels_at_once(plan.row_block)) {}

  void run(int64_t row, int64_t rows, int64_t panel_begin, int64_t panel_end) {
    group_begin_ = row / groups_.height;
    group_end_ = ceil_div(row + rows, groups_.height);
    row_ = row;
    rows_ = rows;
    if (few(gemm_)) return run_few(panel_begin, panel_end);
    for (int64_t panel = panel_begin; panel < panel_end; panel += at_once_) {
      run_panels(panel, std::min(at_once_, panel_end - panel));
    }
  }

 private:
  bool single() const { return group_end_ - group_begin_ == 1; }

  void run_few(int64_t panel_begin, int64_t panel_end) {
    for (int64_t panel = panel_begin; panel < panel_end; ++panel) {
      const SplitRows rows = {gemm_.a.data + row_ * gemm_.a.row_stride, gemm_.a.row_stride, rows_, rows_};
      kernels_.few_rows(rows, static_cast<const std::byte*>(gemm_.packed_b) + panel * panel_bytes(gemm_.k), gemm_.k, acc_);
      finish(panel, acc_);
    }
  }

  void run_panels(int64_t panel, int64_t panels) {
    const int64_t blocks = split_blocks(gemm_.k);
    // B that is read once needs no passes.
    const int64_t pass = group_end_ - group_begin_ <= 2 ? std::max<int64_t>(blocks, 1) : kPass;
    int64_t block = 0;
    do {
      const int64_t count = std::min(pass, blocks - block);
      for (int64_t p = 0; p < panels;) {
        const int64_t width = single() && panels - p >= 2 ? 2 : 1;
        run_pass(panel + p, p, width, block, count);
        if (block + count == blocks) {
          for (int64_t j = 0; j < width; ++j) finish(panel + p + j, acc_ + (p + j) * panel_floats());
        }
        p += width;
      }
      block += count;
    } while (block < blocks);
  }

  int64_t panel_floats() const { return (group_end_ - group_begin_) * groups_.height * kSplitColumns; }

  void run_pass(int64_t panel, int64_t slot, int64_t width, int64_t block, int64_t count) {
    const int64_t steps = ceil_div(group_end_ - group_begin_, 2);
    SplitTile tile = split_tile();
    tile.a_group_bytes = group_bytes(gemm_.k);
    tile.b_panel_bytes = panel_bytes(gemm_.k);
    tile.b = static_cast<const std::byte*>(gemm_.packed_b) + panel * tile.b_panel_bytes + block * kSplitPanelBytes;
    tile.blocks = count;
    tile.acc_group = groups_.height * kSplitColumns;
    tile.acc_panel = panel_floats();
    tile.accumulate = block > 0;
    // One step is limited by the memory, whose streams the hardware follows.
    tile.ahead_lines = single() ? 0 : static_cast<int>(ceil_div(kSplitPanelBytes / 64, steps));
    for (int64_t step = 0; step < steps; ++step) {
      const int64_t group = group_begin_ + 2 * step;
      tile.a = static_cast<const std::byte*>(gemm_.split_a) + group * tile.a_group_bytes + block * kSplitGroupBytes;
      tile.acc = acc_ + slot * panel_floats() + 2 * step * tile.acc_group;
      // The steps share the fetching of the panel that comes next.
      tile.ahead = tile.b + width * tile.b_panel_bytes + std::min(step * tile.ahead_lines * 64, kSplitPanelBytes);
      if (width == 2) {
        kernels_.two_panels(tile);
      } else if (group + 1 < group_end_) {
        kernels_.two_groups(tile);
      } else {
        kernels_.one(tile);
      }
    }
  }

  void finish(int64_t panel, float* acc) {
    const int64_t column = panel * kSplitColumns;
    if (!kernels_.all_finite(acc, kSplitColumns, rows_, kSplitColumns)) recompute(panel, acc);
    gemm_finish(gemm_, {acc, kSplitColumns, row_, column, rows_, std::min(kSplitColumns, gemm_.n - column)});
  }

  // Rows with infinities or NaN, as float32 has them.
  void recompute(int64_t panel, float* acc) {
    const std::byte* b = static_cast<const std::byte*>(gemm_.packed_b) + panel * panel_bytes(gemm_.k);
    for (int64_t r = 0; r < rows_; ++r) {
      float* row = acc + r * kSplitColumns;
      if (kernels_.all_finite(row, kSplitColumns, 1, kSplitColumns)) continue;
      kernels_.plain_row(gemm_.a.data + (row_ + r) * gemm_.a.row_stride, gemm_.a.column_stride, b, gemm_.k, row);
    }
  }

  const Gemm& gemm_;
  const SplitKernels& kernels_;
  float* acc_;
  const SplitGroups groups_;
  const int64_t at_once_;
  int64_t group_begin_ = 0, group_end_ = 0;
  int64_t row_ = 0, rows_ = 0;
};

// Depths [depth, depth + depths) of `columns` columns as [depths][kSplitColumns], zeros beyond.
void gather(const WeightView& b, int64_t depth, int64_t depths, int64_t column, int64_t columns, float* to) {
  const bool aligned = reinterpret_cast<uintptr_t>(b.data) % alignof(float) == 0;
  if (b.type == WeightType::kF32 && aligned && b.row_stride == 1 && columns == kSplitColumns) {
    const float* from = static_cast<const float*>(b.data) + depth;
    return gemm_pack_a({from, b.column_stride, 1}, column, columns, depths, to);
  }
  const int64_t bytes = static_cast<int64_t>(weight_bytes(b.type));
  const unsigned char* data = static_cast<const unsigned char*>(b.data);
  for (int64_t p = 0; p < depths; ++p) {
    for (int64_t j = 0; j < kSplitColumns; ++j) {
      const int64_t at = (depth + p) * b.row_stride + (column + j) * b.column_stride;
      to[p * kSplitColumns + j] = j < columns ? read_weight(data + at * bytes, b.type) : 0.0f;
    }
  }
}

// A group of rows whose elements do not lie side by side, through copies of a block each.
void split_strided(const SplitKernels& kernels, const MatrixView& a, SplitRows rows, int64_t k, std::byte* to) {
  float block[kSplitRows * kSplitDepth];
  rows.a = block;
  rows.stride = kSplitDepth;
  for (int64_t depth = 0; depth < k; depth += kSplitDepth, to += kSplitGroupBytes) {
    const int64_t depths = std::min(kSplitDepth, k - depth);
    for (int64_t r = 0; r < rows.count; ++r) {
      for (int64_t p = 0; p < depths; ++p) block[r * kSplitDepth + p] = a.data[r * a.row_stride + (depth + p) * a.column_stride];
    }
    kernels.pack_rows(rows, depths, to);
  }
}

}  // namespace

bool gemm_splits() { return split_kernels() != nullptr; }

int64_t gemm_split_groups(const Gemm& gemm) { return few(gemm) ? 0 : SplitGroups(gemm.m).count; }

size_t gemm_split_bytes(int64_t m, int64_t k) { return static_cast<size_t>(SplitGroups(m).count * group_bytes(k)); }

void gemm_split_a(const Gemm& gemm, int64_t group_begin, int64_t group_end, void* packed) {
  const SplitKernels& kernels = *split_kernels();
  const SplitGroups groups(gemm.m);
  for (int64_t group = group_begin; group < group_end; ++group) {
    const int64_t row = group * groups.height;
    const MatrixView a = {gemm.a.data + row * gemm.a.row_stride, gemm.a.row_stride, gemm.a.column_stride};
    const SplitRows rows = {a.data, a.row_stride, std::min(groups.height, gemm.m - row), groups.height};
    std::byte* to = static_cast<std::byte*>(packed) + group * group_bytes(gemm.k);
    if (a.column_stride == 1) {
      kernels.pack_rows(rows, gemm.k, to);
    } else {
      split_strided(kernels, a, rows, gemm.k, to);
    }
  }
}

GemmPlan split_plan(const Gemm& gemm, int threads) {
  GemmPlan plan;
  const SplitGroups groups(gemm.m);
  const int64_t panels = gemm_panels(gemm.n, WeightType::kSplit);
  plan.row_blocks = ceil_div(gemm.m, kRowBlock);
  plan.row_block = round_up(ceil_div(groups.count, plan.row_blocks), 2) * groups.height;
  plan.row_blocks = ceil_div(gemm.m, plan.row_block);
  // A tile is worth starting from about this many multiply-adds on.
  constexpr int64_t kWork = 512 * 1024;
  const int64_t fewest = ceil_div(kWork, plan.row_block * std::max<int64_t>(gemm.k, 1) * kSplitColumns);
  const int64_t wanted = threads > 1 ? ceil_div(4 * threads, plan.row_blocks) : 1;
  plan.panel_block = std::min(panels, std::max(round_up(fewest, 2), round_up(ceil_div(panels, wanted), 2)));
  plan.column_blocks = ceil_div(panels, plan.panel_block);
  plan.scratch_bytes = static_cast<size_t>(panels_at_once(plan.row_block) * plan.row_block * kSplitColumns) * sizeof(float);
  return plan;
}

void split_run(const Gemm& gemm, const GemmPlan& plan, int64_t tile_begin, int64_t tile_end, void* scratch) {
  const SplitKernels& kernels = *split_kernels();
  const int64_t panels = gemm_panels(gemm.n, WeightType::kSplit);
  Block block(gemm, plan, static_cast<float*>(scratch));
  if (!few(gemm)) kernels.begin(SplitGroups(gemm.m).height);
  for (int64_t tile = tile_begin; tile < tile_end; ++tile) {
    const int64_t row = tile / plan.column_blocks * plan.row_block;
    const int64_t panel = tile % plan.column_blocks * plan.panel_block;
    block.run(row, std::min(plan.row_block, gemm.m - row), panel, std::min(panels, panel + plan.panel_block));
  }
  if (!few(gemm)) kernels.end();
}

void split_pack_b(const WeightView& b, int64_t k, int64_t n, int64_t panel_begin, int64_t panel_end, void* packed) {
  const SplitKernels& kernels = *split_kernels();
  constexpr int64_t kSlack = 16;
  alignas(64) float rows[kSplitDepth * kSplitColumns + kSlack];
  const bool direct = b.type == WeightType::kF32 && b.column_stride == 1 && reinterpret_cast<uintptr_t>(b.data) % alignof(float) == 0;
  for (int64_t block = 0; block < split_blocks(k); ++block) {
    const int64_t depth = block * kSplitDepth, depths = std::min(kSplitDepth, k - depth);
    for (int64_t panel = panel_begin; panel < panel_end; ++panel) {
      std::byte* to = static_cast<std::byte*>(packed) + panel * panel_bytes(k) + block * kSplitPanelBytes;
      const int64_t column = panel * kSplitColumns, columns = std::min(kSplitColumns, n - column);
      const float* from = rows;
      int64_t stride = kSplitColumns;
      if (direct && columns == kSplitColumns && depths == kSplitDepth) {
        from = static_cast<const float*>(b.data) + depth * b.row_stride + column;
        stride = b.row_stride;
      } else {
        gather(b, depth, depths, column, columns, rows);
        std::fill(rows + depths * kSplitColumns, rows + kSplitDepth * kSplitColumns, 0.0f);
      }
      split_pack_block(kernels, from, stride, to);
    }
  }
}

}  // namespace sdx::kernels
