// Gemm: the loops around the tile kernels, and how a product is cut into tiles for threads.
#include "kernels/gemm.h"

#include <algorithm>

#include "base/parallel.h"
#include "kernels/gemm_split.h"
#include "kernels/gemm_tiles.h"

namespace sdx::kernels {
namespace {

// Most depths of one pass: a panel of B and a block of A then stay in the second-level cache, or a large one.
constexpr int64_t kDepth = 512, kLargeDepth = 768;
// So few groups of rows wait for B, which they read in the order in which it lies: panel by panel.
constexpr int64_t kFewGroups = 3;
// Bytes of accumulators between passes; with a block of A they must fit the second-level cache.
constexpr int64_t kAccumulatorBytes = 128 * 1024;
// Rows of a block of A that stays in the second-level cache while B goes by.
constexpr int64_t kMostRows = 140;
// Slack after packed rows: transposing writes up to 15 floats past the end.
constexpr int64_t kSlack = 16;

int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }
int64_t round_up(int64_t a, int64_t b) { return ceil_div(a, b) * b; }

bool few_groups(int64_t groups) { return groups > 1 && groups <= kFewGroups; }

// Depths of each pass of a block of so many groups of rows.
int64_t pass_depth(const Gemm& gemm, int64_t groups) {
  if (gemm.packed_b == nullptr) return kDepth;
  // B that is read once needs no passes.
  const int64_t most = groups == 1 ? gemm.k : gemm_tiles().large_cache() ? kLargeDepth : kDepth;
  return gemm.k <= most ? gemm.k : ceil_div(gemm.k, ceil_div(gemm.k, most));
}

// Stands first in the scratch memory of a worker: whose packed rows follow.
struct Held {
  const float* a;
  int64_t row, rows;
};
constexpr int64_t kHeldFloats = 16;
static_assert(sizeof(Held) <= kHeldFloats * sizeof(float));

// The scratch memory of one worker, cut into its parts (in floats).
struct Scratch {
  int64_t rows_of_a;    ///< packed A: row_block * k
  int64_t panels_of_b;  ///< packed B of one pass, where B is not packed before
  int64_t accumulators;
  int64_t group;  ///< panels whose accumulators are kept between passes
  int64_t total() const { return kHeldFloats + rows_of_a + panels_of_b + accumulators; }
};

Scratch scratch_layout(const Gemm& gemm, int64_t row_block, int64_t panel_block) {
  const int64_t width = gemm_tiles().panel_columns;
  Scratch scratch;
  scratch.rows_of_a = round_up(row_block * gemm.k + kSlack, 16);
  scratch.panels_of_b =
      gemm.packed_b != nullptr ? 0 : round_up(std::min(gemm.k, kDepth) * width * kGemmMaxPanels + kSlack, 16);
  const int64_t fit = kAccumulatorBytes / (row_block * width * static_cast<int64_t>(sizeof(float)));
  const int64_t groups = ceil_div(row_block, gemm_tiles().rows);
  scratch.group = kGemmMaxPanels;
  if (gemm.k > pass_depth(gemm, groups)) scratch.group *= std::max<int64_t>(fit / kGemmMaxPanels, 1);
  scratch.group = std::min(scratch.group, round_up(panel_block, kGemmMaxPanels));
  if (gemm.packed_b != nullptr && few_groups(groups)) scratch.group = 1;
  scratch.accumulators = scratch.group * row_block * width;
  return scratch;
}

// The rows of a block in groups as even as the tallest tile kernel allows.
struct RowGroups {
  int64_t rows, count;
  explicit RowGroups(int64_t block_rows) : rows(block_rows), count(ceil_div(block_rows, gemm_tiles().rows)) {}
  int64_t first(int64_t t) const { return rows * t / count; }
};

// Groups of a whole block stand kSlack floats apart, so that threads can pack them side by side.
int64_t groups_of_block(const GemmPlan& plan) { return ceil_div(plan.row_block, gemm_tiles().rows); }
int64_t packed_group(const Gemm& gemm, const GemmPlan& plan, int64_t row, int64_t t) {
  return row * gemm.k + (row / plan.row_block * groups_of_block(plan) + t) * kSlack;
}

// One block of rows and the work on it.
class RowBlock {
 public:
  RowBlock(const Gemm& gemm, const GemmPlan& plan, float* scratch)
      : gemm_(gemm),
        plan_(plan),
        tiles_(gemm_tiles()),
        layout_(scratch_layout(gemm, plan.row_block, plan.panel_block)) {
    held_ = reinterpret_cast<Held*>(scratch);
    packed_a_ = scratch + kHeldFloats;
    packed_b_ = packed_a_ + layout_.rows_of_a;
    accumulators_ = packed_b_ + layout_.panels_of_b;
  }

