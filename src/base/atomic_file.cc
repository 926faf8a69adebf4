// AtomicFile: temporary file, write, sync, rename.
#include "base/atomic_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <string>
#include <system_error>

#include "base/error.h"

namespace sdx {

AtomicFile::AtomicFile(std::filesystem::path path) : path_(std::move(path)) {
  static std::atomic<unsigned> counter{0};
  constexpr int kAttempts = 100;
  for (int attempt = 0; attempt < kAttempts && fd_ < 0; ++attempt) {
    const std::string name = cat(".", path_.filename().string(), ".", ::getpid(), ".", counter++, ".part");
    temporary_ = path_.parent_path() / name;
    fd_ = ::open(temporary_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (fd_ < 0 && errno != EEXIST) break;
  }
  if (fd_ < 0) refuse("create");
}

AtomicFile::~AtomicFile() {
  if (fd_ < 0) return;
  ::close(fd_);
  ::unlink(temporary_.c_str());
}

void AtomicFile::refuse(const char* what) const {
  fail(ErrorKind::kResource, "cannot ", what, " '", path_.string(), "': ", std::generic_category().message(errno),
       "; check the folder, its permissions and the free space");
}

void AtomicFile::write(std::span<const std::byte> bytes) {
  constexpr size_t kLargestWrite = size_t{1} << 30;
  while (!bytes.empty()) {
    const ssize_t done = ::write(fd_, bytes.data(), std::min(bytes.size(), kLargestWrite));
    if (done < 0 && errno == EINTR) continue;
    if (done < 0) refuse("write");
    written_ += static_cast<uint64_t>(done);
    bytes = bytes.subspan(static_cast<size_t>(done));
  }
}

void AtomicFile::pad_to(uint64_t offset) {
  if (offset == written_) return;
  if (::ftruncate(fd_, static_cast<off_t>(offset)) != 0 || ::lseek(fd_, 0, SEEK_END) < 0) refuse("extend");
  written_ = offset;
}

void AtomicFile::commit() {
  if (::fsync(fd_) != 0) refuse("write");
  commit_unsynced();
}

void AtomicFile::commit_unsynced() {
  if (::rename(temporary_.c_str(), path_.c_str()) != 0) refuse("replace");
  ::close(fd_);
  fd_ = -1;
}

}  // namespace sdx
