// WeightFolder: packed weights kept in a folder, so that another process maps them instead of packing again.
#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/mapped_file.h"
#include "tensor/tensor.h"

namespace sdx::rewrite {

using Digest = std::array<uint64_t, 2>;

/// A file for each weight, named by a digest of what it was made of: contents, operators, instruction set and this
/// build of the program. Digests are keyed by a secret of the folder, so that no model can be made to meet another's.
/// What the system says of a model's file (inode, size, times) stands for its contents once they have been read.
/// Everything in the folder may be deleted at any time; a damaged file is found by its checksum before it is used, and
/// removed. Calls are safe from several threads.
class WeightFolder {
 public:
  /// Makes the folder where there is none. Throws Resource where that fails.
  explicit WeightFolder(std::filesystem::path folder);

  /// Of `parts` in that order, of the build, and of the secret.
  Digest digest(std::span<const uint64_t> parts) const;
  Digest digest(std::span<const std::byte> bytes) const;
  Digest digest(std::string_view text) const { return digest(std::as_bytes(std::span(text))); }
  /// Of bytes of that file; remembered where the file is old enough that a change would show in its times.
  Digest digest(std::span<const std::byte> bytes, const MappedFile& file);

  /// The weight kept under that digest, mapped, unread; nothing where there is none of that type and those extents.
  std::optional<Tensor> find(const Digest& digest, DType dtype, const Extents& extents);
  /// Whether the tensor is as it was written; true for those that are not from here. Removes the file otherwise.
  bool is_sound(const Tensor& tensor);
  /// Writes the weight. Where the disk is full, say, it does not, and problem() tells.
  void keep(const Digest& digest, const Tensor& tensor);
  /// Writes what was learnt of the models' files.
  void remember_sources();
  /// Why the folder could not be written to; "" where it could.
  std::string problem() const;

 private:
  struct Source {
    std::map<std::pair<uint64_t, uint64_t>, Digest> ranges;  ///< by offset and length
    bool changed = false;
  };
  struct Mapped {
    std::weak_ptr<const MappedFile> file;
    bool is_checked = false;
  };

  void read_secret();
  std::filesystem::path place(const Digest& digest, std::string_view ending) const;
  Source read_source(const Digest& identity) const;
  Digest digest(const FileIdentity& identity) const;
  /// Runs `write`, and keeps the message of what it throws.
  void attempt(const std::function<void()>& write);

  std::filesystem::path folder_;
  std::vector<std::byte> secret_;
  std::string build_;
  mutable std::mutex mutex_;
  std::map<Digest, Source> sources_;           ///< by digest of the file's identity
  std::map<const std::byte*, Mapped> mapped_;  ///< by where the elements lie
  std::string problem_;
};

}  // namespace sdx::rewrite
