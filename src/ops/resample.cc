// Coordinates and weights of resampling.
#include "ops/resample.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace sdx::ops {
namespace {

template <class E, size_t N>
std::optional<E> named(std::string_view name, const std::array<std::string_view, N>& names) {
  for (size_t i = 0; i < N; ++i) {
    if (names[i] == name) return static_cast<E>(i);
  }
  return std::nullopt;
}

/// The input coordinate of output position `x`, computed in Real.
template <class Real>
Real coordinate(Coordinates mode, const ResampledAxis& a, int64_t position) {
  const auto x = static_cast<Real>(position), from = static_cast<Real>(a.from), scale = static_cast<Real>(a.scale);
  const auto start = static_cast<Real>(a.start), end = static_cast<Real>(a.end);
  const Real half = 0.5, length = scale * from;  // of the output, before it was rounded
  switch (mode) {
    case Coordinates::kAlignCorners: return length == 1 ? 0 : x * (from - 1) / (length - 1);
    case Coordinates::kAsymmetric: return x / scale;
    case Coordinates::kTfHalfPixelForNearest: return (x + half) / scale;
    case Coordinates::kPytorchHalfPixel: return length == 1 ? 0 : (x + half) / scale - half;
    case Coordinates::kHalfPixelSymmetric:
      return from / 2 * (1 - static_cast<Real>(a.to) / length) + (x + half) / scale - half;
    case Coordinates::kTfCropAndResize:
      if (length == 1) return half * (start + end) * (from - 1);
      return start * (from - 1) + x * (end - start) * (from - 1) / (length - 1);
    case Coordinates::kHalfPixel: break;
  }
  return (x + half) / scale - half;
}

bool is_outside(Coordinates mode, const ResampledAxis& a, double at) {
  return mode == Coordinates::kTfCropAndResize && !(at >= 0 && at <= static_cast<double>(a.from - 1));
}

/// Keys' cubic convolution kernel.
double cubic(double x, double a) {
  x = std::abs(x);
  if (x <= 1) return ((a + 2) * x - (a + 3)) * x * x + 1;
  if (x < 2) return ((x - 5) * x + 8) * x * a - 4 * a;
  return 0;
}

double kernel(const Resampling& how, double x) {
  if (how.interpolation == Interpolation::kCubic) return cubic(x, how.cubic_a);
  return std::max(0.0, 1 - std::abs(x));
}

template <class Index>
Index clamp_position(double position, int64_t n) {
  return static_cast<Index>(std::clamp(position, 0.0, static_cast<double>(n - 1)));
}

template <class Index>
void check_length(const ResampledAxis& axis) {
  if (axis.from - 1 > std::numeric_limits<Index>::max()) {
    fail(ErrorKind::kUnsupportedModel, "resizing an axis of ", axis.from, " elements");
  }
}

/// Elements are as near as each other where their distances differ by no more, as in ONNX Runtime (found by trial).
constexpr double kTie = 1e-6;

/// What follows `n` entries of a table's row repeats the last of them.
template <class V>
void pad_row(V* row, int64_t n) {
  std::fill(row + n, row + kernels::resize_row(n), row[n - 1]);
}

}  // namespace

std::optional<Interpolation> interpolation_of(std::string_view name) {
  return named<Interpolation>(name, std::to_array<std::string_view>({"nearest", "linear", "cubic"}));
}

std::optional<Coordinates> coordinates_of(std::string_view name) {
  return named<Coordinates>(name, std::to_array<std::string_view>({"half_pixel", "half_pixel_symmetric",
                                                                   "pytorch_half_pixel", "align_corners", "asymmetric",
                                                                   "tf_half_pixel_for_nn", "tf_crop_and_resize"}));
}

std::optional<Rounding> rounding_of(std::string_view name) {
  return named<Rounding>(name,
                         std::to_array<std::string_view>({"round_prefer_floor", "round_prefer_ceil", "floor", "ceil"}));
}

