// Conversions of single things from the wire: tensors, attributes, types.
#include "import/convert.h"

#include <algorithm>
#include <cstring>

#include "onnx/tensor_data.h"

namespace sdx::import {
namespace {

/// Tensors up to this size are copied, so that they are aligned and do not keep a page of the file in memory.
constexpr size_t kCopyBytes = 64 * 1024;
/// A sparse tensor's dense form may take this much.
constexpr int64_t kMaxDenseBytes = int64_t{1} << 30;

DType to_dtype(onnx::DataType type) {
  auto out = dtype_from_onnx(static_cast<int64_t>(type));
  if (!out) fail(ErrorKind::kInvalidModel, onnx::type_name(type), " is no element type of the standard (1…26)");
  return *out;
}

Extents to_extents(std::span<const int64_t> dims) {
  onnx::element_count(dims);
  return Extents(dims);
}

Tensor string_tensor(const onnx::TensorView& view) {
  Tensor t(DType::kString, to_extents(view.dims));
  auto* out = t.mutable_view().as<std::string>();
  for (std::string_view s : onnx::string_elements(view)) *out++ = std::string(s);
  return t;
}

std::vector<int64_t> sparse_positions(const Tensor& indices, const Extents& dims) {
  if (indices.dtype() != DType::kI64) fail(ErrorKind::kInvalidModel, "indices of a sparse tensor must be int64");
  const auto numbers = indices.values<int64_t>();
  const bool linear = indices.extents().rank() == 1;
  const int64_t rank = linear ? 1 : dims.rank();
  if (!linear && (indices.extents().rank() != 2 || indices.extents()[1] != rank)) {
    fail(ErrorKind::kInvalidModel, "indices of a sparse tensor have shape ", indices.extents().text(),
         " but must be [n] or [n,", rank, "]");
  }
  std::vector<int64_t> out;
  for (size_t i = 0; i < numbers.size(); i += static_cast<size_t>(rank)) {
    int64_t at = 0;
    for (int64_t d = 0; d < rank; ++d) {
      const int64_t size = linear ? dims.count() : dims[static_cast<int>(d)];
      const int64_t index = numbers[i + static_cast<size_t>(d)];
      if (index < 0 || index >= size)
        fail(ErrorKind::kInvalidModel, "index ", index, " of a sparse tensor is outside [0, ", size, ")");
      at = at * size + index;
    }
    out.push_back(at);
  }
  return out;
}

/// The type of an optional's element as the text form has it, without its shape.
std::string type_text(const onnx::TypeView& type) {
  if (type.kind == onnx::TypeView::Kind::kTensor) return std::string(dtype_name(to_dtype(type.elem_type)));
  const bool sequence = type.kind == onnx::TypeView::Kind::kSequence && !type.element.empty() &&
                        type.element[0].kind == onnx::TypeView::Kind::kTensor;
  if (!sequence)
    fail(ErrorKind::kUnsupportedModel, "a type in an attribute is neither a tensor nor a sequence of tensors");
  return cat("sequence(", type_text(type.element[0]), ")");
}

}  // namespace

Tensor to_tensor(const onnx::ModelFile& file, const onnx::TensorView& view) try {
  const DType dtype = to_dtype(view.type);
  if (dtype == DType::kString) return string_tensor(view);
  const Extents extents = to_extents(view.dims);
  SharedBytes bytes = file.tensor_bytes(view);
  if (bytes.owner && bytes.bytes.size() > kCopyBytes) return Tensor(dtype, extents, bytes.owner, bytes.bytes.data());
  Tensor copy(dtype, extents);
  if (!bytes.bytes.empty()) std::memcpy(copy.mutable_view().data, bytes.bytes.data(), bytes.bytes.size());
  return copy;
} catch (Error& e) {
  e.within(cat("tensor '", view.name, "'"));
  throw;
}

Tensor to_tensor(const onnx::ModelFile& file, const onnx::SparseTensorView& view) {
  const Tensor values = to_tensor(file, view.values), indices = to_tensor(file, view.indices);
  const Extents dims = to_extents(view.dims);
  const int bits = dtype_bits(values.dtype());
  const int64_t bytes = dtype_bytes(values.dtype(), dims.count());
  if (bits < 8)
    fail(ErrorKind::kUnsupportedModel, "sparse tensors of ", dtype_name(values.dtype()), " are not supported");
  if (bytes > kMaxDenseBytes) {
    fail(ErrorKind::kResource, "sparse tensor '", view.values.name, "' takes ", bytes,
         " bytes when dense; the limit is ", kMaxDenseBytes);
  }
  const auto positions = sparse_positions(indices, dims);
  if (static_cast<int64_t>(positions.size()) != values.extents().count()) {
    fail(ErrorKind::kInvalidModel, "sparse tensor '", view.values.name, "' has ", values.extents().count(),
         " values and ", positions.size(), " indices; both must be equal");
  }
  Tensor dense(values.dtype(), dims);
  std::memset(dense.mutable_view().data, 0, static_cast<size_t>(bytes));
  const int64_t size = bits / 8;
  for (size_t i = 0; i < positions.size(); ++i) {
    std::memcpy(dense.mutable_view().data + positions[i] * size, values.view().data + static_cast<int64_t>(i) * size,
                static_cast<size_t>(size));
  }
  return dense;
}

ir::AttrValue to_attr(const onnx::ModelFile& file, const onnx::AttributeView& view) {
  using Kind = onnx::AttributeView::Kind;
  switch (view.kind) {
    case Kind::kFloat: return view.f;
    case Kind::kInt: return view.i;
    case Kind::kString: return std::string(view.s);
    case Kind::kTensor: return to_tensor(file, view.tensors.at(0));
    case Kind::kSparseTensor: return to_tensor(file, view.sparse_tensors.at(0));
    case Kind::kFloats: return view.floats;
    case Kind::kInts: return view.ints;
    case Kind::kStrings: return std::vector<std::string>(view.strings.begin(), view.strings.end());
    case Kind::kType: return type_text(view.types.at(0));
    default:
      fail(ErrorKind::kUnsupportedModel, "attribute '", view.name, "' is of kind ", onnx::kind_name(view.kind),
           ", which is not supported");
  }
}

ir::Fact to_fact(const onnx::TypeView& type, SymbolTable& symbols) {
  using Kind = onnx::TypeView::Kind;
  switch (type.kind) {
    case Kind::kTensor: {
      // A name is one symbol as a whole: exporters also write "past_sequence_length + 1" where more than one may
      // follow.
      if (!type.has_shape) return ir::Fact::tensor(to_dtype(type.elem_type), Shape());
      std::vector<Dim> dims;
      for (const onnx::DimView& d : type.dims) {
        const bool named = d.kind == onnx::DimView::Kind::kParam && !d.param.empty();
        if (named)
          dims.push_back(symbols.symbol(d.param));
        else if (d.kind == onnx::DimView::Kind::kValue && d.value > 0)
          dims.emplace_back(d.value);
        else
          dims.push_back(symbols.fresh());
      }
      if (dims.size() > kMaxRank)
        fail(ErrorKind::kUnsupportedModel, "a value has ", dims.size(), " dimensions; at most ", kMaxRank,
             " are supported");
      return ir::Fact::tensor(to_dtype(type.elem_type), std::move(dims));
    }
    case Kind::kSequence:
    case Kind::kOptional: {
      if (type.element.empty()) fail(ErrorKind::kInvalidModel, "a sequence or optional has no element type");
      ir::Fact inner = to_fact(type.element[0], symbols);
      const bool optional = type.kind == Kind::kOptional;
      if (inner.kind == ir::Kind::kOptional || (inner.kind == ir::Kind::kSequence && !optional)) {
        fail(ErrorKind::kUnsupportedModel, "nested sequences and optionals are not supported");
      }
      // A size that is not a number may differ from element to element, which no symbol can say.
      const auto known = [](const Dim& d) { return d.known(); };
      if (!optional && inner.shape.has_rank() && !std::ranges::all_of(inner.shape.dims(), known)) inner.shape = Shape();
      inner.optional_sequence = inner.kind == ir::Kind::kSequence;
      inner.kind = optional ? ir::Kind::kOptional : ir::Kind::kSequence;
      return inner;
    }
    default: fail(ErrorKind::kUnsupportedModel, "a value is neither a tensor, nor a sequence, nor an optional of them");
  }
}

}  // namespace sdx::import
