// Split products: packing, plan, and the loops around the kernels of a matrix unit.
#include "kernels/gemm_split.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <vector>

#include "kernels/gemm_tiles.h"

namespace sdx::kernels {
namespace {

constexpr int64_t kRowBlock = 256, kLine = 64;

int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }

int64_t group_bytes(int64_t k) { return split_blocks(k) * kSplitGroupBytes; }
constexpr int64_t kHeaderBytes = sizeof(SplitColumns);

// How a packed B [k, n] lies: its panels, and with kSplitApart the lowest digits of each column behind all of them.
struct Packing {
  int64_t digits;        ///< in the blocks of a panel
  int64_t panel_bytes;   ///< of a panel's header and blocks
  int64_t column_bytes;  ///< of the lowest digits of a column apart, else 0
  int64_t panels;

  Packing(int64_t k, int64_t n, WeightType type)
      : digits(type == WeightType::kSplitApart ? kSplitDigits - 1 : kSplitDigits),
        panel_bytes(kHeaderBytes + split_blocks(k) * split_panel_bytes(digits)),
        column_bytes(digits == kSplitDigits ? 0 : split_blocks(k) * kSplitDepth),
        panels(gemm_panels(n, type)) {}
  explicit Packing(const Gemm& gemm) : Packing(gemm.k, gemm.n, gemm.packed_type) {}

  int64_t bytes() const { return panels * (panel_bytes + kSplitColumns * column_bytes); }
  int64_t panel(int64_t index) const { return index * panel_bytes; }
  int64_t lowest(int64_t column) const { return panels * panel_bytes + column * column_bytes; }
};

// Without matrix units vector instructions multiply, from digits that are offset.
bool by_vectors() { return !split_kernels()->has_units(); }

SplitLayout layout_of(int64_t digits) { return by_vectors() ? SplitLayout::of_vectors(digits) : SplitLayout(); }

// How the digits of m rows lie.
SplitStack stack_of(int64_t m) {
  const SplitGroups groups(m);
  return groups.count == 1 && !by_vectors() ? SplitStack(groups.height) : SplitStack();
}

// Where the scales of the rows of split A stand: behind all groups.
float* row_scales(void* split, const SplitGroups& groups, int64_t k) {
  return reinterpret_cast<float*>(static_cast<std::byte*>(split) + groups.count * group_bytes(k));
}

// The tiles of one product.
class Tiles {
 public:
  Tiles(const Gemm& gemm, void* scratch)
      : gemm_(gemm),
        kernels_(*split_kernels()),
        groups_(gemm.m),
        packing_(gemm),
        row_scales_(row_scales(const_cast<void*>(gemm.split_a), groups_, gemm.k)),
        group_bytes_(group_bytes(gemm.k)),
        by_vectors_(by_vectors()),
        stack_(stack_of(gemm.m)),
        sums_(static_cast<SplitSums*>(scratch)),
        acc_(reinterpret_cast<float*>(sums_ + slots(gemm))),
        simple_(gemm.epilogue.row_bias == nullptr && gemm.epilogue.addend == nullptr),
        finish_row_(gemm.epilogue.activation == Activation::kNone ? nullptr : row_finisher(gemm.epilogue.activation)) {
    tile_.b_digits = packing_.digits;
    tile_.stacked = groups_.count == 1 ? stack_.digits : 0;
    tile_.height = groups_.height;
    tile_.context = this;
    if (!by_vectors_) kernels_.begin(groups_.height, tile_.stacked);
  }
  ~Tiles() {
    finish_pending();
    if (!by_vectors_) kernels_.end();
  }
  Tiles(const Tiles&) = delete;
  Tiles& operator=(const Tiles&) = delete;

  static size_t scratch_bytes(const Gemm& gemm) {
    return static_cast<size_t>(slots(gemm)) * sizeof(SplitSums) + kSplitRows * kSplitColumns * sizeof(float);
  }

