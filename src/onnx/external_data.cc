// External data: parsing places, resolving locations, mapping files.
#include "onnx/external_data.h"

#include <algorithm>
#include <charconv>
#include <system_error>

#include "base/error.h"
#include "onnx/tensor_data.h"
#include "onnx/wire.h"

namespace sdx::onnx {
namespace {

namespace fs = std::filesystem;

uint64_t parse_size(std::string_view key, std::string_view text) {
  uint64_t value = 0;
  const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || problem != std::errc() || end != text.data() + text.size()) {
    fail(ErrorKind::kInvalidModel, "external ", key, " ", quoted(text),
         " is not a number of bytes; export the model again");
  }
  return value;
}

void check_location(std::string_view location) {
  const auto refuse = [&](const char* why) {
    fail(ErrorKind::kInvalidModel, "external location ", quoted(location), " ", why,
         "; it must be the name of a file in the model's folder");
  };
  if (location.empty()) refuse("is empty");
  if (location.find('\0') != std::string_view::npos) refuse("contains a zero byte");
  const fs::path path(location);
  if (path.is_absolute()) refuse("is an absolute path");
  if (std::find(path.begin(), path.end(), "..") != path.end()) refuse("leads out of its folder with '..'");
}

bool is_within(const fs::path& path, const fs::path& tree) {
  return std::mismatch(tree.begin(), tree.end(), path.begin(), path.end()).first == tree.end();
}

/// `<repo>/blobs` for a folder `<repo>/snapshots/<revision>/…`.
std::optional<fs::path> hub_blobs(const fs::path& folder) {
  for (fs::path at = folder; at.has_relative_path(); at = at.parent_path()) {
    const fs::path above = at.parent_path();
    if (above.filename() == "snapshots") return above.parent_path() / "blobs";
  }
  return std::nullopt;
}

}  // namespace

ExternalPlace external_place(const TensorView& tensor) {
  ExternalPlace place;
  for (const StringPair& entry : tensor.external_data) {
    if (entry.key == "location") {
      place.location = entry.value;
    } else if (entry.key == "offset") {
      place.offset = parse_size("offset", entry.value);
    } else if (entry.key == "length") {
      place.length = parse_size("length", entry.value);
    }
  }
  check_location(place.location);
  return place;
}

ExternalFiles ExternalFiles::beside(const fs::path& model_path) {
  ExternalFiles files = in_folder(model_path.parent_path());
  std::error_code ignored;
  const fs::path target = fs::canonical(model_path, ignored);
  if (target.parent_path().filename() == "blobs") files.allow(target.parent_path());
  return files;
}

ExternalFiles ExternalFiles::in_folder(const fs::path& folder) {
  ExternalFiles files;
  files.folder_ = folder.empty() ? fs::path(".") : folder;
  files.allow(*files.folder_);
  if (!files.allowed_.empty()) {
    if (const auto blobs = hub_blobs(files.allowed_.front())) files.allow(*blobs);
  }
  return files;
}

void ExternalFiles::allow(const fs::path& tree) {
  std::error_code missing;
  fs::path real = fs::canonical(tree, missing);
  if (!missing) allowed_.push_back(std::move(real));
}

void ExternalFiles::provide(std::string_view location, SharedBytes bytes) {
  check_location(location);
  const std::lock_guard lock(opened_->mutex);
  opened_->files[fs::path(location).lexically_normal().string()] = {std::move(bytes), nullptr};
}

fs::path ExternalFiles::resolve(std::string_view location) const {
  if (!folder_) {
    fail(ErrorKind::kInvalidInput, "the model was given as bytes and keeps weights in the file ", quoted(location),
         ", which was not given; give that file or the model's folder as well");
  }
  const fs::path named = *folder_ / location;
  std::error_code problem;
  fs::path real = fs::canonical(named, problem);
  if (problem) {
    fail(ErrorKind::kInvalidModel, "cannot open '", named.string(),
         "', which holds weights of the model: ", problem.message(), "; put it beside the model file");
  }
  if (!fs::is_regular_file(real, problem)) {
    fail(ErrorKind::kInvalidModel, "'", named.string(),
         "', which is to hold weights of the model, is no regular file; put the file itself there");
  }
  for (const fs::path& tree : allowed_) {
    if (is_within(real, tree)) return real;
  }
  fail(ErrorKind::kInvalidModel, "external location ", quoted(location), " is a link to '", real.string(),
       "', outside of the model's folder '", folder_->string(), "'; replace the link with the file itself");
}

ExternalFiles::File ExternalFiles::open(std::string_view location) const {
  const std::string key = fs::path(location).lexically_normal().string();
  const std::lock_guard lock(opened_->mutex);
  const auto known = opened_->files.find(key);
  if (known != opened_->files.end()) return known->second;
  const auto mapping = MappedFile::open(resolve(location));
  return opened_->files[key] = {MappedFile::share(mapping), mapping};
}

SharedBytes ExternalFiles::bytes(const TensorView& tensor) const {
  const ExternalPlace place = external_place(tensor);
  const size_t wanted = storage_bytes(tensor);
  if (place.length && *place.length != wanted) {
    fail(ErrorKind::kInvalidModel, "external length is ", *place.length, " bytes but its type and dimensions take ",
         wanted, "; export the model again");
  }
  if (wanted == 0) return {};
  SharedBytes content;
  try {
    content = open(place.location).content.slice(place.offset, wanted);
  } catch (Error& error) {
    error.within(cat("external file ", quoted(place.location)));
    throw;
  }
  return plain_bytes(tensor.type, std::move(content));
}

std::shared_ptr<const MappedFile> ExternalFiles::file_of(const TensorView& tensor) const {
  return open(external_place(tensor).location).mapping;
}

void ExternalFiles::release_bytes(std::span<const std::byte> bytes) const {
  const std::lock_guard lock(opened_->mutex);
  for (const auto& [location, file] : opened_->files) {
    if (file.mapping) file.mapping->dont_need(bytes);
  }
}

std::shared_ptr<const MappedFile> ExternalFiles::file_holding(std::span<const std::byte> bytes) const {
  const std::lock_guard lock(opened_->mutex);
  for (const auto& [location, file] : opened_->files) {
    if (file.mapping && file.mapping->holds(bytes)) return file.mapping;
  }
  return nullptr;
}

void ExternalFiles::release_all() const {
  std::lock_guard lock(opened_->mutex);
  for (const auto& [location, file] : opened_->files) {
    if (file.mapping) file.mapping->dont_need(file.mapping->bytes());
  }
}

}  // namespace sdx::onnx
