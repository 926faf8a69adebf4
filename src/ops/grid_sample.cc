// GridSample and AffineGrid: an image read at the positions of a grid.
#include <cmath>

#include "ops/family.h"

namespace sdx::ops {
namespace {

struct GridAttrs {
  bool align_corners = false;
  std::string mode = "linear";
  std::string padding_mode = "zeros";
  bool operator==(const GridAttrs&) const = default;
  static constexpr auto fields() {
    return std::tuple{field("align_corners", &GridAttrs::align_corners), field("mode", &GridAttrs::mode),
                      field("padding_mode", &GridAttrs::padding_mode)};
  }
};

/// Below opset 20, and at com.microsoft, the modes had the names that two dimensions have.
void upgrade_sample(Call& c) {
  auto it = c.attrs.find("mode");
  auto* mode = it == c.attrs.end() ? nullptr : std::get_if<std::string>(&it->second);
  if (mode && *mode == "bilinear") *mode = "linear";
  if (mode && *mode == "bicubic") *mode = "cubic";
}

void infer_sample(InferContext& c) {
  const auto& a = c.attrs<GridAttrs>();
  c.require_dtype(0, kFloats);
  c.require_dtype(1, kFloats);
  c.require_same_dtype(0, 1);
  c.require_rank(0, 3, 7);
  if (a.mode != "linear" && a.mode != "nearest" && a.mode != "cubic") {
    c.invalid("attribute 'mode' is '", a.mode, "' but must be linear, nearest or cubic");
  }
  if (a.padding_mode != "zeros" && a.padding_mode != "border" && a.padding_mode != "reflection") {
    c.invalid("attribute 'padding_mode' is '", a.padding_mode, "' but must be zeros, border or reflection");
  }
  const Shape &x = c.input(0).shape, &grid = c.input(1).shape;
  if (!x.has_rank() || !grid.has_rank()) {
    return c.set(0, c.input(0).dtype, x.has_rank() ? c.fresh_shape(x.rank()) : Shape());
  }
  if (grid.rank() != x.rank()) c.invalid("image and grid have ", x.rank(), " and ", grid.rank(), " dimensions");
  c.require_equal(grid[x.rank() - 1], x.rank() - 2, "the coordinates of a position, and the axes of the image,");
  c.require_equal(grid[0], x[0], "the batches of image and grid");
  std::vector<Dim> out = {x[0], x[1]};
  for (int i = 1; i < x.rank() - 1; ++i) out.push_back(grid[i]);
  for (int i = 2; i < x.rank(); ++i) {
    if (!x[i].known() || x[i].is(0))
      c.require_at_most(1, x[i], "an axis of the image, which must not be empty: 1 and it");
  }
  c.set(0, c.input(0).dtype, std::move(out));
}

/// A coordinate mirrored at the bounds until it is between them.
double reflected(double x, double low, double high) {
  const double range = high - low;
  if (range <= 0) return low;
  double t = std::fmod(std::abs(x - low), 2 * range);
  if (t > range) t = 2 * range - t;
  return low + t;
}

/// Keys' kernel with a = -0.75, as PyTorch and the standard use.
double cubic_weight(double x) {
  constexpr double a = -0.75;
  x = std::abs(x);
  if (x <= 1) return ((a + 2) * x - (a + 3)) * x * x + 1;
  return x < 2 ? ((x - 5) * x + 8) * x * a - 4 * a : 0;
}

/// What one axis contributes to a sample: up to four pixels and their weights; index -1 reads 0.
struct AxisTaps {
  int count;
  std::array<int64_t, 4> index;
  std::array<double, 4> weight;
};

class Axis {
 public:
  Axis(const GridAttrs& a, int64_t n) : a_(a), n_(n) {
    low_ = a.align_corners ? 0 : -0.5;
    high_ = static_cast<double>(n) - (a.align_corners ? 1 : 0.5);
  }

