// Resize and Upsample: tensors stretched and shrunk along axes.
#include <cmath>

#include "base/half.h"
#include "kernels/resize.h"
#include "ops/indices.h"
#include "ops/resample.h"

namespace sdx::ops {
namespace {

struct ResizeAttrs {
  bool antialias = false;
  std::vector<int64_t> axes;
  bool ceil_if_smaller = false;  ///< set for the first Resize, whose nearest element was that above along such axes
  std::string coordinate_transformation_mode = "half_pixel";
  float cubic_coeff_a = -0.75f;
  bool exclude_outside = false;
  float extrapolation_value = 0;
  std::string keep_aspect_ratio_policy = "stretch";
  std::string mode = "nearest";
  std::string nearest_mode = "round_prefer_floor";
  bool operator==(const ResizeAttrs&) const = default;
  static constexpr auto fields() {
    return std::tuple{field("antialias", &ResizeAttrs::antialias),
                      field("axes", &ResizeAttrs::axes),
                      field("ceil_if_smaller", &ResizeAttrs::ceil_if_smaller),
                      field("coordinate_transformation_mode", &ResizeAttrs::coordinate_transformation_mode),
                      field("cubic_coeff_a", &ResizeAttrs::cubic_coeff_a),
                      field("exclude_outside", &ResizeAttrs::exclude_outside),
                      field("extrapolation_value", &ResizeAttrs::extrapolation_value),
                      field("keep_aspect_ratio_policy", &ResizeAttrs::keep_aspect_ratio_policy),
                      field("mode", &ResizeAttrs::mode),
                      field("nearest_mode", &ResizeAttrs::nearest_mode)};
  }
};

/// Upsample and the first Resize know no region and map coordinates by division alone.
void upgrade_old(Call& c, std::optional<std::vector<float>> scales) {
  if (scales) {
    c.inputs.resize(1);
    const Extents extents = {static_cast<int64_t>(scales->size())};
    c.inputs.push_back(c.graph.add_constant("", Tensor::from<float>(extents, *scales)));
  }
  if (c.inputs.size() > 1) c.inputs.insert(c.inputs.begin() + 1, ir::kNone);
  if (auto it = c.attrs.find("mode"); it != c.attrs.end()) {
    auto* mode = std::get_if<std::string>(&it->second);
    if (mode && *mode == "bilinear") *mode = "linear";
  }
  c.attrs["coordinate_transformation_mode"] = std::string("asymmetric");
  c.attrs["nearest_mode"] = std::string("floor");
  c.attrs["ceil_if_smaller"] = int64_t{1};
}

void upgrade_resize(Call& c) {
  if (c.version < 11) upgrade_old(c, std::nullopt);
}

void upgrade_upsample(Call& c) {
  std::optional<std::vector<float>> scales;
  auto number = [&](std::string_view name) {
    auto it = c.attrs.find(name);
    const float* v = it == c.attrs.end() ? nullptr : std::get_if<float>(&it->second);
    return v ? *v : 1.0f;
  };
  if (auto it = c.attrs.find("scales"); it != c.attrs.end()) {
    if (auto* list = std::get_if<std::vector<float>>(&it->second)) scales = *list;
  } else if (c.attrs.contains("height_scale")) {
    scales = {1.0f, 1.0f, number("height_scale"), number("width_scale")};
  }
  for (const char* name : {"scales", "height_scale", "width_scale"}) c.drop(name);
  upgrade_old(c, std::move(scales));
}

enum Input { kRoi = 1, kScales = 2, kSizes = 3 };

/// The axes that are resized, non-negative.
std::vector<int> axes_of(const ResizeAttrs& a, int rank) {
  std::vector<int> out;
  for (int64_t axis : a.axes) out.push_back(static_cast<int>(axis < 0 ? axis + rank : axis));
  for (int i = 0; a.axes.empty() && i < rank; ++i) out.push_back(i);
  return out;
}

/// Elements of a float tensor.
std::vector<double> read_floats(const ConstView& view) {
  std::vector<double> out;
  for (int64_t i = 0; i < view.count(); ++i) {
    switch (view.dtype) {
      case DType::kF32: out.push_back(view.as<float>()[i]); break;
      case DType::kF64: out.push_back(view.as<double>()[i]); break;
      case DType::kF16: out.push_back(to_float(view.as<Half>()[i])); break;
      default: out.push_back(to_float(view.as<BFloat16>()[i]));
    }
  }
  return out;
}

/// Rounded half up.
int64_t rounded(double x) { return static_cast<int64_t>(std::floor(x + 0.5)); }

/// The one scale that keeps the aspect ratio and fits into, or covers, the sizes.
double common_scale(const std::vector<double>& ratios, const std::string& policy) {
  return policy == "not_larger" ? *std::ranges::min_element(ratios) : *std::ranges::max_element(ratios);
}

/// An input that is present and not the empty tensor that stands for an absent one.
bool given(const InferContext& c, int i) {
  if (!c.has(i)) return false;
  const Shape& s = c.input(i).shape;
  return !(s.has_rank() && s.rank() == 1 && s[0].is(0));
}

Dim scaled(InferContext& c, const Dim& size, double scale) {
  if (size.known()) {
    return static_cast<int64_t>(std::floor(static_cast<float>(size.value()) * static_cast<float>(scale)));
  }
  if (scale == std::floor(scale) && scale < 1e6) return size * Dim(static_cast<int64_t>(scale));
  const double inverse = 1 / scale;
  // Only the inverses that are powers of 2 round like the product of floats.
  if (inverse >= 2 && inverse <= 1024 && std::exp2(std::round(std::log2(inverse))) == inverse) {
    return floor_div(size, static_cast<int64_t>(inverse));
  }
  return c.symbols().fresh();
}

void check_attrs(const InferContext& c, const ResizeAttrs& a) {
  if (!interpolation_of(a.mode)) c.invalid("attribute 'mode' is '", a.mode, "' but must be nearest, linear or cubic");
  if (!coordinates_of(a.coordinate_transformation_mode)) {
    c.unsupported("coordinate_transformation_mode '", a.coordinate_transformation_mode, "'");
  }
  if (!rounding_of(a.nearest_mode)) c.invalid("attribute 'nearest_mode' is '", a.nearest_mode, "', which is none");
  const std::string& policy = a.keep_aspect_ratio_policy;
  if (policy != "stretch" && policy != "not_larger" && policy != "not_smaller") {
    c.invalid("attribute 'keep_aspect_ratio_policy' is '", policy, "' but must be stretch, not_larger or not_smaller");
  }
  if (a.mode != "nearest" && (c.input(0).dtype == DType::kString || dtype_bits(c.input(0).dtype) < 8)) {
    c.unsupported("interpolating elements of ", dtype_name(c.input(0).dtype));
  }
}

void infer_scales(InferContext& c, const std::vector<int>& axes, Shape& shape) {
  const Tensor& constant = c.input(kScales).constant;
  for (size_t i = 0; i < axes.size() && !constant.defined(); ++i) shape[axes[i]] = c.symbols().fresh();
  if (!constant.defined()) return;
  const std::vector<double> scales = read_floats(constant.view());
  if (scales.size() != axes.size()) c.invalid("there are ", scales.size(), " scales for ", axes.size(), " axes");
  for (size_t i = 0; i < axes.size(); ++i) {
    if (!(scales[i] > 0 && scales[i] < 1e9)) c.invalid("a scale is ", scales[i], " but must be positive");
    shape[axes[i]] = scaled(c, shape[axes[i]], scales[i]);
  }
}

void infer_sizes(InferContext& c, const std::vector<int>& axes, Shape& shape) {
  const std::string& policy = c.attrs<ResizeAttrs>().keep_aspect_ratio_policy;
  const auto sizes = c.values(kSizes);
  if (sizes && sizes->size() != axes.size())
    c.invalid("there are ", sizes->size(), " sizes for ", axes.size(), " axes");
  std::vector<double> ratios;
  for (size_t i = 0; i < axes.size(); ++i) {
    Dim& size = shape[axes[i]];
    const Dim wanted = sizes ? (*sizes)[i] : c.symbols().fresh();
    if (wanted.known() && wanted.value() < 0) c.invalid("a size is ", wanted.value(), " but must be >= 0");
    if (policy != "stretch" && size.is(0)) c.invalid("an axis of size 0 has no aspect ratio that could be kept");
    if (wanted.known() && size.known() && size.value() > 0) {
      ratios.push_back(static_cast<double>(wanted.value()) / static_cast<double>(size.value()));
    }
    if (policy == "stretch") size = wanted;
  }
  if (policy == "stretch" || axes.empty()) return;
  for (int axis : axes) {
    Dim& size = shape[axis];
    const bool known = ratios.size() == axes.size();
    size = known ? Dim(rounded(common_scale(ratios, policy) * static_cast<double>(size.value()))) : c.symbols().fresh();
  }
}

void infer(InferContext& c) {
  const auto& a = c.attrs<ResizeAttrs>();
  check_attrs(c, a);
  const Fact& x = c.input(0);
  if (given(c, kScales) == given(c, kSizes)) c.invalid("one of the inputs 'scales' and 'sizes' must be given");
  if (given(c, kRoi)) c.require_dtype(kRoi, kFloats);
  if (given(c, kScales)) c.require_dtype(kScales, kFloats);
  if (given(c, kSizes)) c.require_dtype(kSizes, {DType::kI64});
  if (!x.shape.has_rank()) return c.set(0, x.dtype, Shape());
  for (int64_t axis : a.axes) c.axis(axis, x.rank(), "axes");
  const std::vector<int> axes = axes_of(a, x.rank());
  if (a.coordinate_transformation_mode == "tf_crop_and_resize") {
    const Shape& roi = c.input(kRoi).shape;
    const auto bounds = static_cast<int64_t>(2 * axes.size());
    if (roi.has_rank()) c.require_equal(roi.count(), bounds, "the bounds of the region, and two per axis,");
  }
  Shape shape = x.shape;
  if (given(c, kScales)) {
    infer_scales(c, axes, shape);
  } else {
    infer_sizes(c, axes, shape);
  }
  for (int i = 0; i < x.rank(); ++i) {
    const bool may_be_empty = x.shape[i].is(0) || !x.shape[i].known();
    if (may_be_empty && !(shape[i] == x.shape[i])) {
      c.require_at_most(min(shape[i], 1), x.shape[i], "an axis that is resized, and must not be empty");
    }
  }
  c.set(0, x.dtype, std::move(shape));
}

/// What happens to every axis.
std::vector<ResampledAxis> resampled_axes(const RunContext& c) {
  const auto& a = c.attrs<ResizeAttrs>();
  const Extents from = c.input(0).extents, to = c.output(0).extents;
  const std::vector<int> axes = axes_of(a, from.rank());
  std::vector<ResampledAxis> out;
  for (int i = 0; i < from.rank(); ++i) out.push_back({from[i], to[i], 1});
  std::vector<double> scales;
  if (c.has_input(kScales) && c.input(kScales).count() > 0) {
    scales = read_floats(c.input(kScales));
  } else {
    const auto sizes = read_ints(c, kSizes);
    for (size_t i = 0; i < axes.size(); ++i) {
      scales.push_back(static_cast<double>(sizes[i]) / static_cast<double>(from[axes[i]]));
    }
    if (a.keep_aspect_ratio_policy != "stretch")
      std::ranges::fill(scales, common_scale(scales, a.keep_aspect_ratio_policy));
  }
  const bool crops = a.coordinate_transformation_mode == "tf_crop_and_resize";
  const auto roi = crops ? read_floats(c.input(kRoi)) : std::vector<double>();
  for (size_t i = 0; i < axes.size(); ++i) {
    ResampledAxis& axis = out[static_cast<size_t>(axes[i])];
    axis.scale = scales[i];
    if (!crops) continue;
    axis.start = roi[i];
    axis.end = roi[i + axes.size()];
  }
  return out;
}

Resampling resampling_of(const ResizeAttrs& a) {
  return {*interpolation_of(a.mode),
          *coordinates_of(a.coordinate_transformation_mode),
          *rounding_of(a.nearest_mode),
          a.cubic_coeff_a,
          a.antialias,
          a.exclude_outside,
          a.ceil_if_smaller};
}

using Outside = std::array<const bool*, kMaxRank>;

/// Gives elements outside the region the extrapolation value.
template <class T>
void extrapolate(const RunContext& c, const Outside& outside) {
  const View y = c.output(0);
  const Strides strides = strides_of(y.extents);
  const T value = static_cast<T>(c.attrs<ResizeAttrs>().extrapolation_value);
  for (int64_t i = 0; i < y.count(); ++i) {
    bool any = false;
    for (int d = 0; d < y.rank(); ++d) {
      const auto at = static_cast<size_t>(d);
      any |= outside[at] && outside[at][i / strides[at] % y.extents[d]];
    }
    if (any) y.as<T>()[i] = value;
  }
}

/// Rows [begin, end) of a plane by the maps of its two axes, the first of them to `to`.
template <class T>
void copy_rows(const kernels::ResizeNearest<sizeof(T)>& maps, const T* from, T* to, int64_t begin, int64_t end) {
  if constexpr (std::is_integral_v<T>) {
    kernels::resize_nearest(maps, from, to, begin, end);
  } else {
    for (int64_t r = begin; r < end; ++r) {
      const T* row = from + maps.row[r] * maps.in;
      to = std::transform(maps.column, maps.column + maps.out, to, [&](auto column) { return row[column]; });
    }
  }
}

/// Copies by a map of positions for each axis.
template <class T, class Maps>
void copy_nearest(const RunContext& c, const Maps& maps) {
  const ConstView x = c.input(0);
  const View y = c.output(0);
  const int last = y.rank() - 1;
  const int64_t line = y.extents[last], rows = last > 0 ? y.extents[last - 1] : 1;
  const kernels::ResizeIndex<sizeof(T)> first_row = 0;
  const auto* row = last > 0 ? maps[static_cast<size_t>(last - 1)] : &first_row;
  const kernels::ResizeNearest<sizeof(T)> plane{x.extents[last], line, row, maps[static_cast<size_t>(last)]};
  const Strides strides = strides_of(x.extents);
  c.parallel().run(y.count() / line, grain_for(line), [&](int64_t begin, int64_t end, int) {
    while (begin < end) {
      int64_t from = 0, rest = begin / rows;
      for (int d = last - 2; d >= 0; --d) {
        from += maps[static_cast<size_t>(d)][rest % y.extents[d]] * strides[static_cast<size_t>(d)];
        rest /= y.extents[d];
      }
      const int64_t r = begin % rows, n = std::min(end - begin, rows - r);
      copy_rows<T>(plane, x.as<T>() + from, y.as<T>() + begin * line, r, r + n);
      begin += n;
    }
  });
}

void run_nearest(const RunContext& c, const Resampling& how, const std::vector<ResampledAxis>& axes) {
  const bool crops = how.coordinates == Coordinates::kTfCropAndResize;
  Outside outside = {};
  for_width(c.output(0).dtype, [&]<class T>() {
    using Index = kernels::ResizeIndex<sizeof(T)>;
    std::array<const Index*, kMaxRank> maps = {};
    for (size_t d = 0; d < axes.size(); ++d) {
      bool* flags = crops ? c.scratch<bool>(axes[d].to) : nullptr;
      maps[d] = make_nearest<Index>(c, how, axes[d], flags);
      outside[d] = flags;
    }
    copy_nearest<T>(c, maps);
  });
  if (!crops) return;
  for_number(c.output(0).dtype, [&]<class T>() { extrapolate<T>(c, outside); });
}

/// The axes that change, in the order that leaves least work to the later ones.
std::vector<size_t> resampling_order(const std::vector<ResampledAxis>& axes) {
  std::vector<size_t> order;
  for (size_t d = 0; d < axes.size(); ++d) {
    if (axes[d].scale != 1 || axes[d].from != axes[d].to || axes[d].start != 0 || axes[d].end != 1) order.push_back(d);
  }
  // The innermost axis costs most per element: it comes early where others enlarge and late where they shrink.
  std::ranges::stable_sort(order, [&](size_t a, size_t b) {
    if (axes[a].scale != axes[b].scale) return axes[a].scale < axes[b].scale;
    return axes[a].scale > 1 ? a > b : a < b;
  });
  return order;
}

/// All axes that change; tells which positions are outside the region.
template <class T>
Outside interpolate(const RunContext& c, const Resampling& how, const std::vector<ResampledAxis>& axes, const T* x,
                    T* y) {
  const std::vector<size_t> order = resampling_order(axes);
  Extents sizes = c.input(0).extents;
  Outside outside = {};
  for (size_t d : order) {
    const Taps<T> taps = make_taps<T>(c, how, axes[d]);
    if (taps.any_outside) outside[d] = taps.outside;
    const int at = static_cast<int>(d);
    const int64_t outer = sizes.product(0, at), inner = sizes.product(at + 1, sizes.rank());
    sizes[at] = axes[d].to;
    T* to = d == order.back() ? y : c.scratch<T>(sizes.count());
    const int64_t rows = inner == 1 ? outer : outer * axes[d].to, width = inner == 1 ? axes[d].to : inner;
    c.parallel().run(rows, grain_for(width * taps.table.taps), [&](int64_t begin, int64_t end, int) {
      kernels::resize_axis(x, to, taps.table, inner, begin, end);
    });
    x = to;
  }
  if (order.empty()) std::copy_n(x, sizes.count(), y);
  return outside;
}

/// Floats as they are; integers through float32, cut off towards 0 as Cast does.
template <class T>
void run_interpolated(const RunContext& c, const Resampling& how, const std::vector<ResampledAxis>& axes) {
  const ConstView x = c.input(0);
  const View y = c.output(0);
  if constexpr (std::is_floating_point_v<T>) {
    const Outside outside = interpolate(c, how, axes, x.as<T>(), y.as<T>());
    if (how.coordinates == Coordinates::kTfCropAndResize) extrapolate<T>(c, outside);
  } else {
    auto* from = c.scratch<float>(x.count());
    auto* to = c.scratch<float>(y.count());
    std::copy_n(x.as<T>(), x.count(), from);
    const Outside outside = interpolate(c, how, axes, from, to);
    constexpr double kLow = static_cast<double>(std::numeric_limits<T>::lowest());
    constexpr double kHigh = static_cast<double>(std::numeric_limits<T>::max());
    for (int64_t i = 0; i < y.count(); ++i) {
      const double value = to[i];
      y.as<T>()[i] = value >= kHigh ? std::numeric_limits<T>::max() : static_cast<T>(std::max(value, kLow));
    }
    if (how.coordinates == Coordinates::kTfCropAndResize) extrapolate<T>(c, outside);
  }
}

void run(RunContext& c) {
  if (unpacked(c, run)) return;
  const Resampling how = resampling_of(c.attrs<ResizeAttrs>());
  const bool copies = how.interpolation == Interpolation::kNearest && how.coordinates != Coordinates::kTfCropAndResize;
  if (!copies && widened(c, run)) return;
  if (c.output(0).count() == 0) return;
  if (c.output(0).rank() == 0) return ir::copy_elements(c.input(0), c.output(0));
  const auto axes = resampled_axes(c);
  if (how.interpolation == Interpolation::kNearest) return run_nearest(c, how, axes);
  for_number(c.output(0).dtype, [&]<class T>() { run_interpolated<T>(c, how, axes); });
}

const Op kFamily[] = {
    {.domain = "",
     .name = "Resize",
     .inputs = {1, 4},
     .outputs = {1, 1},
     .parse = Attrs::parse<ResizeAttrs>,
     .infer = infer,
     .run = run,
     .accuracy = Accuracy::kAccumulated,
     .since = 10,
     .upgrade = upgrade_resize},
    {.domain = "",
     .name = "Upsample",
     .inputs = {1, 4},
     .outputs = {1, 1},
     .parse = Attrs::parse<ResizeAttrs>,
     .infer = infer,
     .run = run,
     .accuracy = Accuracy::kAccumulated,
     .upgrade = upgrade_upsample},
};

}  // namespace

std::span<const Op> resize_family() { return kFamily; }

}  // namespace sdx::ops
