// Stacked: concatenating results, slicing inputs.
#include "ops/stacked.h"

#include <cstring>

#include "base/checked.h"

namespace sdx::ops {

void Stacked::add(Value item) {
  if (!item.is_tensor()) fail(ErrorKind::kInvalidModel, "a scan output of a body must be a tensor");
  Tensor tensor = item.tensor();
  if (!items_.empty() && (tensor.dtype() != items_[0].dtype() || !(tensor.extents() == items_[0].extents()))) {
    fail(ErrorKind::kInvalidInput, "a scan output has shape ", items_[0].extents().text(),
         " in the first iteration and ", tensor.extents().text(), " in iteration ", items_.size(),
         "; they must be equal");
  }
  items_.push_back(std::move(tensor));
}

Tensor Stacked::finish(const ir::Fact& fact, int64_t axis, bool reverse) const {
  Extents item;
  DType dtype = fact.dtype;
  if (!items_.empty()) {
    item = items_[0].extents();
    dtype = items_[0].dtype();
  } else if (fact.shape.has_rank()) {
    for (const Dim& d : fact.shape.dims()) item.push_back(d.known() ? d.value() : 0);
  }
  const int64_t rank = item.rank() + 1;
  if (axis < -rank || axis >= rank)
    fail(ErrorKind::kInvalidModel, "a scan output axis is ", axis, " but must be in [", -rank, ", ", rank, ")");
  const int at = static_cast<int>(axis < 0 ? axis + rank : axis);
  const auto count = static_cast<int64_t>(items_.size());
  Extents extents;
  for (int i = 0; i < item.rank(); ++i) {
    if (i == at) extents.push_back(count);
    extents.push_back(item[i]);
  }
  if (at == item.rank()) extents.push_back(count);
  Tensor out(dtype, extents);
  const int64_t outer = item.product(0, at), inner = item.product(at, item.rank());
  for (int64_t i = 0; i < count; ++i) {
    const ConstView from = items_[static_cast<size_t>(reverse ? count - 1 - i : i)].view();
    if (dtype_bits(dtype) != 0 && dtype_bits(dtype) < 8)
      fail(ErrorKind::kUnsupportedModel, "scan outputs of ", dtype_name(dtype));
    for (int64_t o = 0; o < outer; ++o) {
      if (dtype == DType::kString) {
        std::copy_n(from.as<std::string>() + o * inner, inner,
                    out.mutable_view().as<std::string>() + (o * count + i) * inner);
      } else if (const int64_t bytes = dtype_bytes(dtype, inner); bytes > 0) {
        std::memcpy(out.mutable_view().data + (o * count + i) * bytes, from.data + o * bytes,
                    static_cast<size_t>(bytes));
      }
    }
  }
  return out;
}

Tensor slice_at(const Tensor& tensor, int axis, int64_t index) {
  const Extents& e = tensor.extents();
  Extents rest;
  for (int i = 0; i < e.rank(); ++i) {
    if (i != axis) rest.push_back(e[i]);
  }
  const DType dtype = tensor.dtype();
  const int64_t inner = e.product(axis + 1, e.rank()), outer = e.product(0, axis);
  const auto size = static_cast<int64_t>(dtype == DType::kString ? sizeof(std::string) : 1);
  const int64_t bytes = dtype == DType::kString ? inner * size : dtype_bytes(dtype, inner);
  const bool whole = dtype_bits(dtype) % 8 == 0;
  if (!whole) fail(ErrorKind::kUnsupportedModel, "slices of ", dtype_name(dtype));
  if (outer == 1) return Tensor(dtype, rest, tensor.owner(), tensor.view().data + index * bytes);
  Tensor out(dtype, rest);
  for (int64_t o = 0; o < outer; ++o) {
    const int64_t at = o * e[axis] + index;
    if (dtype == DType::kString) {
      std::copy_n(tensor.as<std::string>() + at * inner, inner, out.mutable_view().as<std::string>() + o * inner);
    } else if (bytes > 0) {
      std::memcpy(out.mutable_view().data + o * bytes, tensor.view().data + at * bytes, static_cast<size_t>(bytes));
    }
  }
  return out;
}

Shape loosened(const Shape& shape, SymbolTable& symbols) {
  Shape out = shape;
  for (int i = 0; out.has_rank() && i < out.rank(); ++i) {
    if (!out[i].known()) out[i] = symbols.fresh();
  }
  return out;
}

ir::Fact carried(const ir::Fact& first, const ir::Fact& later, SymbolTable& symbols) {
  if (first.kind == later.kind) return ir::join(first, later, symbols);
  ir::Fact out = later;
  out.shape = Shape();
  out.constant = {};
  out.values.reset();
  return out;
}

Value shaped_like(Tensor tensor, const ir::Fact& formal) {
  if (!formal.shape.has_rank() || formal.rank() == tensor.extents().rank() || tensor.extents().count() != 1)
    return tensor;
  Extents extents;
  for (int i = 0; i < formal.rank(); ++i) extents.push_back(1);
  return tensor.reshaped(extents);
}

}  // namespace sdx::ops
