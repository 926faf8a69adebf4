// AtomicFile: a file that appears under its name only when it is complete.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string_view>

namespace sdx {

/// Writes to a temporary file in the folder of `path` and renames it at commit(). Without commit() nothing remains and
/// whatever was at `path` is untouched. All members but the destructor throw Resource when the system refuses.
class AtomicFile {
 public:
  explicit AtomicFile(std::filesystem::path path);
  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;
  ~AtomicFile();

  void write(std::span<const std::byte> bytes);
  void write(std::string_view text) { write(std::as_bytes(std::span(text))); }
  /// Fills up with zeros so that `offset` bytes are written; `offset` is not below written().
  void pad_to(uint64_t offset);
  uint64_t written() const { return written_; }
  /// Brings everything to the disk and puts the file in its place; replaces a symlink, not what it leads to.
  void commit();
  /// The same without waiting for the disk: after a loss of power the file may be incomplete.
  void commit_unsynced();

 private:
  [[noreturn]] void refuse(const char* what) const;

  std::filesystem::path path_;
  std::filesystem::path temporary_;
  int fd_ = -1;
  uint64_t written_ = 0;
};

}  // namespace sdx
