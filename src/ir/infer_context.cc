// InferContext and Call: checks, broadcasting, and the moves that upgrades are made of.
#include "ir/infer_context.h"

#include <algorithm>

#include "base/half.h"

namespace sdx::ir {
namespace {

std::string place(int i) { return cat("input ", i); }

}  // namespace

std::optional<double> number(const Tensor& t) {
  if (t.extents().count() != 1 || !is_aligned(t.view())) return std::nullopt;
  switch (t.dtype()) {
    case DType::kF32: return *t.as<float>();
    case DType::kF64: return *t.as<double>();
    case DType::kF16: return to_float(*t.as<Half>());
    case DType::kBF16: return to_float(*t.as<BFloat16>());
    case DType::kI32: return *t.as<int32_t>();
    case DType::kI64: return static_cast<double>(*t.as<int64_t>());
    default: return std::nullopt;
  }
}

const Fact& InferContext::input(int i) const {
  if (!has(i)) fail(ErrorKind::kInvalidModel, "input ", i, " is required but absent");
  return *inputs_[static_cast<size_t>(i)];
}

void InferContext::set(int i, Fact fact) {
  for (int d = 0; fact.shape.has_rank() && d < fact.shape.rank(); ++d) {
    if (fact.shape[d].known() && fact.shape[d].value() < 0)
      invalid("output ", i, " would have the shape ", fact.shape.text(), "; sizes must be >= 0");
  }
  if (i < output_count()) outputs_[static_cast<size_t>(i)] = std::move(fact);
}

void InferContext::require_dtype(int i, std::span<const DType> allowed) const {
  const DType type = input(i).dtype;
  if (std::ranges::find(allowed, type) != allowed.end()) return;
  std::string list;
  for (DType t : allowed) list += cat(list.empty() ? "" : ", ", dtype_name(t));
  invalid(place(i), " is of type ", dtype_name(type), " but must be one of ", list);
}

void InferContext::require_same_dtype(int i, int j) const {
  if (input(i).dtype == input(j).dtype) return;
  invalid("inputs ", i, " and ", j, " are of types ", dtype_name(input(i).dtype), " and ", dtype_name(input(j).dtype),
          " but must be of the same type");
}

void InferContext::require_rank(int i, int least, int most) const {
  const Shape& shape = input(i).shape;
  if (!shape.has_rank() || (shape.rank() >= least && shape.rank() <= most)) return;
  invalid(place(i), " has shape ", shape.text(), " but must have ",
          least == most      ? cat(least)
          : most >= kMaxRank ? cat("at least ", least)
                             : cat(least, " to ", most),
          " dimensions");
}

void InferContext::require_equal(const Dim& a, const Dim& b, std::string_view what) {
  if (a == b) return;
  if (a.known() && b.known()) invalid(what, " are ", a.value(), " and ", b.value(), " but must be equal");
  constraints_.push_back({Constraint::Kind::kEqual, a, b, std::string(what)});
}

void InferContext::require_at_most(const Dim& a, const Dim& b, std::string_view what) {
  if (a == b) return;
  if (a.known() && b.known()) {
    if (a.value() > b.value()) invalid(what, ": ", a.value(), " must be at most ", b.value());
    return;
  }
  constraints_.push_back({Constraint::Kind::kAtMost, a, b, std::string(what)});
}

int InferContext::axis(int64_t axis, int rank, std::string_view name) const {
  if (axis < -rank || axis >= rank) {
    invalid("attribute '", name, "' is ", axis, " but must be in [", -rank, ", ", rank, ") for ", rank, " dimensions");
  }
  return static_cast<int>(axis < 0 ? axis + rank : axis);
}

Shape InferContext::broadcast(const Shape& a, const Shape& b) {
  if (!a.has_rank() || !b.has_rank()) return Shape();
  const int rank = std::max(a.rank(), b.rank());
  std::vector<Dim> out;
  for (int i = 0; i < rank; ++i) {
    const int ia = i - (rank - a.rank()), ib = i - (rank - b.rank());
    const Dim da = ia < 0 ? Dim(1) : a[ia], db = ib < 0 ? Dim(1) : b[ib];
    if (da.known() && db.known() && !(da == db) && !da.is(1) && !db.is(1)) {
      invalid("shapes ", a.text(), " and ", b.text(), " do not broadcast: sizes ", da.value(), " and ", db.value(),
              " must be equal, or one of them 1");
    }
    if (is_clamped(da, db) || is_clamped(db, da)) {
      require_equal(da, db, cat("sizes of the shapes ", a.text(), " and ", b.text()));
      out.push_back(is_clamped(da, db) ? db : da);
      continue;
    }
    if (!(da == db) && !da.is(1) && !db.is(1)) {
      constraints_.push_back({Constraint::Kind::kBroadcast, da, db, cat("shapes ", a.text(), " and ", b.text())});
    }
    out.push_back(sdx::broadcast(da, db));
  }
  return out;
}

std::optional<std::vector<int64_t>> InferContext::ints(int i) const {
  auto dims = values(i);
  if (dims) {
    std::vector<int64_t> out;
    for (const Dim& d : *dims) {
      if (!d.known()) return std::nullopt;
      out.push_back(d.value());
    }
    return out;
  }
  if (!has(i) || !input(i).is_constant() || !is_aligned(input(i).constant.view())) return std::nullopt;
  const Tensor& t = input(i).constant;
  if (t.dtype() == DType::kI64) return std::vector<int64_t>(t.values<int64_t>().begin(), t.values<int64_t>().end());
  if (t.dtype() == DType::kI32) return std::vector<int64_t>(t.values<int32_t>().begin(), t.values<int32_t>().end());
  return std::nullopt;
}

std::optional<std::vector<Dim>> InferContext::values(int i) const {
  if (!has(i)) return std::nullopt;
  return input(i).values;
}

std::optional<double> InferContext::scalar(int i) const {
  if (!has(i) || !input(i).is_constant()) return std::nullopt;
  return number(input(i).constant);
}

Shape InferContext::fresh_shape(int rank) const {
  std::vector<Dim> out;
  for (int i = 0; i < rank; ++i) out.push_back(symbols_.fresh());
  return out;
}

void Call::put(int index, Tensor value) {
  const auto at = static_cast<size_t>(index);
  if (inputs.size() <= at) inputs.resize(at + 1, kNone);
  inputs[at] = graph.add_constant("", std::move(value));
}

void Call::ints_to_input(std::string_view name, int index) {
  auto it = attrs.find(name);
  if (it == attrs.end()) return;
  std::vector<int64_t> ints;
  if (const auto* list = std::get_if<std::vector<int64_t>>(&it->second))
    ints = *list;
  else if (const auto* one = std::get_if<int64_t>(&it->second))
    ints = {*one};
  else
    attrs_detail::wrong_type(name, it->second, "ints");
  put(index, Tensor::ints(ints));
  attrs.erase(it);
}

void Call::scalar_to_input(std::string_view name, int index, DType dtype) {
  auto it = attrs.find(name);
  if (it == attrs.end()) return;
  double v = 0;
  if (const auto* f = std::get_if<float>(&it->second))
    v = *f;
  else if (const auto* n = std::get_if<int64_t>(&it->second))
    v = static_cast<double>(*n);
  else
    attrs_detail::wrong_type(name, it->second, "a number");
  if (dtype == DType::kUndefined && !inputs.empty() && inputs[0] != kNone) dtype = graph.fact(inputs[0]).dtype;
  switch (dtype) {
    case DType::kF64: put(index, Tensor::scalar(v)); break;
    case DType::kI64: put(index, Tensor::scalar(static_cast<int64_t>(v))); break;
    case DType::kI32: put(index, Tensor::scalar(static_cast<int32_t>(v))); break;
    case DType::kF16: {
      Tensor t(DType::kF16, {});
      *t.mutable_view().as<Half>() = to_half(static_cast<float>(v));
      put(index, std::move(t));
      break;
    }
    default: put(index, Tensor::scalar(static_cast<float>(v)));
  }
  attrs.erase(it);
}

std::optional<int64_t> Call::int_attr(std::string_view name) const {
  auto it = attrs.find(name);
  if (it == attrs.end()) return std::nullopt;
  if (const auto* v = std::get_if<int64_t>(&it->second)) return *v;
  attrs_detail::wrong_type(name, it->second, "an int");
}

}  // namespace sdx::ir
