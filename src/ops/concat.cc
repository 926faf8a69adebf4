// Concat and Split: tensors joined and cut along one axis.
#include "ops/indices.h"

namespace sdx::ops {
namespace {

struct ConcatAttrs {
  int64_t axis = 0;
  bool operator==(const ConcatAttrs&) const = default;
  static constexpr auto fields() { return std::tuple{required("axis", &ConcatAttrs::axis)}; }
};

struct SplitAttrs {
  int64_t axis = 0;
  std::optional<int64_t> num_outputs;
  bool operator==(const SplitAttrs&) const = default;
  static constexpr auto fields() {
    return std::tuple{field("axis", &SplitAttrs::axis), field("num_outputs", &SplitAttrs::num_outputs)};
  }
};

void upgrade_concat(Call& c) {
  if (c.version < 4) c.default_attr("axis", int64_t{1});
}

/// One tensor's share of the whole along the axis, for each index of the axes before it.
struct Part {
  int64_t line;   ///< elements of the part
  int64_t first;  ///< where the part starts in the whole
};

/// All tensors together: `count` elements in lines of `line`.
struct Whole {
  DType dtype;
  int64_t count, line;
  std::span<const Part> parts;

  /// Elements of a part among the first n.
  int64_t of_part(const Part& p, int64_t n) const {
    return n / line * p.line + std::clamp<int64_t>(n % line - p.first, 0, p.line);
  }
  Box part_box(const Part& p) const { return {{count / line, p.line}, {p.line, 1}, {line, 1}}; }
};

/// Calls copy(i, begin, end) for elements [begin, end) of part i until all parts are covered.
template <class Copy>
void for_parts(const RunContext& c, const Whole& whole, const Copy& copy) {
  // Copying a string may throw, which a thread must not.
  const Parallel& threads = whole.dtype == DType::kString ? Parallel() : c.parallel();
  threads.run(whole.count, kCopyGrain, [&](int64_t begin, int64_t end, int) {
    for (size_t i = 0; i < whole.parts.size(); ++i) {
      const int64_t from = whole.of_part(whole.parts[i], begin), to = whole.of_part(whole.parts[i], end);
      if (from < to) copy(static_cast<int>(i), from, to);
    }
  });
}

void run_concat(RunContext& c) {
  if (unpacked(c, run_concat)) return;
  const View y = c.output(0);
  const int64_t wanted = c.attrs<ConcatAttrs>().axis;
  const int axis = static_cast<int>(wanted < 0 ? wanted + y.rank() : wanted);
  const int64_t inner = y.extents.product(axis + 1, y.rank());
  const std::span parts(c.scratch<Part>(c.input_count()), static_cast<size_t>(c.input_count()));
  int64_t first = 0;
  for (int i = 0; i < c.input_count(); ++i) {
    const int64_t line = c.input(i).extents[axis] * inner;
    parts[static_cast<size_t>(i)] = {line, first};
    first += line;
  }
  const Whole whole{y.dtype, y.count(), first, parts};
  for_parts(c, whole, [&](int i, int64_t begin, int64_t end) {
    const Part& part = parts[static_cast<size_t>(i)];
    copy_box(y.dtype, c.input(i).data, y.data + part.first * element_bytes(y.dtype), whole.part_box(part), begin, end);
  });
}

/// The rank that all inputs with a known rank share; -1 where none has one.
int common_rank(InferContext& c) {
  int rank = -1;
  for (int i = 0; i < c.input_count(); ++i) {
    const Shape& shape = c.input(i).shape;
    c.require_same_dtype(0, i);
    if (!shape.has_rank()) continue;
    if (rank >= 0 && shape.rank() != rank) {
      c.invalid("inputs have ", rank, " and ", shape.rank(), " dimensions but must have equally many");
    }
    rank = shape.rank();
  }
  return rank;
}

void infer_concat(InferContext& c) {
  const DType dtype = c.input(0).dtype;
  const int rank = common_rank(c);
  if (rank < 0) return c.set(0, dtype, Shape());
  const int axis = c.axis(c.attrs<ConcatAttrs>().axis, rank);
  std::vector<Dim> out;
  bool complete = true;
  for (int i = 0; i < c.input_count(); ++i) {
    const Shape& shape = c.input(i).shape;
    complete &= shape.has_rank();
    if (!shape.has_rank()) continue;
    if (out.empty()) {
      out = shape.dims();
      continue;
    }
    for (int d = 0; d < rank; ++d) {
      Dim& size = out[static_cast<size_t>(d)];
      if (d == axis) {
        size = size + shape[d];
      } else {
        c.require_equal(size, shape[d], cat("the sizes of axis ", d, " of the inputs"));
        if (shape[d].known()) size = shape[d];
      }
    }
  }
  if (!complete) out[static_cast<size_t>(axis)] = c.symbols().fresh();
  c.set(0, dtype, std::move(out));
  move_values(c, ~0u, run_concat);
}

void upgrade_split(Call& c) {
  if (c.version < 13) c.ints_to_input("split", 1);
}

void run_split(RunContext& c) {
  if (unpacked(c, run_split)) return;
  const ConstView x = c.input(0);
  const int64_t wanted = c.attrs<SplitAttrs>().axis;
  const int axis = static_cast<int>(wanted < 0 ? wanted + x.rank() : wanted);
  const int64_t n = x.extents[axis], inner = x.extents.product(axis + 1, x.rank());
  const auto sizes = read_ints(c, 1);
  const std::span parts(c.scratch<Part>(c.output_count()), static_cast<size_t>(c.output_count()));
  const int64_t chunk = (n + c.output_count() - 1) / c.output_count();
  int64_t first = 0;
  for (int i = 0; i < c.output_count(); ++i) {
    const auto at = static_cast<size_t>(i);
    const int64_t size = sizes.empty() ? std::clamp<int64_t>(n - first, 0, chunk) : sizes[at];
    parts[at] = {c.wants(i) ? size * inner : 0, first * inner};
    first += size;
  }
  const Whole whole{x.dtype, x.count(), n * inner, parts};
  for_parts(c, whole, [&](int i, int64_t begin, int64_t end) {
    const Part& part = parts[static_cast<size_t>(i)];
    Box box = whole.part_box(part);
    std::swap(box.from, box.to);
    copy_box(x.dtype, x.data + part.first * element_bytes(x.dtype), c.output(i).data, box, begin, end);
  });
}

/// Sizes of the outputs along the axis of size `n`; nothing where they are not known yet.
std::optional<std::vector<Dim>> split_sizes(InferContext& c, const Dim& n) {
  const int64_t parts = c.output_count();
  std::vector<Dim> sizes;
  if (c.has(1)) {
    auto given = c.values(1);
    if (!given) return std::nullopt;
    if (static_cast<int64_t>(given->size()) != parts) {
      c.invalid("there are ", given->size(), " sizes for ", parts, " outputs");
    }
    Dim total = 0;
    for (const Dim& d : *given) {
      if (d.known() && d.value() < 0) c.invalid("a split has the size ", d.value(), "; sizes must be >= 0");
      total = total + d;
    }
    c.require_equal(total, n, "the sum of the splits and the size of the axis");
    return given;
  }
  auto num_outputs = c.attrs<SplitAttrs>().num_outputs;
  if (num_outputs && *num_outputs != parts) {
    c.invalid("attribute 'num_outputs' is ", *num_outputs, " but the node has ", parts, " outputs");
  }
  if (num_outputs && n.known()) {
    const int64_t chunk = (n.value() + parts - 1) / parts;
    for (int64_t i = 0; i < parts; ++i) sizes.emplace_back(std::clamp<int64_t>(n.value() - i * chunk, 0, chunk));
    return sizes;
  }
  const Dim chunk = num_outputs ? ceil_div(n, parts) : exact_div(n, parts);
  const Dim before = chunk * Dim(parts - 1);
  if (num_outputs) {
    c.require_at_most(before, n, "the sizes of all outputs but the last, and the axis");
  } else {
    c.require_equal(chunk * Dim(parts), n, "the equal parts together and the axis");
  }
  sizes.assign(static_cast<size_t>(parts), chunk);
  sizes.back() = n - before;
  return sizes;
}

void infer_split(InferContext& c) {
  const Fact& x = c.input(0);
  if (c.has(1)) require_ints(c, 1);
  if (!x.shape.has_rank()) {
    for (int i = 0; i < c.output_count(); ++i) c.set(i, x.dtype, Shape());
    return;
  }
  const int axis = c.axis(c.attrs<SplitAttrs>().axis, x.rank());
  auto sizes = split_sizes(c, x.shape[axis]);
  for (int i = 0; i < c.output_count(); ++i) {
    std::vector<Dim> dims = x.shape.dims();
    dims[static_cast<size_t>(axis)] = sizes ? (*sizes)[static_cast<size_t>(i)] : c.symbols().fresh();
    c.set(i, x.dtype, Shape(std::move(dims)));
  }
  move_values(c, 1, run_split);
}

const Op kFamily[] = {
    {.domain = "",
     .name = "Concat",
     .inputs = {1, ir::kVariadic},
     .outputs = {1, 1},
     .parse = Attrs::parse<ConcatAttrs>,
     .infer = infer_concat,
     .run = run_concat,
     .upgrade = upgrade_concat},
    {.domain = "",
     .name = "Split",
     .inputs = {1, 2},
     .outputs = {1, ir::kVariadic},
     .parse = Attrs::parse<SplitAttrs>,
     .infer = infer_split,
     .run = run_split,
     .upgrade = upgrade_split},
};

}  // namespace

std::span<const Op> concat_family() { return kFamily; }

}  // namespace sdx::ops
