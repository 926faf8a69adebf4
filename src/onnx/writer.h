// Writing: the structs of model_view.h to a serialised model, with the weights inside or beside it.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>

#include "base/mapped_file.h"
#include "onnx/model_file.h"
#include "onnx/model_view.h"

namespace sdx::onnx {

/// Serialises the model as it is: external tensors stay external and keep their entries. What is read back equals
/// `model`. Throws Resource for more than 2 GiB, which no protobuf reader takes.
std::string write_model(const ModelView& model);

/// Serialises one tensor.
std::string write_tensor(const TensorView& tensor);

/// How save_model() divides a model between two files.
struct SaveOptions {
  /// A model file of at most this many bytes holds all weights itself. Never more than 2 GiB.
  uint64_t inline_limit = uint64_t{1} << 30;
  /// Initializers of fewer bytes stay in the model file even if others do not.
  uint64_t smallest_external = 1024;
  /// Name of the file with the weights, beside the model; empty: the model's file name with "_data" behind it.
  std::string data_name;
};

/// Gives the elements of a tensor in the plain layout of onnx/tensor_data.h.
using TensorSource = std::function<SharedBytes(const TensorView&)>;

/// Writes `model` to `path`, and its initializers to a second file where SaveOptions says so. Weights are streamed: no
/// more than one decoded tensor is in memory at a time. In the second file tensors start at multiples of 64 bytes, of
/// 4096 from 1 MiB on, so that they can be mapped. `source` gives the elements of external tensors and of those that
/// move; it is usually that of the ModelFile from which the views come.
///
/// Each file appears under its name only when it is complete, the weights before the model; files that were there
/// before are replaced, and may be the ones that `source` reads from. Throws Resource when a file cannot be written or
/// the model without its weights is over 2 GiB.
void save_model(const ModelView& model, const std::filesystem::path& path, const TensorSource& source,
                const SaveOptions& options = {});

/// The same for a model as it was opened.
void save_model(const ModelFile& file, const std::filesystem::path& path, const SaveOptions& options = {});

}  // namespace sdx::onnx
