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
  model->file_ = std::move(file);
  ir::Graph graph = import::import_model(*model->file_, options.import);
  model->times_.import = watch.lap();
  rewrite::Options rewriting = options.rewrite;
  rewriting.has_read = [&file = *model->file_](std::span<const std::byte> bytes) { file.release_bytes(bytes); };
  graph = rewrite::rewrite(std::move(graph), rewriting, model->report_);
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
