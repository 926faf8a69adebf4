// Import: the structs of an ONNX file become a typed graph.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "ir/graph.h"
#include "onnx/model_file.h"

namespace sdx::import {

/// One thing in a model that this build cannot run.
struct Gap {
  std::string op;  ///< "com.example::Foo", with the opset version
  std::string reason;
  int count = 0;
  std::string where;  ///< name of the first such node
};

/// Every node whose operator is neither in the table nor a function of the model, in subgraphs and functions too,
/// grouped by operator. Throws nothing for what it finds.
std::vector<Gap> find_gaps(const onnx::ModelView& model);

/// What the caller knows about the main graph's inputs beyond what the file says.
struct Options {
  std::map<std::string, Tensor, std::less<>> fixed;  ///< inputs that have this value in every run: no inputs any more
  /// Sizes of inputs instead of the declared ones: numbers, names of symbols, or sums of those ("past + tokens").
  std::map<std::string, std::vector<std::string>, std::less<>> shapes;
};

/// The model's graph, functions inlined, subgraphs as bodies with explicit captures, older opsets in the newest form.
/// Weights are borrowed from the file (small or re-encoded ones are copied). Throws UnsupportedModel that lists every
/// gap at once, InvalidModel with the node's name in the trail.
ir::Graph import_model(const onnx::ModelFile& file, const Options& options = {});

}  // namespace sdx::import