  void select(int64_t row, int64_t rows) {
    row_ = row;
    groups_ = RowGroups(rows);
    pass_depth_ = pass_depth(gemm_, groups_.count);
    tallest_ = ceil_div(rows, groups_.count);
    unfetched_ = gemm_.packed_b != nullptr && rows <= tiles_.unfetched_rows;
    most_panels_ = unfetched_ ? tiles_.unfetched_panels : kGemmMaxPanels;
    if (rows == 1 && gemm_.a.column_stride == 1) {
      a_ = gemm_.a.data + row * gemm_.a.row_stride;
      return;
    }
    if (gemm_.packed_a != nullptr) {
      a_ = gemm_.packed_a + packed_group(gemm_, plan_, row, 0);
      group_slack_ = kSlack;
      return;
    }
    a_ = packed_a_;
    if (gemm_.keep_rows) {
      if (held_->a == gemm_.a.data && held_->row == row && held_->rows == rows) return;
      *held_ = {gemm_.a.data, row, rows};
    }
    for (int64_t t = 0; t < groups_.count; ++t) {
      gemm_pack_a(gemm_.a, row + first(t), first(t + 1) - first(t), gemm_.k, packed_a_ + first(t) * gemm_.k);
    }
  }

  void run(int64_t panel_begin, int64_t panel_end) { run(panel_begin, panel_end, 0, groups_.count); }

  /// Units of the block: groups of rows, `groups` for each panel although there may be fewer.
  void run_units(int64_t begin, int64_t end, int64_t groups) {
    const int64_t first = begin / groups, last = end / groups;
    if (first == last) return run(first, first + 1, begin % groups, end % groups);
    if (begin % groups > 0) run(first, first + 1, begin % groups, groups);
    run(begin % groups > 0 ? first + 1 : first, last, 0, groups);
    if (end % groups > 0) run(last, last + 1, 0, end % groups);
  }

 private:
  int64_t first(int64_t t) const { return groups_.first(t); }

  void run(int64_t panel_begin, int64_t panel_end, int64_t group_begin, int64_t group_end) {
    group_begin_ = group_begin;
    group_end_ = std::min(group_end, groups_.count);
    if (group_begin_ >= group_end_) return;
    for (int64_t panel = panel_begin; panel < panel_end; panel += layout_.group) {
      run_group(panel, std::min(panel_end, panel + layout_.group));
    }
  }

  // All depths of a group of panels: pass by pass, accumulators kept in scratch memory.
  void run_group(int64_t panel_begin, int64_t panel_end) {
    int64_t depth = 0;
    do {
      const int64_t depths = std::min(pass_depth_, gemm_.k - depth);
      for (int64_t panel = panel_begin; panel < panel_end;) {
        const int64_t panels = tiles_.panels(tallest_, std::min(most_panels_, panel_end - panel));
        const int64_t slot = gemm_.k <= pass_depth_ ? 0 : panel - panel_begin;
        const int64_t next = panel + panels;
        next_b_ = next < panel_end           ? packed_b_at(next, depth)
                  : depth + depths < gemm_.k ? packed_b_at(panel_begin, depth + depths)
                                             : packed_b_at(panel_end, 0);
        run_panels(panel, panels, slot, depth, depths);
        panel = next;
      }
      depth += depths;
    } while (depth < gemm_.k);
  }

  void run_panels(int64_t panel, int64_t panels, int64_t slot, int64_t depth, int64_t depths) {
    const int64_t width = tiles_.panel_columns;
    const int type = gemm_.packed_b != nullptr ? static_cast<int>(gemm_.packed_type) : 0;
    TileArgs args = {};
    args.k = depths;
    args.acc_stride = groups_.rows * width;
    args.accumulate = depth > 0;
    locate_b(panel, panels, depth, depths, args);
    float* acc = accumulators_ + slot * args.acc_stride;
    for (int64_t t = group_begin_, begin = first(t), end; t < group_end_; ++t, begin = end) {
      end = first(t + 1);
      const int64_t height = end - begin;
      args.a = a_ + begin * gemm_.k + t * group_slack_ + depth * height;
      args.a_stride = height;
      args.acc = acc + begin * width;
      place_ahead(t, args);
      if (panels == 1 && depth + depths == gemm_.k) fetch_results(row_ + begin, height, panel * width);
      const bool narrow = type == 0 && panels == 1;
      (narrow ? tiles_.one_panel(height, gemm_.n - panel * width) : tiles_.tile[type][height][panels - 1])(args);
      if (depth + depths < gemm_.k) continue;
      for (int64_t j = 0; j < panels; ++j) {
        const int64_t column = (panel + j) * width;
        gemm_finish(gemm_, {args.acc + j * args.acc_stride, width, row_ + begin, column, height,
                            std::min(width, gemm_.n - column)});
      }
    }
  }

