// NumPy's .npz archives, over libzip.
#include "cli/npz.h"

#include <zip.h>

#include <memory>

#include "base/error.h"
#include "cli/npy.h"

namespace sdx::cli {
namespace {

constexpr uint64_t kMaxPart = uint64_t{1} << 36;

struct Discard {
  void operator()(zip_t* z) const { zip_discard(z); }
  void operator()(zip_file_t* f) const { zip_fclose(f); }
};
using Archive = std::unique_ptr<zip_t, Discard>;
using Part = std::unique_ptr<zip_file_t, Discard>;

Archive open_archive(const std::filesystem::path& path, int flags) {
  int code = 0;
  Archive archive(zip_open(path.c_str(), flags, &code));
  if (archive) return archive;
  zip_error_t error;
  zip_error_init_with_code(&error, code);
  const std::string why = zip_error_strerror(&error);
  zip_error_fini(&error);
  fail(ErrorKind::kInvalidInput, "cannot open '", path.string(), "': ", why);
}

std::string read_part(zip_t* archive, zip_uint64_t index, const zip_stat_t& info) {
  if (!(info.valid & ZIP_STAT_SIZE) || info.size > kMaxPart)
    fail(ErrorKind::kInvalidInput, "part '", info.name, "' has no acceptable size");
  Part part(zip_fopen_index(archive, index, 0));
  if (!part) fail(ErrorKind::kInvalidInput, "part '", info.name, "': ", zip_strerror(archive));
  std::string out;
  // Grown while reading, because the size that the archive states is only a claim.
  constexpr size_t kStep = size_t{1} << 24;
  while (out.size() < info.size) {
    const size_t at = out.size();
    out.resize(std::min<size_t>(info.size, at + kStep));
    const zip_int64_t got = zip_fread(part.get(), out.data() + at, out.size() - at);
    if (got <= 0) fail(ErrorKind::kInvalidInput, "part '", info.name, "' is broken: ", zip_file_strerror(part.get()));
    out.resize(at + static_cast<size_t>(got));
  }
  return out;
}

}  // namespace

std::map<std::string, std::string> read_npz(const std::filesystem::path& path) try {
  const Archive archive = open_archive(path, ZIP_RDONLY);
  std::map<std::string, std::string> out;
  const zip_int64_t count = zip_get_num_entries(archive.get(), 0);
  for (zip_int64_t i = 0; i < count; ++i) {
    zip_stat_t info;
    const auto index = static_cast<zip_uint64_t>(i);
    if (zip_stat_index(archive.get(), index, 0, &info) != 0)
      fail(ErrorKind::kInvalidInput, "part ", i, ": ", zip_strerror(archive.get()));
    std::string name = info.name;
    if (name.ends_with('/')) continue;
    if (name.ends_with(".npy")) name.resize(name.size() - 4);
    out[name] = read_part(archive.get(), index, info);
  }
  return out;
} catch (Error& e) {
  e.within(cat("'", path.string(), "'"));
  throw;
}

void write_npz(const std::filesystem::path& path, const std::vector<std::pair<std::string, Tensor>>& arrays) {
  // libzip writes to a temporary file and renames it when the archive is closed.
  Archive archive = open_archive(path, ZIP_CREATE | ZIP_TRUNCATE);
  std::vector<std::string> files;
  files.reserve(arrays.size());
  for (const auto& [name, tensor] : arrays) {
    files.push_back(write_npy(tensor.view()));
    zip_source_t* source = zip_source_buffer(archive.get(), files.back().data(), files.back().size(), 0);
    const zip_int64_t index =
        source ? zip_file_add(archive.get(), (name + ".npy").c_str(), source, ZIP_FL_OVERWRITE) : -1;
    if (index < 0) fail(ErrorKind::kResource, "cannot write '", path.string(), "': ", zip_strerror(archive.get()));
    zip_set_file_compression(archive.get(), static_cast<zip_uint64_t>(index), ZIP_CM_STORE, 0);
  }
  if (arrays.empty()) fail(ErrorKind::kInvalidInput, "there is no tensor to write to '", path.string(), "'");
  const bool written = zip_close(archive.get()) == 0;
  const bool no_place = !written && zip_error_code_zip(zip_get_error(archive.get())) == ZIP_ER_TMPOPEN;
  if (!written)
    fail(no_place ? ErrorKind::kInvalidInput : ErrorKind::kResource, "cannot write '", path.string(),
         "': ", zip_strerror(archive.get()));
  archive.release();
}

}  // namespace sdx::cli
