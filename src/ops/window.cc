// Window: checks, symbolic output sizes and concrete geometry.
#include "ops/window.h"

#include <algorithm>

namespace sdx::ops {
namespace {

constexpr int64_t kMaxWindow = int64_t{1} << 31;

void check_list(const InferContext& c, std::string_view name, const std::vector<int64_t>& list, size_t size,
                int64_t least) {
  if (list.empty()) return;
  if (list.size() != size) c.invalid("attribute '", name, "' has ", list.size(), " entries but must have ", size);
  for (int64_t v : list) {
    if (v < least || v > kMaxWindow) {
      c.invalid("attribute '", name, "' has the entry ", v, " but must be in [", least, ", ", kMaxWindow, "]");
    }
  }
}

}  // namespace

void check_window(const InferContext& c, const WindowAttrs& a, int spatial) {
  if (spatial < 1 || spatial > kMaxSpatial) {
    c.unsupported("a window over ", spatial, " spatial axes; 1 to ", kMaxSpatial, " are supported");
  }
  const auto n = static_cast<size_t>(spatial);
  check_list(c, "dilations", a.dilations, n, 1);
  check_list(c, "kernel_shape", a.kernel_shape, n, 1);
  check_list(c, "pads", a.pads, 2 * n, 0);
  check_list(c, "strides", a.strides, n, 1);
  if (a.auto_pad != "NOTSET" && a.auto_pad != "VALID" && !a.same_padding()) {
    c.invalid("attribute 'auto_pad' is '", a.auto_pad, "' but must be NOTSET, SAME_UPPER, SAME_LOWER or VALID");
  }
}

Dim window_count(InferContext& c, const WindowAttrs& a, int axis, const Dim& in, const Dim& kernel, bool ceil_mode) {
  const Dim stride = a.stride(axis);
  if (a.same_padding()) return ceil_div(in, stride);
  const bool explicit_pads = a.auto_pad == "NOTSET";
  const Dim begin = explicit_pads ? a.pad_begin(axis) : 0, end = explicit_pads ? a.pad_end(axis) : 0;
  const Dim extent = (kernel - 1) * a.dilation(axis) + 1;
  const Dim padded = in + begin + end;
  c.require_at_most(extent, padded, "the window and the padded input");
  if (!ceil_mode) return floor_div(padded - extent, stride) + 1;
  return min(ceil_div(padded - extent, stride) + 1, ceil_div(in + begin, stride));
}

Geometry geometry(const WindowAttrs& a, const Extents& input, const Extents& output, std::span<const int64_t> kernel) {
  Geometry g;
  std::ranges::fill(g.in, 1);
  std::ranges::fill(g.out, 1);
  std::ranges::fill(g.kernel, 1);
  std::ranges::fill(g.stride, 1);
  std::ranges::fill(g.dilation, 1);
  std::ranges::fill(g.pad, 0);
  std::ranges::fill(g.pad_end, 0);
  const int spatial = input.rank() - 2;
  for (int i = 0; i < spatial; ++i) {
    const int to = kMaxSpatial - spatial + i;
    g.in[to] = input[i + 2];
    g.out[to] = output[i + 2];
    g.kernel[to] = kernel[static_cast<size_t>(i)];
    g.stride[to] = a.stride(i);
    g.dilation[to] = a.dilation(i);
    if (a.auto_pad == "NOTSET") {
      g.pad[to] = a.pad_begin(i);
      g.pad_end[to] = a.pad_end(i);
    } else if (a.same_padding()) {
      const int64_t extent = (g.kernel[to] - 1) * g.dilation[to] + 1;
      const int64_t total = std::max<int64_t>(0, (g.out[to] - 1) * g.stride[to] + extent - g.in[to]);
      g.pad[to] = a.auto_pad == "SAME_UPPER" ? total / 2 : total - total / 2;
      g.pad_end[to] = total - g.pad[to];
    }
  }
  return g;
}

}  // namespace sdx::ops
