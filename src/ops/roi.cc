// RoiAlign and MaxRoiPool: regions of an image pooled to one size.
#include <cmath>

#include "ops/indices.h"
#include "ops/sampling.h"

namespace sdx::ops {
namespace {

struct AlignAttrs {
  std::string coordinate_transformation_mode = "half_pixel";
  std::string mode = "avg";
  int64_t output_height = 1;
  int64_t output_width = 1;
  int64_t sampling_ratio = 0;
  float spatial_scale = 1;
  bool operator==(const AlignAttrs&) const = default;
  static constexpr auto fields() {
    return std::tuple{field("coordinate_transformation_mode", &AlignAttrs::coordinate_transformation_mode),
                      field("mode", &AlignAttrs::mode),
                      field("output_height", &AlignAttrs::output_height),
                      field("output_width", &AlignAttrs::output_width),
                      field("sampling_ratio", &AlignAttrs::sampling_ratio),
                      field("spatial_scale", &AlignAttrs::spatial_scale)};
  }
};

void upgrade_align(Call& c) {
  if (c.version < 16) c.attrs["coordinate_transformation_mode"] = std::string("output_half_pixel");
}

constexpr int64_t kMaxSide = 1 << 20;
constexpr int64_t kMaxSamples = 1 << 12;  ///< along each side of a bin: images have no larger regions

void infer_align(InferContext& c) {
  const auto& a = c.attrs<AlignAttrs>();
  c.require_dtype(0, kFloats);
  c.require_same_dtype(0, 1);
  c.require_dtype(2, {DType::kI64});
  c.require_rank(0, 4, 4);
  c.require_rank(1, 2, 2);
  c.require_rank(2, 1, 1);
  if (a.mode != "avg" && a.mode != "max") c.invalid("attribute 'mode' is '", a.mode, "' but must be avg or max");
  const std::string& coordinates = a.coordinate_transformation_mode;
  if (coordinates != "half_pixel" && coordinates != "output_half_pixel") {
    c.invalid("attribute 'coordinate_transformation_mode' is '", coordinates,
              "' but must be half_pixel or output_half_pixel");
  }
  for (int64_t v : {a.output_height, a.output_width}) {
    if (v < 1 || v > kMaxSide) c.invalid("an output side is ", v, " but must be positive");
  }
  if (a.sampling_ratio < 0 || a.sampling_ratio > 1024) c.invalid("attribute 'sampling_ratio' is ", a.sampling_ratio);
  const Shape &x = c.input(0).shape, &rois = c.input(1).shape;
  if (rois.has_rank()) c.require_equal(rois[1], 4, "the bounds of a region, and 4,");
  if (rois.has_rank() && c.input(2).shape.has_rank())
    c.require_equal(rois[0], c.input(2).shape[0], "regions and batch indices");
  const Dim count = rois.has_rank() ? rois[0] : c.symbols().fresh();
  c.set(0, c.input(0).dtype, {count, x.has_rank() ? x[1] : c.symbols().fresh(), a.output_height, a.output_width});
}

/// One bin of a region: how many samples it takes along each axis, and where.
struct Bin {
  double top, left, height, width;
  int64_t rows, columns;
};

template <class T>
double pool_bin(const T* plane, int64_t height, int64_t width, const Bin& bin, bool is_max) {
  double total = is_max ? -std::numeric_limits<double>::infinity() : 0;
  for (int64_t i = 0; i < bin.rows; ++i) {
    const double y = bin.top + (static_cast<double>(i) + 0.5) * bin.height / static_cast<double>(bin.rows);
    for (int64_t j = 0; j < bin.columns; ++j) {
      const double x = bin.left + (static_cast<double>(j) + 0.5) * bin.width / static_cast<double>(bin.columns);
      const bool inside = y >= -1 && y <= static_cast<double>(height) && x >= -1 && x <= static_cast<double>(width);
      const Neighbours v = clamped_neighbours(inside ? y : 0, height), h = clamped_neighbours(inside ? x : 0, width);
      const double corners[] = {(1 - v.weight) * (1 - h.weight) * plane[v.low * width + h.low],
                                (1 - v.weight) * h.weight * plane[v.low * width + h.high],
                                v.weight * (1 - h.weight) * plane[v.high * width + h.low],
                                v.weight * h.weight * plane[v.high * width + h.high]};
      if (is_max) {
        // The standard takes the largest weighted corner, not the largest interpolated sample.
        for (double corner : corners) total = std::max(total, inside ? corner : 0.0);
      } else if (inside) {
        total += corners[0] + corners[1] + corners[2] + corners[3];
      }
    }
  }
  return is_max ? total : total / static_cast<double>(std::max<int64_t>(1, bin.rows * bin.columns));
}

/// How many samples a side of a bin takes; one that is not a number none.
int64_t samples_of(const AlignAttrs& a, double side) {
  if (a.sampling_ratio > 0) return a.sampling_ratio;
  return side > 0 ? static_cast<int64_t>(std::min(std::ceil(side), static_cast<double>(kMaxSamples))) : 0;
}

template <class T>
void align(const RunContext& c, int64_t begin, int64_t end) {
  const auto& a = c.attrs<AlignAttrs>();
  const ConstView x = c.input(0);
  const int64_t channels = x.extents[1], height = x.extents[2], width = x.extents[3];
  const bool half = a.coordinate_transformation_mode == "half_pixel";
  for (int64_t r = begin; r < end; ++r) {
    const T* roi = c.input(1).as<T>() + r / channels * 4;
    const double scale = a.spatial_scale, offset = half ? 0.5 : 0;
    const double left = roi[0] * scale - offset, top = roi[1] * scale - offset;
    double roi_width = roi[2] * scale - offset - left, roi_height = roi[3] * scale - offset - top;
    if (!half) {
      roi_width = std::max(roi_width, 1.0);
      roi_height = std::max(roi_height, 1.0);
    }
    Bin bin{0, 0, roi_height / static_cast<double>(a.output_height), roi_width / static_cast<double>(a.output_width),
            0, 0};
    bin.rows = samples_of(a, bin.height);
    bin.columns = samples_of(a, bin.width);
    const int64_t image = c.input(2).as<int64_t>()[r / channels];
    const T* plane = x.as<T>() + (image * channels + r % channels) * height * width;
    T* y = c.output(0).as<T>() + r * a.output_height * a.output_width;
    for (int64_t i = 0; i < a.output_height * a.output_width; ++i) {
      bin.top = top + static_cast<double>(i / a.output_width) * bin.height;
      bin.left = left + static_cast<double>(i % a.output_width) * bin.width;
      y[i] = static_cast<T>(pool_bin(plane, height, width, bin, a.mode == "max"));
    }
  }
}

void run_align(RunContext& c) {
  if (widened(c, run_align)) return;
  const ConstView x = c.input(0);
  read_indices(c, c.input(2), x.extents[0]);
  for (int64_t i = 0; i < c.input(2).count(); ++i) {
    if (c.input(2).as<int64_t>()[i] < 0) fail(ErrorKind::kInvalidInput, "a batch index of a region is negative");
  }
  const View y = c.output(0);
  if (y.count() == 0) return;
  if (x.extents[2] == 0 || x.extents[3] == 0) fail(ErrorKind::kInvalidInput, "an image to align regions of is empty");
  c.parallel().run(y.extents[0] * y.extents[1], grain_for(y.extents[2] * y.extents[3] * 64),
                   [&](int64_t begin, int64_t end, int) {
                     if (y.dtype == DType::kF64) return align<double>(c, begin, end);
                     align<float>(c, begin, end);
                   });
}

struct PoolAttrs {
  std::vector<int64_t> pooled_shape;
  float spatial_scale = 1;
  bool operator==(const PoolAttrs&) const = default;
  static constexpr auto fields() {
    return std::tuple{required("pooled_shape", &PoolAttrs::pooled_shape),
                      field("spatial_scale", &PoolAttrs::spatial_scale)};
  }
};

void infer_pool(InferContext& c) {
  const auto& pooled = c.attrs<PoolAttrs>().pooled_shape;
  c.require_dtype(0, kFloats);
  c.require_same_dtype(0, 1);
  c.require_rank(0, 4, 4);
  c.require_rank(1, 2, 2);
  if (pooled.size() != 2) c.invalid("attribute 'pooled_shape' has ", pooled.size(), " sizes but must have 2");
  for (int64_t v : pooled) {
    if (v < 1 || v > kMaxSide) c.invalid("an output side is ", v, " but must be positive");
  }
  const Shape &x = c.input(0).shape, &rois = c.input(1).shape;
  if (rois.has_rank()) c.require_equal(rois[1], 5, "the entries of a region, and 5,");
  const Dim count = rois.has_rank() ? rois[0] : c.symbols().fresh();
  c.set(0, c.input(0).dtype, {count, x.has_rank() ? x[1] : c.symbols().fresh(), pooled[0], pooled[1]});
}

/// Largest element of rows [y0, y1) and columns [x0, x1); 0 where there are none.
template <class T>
T largest(const T* plane, int64_t width, std::pair<int64_t, int64_t> rows, std::pair<int64_t, int64_t> columns) {
  if (rows.first >= rows.second || columns.first >= columns.second) return 0;
  T best = std::numeric_limits<T>::lowest();
  for (int64_t y = rows.first; y < rows.second; ++y) {
    for (int64_t x = columns.first; x < columns.second; ++x) best = std::max(best, plane[y * width + x]);
  }
  return best;
}

template <class T>
void pool(const RunContext& c, int64_t begin, int64_t end) {
  const auto& a = c.attrs<PoolAttrs>();
  const ConstView x = c.input(0);
  const int64_t channels = x.extents[1], height = x.extents[2], width = x.extents[3];
  const int64_t rows = a.pooled_shape[0], columns = a.pooled_shape[1];
  for (int64_t r = begin; r < end; ++r) {
    const T* roi = c.input(1).as<T>() + r / channels * 5;
    auto pixel = [&](int i) {
      return std::clamp(std::round(static_cast<double>(roi[i]) * a.spatial_scale), -1e9, 1e9);
    };
    const double left = pixel(1), top = pixel(2);
    const double roi_width = std::max(pixel(3) - left + 1, 1.0), roi_height = std::max(pixel(4) - top + 1, 1.0);
    const T* plane = x.as<T>() + (static_cast<int64_t>(roi[0]) * channels + r % channels) * height * width;
    auto bounds = [](double first, double side, int64_t i, int64_t n, int64_t limit) {
      const double bin = side / static_cast<double>(n);
      auto clip = [&](double v) {
        return static_cast<int64_t>(std::clamp(v + first, 0.0, static_cast<double>(limit)));
      };
      return std::pair(clip(std::floor(static_cast<double>(i) * bin)),
                       clip(std::ceil(static_cast<double>(i + 1) * bin)));
    };
    for (int64_t i = 0; i < rows * columns; ++i) {
      c.output(0).as<T>()[r * rows * columns + i] =
          largest(plane, width, bounds(top, roi_height, i / columns, rows, height),
                  bounds(left, roi_width, i % columns, columns, width));
    }
  }
}

template <class T>
void check_images(const RunContext& c) {
  for (int64_t i = 0; i < c.input(1).extents[0]; ++i) {
    const double image = static_cast<double>(c.input(1).as<T>()[i * 5]);
    if (!(image >= 0 && image < static_cast<double>(c.input(0).extents[0]))) {
      fail(ErrorKind::kInvalidInput, "a region is of image ", image, " of a batch of ", c.input(0).extents[0]);
    }
  }
}

void run_pool(RunContext& c) {
  if (widened(c, run_pool)) return;
  const View y = c.output(0);
  const bool wide = y.dtype == DType::kF64;
  wide ? check_images<double>(c) : check_images<float>(c);
  c.parallel().run(y.extents[0] * y.extents[1], 1, [&](int64_t begin, int64_t end, int) {
    wide ? pool<double>(c, begin, end) : pool<float>(c, begin, end);
  });
}

const Op kFamily[] = {
    {.domain = "",
     .name = "MaxRoiPool",
     .inputs = {2, 2},
     .outputs = {1, 1},
     .parse = Attrs::parse<PoolAttrs>,
     .infer = infer_pool,
     .run = run_pool},
    {.domain = "",
     .name = "RoiAlign",
     .inputs = {3, 3},
     .outputs = {1, 1},
     .parse = Attrs::parse<AlignAttrs>,
     .infer = infer_align,
     .run = run_align,
     .accuracy = Accuracy::kAccumulated,
     .since = 10,
     .upgrade = upgrade_align},
};

}  // namespace

std::span<const Op> roi_family() { return kFamily; }

}  // namespace sdx::ops
