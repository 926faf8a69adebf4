// The public Model and Session: conversions between public and internal types.
#include "sardonyx/model.h"

#include <filesystem>

#include "api/access.h"
#include "api/translate.h"
#include "engine/model.h"

namespace sardonyx {

namespace {

using sdx::api::guarded;

sdx::Extents checked_extents(const std::vector<int64_t>& shape) {
  const sdx::Extents out{std::span<const int64_t>(shape)};
  for (int64_t size : shape) {
    if (size < 0) sdx::fail(sdx::ErrorKind::kInvalidInput, "shape ", out.text(), " has the negative size ", size);
  }
  out.count();
  return out;
}

std::filesystem::path model_file(const std::filesystem::path& path) {
  if (!std::filesystem::is_directory(path)) return path;
  for (const char* name : {"model.onnx", "onnx/model.onnx"}) {
    if (sdx::path_exists(path / name)) return path / name;
  }
  sdx::fail(sdx::ErrorKind::kInvalidInput, "folder '", path.string(),
            "' holds neither model.onnx nor onnx/model.onnx; name the .onnx file");
}

std::vector<ValueInfo> describe(const std::vector<sdx::engine::Port>& ports) {
  std::vector<ValueInfo> out;
  for (const auto& port : ports) {
    ValueInfo info{port.name, static_cast<DataType>(port.fact.dtype), std::nullopt};
    if (port.fact.shape.has_rank()) {
      info.shape.emplace();
      for (const sdx::Dim& d : port.fact.shape.dims()) info.shape->push_back(d.text());
    }
    out.push_back(std::move(info));
  }
  return out;
}

}  // namespace

Tensor::Tensor(DataType type, std::vector<int64_t> shape) {
  guarded([&] { *this = Access::wrap(sdx::Tensor(static_cast<sdx::DType>(type), checked_extents(shape))); });
}

Tensor Tensor::borrow(DataType type, std::vector<int64_t> shape, void* data) {
  return guarded([&] {
    return Access::wrap(sdx::Tensor(static_cast<sdx::DType>(type), checked_extents(shape), nullptr,
                                    static_cast<const std::byte*>(data)));
  });
}

size_t Tensor::bytes() const {
  return guarded([&] {
    return static_cast<size_t>(sdx::dtype_bytes(static_cast<sdx::DType>(type_), static_cast<int64_t>(count_)));
  });
}

void Tensor::require_type(DataType type) const {
  if (type == type_) return;
  guarded([&] {
    sdx::fail(sdx::ErrorKind::kInvalidInput, "the tensor holds ", sdx::dtype_name(static_cast<sdx::DType>(type_)),
              " but is read as ", sdx::dtype_name(static_cast<sdx::DType>(type)));
  });
}

void Tensor::require_count(size_t count) const {
  if (count == count_) return;
  guarded([&] {
    sdx::fail(sdx::ErrorKind::kInvalidInput, "the shape has ", count_, " elements but ", count, " values are given");
  });
}

struct Model::Impl {
  std::shared_ptr<const sdx::engine::Model> model;
  sdx::Parallel parallel;
  std::vector<ValueInfo> inputs, outputs;
  std::map<std::string, std::string> metadata;
};

Model Model::load(const std::string& path, const Options& options) {
  return guarded([&] {
    sdx::engine::ModelOptions internal;
    internal.memory_limit = options.memory_limit;
    internal.rewrite.enabled = options.rewrite;
    internal.rewrite.off = options.rules_off;
    internal.rewrite.zero_padding = options.zero_padding;
    internal.rewrite.weights = weight_folder(options.weight_folder);
    auto impl = std::make_shared<Impl>();
    impl->model = sdx::engine::Model::load(model_file(path), internal);
    impl->parallel = sdx::Parallel(options.threads);
    impl->inputs = describe(impl->model->inputs());
    impl->outputs = describe(impl->model->outputs());
    for (const auto& entry : impl->model->file().model().metadata_props) impl->metadata.emplace(entry.key, entry.value);
    if (options.log) {
      const auto& t = impl->model->times();
      options.log(sdx::cat("read '", path, "' in ", t.read, " ms, imported in ", t.import, " ms"));
      options.log(sdx::cat("rewrote in ", t.rewrite, " ms, planned in ", t.plan,
                           " ms: ", impl->model->program().instructions.size(), " instructions"));
    }
    if (const auto& weights = internal.rewrite.weights; options.log && weights && !weights->problem().empty())
      options.log(sdx::cat("packed weights are not kept: ", weights->problem()));
    Model out;
    out.impl_ = std::move(impl);
    return out;
  });
}

const std::vector<ValueInfo>& Model::inputs() const { return impl_->inputs; }
const std::vector<ValueInfo>& Model::outputs() const { return impl_->outputs; }
const std::map<std::string, std::string>& Model::metadata() const { return impl_->metadata; }
size_t Model::instructions() const { return impl_->model->program().instructions.size(); }

struct Session::Impl {
  explicit Impl(Model m) : model(std::move(m)), session(model.impl_->model) {}
  Model model;
  mutable sdx::engine::Session session;
};

Session::Session(Model model) : impl_(std::make_unique<Impl>(std::move(model))) {}
Session::~Session() = default;
Session::Session(Session&&) noexcept = default;
Session& Session::operator=(Session&&) noexcept = default;

Tensors Session::run(const Tensors& inputs, const RunOptions& options, const Tensors& outputs) const {
  return guarded([&] {
    const sdx::engine::Model& model = impl_->session.model();
    std::vector<sdx::Value> values;
    size_t used = 0;
    for (const auto& port : model.inputs()) {
      const auto it = inputs.find(port.name);
      used += it != inputs.end();
      values.push_back(it == inputs.end() ? sdx::Value{} : sdx::Value{Access::unwrap(it->second)});
    }
    if (used != inputs.size()) {
      for (const auto& [name, tensor] : inputs) {
        bool known = false;
        for (const auto& port : model.inputs()) known |= port.name == name;
        if (!known) sdx::fail(sdx::ErrorKind::kInvalidInput, "the model has no input '", name, "'");
      }
    }
    std::vector<sdx::Tensor> lent;
    for (const auto& port : model.outputs()) {
      const auto it = outputs.find(port.name);
      lent.push_back(it == outputs.end() ? sdx::Tensor() : Access::unwrap(it->second));
    }
    sdx::engine::RunSettings settings;
    settings.parallel = impl_->model.impl_->parallel;
    settings.seed = options.seed;
    settings.deadline = options.deadline;
    if (options.cancel) settings.cancel = options.cancel->flag_.get();
    std::vector<sdx::engine::Sample> samples;
    if (options.profile) settings.profile = &samples;
    const auto begin = std::chrono::steady_clock::now();
    auto results = impl_->session.run(values, settings, lent);
    for (const auto& s : samples) {
      options.profile->push_back(
          {std::string(s.instruction->op->name), s.instruction->name, s.begin - begin, s.end - s.begin});
    }
    Tensors out;
    for (size_t i = 0; i < results.size(); ++i) {
      if (results[i].is_tensor()) out.emplace(model.outputs()[i].name, Access::wrap(results[i].tensor()));
    }
    return out;
  });
}

}  // namespace sardonyx
