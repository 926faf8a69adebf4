// Model: a loaded and compiled model, shared by sessions; Session: where runs happen.
#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <vector>

#include "engine/execution.h"
#include "import/import.h"
#include "onnx/model_file.h"
#include "rewrite/rewrite.h"
#include "tensor/memory_budget.h"

namespace sdx::engine {

/// What a graph's input or output is.
struct Port {
  std::string name;
  ir::Fact fact;
};

/// How long the steps of loading took, in milliseconds.
struct LoadTimes {
  double read = 0, import = 0, rewrite = 0, plan = 0;
};

struct ModelOptions {
  import::Options import;
  rewrite::Options rewrite;
  std::function<void(ir::Graph&)> finish;  ///< changes the graph between rewriting and planning; may be empty
  plan::Options plan;
  /// Bytes that loading and running may allocate beyond the mapped file; 0: no limit.
  int64_t memory_limit = 0;
};

class Model {
 public:
  /// Reads, imports, rewrites and plans. Errors have the path in their trail.
  static std::shared_ptr<const Model> load(const std::filesystem::path& path, const ModelOptions& options = {});
  static std::shared_ptr<const Model> compile(std::shared_ptr<const onnx::ModelFile> file,
                                              const ModelOptions& options = {});

  const plan::Program& program() const { return *program_; }
  const onnx::ModelFile& file() const { return *file_; }
  const std::vector<Port>& inputs() const { return inputs_; }
  const std::vector<Port>& outputs() const { return outputs_; }
  const rewrite::Report& rewrites() const { return report_; }
  const LoadTimes& times() const { return times_; }
  const std::shared_ptr<MemoryBudget>& budget() const { return budget_; }

 private:
  std::shared_ptr<const onnx::ModelFile> file_;
  std::unique_ptr<plan::Program> program_;
  std::vector<Port> inputs_, outputs_;
  rewrite::Report report_;
  LoadTimes times_;
  std::shared_ptr<MemoryBudget> budget_;
};

/// Runs a model; safe to call from several threads at once.
class Session {
 public:
  explicit Session(std::shared_ptr<const Model> model) : model_(std::move(model)) {}

  const Model& model() const { return *model_; }
  /// `inputs` in the order of Model::inputs(). `outputs`: memory lent for outputs, or undefined tensors; may be empty.
  std::vector<Value> run(std::span<const Value> inputs, const RunSettings& settings = {},
                         std::span<const Tensor> outputs = {});

 private:
  std::shared_ptr<const Model> model_;
  std::mutex mutex_;
  std::vector<std::unique_ptr<Execution>> idle_;
};

}  // namespace sdx::engine
