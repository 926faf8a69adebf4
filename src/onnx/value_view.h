// Values outside of a model: the .pb files of the standard's test data (onnx-data.proto).
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "onnx/model_view.h"

namespace sdx::onnx {

/// A tensor, or a SequenceProto, MapProto or OptionalProto with what is in it. Borrows like the other views.
struct ValueView {
  using Kind = TypeView::Kind;
  Kind kind = Kind::kNone;
  std::string_view name;
  TensorView tensor;                          ///< kTensor
  std::vector<SparseTensorView> sparse;       ///< kSparseTensor: exactly 1
  std::vector<ValueView> elements;            ///< kSequence: elements; kMap: values, one per key; kOptional: 0 or 1
  DataType key_type = DataType::kUndefined;   ///< kMap
  std::vector<int64_t> keys;                  ///< kMap with keys of an integer type
  std::vector<std::string_view> string_keys;  ///< kMap with string keys
  bool operator==(const ValueView&) const = default;
};

/// Reads the serialised TensorProto, SparseTensorProto, SequenceProto, MapProto or OptionalProto that `kind` says; the
/// type of the graph's input or output tells which it is, the bytes do not. Same rules and errors as read_model();
/// InvalidModel as well for elements of another kind than declared and for maps whose keys and values differ in number.
ValueView read_value(std::string_view bytes, TypeView::Kind kind);

}  // namespace sdx::onnx
