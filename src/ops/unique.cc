// Unique: the distinct elements, or slices along an axis, with where they come from.
#include <numeric>

#include "base/half.h"
#include "ops/indices.h"
#include "tensor/memory_budget.h"

namespace sdx::ops {
namespace {

struct UniqueAttrs {
  std::optional<int64_t> axis;
  bool sorted = true;
  bool operator==(const UniqueAttrs&) const = default;
  static constexpr auto fields() {
    return std::tuple{field("axis", &UniqueAttrs::axis), field("sorted", &UniqueAttrs::sorted)};
  }
};

/// The slices that are compared: `count` of them, each of outer * inner elements.
struct Slices {
  int64_t outer, count, inner;
};

Slices slices_of(const ConstView& x, const std::optional<int64_t>& wanted) {
  if (!wanted) return {1, x.count(), 1};
  const int axis = static_cast<int>(*wanted < 0 ? *wanted + x.rank() : *wanted);
  return {x.extents.product(0, axis), x.extents[axis], x.extents.product(axis + 1, x.rank())};
}

/// -1, 0 or 1; NaN is the largest number and equal to itself.
template <class T>
int compare(const T& a, const T& b) {
  if constexpr (std::is_floating_point_v<T>) {
    const bool a_nan = a != a, b_nan = b != b;
    if (a_nan || b_nan) return a_nan - b_nan;
  }
  return (b < a) - (a < b);
}
int compare(const Half& a, const Half& b) { return compare(to_float(a), to_float(b)); }
int compare(const BFloat16& a, const BFloat16& b) { return compare(to_float(a), to_float(b)); }

template <class T>
int compare_slices(const T* x, const Slices& s, int64_t i, int64_t j) {
  if (s.inner == 0) return 0;
  for (int64_t o = 0; o < s.outer; ++o) {
    for (int64_t k = 0; k < s.inner; ++k) {
      const int order = compare(x[(o * s.count + i) * s.inner + k], x[(o * s.count + j) * s.inner + k]);
      if (order != 0) return order;
    }
  }
  return 0;
}

/// As many as there are slices, which may be empty and so more than anybody has memory for.
using Ints = std::vector<int64_t, ChargedAllocator<int64_t>>;

/// The distinct slices in their final order.
struct Groups {
  Ints first;    ///< first occurrence of each
  Ints inverse;  ///< which one each slice is
  Ints counts;
};

template <class T>
Groups group(const T* x, const Slices& s, bool sorted) {
  Ints order(static_cast<size_t>(s.count));
  std::iota(order.begin(), order.end(), 0);
  std::ranges::stable_sort(order, [&](int64_t i, int64_t j) { return compare_slices(x, s, i, j) < 0; });
  Groups g;
  g.inverse.resize(order.size());
  for (size_t i = 0; i < order.size(); ++i) {
    if (i == 0 || compare_slices(x, s, order[i - 1], order[i]) != 0) {
      g.first.push_back(order[i]);
      g.counts.push_back(0);
    }
    g.inverse[static_cast<size_t>(order[i])] = static_cast<int64_t>(g.first.size()) - 1;
    ++g.counts.back();
  }
  if (sorted) return g;
  Ints by_first(g.first.size()), rank(g.first.size());
  std::iota(by_first.begin(), by_first.end(), 0);
  std::ranges::sort(by_first, {}, [&](int64_t i) { return g.first[static_cast<size_t>(i)]; });
  Groups out = g;
  for (size_t i = 0; i < by_first.size(); ++i) {
    const auto from = static_cast<size_t>(by_first[i]);
    rank[from] = static_cast<int64_t>(i);
    out.first[i] = g.first[from];
    out.counts[i] = g.counts[from];
  }
  for (int64_t& i : out.inverse) i = rank[static_cast<size_t>(i)];
  return out;
}

/// Calls body with the type that compares elements of `dtype`.
template <class Body>
void for_ordered(DType dtype, const Body& body) {
  if (dtype == DType::kString) return body.template operator()<std::string>();
  if (dtype == DType::kF16) return body.template operator()<Half>();
  if (dtype == DType::kBF16) return body.template operator()<BFloat16>();
  for_number(dtype, body);
}

void put(const RunContext& c, int i, const Ints& values) {
  if (!c.wants(i)) return;
  std::ranges::copy(values, c.allocate_output(i, DType::kI64, {static_cast<int64_t>(values.size())}).as<int64_t>());
}

Groups run_groups(RunContext& c, const std::optional<int64_t>& axis, bool sorted) {
  const ConstView x = c.input(0);
  const Slices s = slices_of(x, axis);
  Groups g;
  for_ordered(x.dtype, [&]<class T>() { g = group(x.as<T>(), s, sorted); });
  if (!c.wants(0)) return g;
  const auto count = static_cast<int64_t>(g.first.size());
  Extents extents = {count};
  if (axis) {
    extents = x.extents;
    extents[static_cast<int>(*axis < 0 ? *axis + x.rank() : *axis)] = count;
  }
  const View y = c.allocate_output(0, x.dtype, extents);
  for_width(x.dtype, [&]<class T>() {
    T* to = y.as<T>();
    for (int64_t o = 0; o < s.outer; ++o) {
      for (int64_t i : g.first) to = std::copy_n(x.as<T>() + (o * s.count + i) * s.inner, s.inner, to);
    }
  });
  return g;
}

void run(RunContext& c) {
  const auto& a = c.attrs<UniqueAttrs>();
  const Groups g = run_groups(c, a.axis, a.sorted);
  put(c, 1, g.first);
  put(c, 2, g.inverse);
  put(c, 3, g.counts);
}

void run_contrib(RunContext& c) {
  const Groups g = run_groups(c, std::nullopt, false);
  put(c, 1, g.inverse);
  put(c, 2, g.counts);
}

void require_ordered(const InferContext& c) {
  const DType dtype = c.input(0).dtype;
  if (dtype == DType::kBool || dtype == DType::kString) return;
  if (std::ranges::find(kNumbers, dtype) == kNumbers.end()) c.unsupported("Unique of ", dtype_name(dtype));
}

void infer(InferContext& c) {
  require_ordered(c);
  const Fact& x = c.input(0);
  const auto& wanted = c.attrs<UniqueAttrs>().axis;
  const Dim distinct = c.symbols().fresh();
  Shape shape = {distinct};
  Dim count = c.symbols().fresh();
  if (wanted) shape = x.shape;
  if (x.shape.has_rank() && wanted) {
    const int axis = c.axis(*wanted, x.rank());
    count = x.shape[axis];
    shape[axis] = distinct;
  } else if (x.shape.has_rank()) {
    count = x.shape.count();
  }
  c.set(0, x.dtype, std::move(shape));
  c.set(1, DType::kI64, {distinct});
  c.set(2, DType::kI64, {count});
  c.set(3, DType::kI64, {distinct});
}

void infer_contrib(InferContext& c) {
  require_ordered(c);
  c.require_rank(0, 1, 1);
  const Dim distinct = c.symbols().fresh();
  c.set(0, c.input(0).dtype, {distinct});
  c.set(1, DType::kI64, c.input(0).shape.has_rank() ? c.input(0).shape : c.fresh_shape(1));
  c.set(2, DType::kI64, {distinct});
}

const Op kFamily[] = {
    {.domain = "",
     .name = "Unique",
     .inputs = {1, 1},
     .outputs = {1, 4},
     .parse = Attrs::parse<UniqueAttrs>,
     .infer = infer,
     .run = run,
     .traits = {.data_dependent = true},
     .since = 11},
    {.domain = "com.microsoft",
     .name = "Unique",
     .inputs = {1, 1},
     .outputs = {3, 3},
     .parse = Attrs::parse<NoAttrs>,
     .infer = infer_contrib,
     .run = run_contrib,
     .traits = {.data_dependent = true}},
};

}  // namespace

std::span<const Op> unique_family() { return kFamily; }

}  // namespace sdx::ops
