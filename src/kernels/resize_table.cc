// Resize: coordinates and weights, by the formulas of the standard.
#include <algorithm>
#include <cmath>

#include "kernels/resize.h"

namespace sdx::kernels {

double source_coordinate(const ResizeAxis& axis, int64_t i) {
  const double x = static_cast<double>(i), in = static_cast<double>(axis.in), out = static_cast<double>(axis.out);
  switch (axis.coordinates) {
    case ResizeCoordinates::kHalfPixel: return (x + 0.5) / axis.scale - 0.5;
    case ResizeCoordinates::kHalfPixelSymmetric: {
      // The length before it was cut to a whole number decides where the center lies.
      const double adjustment = out / (axis.scale * in);
      return in / 2 * (1 - adjustment) + (x + 0.5) / axis.scale - 0.5;
    }
    case ResizeCoordinates::kPytorchHalfPixel: return axis.out > 1 ? (x + 0.5) / axis.scale - 0.5 : 0;
    case ResizeCoordinates::kAlignCorners: return axis.out > 1 ? x * (in - 1) / (out - 1) : 0;
    case ResizeCoordinates::kAsymmetric: return x / axis.scale;
    case ResizeCoordinates::kTfHalfPixelForNearest: return (x + 0.5) / axis.scale;
    case ResizeCoordinates::kTfCropAndResize: break;
  }
  const double width = axis.roi_end - axis.roi_begin;
  if (axis.out > 1) return axis.roi_begin * (in - 1) + x * width * (in - 1) / (out - 1);
  return 0.5 * (axis.roi_begin + axis.roi_end) * (in - 1);
}

namespace {

double nearest(double x, ResizeNearest mode, double scale) {
  const double floor = std::floor(x);
  switch (mode) {
    case ResizeNearest::kFloor: return floor;
    case ResizeNearest::kCeil: return std::ceil(x);
    case ResizeNearest::kRoundPreferFloor: return x - floor <= 0.5 ? floor : floor + 1;
    case ResizeNearest::kRoundPreferCeil: return x - floor < 0.5 ? floor : floor + 1;
    case ResizeNearest::kSimple: break;
  }
  return scale < 1 ? std::ceil(x) : floor;
}

bool is_outside(double x, int64_t in) { return x < 0 || x > static_cast<double>(in - 1); }

double linear_weight(double distance) { return std::max(0.0, 1 - std::fabs(distance)); }

/// Keys' cubic convolution with parameter a.
double cubic_weight(double distance, double a) {
  const double d = std::fabs(distance);
  if (d <= 1) return ((a + 2) * d - (a + 3)) * d * d + 1;
  if (d < 2) return (((d - 5) * d + 8) * d - 4) * a;
  return 0;
}

/// How much wider the filter is than without antialiasing, as the scale that its distances shrink by.
double filter_scale(const ResizeAxis& axis, const ResizeKernel& kernel) {
  return kernel.antialias ? std::min(axis.scale, 1.0) : 1.0;
}

int64_t half_width(const ResizeAxis& axis, const ResizeKernel& kernel) {
  const double reach = kernel.filter == ResizeFilter::kCubic ? 2 : 1;
  return static_cast<int64_t>(std::ceil(reach / filter_scale(axis, kernel)));
}

}  // namespace

void nearest_indices(const ResizeAxis& axis, ResizeNearest mode, bool outside, int64_t* index) {
  for (int64_t i = 0; i < axis.out; ++i) {
    const double x = source_coordinate(axis, i);
    const double limited = std::clamp(nearest(x, mode, axis.scale), 0.0, static_cast<double>(axis.in - 1));
    index[i] = outside && is_outside(x, axis.in) ? -1 : static_cast<int64_t>(limited);
  }
}

int64_t resize_taps(const ResizeAxis& axis, const ResizeKernel& kernel) { return 2 * half_width(axis, kernel); }

void resize_weights(const ResizeAxis& axis, const ResizeKernel& kernel, int64_t* index, float* weight) {
  const int64_t half = half_width(axis, kernel), taps = 2 * half;
  const double shrink = filter_scale(axis, kernel);
  for (int64_t i = 0; i < axis.out; ++i, index += taps, weight += taps) {
    const double x = source_coordinate(axis, i);
    // A whole coordinate is seen from the left, as in the reference implementation.
    const double left = std::ceil(x) - 1;
    const auto raw = [&](int64_t t) {
      const double at = left - static_cast<double>(half - 1) + static_cast<double>(t);
      if (kernel.exclude_outside && is_outside(at, axis.in)) return 0.0;
      const double distance = (x - at) * shrink;
      return kernel.filter == ResizeFilter::kCubic ? cubic_weight(distance, kernel.cubic_a) : linear_weight(distance);
    };
    double sum = 0;
    for (int64_t t = 0; t < taps; ++t) sum += raw(t);
    for (int64_t t = 0; t < taps; ++t) {
      const double at = left - static_cast<double>(half - 1) + static_cast<double>(t);
      index[t] = static_cast<int64_t>(std::clamp(at, 0.0, static_cast<double>(axis.in - 1)));
      weight[t] = static_cast<float>(sum != 0 ? raw(t) / sum : 0.0);
    }
    if (kernel.extrapolate && is_outside(x, axis.in)) index[0] = -1;
  }
}

}  // namespace sdx::kernels
