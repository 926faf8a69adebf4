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

/// For each index of an axis of the output the index of the input it copies, or kOutside.
void map_axis(std::string_view mode, int64_t n, int64_t before, int64_t after, std::span<int64_t> map) {
  const int64_t low = std::max<int64_t>(0, -before), high = n - std::max<int64_t>(0, -after), size = high - low;
  const int64_t period = 2 * std::max<int64_t>(size - 1, 1);
  for (size_t i = 0; i < map.size(); ++i) {
    const int64_t at = static_cast<int64_t>(i) - std::max<int64_t>(0, before);
    if (at >= 0 && at < size) {
      map[i] = low + at;
    } else if (mode == "constant" || size <= 0) {
      map[i] = kOutside;
    } else if (mode == "edge") {
      map[i] = low + std::clamp<int64_t>(at, 0, size - 1);
    } else if (mode == "wrap") {
      map[i] = low + ((at % size) + size) % size;
    } else {
      const int64_t phase = ((at % period) + period) % period;
      map[i] = low + (size == 1 ? 0 : std::min(phase, period - phase));
    }
  }
}

/// One row of the output: the run of neighbours is copied at once, the rest through the map.
template <class T>
void pad_row(const T* x, T* y, std::span<const int64_t> map, std::pair<int64_t, int64_t> run, const T& fill) {
  const auto pick = [&](int64_t i) {
    const int64_t from = map[static_cast<size_t>(i)];
    y[i] = from == kOutside ? fill : x[from];
  };
  for (int64_t i = 0; i < run.first; ++i) pick(i);
  if (run.second > run.first)
    std::copy_n(x + map[static_cast<size_t>(run.first)], run.second - run.first, y + run.first);
  for (int64_t i = run.second; i < static_cast<int64_t>(map.size()); ++i) pick(i);
}

/// The maps of all axes, and the part of the last one that copies neighbours.
struct Maps {
  std::array<std::span<int64_t>, kMaxRank> axes;
  std::pair<int64_t, int64_t> run;
};

Maps make_maps(const RunContext& c, std::string_view mode) {
  const ConstView x = c.input(0);
  const View y = c.output(0);
  const auto pads = read_ints(c, 1), axes = read_ints(c, 3);
  Strides before = {}, after = {};
  for (size_t i = 0; i < pads.size() / 2; ++i) {
    const auto axis = static_cast<size_t>(axis_at(axes, i, x.rank()));
    before[axis] = pads[i];
    after[axis] = pads[i + pads.size() / 2];
  }
  Maps maps;
  for (int d = 0; d < x.rank(); ++d) {
    const auto at = static_cast<size_t>(d);
    maps.axes[at] = {c.scratch<int64_t>(y.extents[d]), static_cast<size_t>(y.extents[d])};
    map_axis(mode, x.extents[d], before[at], after[at], maps.axes[at]);
  }
  const auto last = static_cast<size_t>(x.rank() - 1);
  const int64_t begin = std::max<int64_t>(0, before[last]);
  const int64_t size = x.extents.back() + std::min<int64_t>(0, before[last]) + std::min<int64_t>(0, after[last]);
  // A margin may reach beyond an output that the other margin crops.
  const int64_t line = y.extents.back();
  maps.run = {std::min(begin, line), std::min(begin + std::max<int64_t>(0, size), line)};
  return maps;
}

template <class T>
void pad(const RunContext& c, const Maps& maps, T fill) {
  const ConstView x = c.input(0);
  const View y = c.output(0);
  const int last = y.rank() - 1;
  const int64_t line = y.extents[last];
  const Strides strides = strides_of(x.extents);
  c.parallel().run(y.count() / line, grain_for(line), [&](int64_t begin, int64_t end, int) {
    for (int64_t i = begin; i < end; ++i) {
      int64_t from = 0, rest = i;
      bool outside = false;
      for (int d = last - 1; d >= 0; --d) {
        const auto at = static_cast<size_t>(d);
        const int64_t index = maps.axes[at][static_cast<size_t>(rest % y.extents[d])];
        rest /= y.extents[d];
        outside |= index == kOutside;
        from += index * strides[at];
      }
      T* to = y.as<T>() + i * line;
      if (outside) {
        std::fill_n(to, line, fill);
      } else {
        pad_row(x.as<T>() + from, to, maps.axes[static_cast<size_t>(last)], maps.run, fill);
      }
    }
  });
}

void run(RunContext& c) {
  if (unpacked(c, run)) return;
  const View y = c.output(0);
  if (y.count() == 0) return;
  if (y.rank() == 0) return ir::copy_elements(c.input(0), y);
  const std::string& mode = c.attrs<PadAttrs>().mode;
  const Maps maps = make_maps(c, mode);
  for_width(y.dtype, [&]<class T>() { pad<T>(c, maps, c.has_input(2) ? *c.input(2).as<T>() : T()); });
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
