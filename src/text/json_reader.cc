// Reading of JSON files with simdjson.
#include "text/json_reader.h"

#include <sys/stat.h>
#include <unistd.h>

#include <memory>
#include <new>

#include "base/mapped_file.h"
#include "text/utf8.h"

namespace sdx::text {
namespace {

constexpr size_t kMaxJson = size_t{1} << 30;
constexpr size_t kMaxDepth = 64;

[[noreturn]] void wrong_type(std::string_view what, std::string_view wanted) {
  fail(ErrorKind::kInvalidModel, what, " is not ", wanted, "; correct the file");
}

std::shared_ptr<const MappedFile> map(const std::string& path, size_t limit) {
  auto file = MappedFile::open(path);
  if (file->bytes().size() > limit) {
    fail(ErrorKind::kResource, path, " has ", file->bytes().size(), " bytes but at most ", limit,
         " are accepted; use a smaller file");
  }
  return file;
}

/// Whether bytes can be read behind the file's: the rest of its last page, which is zero.
bool has_padding(const MappedFile& file) {
  const auto page = static_cast<size_t>(::sysconf(_SC_PAGESIZE)), used = file.bytes().size() % page;
  return used != 0 && page - used >= simdjson::SIMDJSON_PADDING;
}

}  // namespace

bool file_exists(const std::string& path) {
  struct stat info {};
  return path_exists(path) && stat(path.c_str(), &info) == 0 && S_ISREG(info.st_mode);
}

std::string read_file(const std::string& path, size_t limit) {
  return std::string(MappedFile::share(map(path, limit)).text());
}

SharedBytes map_json(const std::string& path) { return MappedFile::share(map(path, kMaxJson)); }

JsonFile::JsonFile(const std::string& path) {
  const auto file = map(path, kMaxJson);
  file->populate(file->bytes());
  parse(MappedFile::share(file).text(), has_padding(*file), path);
}

JsonFile::JsonFile(std::string_view text, const std::string& name) { parse(text, false, name); }

void JsonFile::parse(std::string_view text, bool padded, const std::string& name) {
  if (text.substr(0, 3) == "\xEF\xBB\xBF") text.remove_prefix(3);
  if (parser_.allocate(std::max<size_t>(text.size(), 64), kMaxDepth) != simdjson::SUCCESS) throw std::bad_alloc();
  if (const auto error = parser_.parse(text.data(), text.size(), !padded).get(root_); error != simdjson::SUCCESS) {
    fail(ErrorKind::kInvalidModel, name, " is not valid JSON: ", simdjson::error_message(error),
         "; get the file again");
  }
}

std::optional<JsonValue> member(const JsonValue& object, std::string_view key) {
  JsonObject o;
  JsonValue value;
  if (object.get_object().get(o) != simdjson::SUCCESS || o.at_key(key).get(value) != simdjson::SUCCESS ||
      value.is_null()) {
    return std::nullopt;
  }
  return value;
}

namespace {

JsonValue required(const JsonValue& object, std::string_view key) {
  const auto value = member(object, key);
  if (!value) fail(ErrorKind::kInvalidModel, "the member \"", key, "\" is missing; add it");
  return *value;
}

}  // namespace

std::string_view as_string(const JsonValue& value, std::string_view what) {
  std::string_view out;
  if (value.get_string().get(out) != simdjson::SUCCESS) wrong_type(what, "a string");
  return out;
}

uint64_t as_uint(const JsonValue& value, std::string_view what) {
  uint64_t out = 0;
  if (value.get_uint64().get(out) != simdjson::SUCCESS) wrong_type(what, "a non-negative integer");
  return out;
}

double as_number(const JsonValue& value, std::string_view what) {
  double out = 0;
  if (value.get_double().get(out) != simdjson::SUCCESS) wrong_type(what, "a number");
  return out;
}

JsonArray as_array(const JsonValue& value, std::string_view what) {
  JsonArray out;
  if (value.get_array().get(out) != simdjson::SUCCESS) wrong_type(what, "an array");
  return out;
}

JsonObject as_object(const JsonValue& value, std::string_view what) {
  JsonObject out;
  if (value.get_object().get(out) != simdjson::SUCCESS) wrong_type(what, "an object");
  return out;
}

std::string_view string_member(const JsonValue& object, std::string_view key) {
  return as_string(required(object, key), key);
}

std::string string_or(const JsonValue& object, std::string_view key, std::string_view fallback) {
  const auto value = member(object, key);
  return std::string(value ? as_string(*value, key) : fallback);
}

bool bool_or(const JsonValue& object, std::string_view key, bool fallback) {
  const auto value = member(object, key);
  if (!value) return fallback;
  bool out = false;
  if (value->get_bool().get(out) != simdjson::SUCCESS) wrong_type(key, "true or false");
  return out;
}

uint64_t uint_or(const JsonValue& object, std::string_view key, uint64_t fallback) {
  const auto value = member(object, key);
  return value ? as_uint(*value, key) : fallback;
}

uint64_t uint_member(const JsonValue& object, std::string_view key) { return as_uint(required(object, key), key); }

char32_t char_member(const JsonValue& object, std::string_view key, char32_t fallback) {
  const auto value = member(object, key);
  if (!value) return fallback;
  const std::string_view text = as_string(*value, key);
  uint32_t length = 0;
  if (text.empty() || count_characters(text) != 1) wrong_type(key, "a single character");
  return decode_utf8(text.data(), length);
}

}  // namespace sdx::text
