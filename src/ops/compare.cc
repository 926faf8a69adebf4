// Comparisons and logic of two broadcast operands.
#include <string>

#include "kernels/binary.h"
#include "ops/dispatch.h"
#include "ops/elementwise.h"
#include "ops/spread.h"

namespace sdx::ops {
namespace {

using kernels::CompareOp;

std::optional<Dim> truth(std::optional<bool> b) { return b ? std::optional(Dim(*b ? 1 : 0)) : std::nullopt; }
std::optional<bool> negated(std::optional<bool> b) { return b ? std::optional(!*b) : std::nullopt; }

std::optional<Dim> is_equal(const Dim& a, const Dim& b) { return truth(equal(a, b)); }
std::optional<Dim> is_less(const Dim& a, const Dim& b) { return truth(less(a, b)); }
std::optional<Dim> is_greater(const Dim& a, const Dim& b) { return truth(less(b, a)); }
std::optional<Dim> is_at_most(const Dim& a, const Dim& b) { return truth(negated(less(b, a))); }
std::optional<Dim> is_at_least(const Dim& a, const Dim& b) { return truth(negated(less(a, b))); }
std::optional<Dim> logical_and(const Dim& a, const Dim& b) { return a * b; }
std::optional<Dim> logical_or(const Dim& a, const Dim& b) { return max(a, b); }
std::optional<Dim> logical_xor(const Dim& a, const Dim& b) { return truth(negated(equal(a, b))); }

template <DimFunction kElement>
void infer_numbers(InferContext& c) {
  c.require_dtype(0, kNumbers);
  c.require_same_dtype(0, 1);
  c.set(0, broadcast_fact(c, 0, 1, DType::kBool, kElement));
}

void infer_equal(InferContext& c) {
  const DType type = c.input(0).dtype;
  if (type != DType::kBool && type != DType::kString) return infer_numbers<is_equal>(c);
  c.require_same_dtype(0, 1);
  c.set(0, broadcast_fact(c, 0, 1, DType::kBool, is_equal));
}

template <DimFunction kElement>
void infer_logic(InferContext& c) {
  c.require_dtype(0, {DType::kBool});
  c.require_dtype(1, {DType::kBool});
  c.set(0, broadcast_fact(c, 0, 1, DType::kBool, kElement));
}

template <class T>
void run_typed(RunContext& c, CompareOp op) {
  const auto loop = broadcast_loop<2>(c, {0, 1});
  const ConstView a = c.input(0), b = c.input(1);
  const View& y = c.output(0);
  c.parallel().run(y.count(), grain_for(1), [&](int64_t begin, int64_t end, int) {
    if (!has_short_runs(loop)) return kernels::compare(op, loop, a.as<T>(), b.as<T>(), y.as<bool>(), begin, end);
    for_spread_blocks(loop, a.as<T>(), b.as<T>(), begin, end, [&](const T* left, const T* right, int64_t i, int64_t n) {
      kernels::compare(op, left, 1, right, 1, y.as<bool>() + i, n);
    });
  });
}

template <CompareOp kOp>
void run(RunContext& c) {
  with_number(c.input(0).dtype, [&](auto* tag) { run_typed<Pointee<decltype(tag)>>(c, kOp); });
}

template <CompareOp kOp>
void run_logic(RunContext& c) {
  run_typed<bool>(c, kOp);
}

void run_equal(RunContext& c) {
  const ConstView a = c.input(0), b = c.input(1);
  if (a.dtype == DType::kBool) return run_logic<CompareOp::kEqual>(c);
  if (a.dtype != DType::kString) return run<CompareOp::kEqual>(c);
  const View& y = c.output(0);
  for (int64_t i = 0; i < y.count(); ++i) {
    y.as<bool>()[i] = a.as<std::string>()[broadcast_index(a.extents, y.extents, i)] ==
                      b.as<std::string>()[broadcast_index(b.extents, y.extents, i)];
  }
}

constexpr Op comparison(std::string_view name, void (*infer)(InferContext&), void (*run)(RunContext&), Traits traits,
                        int since = 1) {
  return {.domain = "",
          .name = name,
          .inputs = {2, 2},
          .outputs = {1, 1},
          .parse = Attrs::parse<NoAttrs>,
          .infer = infer,
          .run = run,
          .traits = traits,
          .since = since,
          .upgrade = upgrade_binary};
}

constexpr Traits kOrdered = {.elementwise = true};
constexpr Traits kSymmetric = {.commutative = true, .elementwise = true};
constexpr Traits kLogic = {.commutative = true, .associative = true, .elementwise = true, .in_place = 0b11};

const Op kFamily[] = {
    comparison("Equal", infer_equal, run_equal, kSymmetric),
    comparison("Less", infer_numbers<is_less>, run<CompareOp::kLess>, kOrdered),
    comparison("Greater", infer_numbers<is_greater>, run<CompareOp::kGreater>, kOrdered),
    comparison("LessOrEqual", infer_numbers<is_at_most>, run<CompareOp::kLessOrEqual>, kOrdered, 12),
    comparison("GreaterOrEqual", infer_numbers<is_at_least>, run<CompareOp::kGreaterOrEqual>, kOrdered, 12),
    comparison("And", infer_logic<logical_and>, run_logic<CompareOp::kAnd>, kLogic),
    comparison("Or", infer_logic<logical_or>, run_logic<CompareOp::kOr>, kLogic),
    comparison("Xor", infer_logic<logical_xor>, run_logic<CompareOp::kXor>, kLogic),
};

}  // namespace

std::span<const Op> compare_family() { return kFamily; }

}  // namespace sdx::ops