  void run(int64_t row_begin, int64_t row_end, int64_t panel_begin, int64_t panel_end) {
    row_begin_ = row_begin;
    steps_ = ceil_div(row_end - row_begin, groups_.height);
    plain_groups_ = 0;
    for (int64_t row = row_begin; row < row_end; ++row)
      plain_groups_ |= static_cast<uint32_t>(std::isnan(row_scales_[row])) << (row - row_begin) / groups_.height;
    rows_of_a_ = static_cast<const std::byte*>(gemm_.split_a) + row_begin / groups_.height * group_bytes_;
    const int64_t blocks = split_blocks(gemm_.k), piece = piece_blocks(gemm_);
    const int64_t most = steps_ >= kFewestGroups && !by_vectors_ ? kBatch : 1;
    // The first panels are not fetched ahead, so that batches begin small.
    int64_t count = 1;
    for (int64_t panel = panel_begin; panel < panel_end; panel += count, count = std::min(2 * count, most)) {
      count = std::min(count, panel_end - panel);
      batch_ = {panel, count};
      const int64_t end = panel + count;
      const Batch after = {end, end < panel_end ? std::min({2 * count, most, panel_end - end}) : 1};
      for (int64_t first = 0; first == 0 || first < blocks; first += piece) {
        const bool last = first + piece >= blocks;
        place_fetches(last ? after : batch_, last ? 0 : first + piece);
        // A group of rows stays in the first-level cache while it meets all panels of the batch.
        for (int64_t group = 0; group < steps_; ++group) {
          for (int64_t p = panel; p < end; ++p) run_group({group, p, first, std::min(piece, blocks - first), last});
        }
      }
    }
  }

 private:
  // A group on its way to C.
  struct Pending {
    const SplitSums* sums = nullptr;
    int64_t row = 0, rows = 0, panel = 0;
    bool simple = false;  ///< whole rows whose epilogue is a bias, an activation and a residual
    int64_t done = 0;     ///< rows
  };

  const std::byte* panel_at(int64_t panel) const {
    return static_cast<const std::byte*>(gemm_.packed_b) + packing_.panel(panel);
  }

  struct Batch {
    int64_t first, count;  ///< panels
  };
  // Panels of a batch, where there are enough groups to fetch the next batch meanwhile.
  static constexpr int64_t kBatch = 4, kFewestGroups = 4;
  // Deep products go piece by piece, each for a batch of panels: otherwise so much of A would come between two uses of
  // the same row that the caches have lost it.
  static int64_t piece_blocks(const Gemm& gemm) {
    constexpr int64_t kMost = 12;
    const int64_t blocks = split_blocks(gemm.k);
    const bool cut = blocks > kMost && SplitGroups(gemm.m).count >= kFewestGroups && !by_vectors();
    return cut ? kMost : std::max<int64_t>(blocks, 1);
  }
  // Sums that are kept: those of a batch between pieces, or one that is pending and one that is made.
  static int64_t slots(const Gemm& gemm) {
    return piece_blocks(gemm) < split_blocks(gemm.k) ? kBatch * kRowBlock / kSplitRows : 2;
  }

  const std::byte* blocks_at(int64_t panel, int64_t block) const {
    return panel_at(panel) + kHeaderBytes + block * split_panel_bytes(packing_.digits);
  }

  // Blocks [first, first + blocks) of a group, counted from the first of the tile, and a panel.
  struct Step {
    int64_t group, panel, first, blocks;
    bool last;  ///< of these sums
  };

