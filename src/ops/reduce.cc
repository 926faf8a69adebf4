// Sums, norms and extrema over axes.
#include "kernels/reduce.h"

#include <algorithm>
#include <cstring>

#include "kernels/unary.h"
#include "ops/dispatch.h"
#include "ops/elementwise.h"

namespace sdx::ops {
namespace {

using kernels::ReduceOp;

struct ReduceAttrs {
  bool keepdims = true;
  bool noop = false;
  bool operator==(const ReduceAttrs&) const = default;
  static constexpr auto fields() {
    return std::tuple{field("keepdims", &ReduceAttrs::keepdims), field("noop_with_empty_axes", &ReduceAttrs::noop)};
  }
};

/// Which axes are reduced.
using Mask = std::array<bool, kMaxRank>;

/// `axes` empty: all of them, or none where `noop`.
Mask mask_of(std::span<const int64_t> axes, int rank, bool noop) {
  Mask out{};
  if (axes.empty() && !noop) std::fill_n(out.begin(), rank, true);
  for (int64_t axis : axes) out[static_cast<size_t>(axis < 0 ? axis + rank : axis)] = true;
  return out;
}

/// Below opset 18 (13 for ReduceSum) the axes are an attribute.
template <int kSince>
void upgrade(Call& c) {
  if (c.version < kSince) c.ints_to_input("axes", 1);
}

Shape reduced_shape(const Shape& x, const Mask& mask, bool keepdims) {
  std::vector<Dim> out;
  for (int i = 0; i < x.rank(); ++i) {
    if (!mask[static_cast<size_t>(i)])
      out.push_back(x[i]);
    else if (keepdims)
      out.emplace_back(1);
  }
  return out;
}

/// The shape where only a run knows the axes.
Shape unknown_axes(InferContext& c, bool keepdims) {
  const Shape &x = c.input(0).shape, &axes = c.input(1).shape;
  if (!x.has_rank()) return Shape();
  if (keepdims) return c.fresh_shape(x.rank());
  const bool counted = axes.has_rank() && axes.rank() == 1 && axes[0].known() && axes[0].value() > 0;
  if (!counted || axes[0].value() > x.rank()) return Shape();
  return c.fresh_shape(x.rank() - static_cast<int>(axes[0].value()));
}

/// The elements of the result where those of the input are known.
std::optional<std::vector<Dim>> reduced_values(InferContext& c, const Mask& mask, const Shape& out, DimFunction f) {
  const auto values = c.values(0);
  const auto from = c.input(0).shape.extents();
  const auto to = out.extents();
  if (!f || !values || !from || !to || values->empty()) return std::nullopt;
  Extents kept = *from;
  for (int i = 0; i < kept.rank(); ++i) kept[i] = mask[static_cast<size_t>(i)] ? 1 : kept[i];
  std::vector<std::optional<Dim>> sums(static_cast<size_t>(to->count()));
  for (size_t i = 0; i < values->size(); ++i) {
    auto& sum = sums[static_cast<size_t>(broadcast_index(kept, *from, static_cast<int64_t>(i)))];
    sum = sum ? f(*sum, (*values)[i]) : (*values)[i];
  }
  std::vector<Dim> result;
  for (const auto& sum : sums) result.push_back(*sum);
  return result;
}

void infer_reduced(InferContext& c, DimFunction f) {
  const auto& a = c.attrs<ReduceAttrs>();
  const Fact& x = c.input(0);
  const auto axes = c.has(1) ? c.ints(1) : std::optional(std::vector<int64_t>{});
  if (c.has(1)) {
    c.require_dtype(1, {DType::kI64});
    c.require_rank(1, 1, 1);
  }
  if (axes && axes->empty() && a.noop) return c.set(0, Fact::tensor(x.dtype, x.shape));
  if (!axes || !x.shape.has_rank()) {
    if (axes && !a.keepdims && axes->empty()) return c.set(0, x.dtype, Shape(std::vector<Dim>{}));
    return c.set(0, x.dtype, axes ? Shape() : unknown_axes(c, a.keepdims));
  }
  for (int64_t axis : *axes) c.axis(axis, x.rank(), "axes");
  const Mask mask = mask_of(*axes, x.rank(), a.noop);
  Shape shape = reduced_shape(x.shape, mask, a.keepdims);
  if (auto values = reduced_values(c, mask, shape, f)) {
    return c.set(0, Fact::known(x.dtype, std::move(shape), std::move(*values)));
  }
  c.set(0, x.dtype, std::move(shape));
}

std::optional<Dim> add(const Dim& a, const Dim& b) { return a + b; }
std::optional<Dim> multiply(const Dim& a, const Dim& b) { return a * b; }
std::optional<Dim> smaller(const Dim& a, const Dim& b) { return min(a, b); }
std::optional<Dim> larger(const Dim& a, const Dim& b) { return max(a, b); }

template <DimFunction kElement, bool kBool>
void infer(InferContext& c) {
  if (!kBool || c.input(0).dtype != DType::kBool) c.require_dtype(0, kNumbers);
  infer_reduced(c, kElement);
}

/// Neighbouring axes that are reduced, or kept, together.
struct Group {
  int64_t size;
  bool reduced;
};

std::vector<Group> groups_of(const Extents& x, const Mask& mask) {
  std::vector<Group> out;
  for (int i = 0; i < x.rank(); ++i) {
    const bool reduced = mask[static_cast<size_t>(i)];
    if (x[i] == 1) continue;
    if (!out.empty() && out.back().reduced == reduced)
      out.back().size *= x[i];
    else
      out.push_back({x[i], reduced});
  }
  return out;
}

/// How a reduction over separate groups of axes is made of reductions over one: the first over the innermost group, the
/// next over the others, and a function at the end.
struct Stages {
  ReduceOp first, next;
  std::optional<kernels::UnaryOp> last;
};

Stages stages_of(ReduceOp op) {
  switch (op) {
    case ReduceOp::kL1: return {op, ReduceOp::kSum, {}};
    case ReduceOp::kL2: return {ReduceOp::kSumSquare, ReduceOp::kSum, kernels::UnaryOp::kSqrt};
    case ReduceOp::kSumSquare: return {op, ReduceOp::kSum, {}};
    case ReduceOp::kLogSum: return {ReduceOp::kSum, ReduceOp::kSum, kernels::UnaryOp::kLog};
    default: return {op, op, {}};
  }
}

bool keeps_single(ReduceOp op) {
  return op != ReduceOp::kL1 && op != ReduceOp::kL2 && op != ReduceOp::kSumSquare && op != ReduceOp::kLogSum;
}

template <class T>
void reduce_group(RunContext& c, ReduceOp op, const T* x, T* y, const std::vector<Group>& groups, size_t at) {
  int64_t outer = 1, inner = 1;
  for (size_t i = 0; i < at; ++i) outer *= groups[i].size;
  for (size_t i = at + 1; i < groups.size(); ++i) inner *= groups[i].size;
  const kernels::ReduceShape shape{groups[at].size, inner};
  c.parallel().run(outer * inner, grain_for(shape.reduce),
                   [&](int64_t begin, int64_t end, int) { kernels::reduce(op, x, y, shape, begin, end); });
}

template <class T>
void reduce_groups(RunContext& c, ReduceOp op, const T* x, T* y, std::vector<Group> groups) {
  int64_t count = 1;
  for (const Group& g : groups) count *= g.size;
  auto left = std::ranges::count_if(groups, &Group::reduced);
  if (left == 0 && keeps_single(op)) {
    std::memcpy(y, x, static_cast<size_t>(count) * sizeof(T));
    return;
  }
  if (left == 0) groups.push_back({1, true});
  const Stages stages = left > 1 ? stages_of(op) : Stages{op, op, {}};
  for (bool first = true; left >= 0; first = false) {
    const auto at = static_cast<size_t>(std::ranges::find_if(groups.rbegin(), groups.rend(), &Group::reduced).base() -
                                        groups.begin()) -
                    1;
    int64_t result = 1;
    for (size_t i = 0; i < groups.size(); ++i) result *= i == at ? 1 : groups[i].size;
    T* const to = left <= 1 ? y : c.scratch<T>(result);
    reduce_group(c, first ? stages.first : stages.next, x, to, groups, at);
    groups.erase(groups.begin() + static_cast<std::ptrdiff_t>(at));
    x = to;
    if (--left <= 0) break;
  }
  if (stages.last) kernels::unary(*stages.last, {}, y, y, c.output(0).count());
}

/// Integers whose result is not a chain of integer reductions go through double.
void reduce_as_double(RunContext& c, ReduceOp op, const std::vector<Group>& groups) {
  const ConstView x = c.input(0);
  const View& y = c.output(0);
  auto* wide = c.scratch<double>(x.count());
  auto* result = c.scratch<double>(y.count());
  with_integer(x.dtype, [&](auto* tag) {
    using T = Pointee<decltype(tag)>;
    std::copy_n(x.as<T>(), x.count(), wide);
    reduce_groups(c, op, wide, result, groups);
    std::transform(result, result + y.count(), y.as<T>(), [](double v) { return static_cast<T>(v); });
  });
}

/// From this many elements on, a tensor that reduces to one element is reduced in equal parts first.
constexpr int64_t kSplit = 1 << 16;

/// Makes the parts two groups, so that threads share the first step.
void split_single(std::vector<Group>& groups) {
  if (groups.size() != 1 || !groups[0].reduced || groups[0].size < kSplit) return;
  const int64_t size = groups[0].size;
  for (int64_t parts = 64; parts >= 4; --parts) {
    if (size % parts != 0) continue;
    groups = {{parts, true}, {size / parts, true}};
    return;
  }
}

void run_op(RunContext& c, ReduceOp op) {
  const ConstView x = c.input(0);
  const View& y = c.output(0);
  if (y.count() == 0) return;
  std::span<const int64_t> axes;
  if (c.has_input(1)) axes = {c.input(1).as<int64_t>(), static_cast<size_t>(c.input(1).count())};
  auto groups = groups_of(x.extents, mask_of(axes, x.rank(), c.attrs<ReduceAttrs>().noop));
  const bool separate = std::ranges::count_if(groups, &Group::reduced) > 1;
  if (x.dtype == DType::kBool) {
    reduce_groups(c, op, x.as<uint8_t>(), y.as<uint8_t>(), groups);
    for (int64_t i = 0; i < y.count(); ++i) y.as<uint8_t>()[i] &= 1;  // over no elements the minimum is 255
    return;
  }
  const bool rooted =
      op == ReduceOp::kMean || op == ReduceOp::kL2 || op == ReduceOp::kLogSum || op == ReduceOp::kLogSumExp;
  if (separate && rooted && is_integer(x.dtype)) return reduce_as_double(c, op, groups);
  if (!rooted || !is_integer(x.dtype)) split_single(groups);
  with_number(x.dtype, [&](auto* tag) {
    using T = Pointee<decltype(tag)>;
    reduce_groups(c, op, x.as<T>(), y.as<T>(), groups);
  });
}

/// What may be reduced in several steps is widened from a narrow type first, so that it rounds once.
template <ReduceOp kOp>
void run(RunContext& c) {
  const bool stepped = c.input(0).rank() > 2 || c.input(0).count() >= kSplit;
  if (stepped && widened(c, run<kOp>)) return;
  run_op(c, kOp);
}

template <ReduceOp kOp, int kSince = 18>
constexpr Op reduction(std::string_view name, void (*infer)(InferContext&)) {
  return {.domain = "",
          .name = name,
          .inputs = {1, 2},
          .outputs = {1, 1},
          .parse = Attrs::parse<ReduceAttrs>,
          .infer = infer,
          .run = run<kOp>,
          .accuracy = Accuracy::kAccumulated,
          .upgrade = upgrade<kSince>};
}

const Op kFamily[] = {
    reduction<ReduceOp::kSum, 13>("ReduceSum", infer<add, false>),
    reduction<ReduceOp::kMean>("ReduceMean", infer<nullptr, false>),
    reduction<ReduceOp::kMax>("ReduceMax", infer<larger, true>),
    reduction<ReduceOp::kMin>("ReduceMin", infer<smaller, true>),
    reduction<ReduceOp::kProd>("ReduceProd", infer<multiply, false>),
    reduction<ReduceOp::kL1>("ReduceL1", infer<nullptr, false>),
    reduction<ReduceOp::kL2>("ReduceL2", infer<nullptr, false>),
    reduction<ReduceOp::kSumSquare>("ReduceSumSquare", infer<nullptr, false>),
    reduction<ReduceOp::kLogSum>("ReduceLogSum", infer<nullptr, false>),
    reduction<ReduceOp::kLogSumExp>("ReduceLogSumExp", infer<nullptr, false>),
};

}  // namespace

std::span<const Op> reduce_family() { return kFamily; }

}  // namespace sdx::ops
