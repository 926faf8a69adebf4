// `sardonyx test-onnx`: reading a test folder, running it, comparing.
#include "cli/test_onnx.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "base/float8.h"
#include "base/half.h"
#include "onnx/tensor_data.h"
#include "onnx/value_view.h"

namespace sdx::cli {
namespace {

namespace fs = std::filesystem;

Tensor to_tensor(const onnx::TensorView& view) {
  auto dtype = dtype_from_onnx(static_cast<int64_t>(view.type));
  if (!dtype) fail(ErrorKind::kInvalidInput, "tensor '", view.name, "' has no element type");
  Tensor t(*dtype, Extents(view.dims));
  if (*dtype == DType::kString) {
    auto* out = t.mutable_view().as<std::string>();
    for (std::string_view s : onnx::string_elements(view)) *out++ = std::string(s);
  } else {
    onnx::fill_inline(view, {t.mutable_view().data, static_cast<size_t>(t.view().bytes())});
  }
  return t;
}

Value to_value(const onnx::ValueView& view) {
  using Kind = onnx::TypeView::Kind;
  if (view.kind == Kind::kTensor) return to_tensor(view.tensor);
  if (view.kind == Kind::kOptional) return view.elements.empty() ? Value{} : to_value(view.elements[0]);
  if (view.kind != Kind::kSequence) fail(ErrorKind::kUnsupportedModel, "test data of this kind is not supported");
  Sequence s;
  for (const auto& e : view.elements) {
    if (e.kind != Kind::kTensor) fail(ErrorKind::kUnsupportedModel, "nested sequences are not supported");
    s.items.push_back(to_tensor(e.tensor));
    s.dtype = s.items.back().dtype();
  }
  return s;
}

Value read_value(const fs::path& path, const onnx::TypeView& type) {
  auto file = MappedFile::open(path);
  return to_value(onnx::read_value(MappedFile::share(file).text(), type.kind));
}

/// Elements of any numeric type as doubles; strings have their own comparison.
double element(const Tensor& t, int64_t i) {
  switch (t.dtype()) {
    case DType::kF32: return t.as<float>()[i];
    case DType::kF64: return t.as<double>()[i];
    case DType::kF16: return to_float(t.as<Half>()[i]);
    case DType::kBF16: return to_float(t.as<BFloat16>()[i]);
    default: return 0;
  }
}

std::string compare(const Tensor& got, const Tensor& want) {
  if (got.dtype() != want.dtype())
    return cat("type ", dtype_name(got.dtype()), " instead of ", dtype_name(want.dtype()));
  if (!(got.extents() == want.extents()))
    return cat("shape ", got.extents().text(), " instead of ", want.extents().text());
  const bool wide = want.dtype() == DType::kF32 || want.dtype() == DType::kF64 || is_half(want.dtype());
  if (!wide) return got == want ? "" : "elements differ";
  const double rtol = want.dtype() == DType::kBF16 ? 1e-2 : 1e-3, atol = is_half(want.dtype()) ? 1e-3 : 1e-7;
  for (int64_t i = 0; i < want.extents().count(); ++i) {
    const double a = element(got, i), b = element(want, i);
    if (a == b || (std::isnan(a) && std::isnan(b)) || std::abs(a - b) <= atol + rtol * std::abs(b)) continue;
    return cat("element ", i, " is ", a, " instead of ", b);
  }
  return "";
}

std::string compare(const Value& got, const Value& want) {
  if (got.index() != want.index()) return "another kind of value";
  if (got.is_tensor()) return compare(got.tensor(), want.tensor());
  if (!got.is_sequence()) return "";
  const auto &a = got.sequence().items, &b = want.sequence().items;
  if (a.size() != b.size()) return cat(a.size(), " elements instead of ", b.size());
  for (size_t i = 0; i < a.size(); ++i) {
    if (auto text = compare(a[i], b[i]); !text.empty()) return cat("element ", i, ": ", text);
  }
  return "";
}

std::string run_data_set(engine::Session& session, const fs::path& folder, const Parallel& parallel) {
  const onnx::GraphView& graph = session.model().file().model().graph;
  std::vector<Value> inputs;
  size_t given = 0;
  for (const auto& port : session.model().inputs()) {
    // The data are numbered by the graph's inputs, of which some may be initializers.
    while (graph.inputs[given].name != port.name) ++given;
    const fs::path path = folder / cat("input_", given, ".pb");
    inputs.push_back(fs::exists(path) ? read_value(path, graph.inputs[given].type) : Value{});
    ++given;
  }
  engine::RunSettings settings;
  settings.parallel = parallel;
  auto outputs = session.run(inputs, settings);
  for (size_t i = 0; i < outputs.size(); ++i) {
    const fs::path path = folder / cat("output_", i, ".pb");
    if (!fs::exists(path)) continue;
    if (auto text = compare(outputs[i], read_value(path, graph.outputs[i].type)); !text.empty()) {
      return cat("output '", graph.outputs[i].name, "' of ", folder.filename().string(), ": ", text);
    }
  }
  return "";
}

}  // namespace

Verdict test_folder(const fs::path& folder, const engine::ModelOptions& options, const Parallel& parallel) try {
  engine::Session session(engine::Model::load(folder / "model.onnx", options));
  std::vector<fs::path> sets;
  for (const auto& entry : fs::directory_iterator(folder)) {
    if (entry.path().filename().string().starts_with("test_data_set_")) sets.push_back(entry.path());
  }
  std::ranges::sort(sets);
  if (sets.empty()) return {"error", "the folder has no test_data_set_*"};
  for (const fs::path& set : sets) {
    if (auto text = run_data_set(session, set, parallel); !text.empty()) return {"fail", text};
  }
  return {"pass", ""};
} catch (const Error& e) {
  return {e.kind() == ErrorKind::kUnsupportedModel ? "unsupported" : "error", e.what()};
} catch (const std::exception& e) {
  return {"error", e.what()};
}

}  // namespace sdx::cli