  void run_group(const Step& step) {
    constexpr int64_t kSlots = kRowBlock / kSplitRows;
    const bool whole = step.last && step.first == 0;
    const int64_t slot = whole ? (pending_.sums == sums_ ? 1 : 0) : (step.panel - batch_.first) * kSlots + step.group;
    SplitSums& sums = sums_[slot];
    if (pending_.sums == &sums) finish_pending();
    tile_.a = rows_of_a_ + step.group * group_bytes_ + step.first * kSplitGroupBytes;
    tile_.b = blocks_at(step.panel, step.first);
    tile_.blocks = step.blocks;
    tile_.accumulate = step.first > 0;
    tile_.sums = &sums[0][0][0];
    place_ahead();
    const int64_t row = row_begin_ + step.group * groups_.height, rows = std::min(groups_.height, gemm_.m - row);
    if (by_vectors_) {
      finish_pending();
      kernels_.multiply_few(tile_, rows, *reinterpret_cast<const SplitColumns*>(panel_at(step.panel)));
    } else {
      // The vector units finish the last group while the matrix units are at this one.
      place_pending(tile_.before, tile_.before_to);
      place_rows();
      kernels_.multiply(tile_);
    }
    finish(pending_.rows);
    if (step.last) {
      pending_ = {&sums, row, rows, step.panel, is_simple(step)};
    } else {
      pending_.rows = 0;
    }
  }

  bool is_simple(const Step& step) const {
    return simple_ && (step.panel + 1) * kSplitColumns <= gemm_.n && (plain_groups_ >> step.group & 1) == 0;
  }

  void place_pending(SplitParts& parts, float*& to) const {
    parts.rows = pending_.rows;
    if (pending_.rows == 0) return;
    const auto& columns = *reinterpret_cast<const SplitColumns*>(panel_at(pending_.panel));
    parts.sums = &(*pending_.sums)[0][0][0];
    parts.row_scales = row_scales_ + pending_.row;
    parts.column_scales = columns.scales;
    parts.middle = stack_.middle();
    parts.low = stack_.low();
    parts.to_stride = kSplitColumns;
    parts.alpha = 1;
    parts.bias = parts.residual = nullptr;
    to = acc_;
    if (!goes_to_c()) return;
    const Epilogue& e = gemm_.epilogue;
    const int64_t column = pending_.panel * kSplitColumns;
    parts.to_stride = gemm_.c_stride;
    parts.alpha = e.alpha;
    if (e.column_bias != nullptr) parts.bias = e.column_bias + column;
    if (e.residual != nullptr) parts.residual = e.residual + pending_.row * e.residual_stride + column;
    parts.residual_stride = e.residual_stride;
    to = gemm_.c + pending_.row * gemm_.c_stride + column;
  }

  // Without an activation floats go to C at once.
  bool goes_to_c() const { return pending_.simple && finish_row_ == nullptr; }

  // What finish_next() takes row by row while the next group is multiplied.
  void place_rows() {
    tile_.meanwhile = nullptr;
    if (pending_.rows == 0 || !pending_.simple || finish_row_ == nullptr) return;
    const Epilogue& e = gemm_.epilogue;
    const int64_t row = pending_.row, column = pending_.panel * kSplitColumns;
    next_row_ = {acc_, e.column_bias == nullptr ? nullptr : e.column_bias + column,
                 e.residual == nullptr ? nullptr : e.residual + row * e.residual_stride + column,
                 gemm_.c + row * gemm_.c_stride + column, e.alpha};
    tile_.meanwhile = [](void* tiles) { return static_cast<Tiles*>(tiles)->finish_next(); };
  }

  bool finish_next() {
    finish_row_(next_row_, kSplitColumns);
    next_row_.acc += kSplitColumns;
    if (next_row_.residual != nullptr) next_row_.residual += gemm_.epilogue.residual_stride;
    next_row_.c += gemm_.c_stride;
    return ++pending_.done < pending_.rows;
  }

  void finish_pending() {
    SplitParts parts = {};
    float* to = nullptr;
    place_pending(parts, to);
    kernels_.combine(parts, to);
    finish(pending_.rows);
    pending_ = {};
  }

