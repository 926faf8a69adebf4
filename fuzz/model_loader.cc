// Fuzzes the whole way of a model: reading, import, rewriting, planning, and a run where the file compiles.
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/error.h"
#include "engine/model.h"

namespace {

using namespace sdx;

constexpr int64_t kMemory = int64_t{64} << 20;
constexpr int64_t kMostElements = 4096;  ///< of one input

/// Sizes of an input: numbers as declared, each symbol 2, two dimensions of 2 where the rank is unknown; nothing where
/// that is more than a fuzzer should hold.
std::optional<Extents> sizes_of(const Shape& shape) {
  if (!shape.has_rank()) return Extents{2, 2};
  Extents out;
  int64_t count = 1;
  for (const Dim& d : shape.dims()) {
    const int64_t size = d.known() ? d.value() : 2;
    if (size < 0 || size > kMostElements) return std::nullopt;
    count *= size == 0 ? 1 : size;
    if (count > kMostElements) return std::nullopt;
    out.push_back(size);
  }
  return out;
}

/// Ones of every type; nothing where the input is of a kind or size that is not made here.
std::optional<Value> input_of(const ir::Fact& fact) {
  if (fact.kind == ir::Kind::kOptional) return Value();
  if (fact.kind == ir::Kind::kSequence) return Value(Sequence{fact.dtype, {}});
  const auto extents = sizes_of(fact.shape);
  if (!extents) return std::nullopt;
  Tensor tensor(fact.dtype, *extents);
  const View view = tensor.mutable_view();
  if (fact.dtype != DType::kString && view.bytes() > 0) std::memset(view.data, 1, static_cast<size_t>(view.bytes()));
  return tensor;
}

void compile_and_run(std::span<const std::byte> data) {
  const SharedBytes bytes{data, nullptr};
  auto file = std::make_shared<onnx::ModelFile>(onnx::ModelFile::from_bytes(bytes));
  file->provide_external("w", bytes);
  const auto model = engine::Model::compile(std::move(file), {.memory_limit = kMemory});
  std::vector<Value> inputs;
  for (const engine::Port& port : model->inputs()) {
    auto value = input_of(port.fact);
    if (!value) return;
    inputs.push_back(std::move(*value));
  }
  engine::Session session(model);
  engine::RunSettings settings;
  settings.deadline = std::chrono::steady_clock::now() + std::chrono::seconds(2);
  session.run(inputs, settings);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  try {
    compile_and_run(std::as_bytes(std::span(data, size)));
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::kInternal) return 0;
    std::fprintf(stderr, "%s\n", error.what());
    std::abort();
  }
  return 0;
}
