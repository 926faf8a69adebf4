// Model and Session: loading, and handing out executions.
#include "engine/model.h"

namespace sdx::engine {
namespace {

class Stopwatch {
 public:
  double lap() {
    const auto now = std::chrono::steady_clock::now();
    const double ms = std::chrono::duration<double, std::milli>(now - start_).count();
    start_ = now;
    return ms;
  }

 private:
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

/// Kept weights that may be found damaged before all of them are packed again.
constexpr int kMostDamaged = 3;

std::shared_ptr<const rewrite::SourceFiles> source_files(const std::shared_ptr<const onnx::ModelFile>& model_file) {
  auto out = std::make_shared<rewrite::SourceFiles>();
  // Models that share weights with this one may outlive it.
  std::weak_ptr<const onnx::ModelFile> weak = model_file;
  out->has_read = [weak](std::span<const std::byte> bytes) {
    if (const auto file = weak.lock()) file->release_bytes(bytes);
  };
  out->file_holding = [weak](std::span<const std::byte> bytes) -> std::shared_ptr<const MappedFile> {
    const auto file = weak.lock();
    return file ? file->file_holding(bytes) : nullptr;
  };
  return out;
}

}  // namespace

std::shared_ptr<const Model> Model::load(const std::filesystem::path& path, const ModelOptions& options) {
  Stopwatch watch;
  auto file = std::make_shared<const onnx::ModelFile>(onnx::ModelFile::open(path));
  const double read = watch.lap();
  try {
    auto model = compile(std::move(file), options);
    std::const_pointer_cast<Model>(model)->times_.read = read;
    return model;
  } catch (Error& e) {
    e.within(cat("model '", path.string(), "'"));
    throw;
  }
}

std::shared_ptr<const Model> Model::compile(std::shared_ptr<const onnx::ModelFile> file, const ModelOptions& options) {
  auto model = std::make_shared<Model>();
  model->budget_ = std::make_shared<MemoryBudget>(options.memory_limit);
  MemoryScope scope(model->budget_);
  Stopwatch watch;
  int damaged = 0;
  model->file_ = std::move(file);
  rewrite::Options rewriting = options.rewrite;
  rewriting.files = source_files(model->file_);
  std::optional<ir::Graph> made;
  while (!made) {
    ir::Graph imported = import::import_model(*model->file_, options.import);
    model->times_.import += watch.lap();
    model->report_ = {};
    try {
      made = rewrite::rewrite(std::move(imported), rewriting, model->report_);
    } catch (const rewrite::DamagedWeight&) {
      // The damaged file is gone; where the folder can't be changed, it is done without.
      if (++damaged > kMostDamaged) rewriting.weights = nullptr;
    }
  }
  ir::Graph graph = std::move(*made);
  if (options.finish) options.finish(graph);
  model->times_.rewrite = watch.lap();
  for (ir::ValueId v : graph.inputs()) model->inputs_.push_back({graph.value(v).name, graph.fact(v)});
  for (size_t i = 0; i < graph.outputs().size(); ++i)
    model->outputs_.push_back({graph.output_names()[i], graph.fact(graph.outputs()[i])});
  model->program_ = plan::make_program(std::move(graph), options.plan);
  // Weights that were packed or converted are not read again; those in use come back page by page.
  model->file_->release_all();
  model->times_.plan = watch.lap();
  return model;
}

std::vector<Value> Session::run(std::span<const Value> inputs, const RunSettings& settings,
                                std::span<const Tensor> outputs) {
  MemoryScope scope(model_->budget());
  std::unique_ptr<Execution> execution;
  {
    std::lock_guard lock(mutex_);
    if (!idle_.empty()) {
      execution = std::move(idle_.back());
      idle_.pop_back();
    }
  }
  if (!execution) execution = std::make_unique<Execution>(model_->program());
  // An execution that failed in mid-run is dropped: it may hold values of that run.
  auto results = execution->run(inputs, outputs, {}, settings);
  std::lock_guard lock(mutex_);
  idle_.push_back(std::move(execution));
  return results;
}

}  // namespace sdx::engine