  // The next `rows` rows of what is pending, which are floats already.
  void finish(int64_t rows) {
    rows = std::min(rows, pending_.rows - pending_.done);
    if (rows <= 0 || goes_to_c()) return;
    const auto& columns = *reinterpret_cast<const SplitColumns*>(panel_at(pending_.panel));
    const int64_t row = pending_.row + pending_.done, column = pending_.panel * kSplitColumns;
    float* acc = acc_ + pending_.done * kSplitColumns;
    for (int64_t r = 0; r < rows; ++r) {
      if (!std::isnan(row_scales_[row + r])) continue;
      std::fill_n(acc + r * kSplitColumns, kSplitColumns, 0.0f);
      const MatrixView at = {gemm_.a.data + (row + r) * gemm_.a.row_stride, gemm_.a.row_stride, gemm_.a.column_stride};
      split_plain_row(at, gemm_.k, digits_of(pending_.panel), columns, acc + r * kSplitColumns);
    }
    gemm_finish(gemm_, {acc, kSplitColumns, row, column, rows, std::min(kSplitColumns, gemm_.n - column)});
    pending_.done += rows;
  }

  SplitDigits digits_of(int64_t panel) const {
    const std::byte* blocks = panel_at(panel) + kHeaderBytes;
    if (packing_.column_bytes == 0) return {blocks};
    return {blocks, static_cast<const std::byte*>(gemm_.packed_b) + packing_.lowest(panel * kSplitColumns),
            packing_.column_bytes};
  }

  // The steps of a batch share the fetching of the batch behind it, from `block` on.
  void place_fetches(const Batch& next, int64_t block) {
    next_ = next;
    next_block_ = block;
    fetch_step_ = 0;
    fetchers_ = std::max<int64_t>(steps_ * batch_.count / next.count, 1);
    const int64_t fetches = split_fetches(packing_.digits);
    const int64_t lines = ceil_div(split_panel_bytes(packing_.digits) / kLine, 2 * fetches * fetchers_);
    fetch_lines_ = static_cast<int64_t>(std::bit_ceil(static_cast<uint64_t>(lines)));
  }

  void place_ahead() {
    if (tile_.stacked > 0) return;
    const int64_t block = split_panel_bytes(packing_.digits), fetches = split_fetches(packing_.digits);
    const int64_t target = fetch_step_ / fetchers_, share = fetches * fetch_lines_ * kLine,
                  begin = fetch_step_ % fetchers_ * 2 * share;
    ++fetch_step_;
    tile_.fetch_lines = begin >= block || target >= next_.count ? 0 : fetch_lines_;
    tile_.ahead[0] = blocks_at(next_.first + target, next_block_) + begin;
    tile_.ahead[1] = tile_.ahead[0] + share;
  }

  const Gemm& gemm_;
  const SplitKernels& kernels_;
  const SplitGroups groups_;
  const Packing packing_;
  const float* row_scales_;
  const int64_t group_bytes_;
  const bool by_vectors_;
  const SplitStack stack_;
  SplitSums* sums_;  ///< slots()
  float* acc_;
  SplitTile tile_ = split_tile();  ///< of the step at hand; what changes is set for each
  Pending pending_;
  const bool simple_;             ///< the epilogue has no more than a bias, an activation and a residual
  const RowFinisher finish_row_;  ///< null without an activation
  FinishRow next_row_ = {};
  uint32_t plain_groups_ = 0;  ///< bits of groups with rows that are multiplied as they are
  int64_t row_begin_ = 0, steps_ = 1;
  const std::byte* rows_of_a_ = nullptr;
  Batch batch_ = {0, 1}, next_ = {0, 1};
  int64_t next_block_ = 0;
  int64_t fetchers_ = 1, fetch_lines_ = 0;  ///< steps that fetch a panel together, and lines of each fetch
  int64_t fetch_step_ = 0;
};

bool reads(const WeightView& b) {
  return b.type == WeightType::kF32 && reinterpret_cast<uintptr_t>(b.data) % alignof(float) == 0;
}
bool reads_rows(const WeightView& b) { return reads(b) && b.column_stride == 1; }
bool reads_columns(const WeightView& b) { return reads(b) && b.row_stride == 1; }

// Rows of kSplitColumns floats, kSplitDepth of them, zeros beyond B: in place where they lie so.
class BlockRows {
 public:
  const float* read(const SplitBlock& block, int64_t columns, int64_t& stride) {
    const WeightView& b = block.view;
    if (reads_rows(b) && columns == kSplitColumns && block.depths == kSplitDepth) {
      stride = b.row_stride;
      return static_cast<const float*>(b.data);
    }
    stride = kSplitColumns;
    if (reads_columns(b) && columns == kSplitColumns) {
      gemm_pack_a({static_cast<const float*>(b.data), b.column_stride, 1}, 0, columns, block.depths, rows_);
    } else if (reads(b) && columns == kSplitColumns) {
      gather(block);
    } else {
      convert(block, columns);
    }
    std::fill(rows_ + block.depths * kSplitColumns, rows_ + kSplitDepth * kSplitColumns, 0.0f);
    return rows_;
  }

