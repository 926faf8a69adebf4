// ModelFile: opening a model and finding the bytes of its tensors.
#include "onnx/model_file.h"

#include <cstring>

#include "base/error.h"
#include "onnx/reader.h"
#include "onnx/tensor_data.h"
#include "onnx/wire.h"

namespace sdx::onnx {

ModelFile::ModelFile(SharedBytes bytes, std::shared_ptr<const MappedFile> mapping, ExternalFiles external)
    : bytes_(std::move(bytes)),
      mapping_(std::move(mapping)),
      external_(std::move(external)),
      model_(read_model(bytes_.text())) {}

ModelFile ModelFile::open(const std::filesystem::path& path) {
  auto mapping = MappedFile::open(path);
  try {
    SharedBytes bytes = MappedFile::share(mapping);
    return ModelFile(std::move(bytes), std::move(mapping), ExternalFiles::beside(path));
  } catch (Error& error) {
    error.within(cat("file '", path.string(), "'"));
    throw;
  }
}

ModelFile ModelFile::from_bytes(SharedBytes bytes) { return ModelFile(std::move(bytes), nullptr, ExternalFiles()); }

ModelFile ModelFile::from_bytes(SharedBytes bytes, const std::filesystem::path& folder) {
  return ModelFile(std::move(bytes), nullptr, ExternalFiles::in_folder(folder));
}

SharedBytes ModelFile::tensor_bytes(const TensorView& tensor) const {
  try {
    if (tensor.external) return external_.bytes(tensor);
    SharedBytes bytes = inline_bytes(tensor);
    if (bytes.owner == nullptr) bytes.owner = bytes_.owner;
    return bytes;
  } catch (Error& error) {
    error.within(cat("tensor ", quoted(tensor.name)));
    throw;
  }
}

void ModelFile::fill(const TensorView& tensor, std::span<std::byte> out) const {
  try {
    if (!tensor.external) {
      fill_inline(tensor, out);
      return;
    }
    const SharedBytes bytes = external_.bytes(tensor);
    if (bytes.bytes.size() != out.size()) {
      fail(ErrorKind::kInternal, "a buffer of ", out.size(), " bytes was given for ", bytes.bytes.size());
    }
    if (!out.empty()) std::memcpy(out.data(), bytes.bytes.data(), out.size());
  } catch (Error& error) {
    error.within(cat("tensor ", quoted(tensor.name)));
    throw;
  }
}

std::shared_ptr<const MappedFile> ModelFile::mapping_of(const TensorView& tensor) const {
  if (tensor.external) return storage_bytes(tensor) == 0 ? nullptr : external_.file_of(tensor);
  return tensor.field == DataField::kRaw ? mapping_ : nullptr;
}

void ModelFile::read_ahead(const TensorView& tensor) const {
  if (const auto mapping = mapping_of(tensor)) mapping->will_need(tensor_bytes(tensor).bytes);
}

void ModelFile::release(const TensorView& tensor) const {
  if (const auto mapping = mapping_of(tensor)) mapping->dont_need(tensor_bytes(tensor).bytes);
}

void ModelFile::release_bytes(std::span<const std::byte> bytes) const {
  if (mapping_) mapping_->dont_need(bytes);
  external_.release_bytes(bytes);
}

std::shared_ptr<const MappedFile> ModelFile::file_holding(std::span<const std::byte> bytes) const {
  return mapping_ && mapping_->holds(bytes) ? mapping_ : external_.file_holding(bytes);
}

void ModelFile::release_all() const {
  if (mapping_) mapping_->dont_need(mapping_->bytes());
  external_.release_all();
}

}  // namespace sdx::onnx
