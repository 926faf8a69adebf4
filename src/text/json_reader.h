// Reading of JSON files: typed access with errors that name the place.
#pragma once

#include <simdjson.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/error.h"
#include "base/mapped_file.h"

namespace sdx::text {

using JsonValue = simdjson::dom::element;
using JsonObject = simdjson::dom::object;
using JsonArray = simdjson::dom::array;

/// A parsed JSON file; values borrow from it.
class JsonFile {
 public:
  /// Throws as map_json() does, and InvalidModel where the file is not JSON.
  explicit JsonFile(const std::string& path);
  /// Parses text in memory.
  JsonFile(std::string_view text, const std::string& name);

  JsonValue root() const { return root_; }

 private:
  void parse(std::string_view text, bool padded, const std::string& name);

  simdjson::dom::parser parser_;
  JsonValue root_;
};

/// The bytes of a JSON file, mapped. Throws InvalidInput where it cannot be read, Resource where it is too large.
SharedBytes map_json(const std::string& path);

/// Reads a whole file. Throws InvalidInput where it cannot be read, Resource where it has more than `limit` bytes.
std::string read_file(const std::string& path, size_t limit);

bool file_exists(const std::string& path);

/// Member of an object, or nothing where it is missing or null.
std::optional<JsonValue> member(const JsonValue& object, std::string_view key);
/// Members of the given type; where the member is missing the default, or InvalidModel for the required ones.
std::string_view string_member(const JsonValue& object, std::string_view key);
std::string string_or(const JsonValue& object, std::string_view key, std::string_view fallback);
bool bool_or(const JsonValue& object, std::string_view key, bool fallback);
uint64_t uint_or(const JsonValue& object, std::string_view key, uint64_t fallback);
uint64_t uint_member(const JsonValue& object, std::string_view key);

/// Values of the given type, or InvalidModel that names `what`.
std::string_view as_string(const JsonValue& value, std::string_view what);
uint64_t as_uint(const JsonValue& value, std::string_view what);
double as_number(const JsonValue& value, std::string_view what);
JsonArray as_array(const JsonValue& value, std::string_view what);
JsonObject as_object(const JsonValue& value, std::string_view what);

/// The one character of a string member.
char32_t char_member(const JsonValue& object, std::string_view key, char32_t fallback);

}  // namespace sdx::text
