// Fuzzes the reader of models and of test values, the decoding of tensors, and the writer on what was read.
#include <cstdlib>
#include <span>
#include <string>

#include "base/error.h"
#include "onnx/model_file.h"
#include "onnx/reader.h"
#include "onnx/tensor_data.h"
#include "onnx/value_view.h"
#include "onnx/writer.h"

namespace {

using namespace sdx;

/// Runs `body`; any Error but Internal is a proper answer to a bad file.
template <class Body>
void attempt(Body body) {
  try {
    body();
  } catch (const Error& error) {
    if (error.kind() == ErrorKind::kInternal) std::abort();
  }
}

void touch(const onnx::ModelFile& file, const onnx::TensorView& tensor) {
  attempt([&] {
    if (tensor.type == onnx::DataType::kString) {
      onnx::string_elements(tensor);
      return;
    }
    const SharedBytes bytes = file.tensor_bytes(tensor);
    unsigned sum = 0;
    for (const std::byte b : bytes.bytes) sum += static_cast<unsigned>(b);
    if (bytes.bytes.size() != onnx::storage_bytes(tensor) || sum == ~0u) std::abort();
  });
}

void touch(const onnx::ModelFile& file, const onnx::GraphView& graph) {
  for (const onnx::TensorView& tensor : graph.initializers) touch(file, tensor);
  for (const onnx::NodeView& node : graph.nodes) {
    for (const onnx::AttributeView& attribute : node.attributes) {
      for (const onnx::TensorView& tensor : attribute.tensors) touch(file, tensor);
      for (const onnx::GraphView& body : attribute.graphs) touch(file, body);
    }
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const SharedBytes bytes{std::as_bytes(std::span(data, size)), nullptr};
  attempt([&] {
    onnx::ModelFile file = onnx::ModelFile::from_bytes(bytes);
    file.provide_external("w", bytes);
    touch(file, file.model().graph);
    // NaN equals nothing.
    if (!(file.model() == file.model())) return;
    const std::string written = onnx::write_model(file.model());
    if (!(onnx::read_model(written) == file.model())) std::abort();
  });
  using Kind = onnx::TypeView::Kind;
  for (const Kind kind : {Kind::kTensor, Kind::kSparseTensor, Kind::kSequence, Kind::kMap, Kind::kOptional}) {
    attempt([&] { onnx::read_value(bytes.text(), kind); });
  }
  return 0;
}
