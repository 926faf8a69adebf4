// The steps of the writer: each encodes one struct as a message.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "onnx/model_view.h"
#include "onnx/rope.h"

namespace sdx::onnx {

/// Turns structs into messages. The tensors of graphs pass through `place_initializer` and all others through
/// `place_tensor`, which encode them where they shall be.
class Encoder {
 public:
  using EncodeTensor = std::function<Rope(const TensorView&)>;

  Encoder(EncodeTensor place_initializer, EncodeTensor place_tensor)
      : place_initializer_(std::move(place_initializer)), place_tensor_(std::move(place_tensor)) {}

  Rope encode(const ModelView& model) const;

 private:
  Rope encode(const GraphView& graph) const;
  Rope encode(const FunctionView& function) const;
  Rope encode(const NodeView& node) const;
  Rope encode(const AttributeView& attribute) const;
  Rope encode(const SparseTensorView& tensor) const;

  EncodeTensor place_initializer_;
  EncodeTensor place_tensor_;
};

/// A tensor with its elements, or its reference to them, as they are.
Rope encode_tensor(const TensorView& tensor);

/// A tensor's name, type and dimensions, without elements.
Rope encode_tensor_head(const TensorView& tensor);

Rope encode(const TypeView& type);
Rope encode(const ValueInfoView& value);
Rope encode(const StringPair& entry);
Rope encode(const OpsetView& opset);

}  // namespace sdx::onnx
