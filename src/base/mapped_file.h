// MappedFile: a read-only memory mapping of one regular file, shared by everything that borrows from it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string_view>

namespace sdx {

/// Bytes together with whatever keeps them alive. An empty owner means that the caller keeps them alive.
struct SharedBytes {
  std::span<const std::byte> bytes;
  std::shared_ptr<const void> owner;

  /// `length` bytes from `offset` on, with the same owner. Throws InvalidModel when they are not all there.
  SharedBytes slice(uint64_t offset, uint64_t length) const;
  std::string_view text() const { return {reinterpret_cast<const char*>(bytes.data()), bytes.size()}; }
};

/// Whether there is something at `path`. Throws InvalidInput where it is a symlink to nothing, as an interrupted
/// download leaves in the Hub's cache: another file in its place would be a silent change of model.
bool path_exists(const std::filesystem::path& path);

/// What tells a file from others, and from itself once it has been written to: as the system numbers it.
struct FileIdentity {
  uint64_t device = 0, inode = 0, size = 0;
  int64_t modified = 0, changed = 0;  ///< nanoseconds since the epoch, of the content and of the inode
  bool operator==(const FileIdentity&) const = default;
};

/// A file mapped read-only from first to last byte. Files of any size work, empty ones included. The mapping outlives
/// a rename or an unlink of the file; another process that truncates the file while it is mapped makes reads fault.
class MappedFile {
 public:
  /// Maps `path`, symlinks followed. Throws InvalidInput when it is missing, unreadable or not a regular file.
  static std::shared_ptr<const MappedFile> open(const std::filesystem::path& path);

  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;
  ~MappedFile();

  const std::filesystem::path& path() const { return path_; }
  std::span<const std::byte> bytes() const { return {data_, size_}; }
  /// As it was when the file was mapped.
  const FileIdentity& identity() const { return identity_; }
  bool holds(std::span<const std::byte> range) const;
  /// All bytes of `file`, kept alive by it.
  static SharedBytes share(const std::shared_ptr<const MappedFile>& file) { return {file->bytes(), file}; }

  /// Copies `range` of this file to `to` past the mapping: for bytes that are read once, as mapping their pages one by
  /// one may cost more than copying them. False where the path leads to another file by now, or the range is not this
  /// file's.
  bool read(std::span<const std::byte> range, std::byte* to) const;

  /// Asks the system to read the pages that hold `range` ahead. A hint: never fails; nothing happens to bytes that are
  /// not this file's.
  void will_need(std::span<const std::byte> range) const;
  /// Maps the pages of `range` at once rather than one by one as they are touched. A hint like will_need().
  void populate(std::span<const std::byte> range) const;
  /// Lets the system drop the pages that lie wholly within `range` from this process; they are read again on the next
  /// access. A hint like will_need().
  void dont_need(std::span<const std::byte> range) const;

 private:
  MappedFile(std::filesystem::path path, const FileIdentity& identity, const std::byte* data, size_t size)
      : path_(std::move(path)), identity_(identity), data_(data), size_(size) {}

  std::filesystem::path path_;
  FileIdentity identity_;
  const std::byte* data_;
  size_t size_;
};

}  // namespace sdx
