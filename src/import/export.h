// Export: a typed graph back to the structs of an ONNX file.
#pragma once

#include <deque>
#include <string>
#include <vector>

#include "ir/graph.h"
#include "onnx/model_view.h"

namespace sdx::import {

/// A model's structs together with what they borrow from. Not copyable, because views point into `strings`.
struct Exported {
  Exported() = default;
  Exported(Exported&&) = default;
  Exported(const Exported&) = delete;

  onnx::ModelView model;
  std::deque<std::string> strings;
  std::deque<Tensor> tensors;
};

/// The graph as a model of opset 21, or 26 where it needs what came later: every value and node gets a unique name,
/// captures become uses of outer names, inputs and outputs keep their names. Throws UnsupportedModel for values known
/// only from symbols.
Exported export_model(const ir::Graph& graph);

}  // namespace sdx::import
