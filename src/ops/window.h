// Window: the sliding-window arithmetic that convolutions and pools share.
#pragma once

#include <string>
#include <vector>

#include "ops/family.h"

namespace sdx::ops {

inline constexpr int kMaxSpatial = 3;  ///< spatial axes that convolutions and pools support

/// The attributes that convolutions and pools have in common; empty lists stand for ones (pads: zeros).
struct WindowAttrs {
  std::string auto_pad = "NOTSET";
  std::vector<int64_t> dilations, kernel_shape, pads, strides;
  bool operator==(const WindowAttrs&) const = default;
  static constexpr auto fields() {
    return std::tuple{field("auto_pad", &WindowAttrs::auto_pad), field("dilations", &WindowAttrs::dilations),
                      field("kernel_shape", &WindowAttrs::kernel_shape), field("pads", &WindowAttrs::pads),
                      field("strides", &WindowAttrs::strides)};
  }
  int64_t stride(int axis) const { return strides.empty() ? 1 : strides[static_cast<size_t>(axis)]; }
  int64_t dilation(int axis) const { return dilations.empty() ? 1 : dilations[static_cast<size_t>(axis)]; }
  int64_t pad_begin(int axis) const { return pads.empty() ? 0 : pads[static_cast<size_t>(axis)]; }
  int64_t pad_end(int axis) const { return pads.empty() ? 0 : pads[pads.size() / 2 + static_cast<size_t>(axis)]; }
  /// Size 1 for axes that no list names.
  bool same_padding() const { return auto_pad == "SAME_UPPER" || auto_pad == "SAME_LOWER"; }
};

/// Throws InvalidModel unless every list has one entry (pads: two) for each of `spatial` axes, within limits.
void check_window(const InferContext& c, const WindowAttrs& a, int spatial);

/// Size of the output of a window of `kernel` sliding over `in` elements (operators Conv and MaxPool of ONNX). With
/// `ceil_mode` the last window may hang over the padding's end, but not start beyond it.
Dim window_count(InferContext& c, const WindowAttrs& a, int axis, const Dim& in, const Dim& kernel, bool ceil_mode);

/// Concrete sizes, always three spatial axes: missing ones in front have size 1.
struct Geometry {
  int64_t in[kMaxSpatial], out[kMaxSpatial], kernel[kMaxSpatial];
  int64_t stride[kMaxSpatial], dilation[kMaxSpatial], pad[kMaxSpatial];  ///< pad: before the first element
  int64_t pad_end[kMaxSpatial];                                          ///< as declared or derived from auto_pad

  int64_t in_count() const { return in[0] * in[1] * in[2]; }
  int64_t out_count() const { return out[0] * out[1] * out[2]; }
  int64_t kernel_count() const { return kernel[0] * kernel[1] * kernel[2]; }
};

/// The geometry of an input [n, c, in...], an output [n, m, out...] and `kernel` sizes, one per spatial axis.
Geometry geometry(const WindowAttrs& a, const Extents& input, const Extents& output, std::span<const int64_t> kernel);

}  // namespace sdx::ops