  const char* packed_b_at(int64_t panel, int64_t depth) const {
    if (gemm_.packed_b == nullptr) return nullptr;
    const auto bytes = static_cast<int64_t>(weight_bytes(gemm_.packed_type));
    return static_cast<const char*>(gemm_.packed_b) + (panel * gemm_.k + depth) * tiles_.panel_columns * bytes;
  }

  // Memory takes longer than a few depths: one group fetches its own panels far ahead, several share the next one.
  void place_ahead(int64_t group, TileArgs& args) const {
    args.unfetched = unfetched_;
    if (next_b_ == nullptr || unfetched_) return;
    constexpr int64_t kFar = 8192;
    const int64_t row_bytes = tiles_.panel_columns * static_cast<int64_t>(weight_bytes(gemm_.packed_type));
    if (groups_.count == 1) {
      args.ahead = static_cast<const char*>(args.b) + kFar;
      args.ahead_step = row_bytes;
      return;
    }
    args.ahead_step = ceil_div(row_bytes, group_end_ - group_begin_);
    args.ahead = next_b_ + (group - group_begin_) * args.ahead_step * args.k;
  }

  // Lines of C, and of the residual added to it, come into the second-level cache while a tile is computed. Inlined,
  // because GCC 12 drops calls of functions that do nothing but fetch.
  [[gnu::always_inline]] void fetch_results(int64_t row, int64_t rows, int64_t column) const {
    constexpr int64_t kLine = 16;  // floats
    const int64_t end = std::min(column + tiles_.panel_columns, gemm_.n);
    const Epilogue& e = gemm_.epilogue;
    for (int64_t r = row; r < row + rows; ++r) {
      for (int64_t j = column; j < end; j += kLine) {
        __builtin_prefetch(gemm_.c + r * gemm_.c_stride + j, 1, 2);
        if (e.residual != nullptr) __builtin_prefetch(e.residual + r * e.residual_stride + j, 0, 2);
      }
    }
  }

  // Sets where the kernels read B: the packed weights, the matrix itself, or panels packed here.
  void locate_b(int64_t panel, int64_t panels, int64_t depth, int64_t depths, TileArgs& args) {
    const int64_t width = tiles_.panel_columns;
    args.b_stride = width;
    if (gemm_.packed_b != nullptr) {
      args.panel_stride = gemm_.k * width;
      args.b = packed_b_at(panel, depth);
      return;
    }
    constexpr int64_t kSmall = 16 * 1024;  // floats from the first to the last row, which stay in the caches
    const bool in_place = groups_.count == 1 || gemm_.k * gemm_.b.row_stride <= kSmall;
    // Kernels of one panel read half of it where no more columns are left.
    const int64_t left = gemm_.n - panel * width, read = panels == 1 && 2 * left <= width ? width / 2 : panels * width;
    if (in_place && gemm_.b.column_stride == 1 && read <= left) {
      args.b_stride = gemm_.b.row_stride;
      args.panel_stride = width;
      args.b = gemm_.b.data + depth * gemm_.b.row_stride + panel * width;
      return;
    }
    args.panel_stride = depths * width;
    args.b = packed_b_;
    for (int64_t j = 0; j < panels; ++j) {
      const int64_t column = (panel + j) * width;
      gemm_pack_panel(gemm_.b, depth, depths, column, std::min(width, gemm_.n - column),
                      packed_b_ + j * args.panel_stride);
    }
  }

