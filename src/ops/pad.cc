// Pad: a tensor with a margin that is constant, mirrored, repeated or wrapped; negative margins crop.
#include <cstring>

#include "ops/indices.h"

namespace sdx::ops {
namespace {

struct PadAttrs {
  std::string mode = "constant";
  bool operator==(const PadAttrs&) const = default;
  static constexpr auto fields() { return std::tuple{field("mode", &PadAttrs::mode)}; }
};

void upgrade(Call& c) {
  if (c.version >= 11) return;
  if (auto it = c.attrs.find("paddings"); it != c.attrs.end()) {
    auto pads = std::move(it->second);
    c.attrs.erase(it);
    c.attrs.insert_or_assign("pads", std::move(pads));
  }
  c.ints_to_input("pads", 1);
  c.scalar_to_input("value", 2);
}

/// The axis of the data that entry i of `axes` means.
int axis_at(std::span<const int64_t> axes, size_t i, int rank) {
  if (axes.empty()) return static_cast<int>(i);
  return static_cast<int>(axes[i] < 0 ? axes[i] + rank : axes[i]);
}

constexpr int64_t kOutside = -1;

/// One axis of the output: `before` positions of margin, then the input's indices [low, low + size), then margin.
struct Axis {
  int64_t low = 0, size = 0, before = 0, out = 0;
  int64_t stride = 0;  ///< of the input

  /// Positions [first, second) copy neighbours. A margin may reach beyond an output that the other margin crops.
  std::pair<int64_t, int64_t> run() const {
    return {std::min(before, out), std::min(before + std::max<int64_t>(0, size), out)};
  }

