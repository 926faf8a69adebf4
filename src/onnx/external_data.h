// External data: the rules by which a model may name other files, and the files it named.
//
// A tensor names its file by a location relative to the folder that holds the model, as that folder was named when the
// model was opened. The location must be relative and must not contain "..". What it leads to once symlinks are
// followed must be a regular file in one of these trees:
//   - the model's folder;
//   - `<repo>/blobs`, where the model's folder is `<repo>/snapshots/<revision>` or below it: the layout of the Hugging
//     Face Hub cache, in which the files of a snapshot are symlinks to ../../blobs/<hash>;
//   - the folder in which the model file itself really lies, when that folder is called `blobs`: older Hub downloads
//     into a folder of the user's choice, whose large files are symlinks into the cache.
// Anything else would let a downloaded model read files of the person who runs it. Keys other than location, offset
// and length are ignored; so is the checksum, because verifying it would read every weight at load.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/mapped_file.h"
#include "onnx/model_view.h"

namespace sdx::onnx {

/// The external_data entries of a tensor, parsed.
struct ExternalPlace {
  std::string_view location;
  uint64_t offset = 0;
  std::optional<uint64_t> length;
};

/// Throws InvalidModel for a missing or forbidden location and for numbers that are none.
ExternalPlace external_place(const TensorView& tensor);

/// The files that one model names, each mapped once, when it is first needed. Safe to use from several threads.
class ExternalFiles {
 public:
  /// No folder: only provide()d files exist.
  ExternalFiles() = default;
  /// Files beside the model at `model_path`, which is the path as the user named it.
  static ExternalFiles beside(const std::filesystem::path& model_path);
  /// Files in `folder`, for a model that is no file itself.
  static ExternalFiles in_folder(const std::filesystem::path& folder);

  /// Makes `bytes` the content of the file that the model calls `location`, whatever is on disk.
  void provide(std::string_view location, SharedBytes bytes);

  /// The elements of an external tensor in the plain layout (onnx/tensor_data.h), at any alignment. Throws
  /// InvalidModel for a place that breaks the rules, holds no readable file or not exactly the tensor's bytes. A tensor
  /// without elements needs no file.
  SharedBytes bytes(const TensorView& tensor) const;

  /// The mapped file that holds `tensor`; null when its bytes were provided.
  std::shared_ptr<const MappedFile> file_of(const TensorView& tensor) const;
  /// The pages that hold these bytes, where a mapped file does, may go until they are read again.
  void release_bytes(std::span<const std::byte> bytes) const;
  /// The opened file that holds those bytes; null where none does.
  std::shared_ptr<const MappedFile> file_holding(std::span<const std::byte> bytes) const;
  /// The same for all bytes of all mapped files.
  void release_all() const;

 private:
  struct File {
    SharedBytes content;
    std::shared_ptr<const MappedFile> mapping;
  };
  struct Opened {
    std::mutex mutex;
    std::map<std::string, File, std::less<>> files;
  };

  File open(std::string_view location) const;
  std::filesystem::path resolve(std::string_view location) const;
  void allow(const std::filesystem::path& tree);

  std::optional<std::filesystem::path> folder_;
  std::vector<std::filesystem::path> allowed_;  ///< canonical trees in which files may really lie
  std::unique_ptr<Opened> opened_ = std::make_unique<Opened>();
};

}  // namespace sdx::onnx
