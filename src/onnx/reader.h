// Reading: the bytes of an ONNX file to the structs of model_view.h.
#pragma once

#include <string_view>

#include "onnx/model_view.h"

namespace sdx::onnx {

/// Reads a serialised ModelProto. The view borrows from `bytes`, which must stay where they are for as long as it is
/// used. Weights are not touched, except for numbers packed as varints, which are checked. Costs memory in proportion
/// to the bytes of the graph.
///
/// Follows protobuf: unknown fields are skipped; of a repeated occurrence of a single value the last one counts,
/// messages are merged, lists are joined; lists of numbers may be packed or not. Throws Error InvalidModel, with the
/// way to the place, for broken encoding; a known field of the wrong wire type; a node without operator or an attribute
/// without name; a tensor or attribute with values in two places or of another kind than declared; graphs and types
/// nested deeper than kMaxGraphDepth; more messages than kMaxMessages; no graph. Throws UnsupportedModel for a tensor
/// in segments.
ModelView read_model(std::string_view bytes);

/// Reads a serialised GraphProto, NodeProto, TensorProto, SparseTensorProto or TypeProto under the same rules.
GraphView read_graph(std::string_view bytes);
NodeView read_node(std::string_view bytes);
TensorView read_tensor(std::string_view bytes);
SparseTensorView read_sparse_tensor(std::string_view bytes);
TypeView read_type(std::string_view bytes);

}  // namespace sdx::onnx
