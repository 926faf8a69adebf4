// Reading and checking indices.
#include "ops/indices.h"

namespace sdx::ops {
namespace {

/// The index made non-negative.
int64_t wrapped(int64_t index, int64_t n) {
  const int64_t out = index < 0 ? index + n : index;
  if (out < 0 || out >= n) {
    fail(ErrorKind::kInvalidInput, "the index ", index, " is outside an axis of size ", n, "; it must be in [", -n,
         ", ", n, ")");
  }
  return out;
}

template <class T>
void wrap_tuples(const T* from, int64_t* to, int64_t count, const Extents& axes) {
  for (int64_t i = 0; i < count; ++i) {
    to[i] = 0;
    for (int64_t n : axes) to[i] = to[i] * n + wrapped(*from++, n);
  }
}

}  // namespace

void require_ints(const InferContext& c, int i) {
  require_indices(c, i);
  c.require_rank(i, 0, 1);
}

void infer_in_run(InferContext& c) {
  const Dim open = c.symbols().fresh();  // a constraint that no binding decides
  c.constraints().push_back({ir::Constraint::Kind::kEqual, open, c.symbols().fresh(), "sizes that a run knows"});
}

const int64_t* read_tuples(const RunContext& c, const ConstView& indices, int64_t count, const Extents& axes) {
  int64_t* out = c.scratch<int64_t>(count);
  if (indices.dtype == DType::kI64) {
    wrap_tuples(indices.as<int64_t>(), out, count, axes);
  } else {
    wrap_tuples(indices.as<int32_t>(), out, count, axes);
  }
  return out;
}

const int64_t* read_indices(const RunContext& c, const ConstView& indices, int64_t n) {
  return read_tuples(c, indices, indices.count(), {n});
}

void require_inside(InferContext& c, const Shape& inner, const Shape& outer, int axis, std::string_view name) {
  if (inner.rank() != outer.rank()) {
    c.invalid(name, " have ", inner.rank(), " dimensions but the data ", outer.rank(), "; they must have equally many");
  }
  for (int d = 0; d < inner.rank(); ++d) {
    if (d != axis)
      c.require_at_most(inner[d], outer[d], cat("the size of axis ", d, " of the ", name, " and of the data"));
  }
}

Reduction reduction_of(std::string_view name) {
  if (name == "none") return Reduction::kNone;
  if (name == "add") return Reduction::kAdd;
  if (name == "mul") return Reduction::kMul;
  if (name == "min") return Reduction::kMin;
  if (name == "max") return Reduction::kMax;
  fail(ErrorKind::kInvalidModel, "attribute 'reduction' is '", name, "' but must be none, add, mul, min or max");
}

void require_reducible(const InferContext& c, Reduction reduction) {
  const DType dtype = c.input(0).dtype;
  if (reduction == Reduction::kNone || dtype == DType::kBool) return;
  if (std::ranges::find(kNumbers, dtype) == kNumbers.end()) {
    c.unsupported("reducing scattered elements of ", dtype_name(dtype));
  }
}

}  // namespace sdx::ops