  const Gemm& gemm_;
  const GemmPlan& plan_;
  const GemmTiles& tiles_;
  const Scratch layout_;
  Held* held_;
  float* packed_a_;
  float* packed_b_;
  float* accumulators_;
  const float* a_ = nullptr;
  int64_t row_ = 0;
  RowGroups groups_{0};                      ///< of the block
  int64_t tallest_ = 0;                      ///< rows of the tallest
  int64_t group_begin_ = 0, group_end_ = 0;  ///< those at hand
  bool unfetched_ = false;                   ///< see GemmTiles
  int64_t most_panels_ = kGemmMaxPanels;
  int64_t pass_depth_ = 0;
  int64_t group_slack_ = 0;
  const char* next_b_ = nullptr;  ///< what is read after the panels at hand; null where B is not packed
};

// Threads that keep to their own rows find in their caches what the last product left there, and pack each row once.
// With fewer rows each, or larger weights, reading B once for every thread costs more; with deep rows, larger ones.
bool keeps_own_rows(const Gemm& gemm, int threads) {
  constexpr int64_t kRows = 56, kWeights = int64_t{1} << 20, kDeepWeights = int64_t{1} << 22;
  return gemm.packed_b != nullptr && gemm.m >= kRows * threads &&
         gemm.k * gemm.n <= (gemm.k > gemm.n ? kDeepWeights : kWeights);
}

// Rows of a block: enough to pay for reading B, few enough that a pass over its packed A stays in the cache.
int64_t choose_row_blocks(const Gemm& gemm) {
  const int64_t rows = gemm_tiles().rows;
  int64_t most = round_up(kMostRows, rows);
  if (gemm.packed_b == nullptr) {
    // B is packed again for each block of rows.
    most = std::max(round_up(112, rows), std::min<int64_t>(448, 512 * 1024 / (4 * std::max<int64_t>(gemm.k, 1))));
  }
  return ceil_div(gemm.m, most);
}

}  // namespace

GemmPlan gemm_plan(const Gemm& gemm, int threads) {
  GemmPlan plan;
  if (gemm.m <= 0 || gemm.n <= 0) return plan;
  if (gemm.packed_b != nullptr && is_split(gemm.packed_type)) return split_plan(gemm, threads);
  const int64_t width = gemm_tiles().panel_columns;
  const int64_t panels = gemm_panels(gemm.n);
  plan.row_blocks = choose_row_blocks(gemm);
  if (keeps_own_rows(gemm, threads)) plan.row_blocks = round_up(plan.row_blocks, threads);
  plan.row_block = ceil_div(gemm.m, plan.row_blocks);
  plan.row_blocks = ceil_div(gemm.m, plan.row_block);
  // A tile is worth at least this many multiply-adds, and wide enough to pay for packing its rows. Those of a single
  // row take longer: each waits for a weight of its own.
  const int64_t least = gemm.m == 1 ? 32 * 1024 : 128 * 1024;
  const int64_t work = plan.row_block * std::max<int64_t>(gemm.k, 1) * width;
  const int64_t narrowest = gemm.packed_b == nullptr && plan.row_block >= 32 ? 512 : 128;
  int64_t fewest = std::max(ceil_div(least, work), ceil_div(narrowest, width));
  fewest = std::min(round_up(fewest, kGemmMaxPanels), panels);
  if (gemm.packed_b != nullptr && panels < 2 * fewest) {
    // Too narrow to be cut by columns.
    const int64_t parts = std::min(gemm.m * gemm.n * gemm.k / least, groups_of_block(plan) * plan.row_blocks);
    plan.row_blocks = std::max(plan.row_blocks, std::min<int64_t>(parts, threads));
    plan.row_block = ceil_div(gemm.m, plan.row_blocks);
    plan.row_blocks = ceil_div(gemm.m, plan.row_block);
  }
  int64_t wanted = threads > 1 ? ceil_div(4 * threads, plan.row_blocks) : 1;
  // Cut on while threads would wait for the last of them for more than a sixteenth of the time.
  while (tiles_leave_idle(plan.row_blocks * wanted, threads) && (wanted + 1) * fewest <= panels) ++wanted;
  plan.panel_block = std::max(fewest, round_up(ceil_div(panels, wanted), kGemmMaxPanels));
  plan.column_blocks = ceil_div(panels, plan.panel_block);
  plan.scratch_bytes =
      static_cast<size_t>(scratch_layout(gemm, plan.row_block, plan.panel_block).total()) * sizeof(float);
  return plan;
}

int64_t gemm_row_groups(const Gemm& gemm, const GemmPlan& plan, int threads) {
  if (gemm.m <= 1 || gemm.packed_b == nullptr) return 0;
  // Lines that one thread packs and all read are slow to write again; packing twice is faster.
  if (threads <= 2 * plan.row_blocks) return 0;
  return plan.row_blocks * groups_of_block(plan);
}

int64_t gemm_row_floats(const Gemm& gemm, const GemmPlan& plan) {
  return packed_group(gemm, plan, gemm.m, 0) + groups_of_block(plan) * kSlack;
}

void gemm_pack_rows(const Gemm& gemm, const GemmPlan& plan, int64_t group_begin, int64_t group_end, float* packed) {
  for (int64_t group = group_begin; group < group_end; ++group) {
    const int64_t row = group / groups_of_block(plan) * plan.row_block, t = group % groups_of_block(plan);
    const RowGroups groups(std::min(plan.row_block, gemm.m - row));
    if (t >= groups.count) continue;
    const int64_t first = groups.first(t);
    gemm_pack_a(gemm.a, row + first, groups.first(t + 1) - first, gemm.k,
                packed + packed_group(gemm, plan, row, t) + first * gemm.k);
  }
}