  /// The index of the input that position i copies, or kOutside.
  int64_t source(char mode, int64_t i) const {
    const int64_t at = i - before;
    if (at >= 0 && at < size) return low + at;
    if (mode == 'c' || size <= 0) return kOutside;
    if (mode == 'e') return low + std::clamp<int64_t>(at, 0, size - 1);
    if (mode == 'w') return low + ((at % size) + size) % size;
    const int64_t period = 2 * std::max<int64_t>(size - 1, 1), phase = ((at % period) + period) % period;
    return low + (size == 1 ? 0 : std::min(phase, period - phase));
  }
};

/// All axes; `mode` is the first letter of the attribute.
struct Margins {
  char mode;
  std::array<Axis, kMaxRank> axes;
};

Margins read_margins(const RunContext& c, std::string_view mode) {
  const ConstView x = c.input(0);
  const auto pads = read_ints(c, 1), axes = read_ints(c, 3);
  Strides before = {}, after = {};
  for (size_t i = 0; i < pads.size() / 2; ++i) {
    const auto axis = static_cast<size_t>(axis_at(axes, i, x.rank()));
    before[axis] = pads[i];
    after[axis] = pads[i + pads.size() / 2];
  }
  const Strides strides = strides_of(x.extents);
  Margins margins{mode.front(), {}};
  for (int d = 0; d < x.rank(); ++d) {
    const auto at = static_cast<size_t>(d);
    const int64_t low = std::max<int64_t>(0, -before[at]), high = x.extents[d] - std::max<int64_t>(0, -after[at]);
    margins.axes[at] = {low, high - low, std::max<int64_t>(0, before[at]), c.output(0).extents[d], strides[at]};
  }
  return margins;
}

/// One row of the output, from the row of the input at x: the run of neighbours is copied at once.
template <class T>
void pad_row(const T* x, T* y, const Axis& axis, char mode, const T& fill) {
  const auto [first, end] = axis.run();
  const auto margin = [&](int64_t begin, int64_t stop) {
    if (mode == 'c') return static_cast<void>(std::fill(y + begin, y + stop, fill));
    for (int64_t i = begin; i < stop; ++i) {
      const int64_t from = axis.source(mode, i);
      y[i] = from == kOutside ? fill : x[from];
    }
  };
  margin(0, first);
  if (end > first) std::copy_n(x + axis.source(mode, first), end - first, y + first);
  margin(end, axis.out);
}

template <class T>
void pad(const RunContext& c, const Margins& margins, T fill) {
  const View y = c.output(0);
  const int last = y.rank() - 1;
  const Axis& line = margins.axes[static_cast<size_t>(last)];
  c.parallel().run(y.count() / line.out, grain_for(line.out), [&](int64_t begin, int64_t end, int) {
    for (int64_t i = begin; i < end; ++i) {
      int64_t from = 0, rest = i;
      bool outside = false;
      for (int d = last - 1; d >= 0; --d) {
        const Axis& axis = margins.axes[static_cast<size_t>(d)];
        const int64_t index = axis.source(margins.mode, rest % axis.out);
        rest /= axis.out;
        outside |= index == kOutside;
        from += index * axis.stride;
      }
      T* to = y.as<T>() + i * line.out;
      if (outside) {
        std::fill_n(to, line.out, fill);
      } else {
        pad_row(c.input(0).as<T>() + from, to, line, margins.mode, fill);
      }
    }
  });
}

void run(RunContext& c) {
  if (unpacked(c, run)) return;
  const View y = c.output(0);
  if (y.count() == 0) return;
  if (y.rank() == 0) return ir::copy_elements(c.input(0), y);
  const Margins margins = read_margins(c, c.attrs<PadAttrs>().mode);
  for_width(y.dtype, [&]<class T>() { pad<T>(c, margins, c.has_input(2) ? *c.input(2).as<T>() : T()); });
}

/// The size of an axis of n elements with its margins.
Dim padded(InferContext& c, const Dim& n, const Dim& before, const Dim& after) {
  Dim size = n + before + after;
  if (size.known() && size.value() < 0) {
    c.invalid("pads of ", before.text(), " and ", after.text(), " crop more than the ", n.text(),
              " elements of an axis");
  }
  if (c.attrs<PadAttrs>().mode != "constant" && !(size == n)) {
    const Dim crop = max(Dim(0) - before, 0) + max(Dim(0) - after, 0);
    c.require_at_most(crop + min(size, 1), n, "the elements that are cropped before padding, and the axis,");
  }
  return size;
}

void infer(InferContext& c) {
  const std::string& mode = c.attrs<PadAttrs>().mode;
  if (mode != "constant" && mode != "reflect" && mode != "edge" && mode != "wrap") {
    c.invalid("attribute 'mode' is '", mode, "' but must be constant, reflect, edge or wrap");
  }
  if (c.has(2)) {
    c.require_same_dtype(0, 2);
    if (c.input(2).shape.has_rank()) c.require_equal(c.input(2).shape.count(), 1, "the elements of the value, and 1,");
  }
  require_ints(c, 1);
  if (c.has(3)) require_ints(c, 3);
  const Fact& x = c.input(0);
  if (!x.shape.has_rank()) return c.set(0, x.dtype, Shape());
  const auto pads = c.values(1);
  const auto axes = c.has(3) ? c.ints(3) : std::vector<int64_t>();
  if (!pads || !axes) return c.set(0, x.dtype, c.fresh_shape(x.rank()));
  const size_t count = c.has(3) ? axes->size() : static_cast<size_t>(x.rank());
  if (pads->size() != 2 * count) {
    c.invalid("there are ", pads->size(), " pads for ", count, " axes; give two for each");
  }
  Shape shape = x.shape;
  std::vector<bool> done(static_cast<size_t>(x.rank()));
  for (size_t i = 0; i < count; ++i) {
    const int axis = c.has(3) ? c.axis((*axes)[i], x.rank(), "axes") : static_cast<int>(i);
    if (done[static_cast<size_t>(axis)]) c.invalid("axis ", axis, " is padded twice");
    done[static_cast<size_t>(axis)] = true;
    shape[axis] = padded(c, shape[axis], (*pads)[i], (*pads)[i + count]);
  }
  c.set(0, x.dtype, std::move(shape));
  move_values(c, 0b101, run);
}

const Op kFamily[] = {
    {.domain = "",
     .name = "Pad",
     .inputs = {1, 4},
     .outputs = {1, 1},
     .parse = Attrs::parse<PadAttrs>,
     .infer = infer,
     .run = run,
     .upgrade = upgrade},
    {.domain = "com.microsoft",
     .name = "Pad",
     .inputs = {2, 3},
     .outputs = {1, 1},
     .parse = Attrs::parse<PadAttrs>,
     .infer = infer,
     .run = run},
};

}  // namespace

std::span<const Op> pad_family() { return kFamily; }

}  // namespace sdx::ops