 private:
  void gather(const SplitBlock& block) {
    const WeightView& b = block.view;
    const auto* from = static_cast<const float*>(b.data);
    for (int64_t p = 0; p < block.depths; ++p, from += b.row_stride) {
      for (int64_t j = 0; j < kSplitColumns; ++j) rows_[p * kSplitColumns + j] = from[j * b.column_stride];
    }
  }

  void convert(const SplitBlock& block, int64_t columns) {
    const WeightView& b = block.view;
    const auto bytes = static_cast<int64_t>(weight_bytes(b.type));
    const auto* data = static_cast<const unsigned char*>(b.data);
    for (int64_t p = 0; p < block.depths; ++p) {
      for (int64_t j = 0; j < kSplitColumns; ++j) {
        rows_[p * kSplitColumns + j] =
            j < columns ? read_weight(data + (p * b.row_stride + j * b.column_stride) * bytes, b.type) : 0.0f;
      }
    }
  }

  static constexpr int64_t kSlack = 16;
  alignas(64) float rows_[kSplitDepth * kSplitColumns + kSlack];
};

// A panel that is being packed, block by block.
class PanelWriter {
 public:
  // `largest`: as split_pack_panel() wants it. `lowest`: where the lowest digits go, `column_bytes` for each column;
  // null where they stay in the blocks.
  PanelWriter(const float* largest, int64_t columns, std::byte* to, std::byte* lowest = nullptr,
              int64_t column_bytes = 0)
      : columns_(columns),
        header_(*reinterpret_cast<SplitColumns*>(to)),
        to_(to + kHeaderBytes),
        lowest_(lowest),
        column_bytes_(column_bytes),
        layout_(layout_of(lowest == nullptr ? kSplitDigits : kSplitDigits - 1)) {
    header_ = {};
    for (int64_t j = 0; j < kSplitColumns; ++j) {
      const SplitScale scale = split_scale(largest[j]);
      header_.scales[j] = scale.scale;
      inverses_[j] = std::isnan(scale.inverse) ? 0.0f : scale.inverse;
    }
  }

  void add(const SplitBlock& block, BlockRows& reader) {
    int64_t stride = 0;
    const float* rows = reader.read(block, columns_, stride);
    if (lowest_ == nullptr) {
      split_kernels()->pack_block(rows, stride, inverses_, layout_, to_, header_);
      to_ += kSplitPanelBytes;
      return;
    }
    constexpr SplitLayout kTiles;
    alignas(64) std::byte block_digits[kSplitPanelBytes];
    split_kernels()->pack_block(rows, stride, inverses_, kTiles, block_digits, header_);
    for (int64_t row = 0; row < kHigher / kLine; ++row) {
      const int64_t quad = row % kSplitQuads, half = row / kSplitQuads % 2, digit = row / kSplitQuads / 2;
      std::memcpy(to_ + quad * layout_.quad + half * layout_.half + digit * layout_.digit, block_digits + row * kLine,
                  kLine);
    }
    constexpr int64_t kQuad = 4;
    for (int64_t j = 0; j < kSplitColumns; ++j) {
      const std::byte* from = block_digits + kHigher + j / 16 * kTiles.half + j % 16 * kQuad;
      std::byte* column = lowest_ + j * column_bytes_;
      for (int64_t quad = 0; quad < kSplitQuads; ++quad)
        std::memcpy(column + quad * kQuad, from + quad * kTiles.quad, kQuad);
    }
    to_ += kHigher;
    lowest_ += kSplitDepth;
  }

