// MappedFile: opening, checking and advising through POSIX.
#include "base/mapped_file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <limits>
#include <system_error>

#include "base/error.h"

namespace sdx {
namespace {

std::string reason(int error) { return std::generic_category().message(error); }

const char* kind_of(mode_t mode) {
  if (S_ISDIR(mode)) return "a directory";
  if (S_ISFIFO(mode)) return "a named pipe";
  if (S_ISSOCK(mode)) return "a socket";
  return "a device";
}

void require_regular(const struct stat& info, const std::filesystem::path& path) {
  if (S_ISREG(info.st_mode)) return;
  fail(ErrorKind::kInvalidInput, "'", path.string(), "' is ", kind_of(info.st_mode),
       " but must be a regular file; name the file itself");
}

int64_t nanoseconds(const timespec& t) { return int64_t{t.tv_sec} * 1'000'000'000 + t.tv_nsec; }

FileIdentity identity_of(const struct stat& info) {
  return {info.st_dev, info.st_ino, static_cast<uint64_t>(info.st_size), nanoseconds(info.st_mtim),
          nanoseconds(info.st_ctim)};
}

struct Pages {
  uintptr_t begin, end;
};

/// All pages that hold a part of the range.
Pages outer_pages(std::span<const std::byte> range) {
  const auto page = static_cast<uintptr_t>(::sysconf(_SC_PAGESIZE)), begin = reinterpret_cast<uintptr_t>(range.data());
  return {begin / page * page, begin + range.size()};
}

/// The pages that lie wholly within the range.
Pages inner_pages(std::span<const std::byte> range) {
  const auto page = static_cast<uintptr_t>(::sysconf(_SC_PAGESIZE)), begin = reinterpret_cast<uintptr_t>(range.data());
  return {(begin + page - 1) / page * page, (begin + range.size()) / page * page};
}

void advise(const Pages& pages, int advice) {
  if (pages.begin < pages.end) ::madvise(reinterpret_cast<void*>(pages.begin), pages.end - pages.begin, advice);
}

class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  int get() const { return fd_; }

 private:
  int fd_;
};

}  // namespace

bool path_exists(const std::filesystem::path& path) {
  struct stat info;
  if (::stat(path.c_str(), &info) == 0) return true;
  const int why = errno;
  if (::lstat(path.c_str(), &info) != 0 || !S_ISLNK(info.st_mode)) return false;
  std::error_code ignored;
  fail(ErrorKind::kInvalidInput, "'", path.string(), "' is a link to '",
       std::filesystem::read_symlink(path, ignored).string(), "', which cannot be reached: ", reason(why),
       "; fetch the file again, or remove the link");
}

SharedBytes SharedBytes::slice(uint64_t offset, uint64_t length) const {
  if (offset > bytes.size() || length > bytes.size() - offset) {
    fail(ErrorKind::kInvalidModel, "bytes ", offset, " to ", offset, " + ", length, " are wanted but only ",
         bytes.size(), " are there; the file is cut short or does not belong to this model");
  }
  return {bytes.subspan(offset, length), owner};
}

std::shared_ptr<const MappedFile> MappedFile::open(const std::filesystem::path& path) {
  struct stat info;
  // Checked before opening as well, because opening a pipe or a device may block or have effects.
  if (::stat(path.c_str(), &info) != 0) {
    fail(ErrorKind::kInvalidInput, "cannot open '", path.string(), "': ", reason(errno), "; check the path");
  }
  require_regular(info, path);
  Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (file.get() < 0 || ::fstat(file.get(), &info) != 0) {
    fail(ErrorKind::kInvalidInput, "cannot open '", path.string(), "': ", reason(errno), "; check its permissions");
  }
  require_regular(info, path);
  if (static_cast<uint64_t>(info.st_size) > std::numeric_limits<size_t>::max()) {
    fail(ErrorKind::kResource, "'", path.string(), "' has ", info.st_size, " bytes, more than can be addressed");
  }
  const size_t size = static_cast<size_t>(info.st_size);
  void* data = nullptr;
  if (size > 0) {
    data = ::mmap(nullptr, size, PROT_READ, MAP_PRIVATE, file.get(), 0);
    if (data == MAP_FAILED) {
      fail(ErrorKind::kResource, "cannot map the ", size, " bytes of '", path.string(), "': ", reason(errno));
    }
  }
  return std::shared_ptr<const MappedFile>(
      new MappedFile(path, identity_of(info), static_cast<const std::byte*>(data), size));
}

MappedFile::~MappedFile() {
  if (size_ > 0) ::munmap(const_cast<std::byte*>(data_), size_);
}

bool MappedFile::holds(std::span<const std::byte> range) const {
  return !range.empty() && range.data() >= data_ && range.data() + range.size() <= data_ + size_;
}

bool MappedFile::read(std::span<const std::byte> range, std::byte* to) const {
  if (!holds(range)) return false;
  // Not kept open: models may have a file for each weight, processes have few descriptors.
  const Descriptor file(::open(path_.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  struct stat info;
  if (file.get() < 0 || ::fstat(file.get(), &info) != 0 || identity_of(info) != identity_) return false;
  const auto start = static_cast<off_t>(range.data() - data_);
  for (size_t done = 0; done < range.size();) {
    const ssize_t got = ::pread(file.get(), to + done, range.size() - done, start + static_cast<off_t>(done));
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return false;
    done += static_cast<size_t>(got);
  }
  return true;
}

void MappedFile::will_need(std::span<const std::byte> range) const {
  if (holds(range)) advise(outer_pages(range), MADV_WILLNEED);
}

void MappedFile::populate(std::span<const std::byte> range) const {
#ifdef MADV_POPULATE_READ
  if (holds(range)) advise(outer_pages(range), MADV_POPULATE_READ);
#else
  will_need(range);
#endif
}

void MappedFile::dont_need(std::span<const std::byte> range) const {
  if (holds(range)) advise(inner_pages(range), MADV_DONTNEED);
}

}  // namespace sdx
