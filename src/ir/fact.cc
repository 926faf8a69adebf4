// Fact: making and joining what is known of values.
#include "ir/fact.h"

#include <algorithm>

namespace sdx::ir {
namespace {

template <class T>
std::vector<Dim> dims_of(const Tensor& t) {
  std::vector<Dim> out;
  for (T v : t.values<T>()) out.emplace_back(static_cast<int64_t>(v));
  return out;
}

/// The tensor of those numbers.
Tensor constant_of(DType dtype, const Extents& extents, const std::vector<Dim>& values) {
  Tensor t(dtype, extents);
  for (size_t i = 0; i < values.size(); ++i) {
    if (dtype == DType::kI64) t.mutable_view().as<int64_t>()[i] = values[i].value();
    if (dtype == DType::kI32) t.mutable_view().as<int32_t>()[i] = static_cast<int32_t>(values[i].value());
    if (dtype == DType::kBool) t.mutable_view().as<uint8_t>()[i] = values[i].value() != 0;
  }
  return t;
}

}  // namespace

Fact Fact::of(Tensor constant) {
  Fact f = tensor(constant.dtype(), Shape(constant.extents()));
  if (constant.extents().count() <= kMaxKnownValues && is_aligned(constant.view())) {
    if (f.dtype == DType::kI64) f.values = dims_of<int64_t>(constant);
    if (f.dtype == DType::kI32) f.values = dims_of<int32_t>(constant);
    if (f.dtype == DType::kBool) f.values = dims_of<uint8_t>(constant);
  }
  f.constant = std::move(constant);
  return f;
}

Fact Fact::known(std::vector<Dim> values, bool scalar) {
  Shape shape = scalar ? Shape(std::vector<Dim>{}) : Shape({Dim(static_cast<int64_t>(values.size()))});
  return known(DType::kI64, std::move(shape), std::move(values));
}

Fact Fact::known(DType dtype, Shape shape, std::vector<Dim> values) {
  Fact f = tensor(dtype, std::move(shape));
  const bool tracked = dtype == DType::kI64 || dtype == DType::kI32 || dtype == DType::kBool;
  if (!tracked || static_cast<int64_t>(values.size()) > kMaxKnownValues) return f;
  if (std::ranges::all_of(values, &Dim::known)) f.constant = constant_of(dtype, *f.shape.extents(), values);
  f.values = std::move(values);
  return f;
}

std::string Fact::text() const {
  const std::string inner = std::string(dtype_name(dtype)) + shape.text();
  if (kind == Kind::kSequence) return "sequence(" + inner + ")";
  if (kind == Kind::kOptional)
    return optional_sequence ? "optional(sequence(" + inner + "))" : "optional(" + inner + ")";
  return inner;
}

Fact join(const Fact& a, const Fact& b, SymbolTable& symbols) {
  if (a.kind != b.kind || a.dtype != b.dtype) {
    fail(ErrorKind::kInvalidModel, "branches give ", a.text(), " and ", b.text(), "; both must have the same type");
  }
  Fact out = a;
  out.constant = {};
  out.values.reset();
  if (!a.shape.has_rank() || !b.shape.has_rank() || a.rank() != b.rank()) {
    out.shape = Shape();
    return out;
  }
  for (int i = 0; i < a.rank(); ++i) {
    if (!(a.shape[i] == b.shape[i])) out.shape[i] = symbols.fresh();
  }
  return out;
}

}  // namespace sdx::ir