  AxisTaps taps(double at) const {
    const double last = static_cast<double>(n_ - 1);
    double x = a_.align_corners ? (at + 1) / 2 * last : ((at + 1) * static_cast<double>(n_) - 1) / 2;
    if (!(std::abs(x) < 1e15)) x = -1e15;  // not a position: outside
    if (a_.mode == "nearest") x = std::nearbyint(x);
    if (a_.mode != "cubic") x = padded(x);
    const double base = std::floor(x), ratio = x - base;
    if (a_.mode == "nearest") return {1, {pixel(x)}, {1}};
    if (a_.mode == "linear") return {2, {pixel(base), pixel(base + 1)}, {1 - ratio, ratio}};
    AxisTaps t{4, {}, {}};
    for (int i = 0; i < 4; ++i) {
      t.index[static_cast<size_t>(i)] = pixel(padded(base + i - 1));
      t.weight[static_cast<size_t>(i)] = cubic_weight(i - 1 - ratio);
    }
    return t;
  }

 private:
  double padded(double x) const {
    if (a_.padding_mode == "border") return std::clamp(x, 0.0, static_cast<double>(n_ - 1));
    if (a_.padding_mode == "reflection" && (x < low_ || x > high_)) x = reflected(x, low_, high_);
    if (a_.padding_mode == "reflection") return std::clamp(x, 0.0, static_cast<double>(n_ - 1));
    return x;
  }
  int64_t pixel(double x) const { return x >= 0 && x <= static_cast<double>(n_ - 1) ? static_cast<int64_t>(x) : -1; }

