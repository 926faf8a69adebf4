// PeerSession, PeerValue and PeerBinding: running a model through the peer's C ABI.
#include <algorithm>

#include "peer/calls.h"

namespace sdx::peer {
namespace {

using Calls = Library::Calls;

std::vector<std::string> names(const Calls& call, void* session, Slot count_slot, Slot name_slot) {
  size_t count = 0;
  call(count_slot, session, &count);
  std::vector<std::string> out;
  for (size_t i = 0; i < count; ++i) {
    char* text = nullptr;
    call(name_slot, session, i, call.allocator(), &text);
    out.emplace_back(text);
    call(Slot::kFree, call.allocator(), static_cast<void*>(text));
  }
  return out;
}

std::vector<const char*> pointers(const std::vector<std::string>& names) {
  std::vector<const char*> out;
  for (const auto& n : names) out.push_back(n.c_str());
  return out;
}

}  // namespace

PeerValue::PeerValue(std::shared_ptr<const Library> library, const Tensor& tensor) : library_(std::move(library)) {
  if (tensor.dtype() == DType::kString) {
    fail(ErrorKind::kUnsupportedModel,
         "the comparison cannot give strings to the other runtime; compare another model");
  }
  const Calls& call = library_->calls();
  const std::vector<int64_t> dims(tensor.extents().begin(), tensor.extents().end());
  static std::byte nothing;  // the library refuses a null pointer even for a tensor without elements
  void* data = tensor.view().data ? const_cast<std::byte*>(tensor.view().data) : &nothing;
  void* value = nullptr;
  call(Slot::kTensorOver, call.cpu_memory(), data, static_cast<size_t>(tensor.view().bytes()), dims.data(), dims.size(),
       static_cast<int>(tensor.dtype()), &value);
  handle_ = {value, [library = library_, tensor](void* p) { library->calls().quiet(Slot::kReleaseValue, p); }};
}

PeerValue::PeerValue(std::shared_ptr<const Library> library, void* handle) : library_(std::move(library)) {
  handle_ = {handle, [library = library_](void* p) { library->calls().quiet(Slot::kReleaseValue, p); }};
}

Tensor PeerValue::tensor() const {
  if (!handle_) return {};
  const Calls& call = library_->calls();
  int is_tensor = 0;
  call(Slot::kIsTensor, handle(), &is_tensor);
  if (!is_tensor) return {};
  void* info = nullptr;
  call(Slot::kTypeAndShape, handle(), &info);
  const auto owned = call.own(info, Slot::kReleaseTypeAndShape);
  int type = 0;
  size_t rank = 0;
  call(Slot::kElementType, info, &type);
  call(Slot::kRank, info, &rank);
  std::vector<int64_t> dims(rank);
  call(Slot::kDims, info, dims.data(), rank);
  const auto dtype = dtype_from_onnx(type);
  if (!dtype || *dtype == DType::kString) return {};
  void* data = nullptr;
  call(Slot::kTensorData, handle(), &data);
  Extents extents;
  for (int64_t d : dims) extents.push_back(d);
  return Tensor(*dtype, extents, handle_, static_cast<const std::byte*>(data));
}

PeerSession::PeerSession(std::shared_ptr<const Library> library, const std::filesystem::path& model,
                         const PeerOptions& options)
    : library_(std::move(library)) {
  const Calls& call = library_->calls();
  void* settings = nullptr;
  call(Slot::kCreateOptions, &settings);
  const auto owned = call.own(settings, Slot::kReleaseOptions);
  call(Slot::kSetOptimization, settings, kOptimizeAll);
  call(Slot::kSetIntraThreads, settings, options.threads);
  void* session = nullptr;
  call(Slot::kCreateSession, call.env(), model.c_str(), settings, &session);
  session_ = {session, [kept = library_](void* p) { kept->calls().quiet(Slot::kReleaseSession, p); }};
  input_names_ = names(call, session, Slot::kInputCount, Slot::kInputName);
  output_names_ = names(call, session, Slot::kOutputCount, Slot::kOutputName);
}

std::vector<int64_t> PeerSession::input_dims(const std::string& name) const {
  const auto it = std::ranges::find(input_names_, name);
  if (it == input_names_.end()) fail(ErrorKind::kInvalidInput, "the model has no input '", name, "'");
  const Calls& call = library_->calls();
  void *type = nullptr, *shape = nullptr;
  call(Slot::kInputType, session_.get(), static_cast<size_t>(it - input_names_.begin()), &type);
  const auto owned = call.own(type, Slot::kReleaseType);
  call(Slot::kTensorOfType, type, &shape);
  size_t rank = 0;
  if (shape) call(Slot::kRank, shape, &rank);
  std::vector<int64_t> dims(rank);
  if (shape) call(Slot::kDims, shape, dims.data(), rank);
  return dims;
}

std::vector<PeerValue> PeerSession::run(std::span<const PeerValue> values) const {
  const Calls& call = library_->calls();
  const auto in_names = pointers(input_names_), out_names = pointers(output_names_);
  std::vector<void*> in, out(out_names.size(), nullptr);
  for (const auto& v : values) in.push_back(v.handle());
  call(Slot::kRun, session_.get(), static_cast<void*>(nullptr), in_names.data(), in.data(), in.size(), out_names.data(),
       out_names.size(), out.data());
  std::vector<PeerValue> results;
  for (void* value : out) results.emplace_back(library_, value);
  return results;
}

PeerBinding::PeerBinding(const PeerSession& session) : session_(session) {
  const Calls& call = session.library_->calls();
  void* binding = nullptr;
  call(Slot::kCreateBinding, session.session_.get(), &binding);
  binding_ = {binding, [kept = session.library_](void* p) { kept->calls().quiet(Slot::kReleaseBinding, p); }};
}

void PeerBinding::bind_input(const std::string& name, const PeerValue& value) {
  bound_.push_back(value);
  session_.library_->calls()(Slot::kBindInput, binding_.get(), name.c_str(), value.handle());
}

void PeerBinding::bind_output(const std::string& name) {
  const Calls& call = session_.library_->calls();
  call(Slot::kBindOutputTo, binding_.get(), name.c_str(), call.cpu_memory());
}

void PeerBinding::bind_output(const std::string& name, const PeerValue& value) {
  bound_.push_back(value);
  session_.library_->calls()(Slot::kBindOutput, binding_.get(), name.c_str(), value.handle());
}

void PeerBinding::clear() {
  const Calls& call = session_.library_->calls();
  call.quiet(Slot::kClearBoundInputs, binding_.get());
  call.quiet(Slot::kClearBoundOutputs, binding_.get());
  bound_.clear();
}

void PeerBinding::run() {
  session_.library_->calls()(Slot::kRunBinding, session_.session_.get(), static_cast<void*>(nullptr), binding_.get());
}

std::vector<PeerValue> PeerBinding::results() const {
  const Calls& call = session_.library_->calls();
  void** values = nullptr;
  size_t count = 0;
  call(Slot::kBoundValues, binding_.get(), call.allocator(), &values, &count);
  std::vector<PeerValue> out;
  for (size_t i = 0; i < count; ++i) out.emplace_back(session_.library_, values[i]);
  if (values) call(Slot::kFree, call.allocator(), static_cast<void*>(values));
  return out;
}

}  // namespace sdx::peer