 private:
  static constexpr int64_t kHigher = split_panel_bytes(kSplitDigits - 1);

  int64_t columns_;
  SplitColumns& header_;
  std::byte* to_;
  std::byte* lowest_;
  int64_t column_bytes_;
  SplitLayout layout_;
  alignas(64) float inverses_[kSplitColumns];
};

// Neighbouring panels of a B [k, n] that are packed side by side: rows of B are read over the width of all of them,
// because so little of a row as one panel has costs a page's address each. What is read twice stays in the cache.
class PanelGroup {
 public:
  static int64_t most(int64_t k) {
    constexpr int64_t kCache = int64_t{1} << 20, kRow = kSplitColumns * static_cast<int64_t>(sizeof(float));
    return std::clamp<int64_t>(kCache / (std::max<int64_t>(k, 1) * kRow), 1, kMost);
  }

  PanelGroup(const WeightView& b, int64_t k, int64_t n, WeightType type, int64_t first, int64_t panels)
      : b_(b), k_(k), n_(n), packing_(k, n, type), first_(first), panels_(panels) {}

  void pack(void* packed) {
    alignas(64) float largest[kMost][kSplitColumns] = {};
    measure(largest);
    std::vector<PanelWriter> writers;
    writers.reserve(static_cast<size_t>(panels_));
    for (int64_t p = 0; p < panels_; ++p) {
      auto* to = static_cast<std::byte*>(packed);
      std::byte* lowest = packing_.column_bytes == 0 ? nullptr : to + packing_.lowest(column(p));
      writers.emplace_back(largest[p], columns(p), to + packing_.panel(first_ + p), lowest, packing_.column_bytes);
    }
    BlockRows reader;
    for (int64_t i = 0; i < split_blocks(k_); ++i) {
      for (int64_t p = 0; p < panels_; ++p) writers[static_cast<size_t>(p)].add(block(i, p), reader);
    }
  }

 private:
  static constexpr int64_t kMost = 4;

  int64_t column(int64_t panel) const { return (first_ + panel) * kSplitColumns; }
  int64_t columns(int64_t panel) const { return std::min(kSplitColumns, n_ - column(panel)); }

  SplitBlock block(int64_t index, int64_t panel) const {
    const int64_t depth = index * kSplitDepth;
    WeightView view = b_;
    view.data =
        static_cast<const unsigned char*>(b_.data) +
        (depth * b_.row_stride + column(panel) * b_.column_stride) * static_cast<int64_t>(weight_bytes(b_.type));
    return {view, std::min(kSplitDepth, k_ - depth)};
  }

  void measure(float (*largest)[kSplitColumns]) const {
    const SplitKernels& kernels = *split_kernels();
    if (reads_columns(b_)) {
      for (int64_t j = 0; j < std::min(panels_ * kSplitColumns, n_ - column(0)); ++j) {
        largest[j / kSplitColumns][j % kSplitColumns] =
            kernels.largest(static_cast<const float*>(b_.data) + (column(0) + j) * b_.column_stride, k_);
      }
      return;
    }
    BlockRows reader;
    for (int64_t i = 0; i < split_blocks(k_); ++i) {
      for (int64_t p = 0; p < panels_; ++p) {
        int64_t stride = 0;
        const float* rows = reader.read(block(i, p), columns(p), stride);
        kernels.largest_columns(rows, stride, kSplitDepth, largest[p]);
      }
    }
  }

  const WeightView& b_;
  const int64_t k_, n_;
  const Packing packing_;
  const int64_t first_, panels_;
};

}  // namespace

