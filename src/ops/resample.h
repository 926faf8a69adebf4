// Resampling along one axis: for each output position the input positions it mixes, and their weights.
#pragma once

#include <string_view>

#include "kernels/resize.h"
#include "ops/family.h"

namespace sdx::ops {

enum class Interpolation : uint8_t { kNearest, kLinear, kCubic };
enum class Coordinates : uint8_t {
  kHalfPixel,
  kHalfPixelSymmetric,
  kPytorchHalfPixel,
  kAlignCorners,
  kAsymmetric,
  kTfHalfPixelForNearest,
  kTfCropAndResize
};
enum class Rounding : uint8_t { kPreferFloor, kPreferCeil, kFloor, kCeil };

/// By ONNX's names; nothing for a name that is none.
std::optional<Interpolation> interpolation_of(std::string_view name);
std::optional<Coordinates> coordinates_of(std::string_view name);
std::optional<Rounding> rounding_of(std::string_view name);

/// What is the same for all axes of a Resize.
struct Resampling {
  Interpolation interpolation = Interpolation::kNearest;
  Coordinates coordinates = Coordinates::kHalfPixel;
  Rounding rounding = Rounding::kPreferFloor;
  double cubic_a = -0.75;
  bool antialias = false;        ///< widens the kernel where an axis shrinks
  bool exclude_outside = false;  ///< positions outside weigh nothing, instead of standing for the border
  bool ceil_if_smaller = false;  ///< kFloor means kCeil where an axis shrinks
};

/// One axis: `from` elements become `to`, with the part [start, end] of its length cut out for kTfCropAndResize.
struct ResampledAxis {
  int64_t from, to;
  double scale;
  double start = 0, end = 1;
};

/// The elements that each output position mixes, for float or double. `outside[j]`: position j is outside the cropped
/// part and takes the extrapolation value.
template <class T>
struct Taps {
  kernels::ResizeTable<T> table;
  bool* outside;
  bool any_outside;
};

/// Tables in scratch memory; formulas as in the standard's definition of Resize.
template <class T>
Taps<T> make_taps(const RunContext& c, const Resampling& how, const ResampledAxis& axis);

/// Output j copies input position [j]; in scratch memory, padded to kernels::resize_row. Marks positions outside in
/// `outside` where it is given.
template <class Index>
const Index* make_nearest(const RunContext& c, const Resampling& how, const ResampledAxis& axis, bool* outside);

}  // namespace sdx::ops