template <class T>
Taps<T> make_taps(const RunContext& c, const Resampling& how, const ResampledAxis& axis) {
  using Index = kernels::ResizeIndex<sizeof(T)>;
  check_length<Index>(axis);
  const double reach = how.interpolation == Interpolation::kCubic ? 2 : 1;
  const double stretch = how.antialias ? std::min(axis.scale, 1.0) : 1.0;
  const double first = std::floor(-reach / stretch) + 1;
  if (!(first >= -4.0 * static_cast<double>(axis.from) - 8)) {
    fail(ErrorKind::kInvalidInput, "an axis of ", axis.from, " elements is resized by ", axis.scale,
         ", which is too small a scale");
  }
  const int64_t count = 2 - 2 * static_cast<int64_t>(first), row = kernels::resize_row(axis.to);
  auto* index = c.scratch<Index>(count * row);
  auto* weight = c.scratch<T>(count * row);
  auto* outside = c.scratch<bool>(axis.to);
  auto* weights = c.scratch<double>(count);
  bool any_outside = false;
  for (int64_t j = 0; j < axis.to; ++j) {
    const double at = coordinate<double>(how.coordinates, axis, j);
    outside[j] = is_outside(how.coordinates, axis, at);
    any_outside |= outside[j];
    const double base = std::floor(at), ratio = at - base;
    double total = 0;
    for (int64_t t = 0; t < count; ++t) {
      const double step = first + static_cast<double>(t), position = base + step;
      const bool excluded = how.exclude_outside && !(position >= 0 && position < static_cast<double>(axis.from));
      weights[t] = excluded ? 0 : kernel(how, stretch * (step - ratio));
      index[t * row + j] = clamp_position<Index>(position, axis.from);
      total += weights[t];
    }
    for (int64_t t = 0; t < count; ++t) weight[t * row + j] = static_cast<T>(weights[t] / (total != 0 ? total : 1));
  }
  for (int64_t t = 0; t < count; ++t) {
    pad_row(index + t * row, axis.to);
    pad_row(weight + t * row, axis.to);
  }
  return {{axis.from, axis.to, count, row, index, weight}, outside, any_outside};
}
template Taps<float> make_taps(const RunContext&, const Resampling&, const ResampledAxis&);
template Taps<double> make_taps(const RunContext&, const Resampling&, const ResampledAxis&);

template <class Index>
const Index* make_nearest(const RunContext& c, const Resampling& how, const ResampledAxis& axis, bool* outside) {
  check_length<Index>(axis);
  auto* map = c.scratch<Index>(kernels::resize_row(axis.to));
  // As PyTorch and ONNX Runtime, because rounding decides next to a border between elements.
  const bool in_floats = std::max(axis.from, axis.to) < (1 << std::numeric_limits<float>::digits);
  for (int64_t j = 0; j < axis.to; ++j) {
    const double at =
        in_floats ? coordinate<float>(how.coordinates, axis, j) : coordinate<double>(how.coordinates, axis, j);
    const double low = std::floor(at), ratio = at - low;
    bool up = ratio > 0;
    if (how.rounding == Rounding::kFloor) up = up && how.ceil_if_smaller && axis.scale < 1;
    if (how.rounding == Rounding::kPreferFloor) up = ratio > 0.5 + kTie;
    if (how.rounding == Rounding::kPreferCeil) up = ratio >= 0.5 - kTie;
    map[j] = clamp_position<Index>(low + up, axis.from);
    if (outside) outside[j] = is_outside(how.coordinates, axis, at);
  }
  pad_row(map, axis.to);
  return map;
}
template const int32_t* make_nearest(const RunContext&, const Resampling&, const ResampledAxis&, bool*);
template const int64_t* make_nearest(const RunContext&, const Resampling&, const ResampledAxis&, bool*);

}  // namespace sdx::ops