SplitScale split_scale(float largest) {
  if (!std::isfinite(largest)) return {std::nanf(""), std::nanf("")};
  if (largest == 0) return {0, 0};
  // Three balanced digits reach 127 (1 + 2^8 + 2^16) = 8355711: beyond it, half a float's fraction is too large.
  constexpr uint32_t kFraction = 0x7fffff, kMost = 2 * 8355711 - (kFraction + 1);
  constexpr int kBias = 127, kLeast = -100;  // smaller values are not told apart
  const auto bits = std::bit_cast<uint32_t>(largest);
  int exponent = std::max(static_cast<int>(bits >> 23) - kBias + 1, kLeast);
  if ((bits & kFraction) > kMost) ++exponent;
  const auto power = [](int of) { return std::bit_cast<float>(static_cast<uint32_t>(of + kBias) << 23); };
  return {power(exponent - 7), power(23 - exponent)};
}

void split_pack_panel(const float* largest, int64_t columns, int64_t blocks, FunctionRef<SplitBlock(int64_t)> block,
                      std::byte* to) {
  PanelWriter writer(largest, columns, to);
  BlockRows reader;
  for (int64_t i = 0; i < blocks; ++i) writer.add(block(i), reader);
}

void split_plain_row(const MatrixView& a, int64_t k, const SplitDigits& digits, const SplitColumns& columns,
                     float* acc) {
  const auto* blocks = reinterpret_cast<const int8_t*>(digits.blocks);
  const auto* lowest = reinterpret_cast<const int8_t*>(digits.lowest);
  const int64_t in_blocks = lowest == nullptr ? kSplitDigits : kSplitDigits - 1;
  const int64_t block_bytes = split_panel_bytes(in_blocks);
  const SplitLayout layout = layout_of(in_blocks);
  for (int64_t p = 0; p < k; ++p) {
    const int64_t block = p / kSplitDepth, quad = p % kSplitQuads, byte = p % kSplitDepth / kSplitQuads;
    for (int64_t j = 0; j < kSplitColumns; ++j) {
      const int8_t* at = blocks + block * block_bytes + j / 16 * layout.half + quad * layout.quad + j % 16 * 4 + byte;
      const int low = lowest == nullptr ? at[2 * layout.digit]
                                        : lowest[j * digits.column_bytes + block * kSplitDepth + quad * 4 + byte];
      const int value = at[0] * 65536 + at[layout.digit] * 256 + low;
      acc[j] += a.data[p * a.column_stride] * (static_cast<float>(value) * 0x1p-16f * columns.scales[j]);
    }
  }
}

bool gemm_splits() { return split_kernels() != nullptr; }
bool gemm_has_units() { return unit_kernels() != nullptr; }

int64_t gemm_split_groups(int64_t m) { return SplitGroups(m).count; }

size_t gemm_split_bytes(int64_t m, int64_t k) {
  const SplitGroups groups(m);
  return static_cast<size_t>(groups.count * (group_bytes(k) + kSplitRows * static_cast<int64_t>(sizeof(float))));
}

void gemm_split_a(const Gemm& gemm, int64_t group_begin, int64_t group_end, void* packed) {
  const SplitGroups groups(gemm.m);
  float* scales = row_scales(packed, groups, gemm.k);
  for (int64_t group = group_begin; group < group_end; ++group) {
    const int64_t row = group * groups.height;
    const SplitRows rows = {gemm.a.data + row * gemm.a.row_stride,
                            gemm.a.row_stride,
                            std::min(groups.height, gemm.m - row),
                            groups.height,
                            by_vectors(),
                            stack_of(gemm.m)};
    split_kernels()->pack_rows(rows, gemm.k, static_cast<std::byte*>(packed) + group * group_bytes(gemm.k),
                               scales + row);
  }
}

