// WeightFolder: digests, and files with checksums.
#include "rewrite/weight_folder.h"

#include <sys/random.h>

#include <chrono>
#include <cstring>

// Compiled in, so that the compiler's instruction set is used rather than that of the system's library.
#define XXH_INLINE_ALL
#include <xxhash.h>

#include "base/atomic_file.h"
#include "base/build_identifier.h"
#include "base/parallel.h"

namespace sdx::rewrite {
namespace fs = std::filesystem;
namespace {

constexpr size_t kSecretBytes = XXH3_SECRET_DEFAULT_SIZE;
constexpr size_t kChunkBytes = size_t{1} << 20;
constexpr size_t kHeaderBytes = 4096;  ///< keeps the elements aligned to a page
/// A file written to within that time before it was read could be written to again without a new time.
constexpr int64_t kSettled = 3'000'000'000;

struct Header {
  char magic[8];
  Digest digest, checksum;
  uint64_t dtype, bytes;
};
constexpr char kWeightMagic[] = "sdxwgt1";
constexpr char kSourceMagic[] = "sdxsrc1";

struct Range {
  uint64_t offset, length;
  Digest digest;
};

Digest hash(std::span<const std::byte> bytes, std::span<const std::byte> secret) {
  const XXH128_hash_t h = XXH3_128bits_withSecret(bytes.data(), bytes.size(), secret.data(), secret.size());
  return {h.low64, h.high64};
}

/// Of the digests of the chunks, which are made side by side. `before` is called with each chunk before it is read.
Digest hash_chunks(std::span<const std::byte> bytes, std::span<const std::byte> secret,
                   const std::function<void(std::span<const std::byte>)>& before = {}) {
  const size_t chunks = (bytes.size() + kChunkBytes - 1) / kChunkBytes;
  std::vector<Digest> each(chunks + 1);
  Parallel(0).run(static_cast<int64_t>(chunks), 1, [&](int64_t begin, int64_t end, int) {
    for (int64_t c = begin; c < end; ++c) {
      const size_t at = static_cast<size_t>(c) * kChunkBytes;
      const auto chunk = bytes.subspan(at, std::min(kChunkBytes, bytes.size() - at));
      if (before) before(chunk);
      each[static_cast<size_t>(c)] = hash(chunk, secret);
    }
  });
  each[chunks] = {bytes.size(), chunks};
  return hash(std::as_bytes(std::span(each)), secret);
}

std::string hex(const Digest& digest) {
  constexpr char kDigits[] = "0123456789abcdef";
  std::string out;
  for (uint64_t word : digest) {
    for (int shift = 60; shift >= 0; shift -= 4) out += kDigits[word >> shift & 15];
  }
  return out;
}

/// The file's bytes; null where it is missing or unreadable.
std::shared_ptr<const MappedFile> map(const fs::path& path) {
  try {
    return MappedFile::open(path);
  } catch (const Error&) {
    return nullptr;
  }
}

std::optional<Header> header_of(const MappedFile& file) {
  if (file.bytes().size() < kHeaderBytes) return std::nullopt;
  Header h;
  std::memcpy(&h, file.bytes().data(), sizeof(h));
  if (std::memcmp(h.magic, kWeightMagic, sizeof(h.magic)) != 0 || h.bytes != file.bytes().size() - kHeaderBytes)
    return std::nullopt;
  return h;
}

}  // namespace

WeightFolder::WeightFolder(fs::path folder) : folder_(std::move(folder)), build_(build_identifier()) {
  if (build_.empty()) {
    fail(ErrorKind::kInternal,
         "this program was linked without a build identifier, by which kept weights are known; "
         "link it with --build-id, or do not ask for a folder of weights");
  }
  std::error_code problem;
  fs::create_directories(folder_, problem);
  if (problem || !fs::is_directory(folder_)) {
    fail(ErrorKind::kResource, "cannot make the folder '", folder_.string(), "' for packed weights",
         problem ? ": " + problem.message() : "; something else has that name");
  }
  read_secret();
}

void WeightFolder::read_secret() {
  const fs::path path = folder_ / "secret";
  for (int attempt = 0; attempt < 2; ++attempt) {
    if (const auto file = map(path); file && file->bytes().size() == kSecretBytes) {
      secret_.assign(file->bytes().begin(), file->bytes().end());
      return;
    }
    std::vector<std::byte> made(kSecretBytes);
    if (getrandom(made.data(), made.size(), 0) != static_cast<ssize_t>(made.size()))
      fail(ErrorKind::kResource, "the system gives no random bytes for '", path.string(), "'");
    AtomicFile file(path);
    file.write(made);
    file.commit();
    fs::permissions(path, fs::perms::owner_read | fs::perms::owner_write);
  }
  fail(ErrorKind::kResource, "'", path.string(), "' cannot be read back; check the folder's permissions");
}

fs::path WeightFolder::place(const Digest& digest, std::string_view ending) const {
  return folder_ / cat(hex(digest), ending);
}

Digest WeightFolder::digest(std::span<const uint64_t> parts) const {
  std::vector<uint64_t> all(parts.begin(), parts.end());
  const Digest build = hash(std::as_bytes(std::span(build_)), secret_);
  all.insert(all.end(), build.begin(), build.end());
  return hash(std::as_bytes(std::span(all)), secret_);
}

Digest WeightFolder::digest(std::span<const std::byte> bytes) const { return hash_chunks(bytes, secret_); }

Digest WeightFolder::digest(const FileIdentity& f) const {
  const uint64_t fields[] = {f.device, f.inode, f.size, static_cast<uint64_t>(f.modified),
                             static_cast<uint64_t>(f.changed)};
  return hash(std::as_bytes(std::span(fields)), secret_);
}

Digest WeightFolder::digest(std::span<const std::byte> bytes, const MappedFile& file) {
  const Digest identity = digest(file.identity());
  const std::pair<uint64_t, uint64_t> range{static_cast<uint64_t>(bytes.data() - file.bytes().data()), bytes.size()};
  {
    std::lock_guard lock(mutex_);
    auto [source, is_new] = sources_.try_emplace(identity);
    if (is_new) source->second = read_source(identity);
    if (auto known = source->second.ranges.find(range); known != source->second.ranges.end()) return known->second;
  }
  const Digest made = digest(bytes);
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  const int64_t age = std::chrono::duration_cast<std::chrono::nanoseconds>(now).count() - file.identity().changed;
  if (age >= kSettled) {
    std::lock_guard lock(mutex_);
    Source& source = sources_[identity];
    source.ranges[range] = made;
    source.changed = true;
  }
  return made;
}

WeightFolder::Source WeightFolder::read_source(const Digest& identity) const {
  const auto file = map(place(identity, ".source"));
  constexpr size_t kPrefix = sizeof(kSourceMagic) + sizeof(Digest);
  if (!file || file->bytes().size() < kPrefix || std::memcmp(file->bytes().data(), kSourceMagic, sizeof(kSourceMagic)))
    return {};
  Digest checksum;
  std::memcpy(&checksum, file->bytes().data() + sizeof(kSourceMagic), sizeof(checksum));
  const auto content = file->bytes().subspan(kPrefix);
  if (content.size() % sizeof(Range) != 0 || checksum != hash(content, secret_)) return {};
  Source out;
  for (size_t at = 0; at < content.size(); at += sizeof(Range)) {
    Range r;
    std::memcpy(&r, content.data() + at, sizeof(r));
    out.ranges[{r.offset, r.length}] = r.digest;
  }
  return out;
}

void WeightFolder::remember_sources() {
  std::lock_guard lock(mutex_);
  for (auto& [identity, source] : sources_) {
    if (!source.changed) continue;
    source.changed = false;
    std::vector<Range> ranges;
    for (const auto& [range, digest] : source.ranges) ranges.push_back({range.first, range.second, digest});
    const auto content = std::as_bytes(std::span(ranges));
    const Digest checksum = hash(content, secret_);
    attempt([&, &name = identity] {
      AtomicFile file(place(name, ".source"));
      file.write(std::as_bytes(std::span(kSourceMagic)));
      file.write(std::as_bytes(std::span(checksum)));
      file.write(content);
      file.commit_unsynced();
    });
  }
}

std::optional<Tensor> WeightFolder::find(const Digest& digest, DType dtype, const Extents& extents) {
  const auto file = map(place(digest, ".weight"));
  if (!file) return std::nullopt;
  const auto header = header_of(*file);
  const auto content = file->bytes().subspan(std::min(kHeaderBytes, file->bytes().size()));
  const bool fits = header && header->digest == digest && header->dtype == static_cast<uint64_t>(dtype) &&
                    content.size() == static_cast<uint64_t>(dtype_bytes(dtype, extents.count()));
  if (!fits) return std::nullopt;
  std::lock_guard lock(mutex_);
  std::erase_if(mapped_, [](const auto& m) { return m.second.file.expired(); });
  mapped_[content.data()] = {file, false};
  return Tensor(dtype, extents, file, content.data());
}

bool WeightFolder::is_sound(const Tensor& tensor) {
  std::shared_ptr<const MappedFile> file;
  {
    std::lock_guard lock(mutex_);
    const auto found = mapped_.find(tensor.view().data);
    if (found == mapped_.end() || found->second.is_checked) return true;
    file = found->second.file.lock();
  }
  if (!file) return true;
  const auto content = file->bytes().subspan(kHeaderBytes);
  const auto header = header_of(*file);
  const bool sound =
      header && hash_chunks(content, secret_, [&](auto chunk) { file->populate(chunk); }) == header->checksum;
  std::error_code ignored;
  if (!sound) fs::remove(file->path(), ignored);
  std::lock_guard lock(mutex_);
  if (auto found = mapped_.find(content.data()); found != mapped_.end()) found->second.is_checked = sound;
  return sound;
}

void WeightFolder::keep(const Digest& digest, const Tensor& tensor) {
  const std::span content(tensor.view().data, static_cast<size_t>(tensor.view().bytes()));
  Header header{{}, digest, hash_chunks(content, secret_), static_cast<uint64_t>(tensor.dtype()), content.size()};
  std::memcpy(header.magic, kWeightMagic, sizeof(header.magic));
  std::vector<std::byte> page(kHeaderBytes);
  std::memcpy(page.data(), &header, sizeof(header));
  std::lock_guard lock(mutex_);
  attempt([&] {
    AtomicFile file(place(digest, ".weight"));
    file.write(page);
    file.write(content);
    file.commit_unsynced();
  });
}

void WeightFolder::attempt(const std::function<void()>& write) {
  if (!problem_.empty()) return;
  try {
    write();
  } catch (const Error& e) {
    problem_ = e.what();
  }
}

std::string WeightFolder::problem() const {
  std::lock_guard lock(mutex_);
  return problem_;
}

}  // namespace sdx::rewrite
