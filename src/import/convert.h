// Conversions of single things from the wire: tensors, attributes, types.
#pragma once

#include "ir/attrs.h"
#include "ir/fact.h"
#include "onnx/model_file.h"

namespace sdx::import {

/// The tensor, borrowing the file's bytes where it is large. Throws InvalidModel or UnsupportedModel.
Tensor to_tensor(const onnx::ModelFile& file, const onnx::TensorView& view);
/// The dense tensor of a sparse one, within kMaxDenseBytes.
Tensor to_tensor(const onnx::ModelFile& file, const onnx::SparseTensorView& view);
/// The value of any attribute but a graph.
ir::AttrValue to_attr(const onnx::ModelFile& file, const onnx::AttributeView& view);
/// The fact that a declared type gives: names become symbols, unknown sizes fresh ones.
ir::Fact to_fact(const onnx::TypeView& type, SymbolTable& symbols);

}  // namespace sdx::import