namespace {

// Blocks of rows through all panels of B.
GemmPlan plan_of_blocks(const Gemm& gemm) {
  GemmPlan plan;
  plan.row_blocks = choose_row_blocks(gemm);
  plan.row_block = ceil_div(gemm.m, plan.row_blocks);
  plan.row_blocks = ceil_div(gemm.m, plan.row_block);
  plan.panel_block = gemm_panels(gemm.n);
  plan.column_blocks = 1;
  return plan;
}

int64_t units(const GemmPlan& plan) { return plan.row_blocks * plan.panel_block * groups_of_block(plan); }

Gemm rows_of(const Gemm& gemm, int64_t begin, int64_t end) {
  Gemm part = gemm;
  part.m = end - begin;
  part.a.data += begin * gemm.a.row_stride;
  part.c += begin * gemm.c_stride;
  Epilogue& e = part.epilogue;
  if (e.row_bias != nullptr) e.row_bias += begin;
  if (e.addend != nullptr) e.addend += begin * e.addend_stride;
  if (e.residual != nullptr) e.residual += begin * e.residual_stride;
  return part;
}

}  // namespace

GemmShare gemm_share(const Gemm& gemm, const Shares& shares, int worker) {
  if (keeps_own_rows(gemm, shares.workers()) || choose_row_blocks(gemm) >= shares.workers()) {
    GemmShare share{shares.begin(gemm.m, worker), shares.begin(gemm.m, worker + 1)};
    const Gemm part = rows_of(gemm, share.row_begin, share.row_end);
    if (part.m > 0) share.end = units(plan_of_blocks(part));
    return share;
  }
  const int64_t all = units(plan_of_blocks(gemm));
  return {0, gemm.m, shares.begin(all, worker), shares.begin(all, worker + 1)};
}

size_t gemm_share_bytes(const Gemm& gemm) {
  // The share of a slow worker has lower blocks, whose accumulators are kept for more panels.
  const int64_t row_block = std::min(gemm.m, round_up(kMostRows, gemm_tiles().rows));
  Scratch scratch = scratch_layout(gemm, row_block, gemm_panels(gemm.n));
  scratch.accumulators = std::max(kAccumulatorBytes / static_cast<int64_t>(sizeof(float)),
                                  kGemmMaxPanels * row_block * gemm_tiles().panel_columns);
  return static_cast<size_t>(scratch.total()) * sizeof(float);
}

void gemm_run_share(const Gemm& gemm, const GemmShare& share, int64_t piece, int64_t pieces, void* scratch) {
  const int64_t count = share.end - share.begin;
  const int64_t end = share.begin + count * (piece + 1) / pieces;
  int64_t at = share.begin + count * piece / pieces;
  if (at == end) return;
  const Gemm part = rows_of(gemm, share.row_begin, share.row_end);
  const GemmPlan plan = plan_of_blocks(part);
  const int64_t groups = groups_of_block(plan), of_block = plan.panel_block * groups;
  RowBlock block(part, plan, static_cast<float*>(scratch));
  while (at < end) {
    const int64_t index = at / of_block, last = std::min(end, (index + 1) * of_block);
    const int64_t row = index * plan.row_block;
    block.select(row, std::min(plan.row_block, part.m - row));
    block.run_units(at - index * of_block, last - index * of_block, groups);
    at = last;
  }
}

void gemm_begin(void* scratch) { *static_cast<Held*>(scratch) = {}; }

void gemm_run(const Gemm& gemm, const GemmPlan& plan, int64_t tile_begin, int64_t tile_end, void* scratch) {
  if (gemm.packed_b != nullptr && is_split(gemm.packed_type)) {
    return split_run(gemm, plan, tile_begin, tile_end, scratch);
  }
  RowBlock block(gemm, plan, static_cast<float*>(scratch));
  int64_t selected = -1;
  const int64_t panels = gemm_panels(gemm.n);
  for (int64_t tile = tile_begin; tile < tile_end; ++tile) {
    const int64_t row_index = tile / plan.column_blocks;
    if (row_index != selected) {
      const int64_t row = row_index * plan.row_block;
      block.select(row, std::min(plan.row_block, gemm.m - row));
      selected = row_index;
    }
    const int64_t panel = tile % plan.column_blocks * plan.panel_block;
    block.run(panel, std::min(panels, panel + plan.panel_block));
  }
}

}  // namespace sdx::kernels
