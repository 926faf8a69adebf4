// Range: an arithmetic progression.
#include <cmath>
#include <limits>

#include "ops/family.h"

namespace sdx::ops {
namespace {

constexpr std::array kTypes = {DType::kF32, DType::kF64, DType::kF16, DType::kBF16,
                               DType::kI16, DType::kI32, DType::kI64};

/// A constant scalar as a number; nothing where it is not constant. An absent one is 1 (the step).
std::optional<double> number(const InferContext& c, int i) {
  if (!c.has(i)) return 1;
  if (c.input(i).is_constant() && c.input(i).dtype == DType::kI16 && c.input(i).constant.extents().count() == 1) {
    return *c.input(i).constant.as<int16_t>();
  }
  return c.scalar(i);
}

/// The number of elements of integers known as expressions.
std::optional<Dim> size_of(InferContext& c) {
  const auto start = c.values(0), limit = c.values(1);
  const auto step = c.has(2) ? c.ints(2) : std::vector<int64_t>{1};
  if (!start || !limit || !step || start->size() != 1 || limit->size() != 1 || step->size() != 1) return std::nullopt;
  if (step->front() == 0) c.invalid("the step is 0; it must be positive or negative");
  const Dim distance = step->front() > 0 ? limit->front() - start->front() : start->front() - limit->front();
  const int64_t least = std::numeric_limits<int64_t>::min() + 1;  // the number below it has no absolute value
  return max(ceil_div(distance, std::abs(std::max(step->front(), least))), 0);
}

/// The number of elements of constants.
std::optional<Dim> count_of(const InferContext& c) {
  const auto start = number(c, 0), limit = number(c, 1), step = number(c, 2);
  if (!start || !limit || !step) return std::nullopt;
  const double count = std::max(std::ceil((*limit - *start) / *step), 0.0);
  if (!(count <= static_cast<double>(kMaxElements))) {
    c.invalid("a range from ", *start, " to ", *limit, " in steps of ", *step, " has no length");
  }
  return Dim(static_cast<int64_t>(count));
}

void infer(InferContext& c) {
  c.require_dtype(0, kTypes);
  for (int i = 0; i < c.input_count(); ++i) {
    if (!c.has(i)) continue;
    c.require_same_dtype(0, i);
    c.require_rank(i, 0, 1);
    if (c.input(i).shape.has_rank()) c.require_equal(c.input(i).shape.count(), 1, "the elements of a scalar, and 1,");
  }
  auto size = size_of(c);
  if (!size) size = count_of(c);
  Fact out = Fact::tensor(c.input(0).dtype, {size ? *size : c.symbols().fresh()});
  const auto start = c.values(0);
  if (start && size && size->known() && size->value() <= ir::kMaxKnownValues) {
    const int64_t step = c.has(2) ? c.ints(2)->front() : 1;
    std::vector<Dim> values;
    for (int64_t i = 0; i < size->value(); ++i) values.push_back(start->front() + Dim(i * step));
    out = Fact::known(out.dtype, out.shape, std::move(values));
  }
  c.set(0, std::move(out));
}

template <class T>
void fill(RunContext& c) {
  // Integers wrap without being undefined; floats are start + i * step in double, so that errors do not add up.
  using Wide = std::conditional_t<std::is_integral_v<T>, uint64_t, double>;
  const auto start = static_cast<Wide>(*c.input(0).as<T>());
  const auto step = c.has_input(2) ? static_cast<Wide>(*c.input(2).as<T>()) : Wide{1};
  T* y = c.output(0).as<T>();
  c.parallel().run(c.output(0).count(), grain_for(1), [&](int64_t begin, int64_t end, int) {
    for (int64_t i = begin; i < end; ++i) y[i] = static_cast<T>(start + static_cast<Wide>(i) * step);
  });
}

void run(RunContext& c) {
  if (widened(c, run)) return;
  switch (c.input(0).dtype) {
    case DType::kF32: return fill<float>(c);
    case DType::kF64: return fill<double>(c);
    case DType::kI16: return fill<int16_t>(c);
    case DType::kI32: return fill<int32_t>(c);
    default: return fill<int64_t>(c);
  }
}

constexpr Traits kTraits = {.shape_only = 0b10};

const Op kFamily[] = {
    {.domain = "",
     .name = "Range",
     .inputs = {3, 3},
     .outputs = {1, 1},
     .parse = Attrs::parse<NoAttrs>,
     .infer = infer,
     .run = run,
     .traits = kTraits,
     .accuracy = Accuracy::kRounded,
     .since = 11},
    {.domain = "com.microsoft",
     .name = "Range",
     .inputs = {2, 3},
     .outputs = {1, 1},
     .parse = Attrs::parse<NoAttrs>,
     .infer = infer,
     .run = run,
     .traits = kTraits,
     .accuracy = Accuracy::kRounded},
};

}  // namespace

std::span<const Op> range_family() { return kFamily; }

}  // namespace sdx::ops