  const GridAttrs& a_;
  int64_t n_;
  double low_, high_;
};

/// Taps of all axes together: at most 4 for each of 5 axes.
constexpr size_t kMaxTaps = 1024;

/// Every combination of the axes' taps: offsets into a plane and weights; returns how many have a pixel.
int combine(const std::array<AxisTaps, kMaxRank>& taps, const Extents& image, int64_t* offset, double* weight) {
  int count = 1;
  offset[0] = 0;
  weight[0] = 1;
  for (int d = 0; d < image.rank(); ++d) {
    const AxisTaps& t = taps[static_cast<size_t>(d)];
    int next = 0;
    std::array<int64_t, kMaxTaps> from;
    std::array<double, kMaxTaps> factor;
    std::copy_n(offset, count, from.begin());
    std::copy_n(weight, count, factor.begin());
    for (int i = 0; i < count; ++i) {
      for (int k = 0; k < t.count; ++k) {
        const auto at = static_cast<size_t>(k);
        if (t.index[at] < 0 || t.weight[at] == 0) continue;
        offset[next] = from[static_cast<size_t>(i)] * image[d] + t.index[at];
        weight[next++] = factor[static_cast<size_t>(i)] * t.weight[at];
      }
    }
    count = next;
  }
  return count;
}

template <class T>
void sample(const RunContext& c, int64_t begin, int64_t end) {
  const ConstView x = c.input(0), grid = c.input(1);
  const View y = c.output(0);
  const int axes = x.rank() - 2;
  Extents image;
  for (int d = 0; d < axes; ++d) image.push_back(x.extents[d + 2]);
  const int64_t channels = x.extents[1], pixels = image.count(), positions = y.extents.product(2, y.rank());
  std::array<int64_t, kMaxTaps> offset;
  std::array<double, kMaxTaps> weight;
  for (int64_t i = begin; i < end; ++i) {
    const T* at = grid.as<T>() + i * axes;
    std::array<AxisTaps, kMaxRank> taps;
    for (int d = 0; d < axes; ++d) {
      taps[static_cast<size_t>(d)] = Axis(c.attrs<GridAttrs>(), image[d]).taps(static_cast<double>(at[axes - 1 - d]));
    }
    const int count = combine(taps, image, offset.data(), weight.data());
    for (int64_t k = 0; k < channels; ++k) {
      const T* plane = x.as<T>() + (i / positions * channels + k) * pixels;
      double sum = 0;
      for (int t = 0; t < count; ++t) sum += weight[static_cast<size_t>(t)] * plane[offset[static_cast<size_t>(t)]];
      y.as<T>()[(i / positions * channels + k) * positions + i % positions] = static_cast<T>(sum);
    }
  }
}

void run_sample(RunContext& c) {
  if (widened(c, run_sample)) return;
  const View y = c.output(0);
  if (y.count() == 0) return;
  const int64_t count = y.extents[0] * y.extents.product(2, y.rank());
  c.parallel().run(count, grain_for(64 + 8 * y.extents[1]), [&](int64_t begin, int64_t end, int) {
    if (y.dtype == DType::kF64) return sample<double>(c, begin, end);
    sample<float>(c, begin, end);
  });
}

struct AffineAttrs {
  bool align_corners = false;
  bool operator==(const AffineAttrs&) const = default;
  static constexpr auto fields() { return std::tuple{field("align_corners", &AffineAttrs::align_corners)}; }
};

void infer_affine(InferContext& c) {
  c.require_dtype(0, kFloats);
  c.require_rank(0, 3, 3);
  c.require_dtype(1, {DType::kI64});
  const auto size = c.values(1);
  if (!size) return c.set(0, c.input(0).dtype, Shape());
  if (size->size() != 4 && size->size() != 5) c.invalid("the size has ", size->size(), " entries but must have 4 or 5");
  const auto axes = static_cast<int64_t>(size->size()) - 2;
  const Shape& theta = c.input(0).shape;
  if (theta.has_rank()) {
    c.require_equal(theta[0], (*size)[0], "the transformations and the batch");
    c.require_equal(theta[1], axes, "the rows of a transformation, and the axes,");
    c.require_equal(theta[2], axes + 1, "the columns of a transformation, and the axes and 1,");
  }
  std::vector<Dim> out = {(*size)[0]};
  out.insert(out.end(), size->begin() + 2, size->end());
  out.push_back(axes);
  c.set(0, c.input(0).dtype, std::move(out));
}

template <class T>
void affine(const RunContext& c) {
  const View y = c.output(0);
  const int axes = y.rank() - 2;
  const int64_t positions = y.extents.product(1, y.rank() - 1);
  const bool align = c.attrs<AffineAttrs>().align_corners;
  for (int64_t i = 0; i < y.extents[0] * positions; ++i) {
    std::array<double, 4> at = {1, 1, 1, 1};
    int64_t rest = i % positions;
    for (int d = axes - 1; d >= 0; --d) {  // the last axis of the grid is x, the first coordinate
      const auto n = static_cast<double>(y.extents[d + 1]), index = static_cast<double>(rest % y.extents[d + 1]);
      rest /= y.extents[d + 1];
      at[static_cast<size_t>(axes - 1 - d)] = align ? (n > 1 ? 2 * index / (n - 1) - 1 : -1) : (2 * index + 1) / n - 1;
    }
    const T* theta = c.input(0).as<T>() + i / positions * axes * (axes + 1);
    for (int r = 0; r < axes; ++r) {
      double sum = theta[r * (axes + 1) + axes];
      for (int k = 0; k < axes; ++k) sum += theta[r * (axes + 1) + k] * at[static_cast<size_t>(k)];
      y.as<T>()[i * axes + r] = static_cast<T>(sum);
    }
  }
}

void run_affine(RunContext& c) {
  if (widened(c, run_affine)) return;
  if (c.output(0).dtype == DType::kF64) return affine<double>(c);
  affine<float>(c);
}

const Op kFamily[] = {
    {.domain = "",
     .name = "AffineGrid",
     .inputs = {2, 2},
     .outputs = {1, 1},
     .parse = Attrs::parse<AffineAttrs>,
     .infer = infer_affine,
     .run = run_affine,
     .traits = {.shape_only = 0b10},
     .accuracy = Accuracy::kAccumulated,
     .since = 20},
    {.domain = "",
     .name = "GridSample",
     .inputs = {2, 2},
     .outputs = {1, 1},
     .parse = Attrs::parse<GridAttrs>,
     .infer = infer_sample,
     .run = run_sample,
     .accuracy = Accuracy::kAccumulated,
     .since = 16,
     .upgrade = upgrade_sample},
    {.domain = "com.microsoft",
     .name = "GridSample",
     .inputs = {2, 2},
     .outputs = {1, 1},
     .parse = Attrs::parse<GridAttrs>,
     .infer = infer_sample,
     .run = run_sample,
     .accuracy = Accuracy::kAccumulated,
     .upgrade = upgrade_sample},
};

}  // namespace

std::span<const Op> grid_sample_family() { return kFamily; }

}  // namespace sdx::ops