GemmPlan split_plan(const Gemm& gemm, int threads) {
  GemmPlan plan;
  const SplitGroups groups(gemm.m);
  const int64_t panels = gemm_panels(gemm.n, WeightType::kSplit);
  plan.row_blocks = ceil_div(gemm.m, kRowBlock);
  plan.row_block = ceil_div(groups.count, plan.row_blocks) * groups.height;
  plan.row_blocks = ceil_div(gemm.m, plan.row_block);
  // A tile is worth starting from about this many multiply-adds, or bytes of B, on.
  constexpr int64_t kWork = 512 * 1024, kBytes = 48 * 1024;
  const int64_t fewest = std::min(ceil_div(kWork, plan.row_block * std::max<int64_t>(gemm.k, 1) * kSplitColumns),
                                  ceil_div(kBytes, Packing(gemm).panel_bytes));
  // Large products are cut finer, so that a thread that loses its CPU for a while holds up less.
  constexpr int64_t kShare = 512 * 1024;
  const int64_t each = std::clamp<int64_t>(panels * Packing(gemm).panel_bytes / (kShare * threads), 4, 32);
  const int64_t wanted = threads > 1 ? ceil_div(each * threads, plan.row_blocks) : 1;
  plan.panel_block = std::min(panels, std::max(fewest, ceil_div(panels, wanted)));
  plan.column_blocks = ceil_div(panels, plan.panel_block);
  plan.scratch_bytes = Tiles::scratch_bytes(gemm);
  return plan;
}

void split_run(const Gemm& gemm, const GemmPlan& plan, int64_t tile_begin, int64_t tile_end, void* scratch) {
  const int64_t panels = gemm_panels(gemm.n, WeightType::kSplit);
  Tiles tiles(gemm, scratch);
  for (int64_t tile = tile_begin; tile < tile_end; ++tile) {
    const int64_t row = tile / plan.column_blocks * plan.row_block;
    const int64_t panel = tile % plan.column_blocks * plan.panel_block;
    tiles.run(row, std::min(gemm.m, row + plan.row_block), panel, std::min(panels, panel + plan.panel_block));
  }
}

size_t split_packed_bytes(int64_t k, int64_t n, WeightType type) {
  return static_cast<size_t>(Packing(k, n, type).bytes());
}

void split_pack_b(const WeightView& b, int64_t k, int64_t n, WeightType type, int64_t panel_begin, int64_t panel_end,
                  void* packed) {
  const int64_t most = PanelGroup::most(k);
  for (int64_t panel = panel_begin; panel < panel_end; panel += most)
    PanelGroup(b, k, n, type, panel, std::min(most, panel_end - panel)).pack(packed);
}

void gemm_add_lowest(const Gemm& gemm, int64_t row, const int32_t* columns, int64_t count) {
  const Packing packing(gemm);
  const SplitGroups groups(gemm.m);
  const float row_scale = row_scales(const_cast<void*>(gemm.split_a), groups, gemm.k)[row];
  // Such a row is complete already.
  if (std::isnan(row_scale)) return;
  constexpr int64_t kRow = 64;
  const auto* a = static_cast<const std::byte*>(gemm.split_a) + row / groups.height * group_bytes(gemm.k) +
                  stack_of(gemm.m).digit_at(0) + row % groups.height * kRow;
  const auto* b = static_cast<const std::byte*>(gemm.packed_b);
  const bool offset = by_vectors();
  for (int64_t i = 0; i < count; ++i) {
    const int64_t column = columns[i];
    const auto& header = *reinterpret_cast<const SplitColumns*>(b + packing.panel(column / kSplitColumns));
    const int32_t sum = split_kernels()->multiply_digit(a, offset, b + packing.lowest(column), split_blocks(gemm.k));
    const float scale = std::min(row_scale * header.scales[column % kSplitColumns], std::numeric_limits<float>::max());
    gemm.c[row * gemm.c_stride + column] += gemm.epilogue.alpha * (static_cast<float>(sum) * 0x1p-16f * scale);
  }
}

}  // namespace sdx::kernels
