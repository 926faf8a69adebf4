// ModelFile: an opened model, its view, and the way to the elements of its tensors wherever they are stored.
#pragma once

#include <cstddef>
#include <filesystem>
#include <memory>
#include <span>
#include <string_view>

#include "base/mapped_file.h"
#include "onnx/external_data.h"
#include "onnx/model_view.h"

namespace sdx::onnx {

/// Move-only. The view borrows from the file's bytes, which live at least as long as this object and as every
/// SharedBytes taken from it that has an owner. Const members may be called from several threads.
class ModelFile {
 public:
  /// Maps and reads the model at `path`. External data are looked for beside it by the rules of onnx/external_data.h,
  /// when they are first asked for. Errors have the path in their trail.
  static ModelFile open(const std::filesystem::path& path);

  /// Reads a model from memory. `bytes.owner` may be empty if the caller keeps the bytes alive. External data are those
  /// given with provide_external().
  static ModelFile from_bytes(SharedBytes bytes);
  /// The same, with further external data looked for in `folder`.
  static ModelFile from_bytes(SharedBytes bytes, const std::filesystem::path& folder);

  const ModelView& model() const { return model_; }

  /// Gives the content of the external file that the model calls `location`.
  void provide_external(std::string_view location, SharedBytes bytes) { external_.provide(location, std::move(bytes)); }

  /// The elements of any tensor of this model but one of strings, in the plain layout of onnx/tensor_data.h. Borrows
  /// from the mapped file where the layouts agree, at any alignment; then the owner is the mapping.
  /// Errors name the tensor. Strings are read with string_elements().
  SharedBytes tensor_bytes(const TensorView& tensor) const;

  /// The same elements copied to `out`, which has exactly storage_bytes(tensor) bytes.
  void fill(const TensorView& tensor, std::span<std::byte> out) const;

  /// Hints that the elements will be read soon. Matters only for raw and external data of mapped files.
  void read_ahead(const TensorView& tensor) const;
  /// Hints that the elements have been copied elsewhere and their pages may go.
  void release(const TensorView& tensor) const;
  /// The same for bytes that may lie in one of the mapped files, or anywhere else.
  void release_bytes(std::span<const std::byte> bytes) const;
  /// The mapped file that holds those bytes; null where none does.
  std::shared_ptr<const MappedFile> file_holding(std::span<const std::byte> bytes) const;
  /// Hints that whatever will be needed of the mapped files has been copied: all their pages may go until they are read
  /// again.
  void release_all() const;

 private:
  std::shared_ptr<const MappedFile> mapping_of(const TensorView& tensor) const;
  ModelFile(SharedBytes bytes, std::shared_ptr<const MappedFile> mapping, ExternalFiles external);

  SharedBytes bytes_;
  std::shared_ptr<const MappedFile> mapping_;
  ExternalFiles external_;
  ModelView model_;
};

}  // namespace sdx::onnx
