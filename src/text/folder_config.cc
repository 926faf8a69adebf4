// FolderConfig: reading, and the spelling of special tokens in its files.
#include "text/folder_config.h"

#include <algorithm>

#include "base/error.h"
#include "text/json_reader.h"

namespace sdx::text {
namespace {

constexpr size_t kMaxConfig = 64 * 1024 * 1024;
constexpr int kMaxDepth = 64;

nlohmann::json load_object(const std::string& path) {
  if (!file_exists(path)) return nlohmann::json::object();
  const std::string text = read_file(path, kMaxConfig);
  const nlohmann::json::parser_callback_t shallow = [&](int depth, nlohmann::json::parse_event_t, nlohmann::json&) {
    if (depth > kMaxDepth) fail(ErrorKind::kResource, path, " nests more than ", kMaxDepth, " deep; flatten it");
    return true;
  };
  try {
    nlohmann::json value = nlohmann::json::parse(text, shallow);
    if (value.is_object()) return value;
  } catch (const nlohmann::json::exception& e) {
    fail(ErrorKind::kInvalidModel, path, " is not valid JSON (", e.what(), "); get the file again");
  }
  fail(ErrorKind::kInvalidModel, path, " is not a JSON object; get the file again");
}

bool flag_of(const nlohmann::json& object, const char* key, bool fallback) {
  const auto it = object.find(key);
  return it != object.end() && it->is_boolean() ? it->get<bool>() : fallback;
}

}  // namespace

std::optional<AddedToken> configured_token(const nlohmann::json& value) {
  AddedToken token;
  token.special = true;
  token.normalized = false;
  if (value.is_string()) {
    token.content = value.get<std::string>();
    return token;
  }
  if (!value.is_object() || !value.contains("content") || !value["content"].is_string()) return std::nullopt;
  token.content = value["content"].get<std::string>();
  token.single_word = flag_of(value, "single_word", false);
  token.lstrip = flag_of(value, "lstrip", false);
  token.rstrip = flag_of(value, "rstrip", false);
  token.normalized = flag_of(value, "normalized", false);
  return token;
}

FolderConfig FolderConfig::load(const std::string& folder) {
  FolderConfig config;
  config.tokenizer = load_object(folder + "/tokenizer_config.json");
  config.special_tokens = load_object(folder + "/special_tokens_map.json");
  config.added_tokens = load_object(folder + "/added_tokens.json");
  config.model = load_object(folder + "/config.json");
  return config;
}

std::optional<bool> FolderConfig::flag(const char* key) const {
  const auto it = tokenizer.find(key);
  if (it == tokenizer.end() || !it->is_boolean()) return std::nullopt;
  return it->get<bool>();
}

std::optional<std::string> FolderConfig::text(const char* key) const {
  const auto it = tokenizer.find(key);
  if (it == tokenizer.end() || !it->is_string()) return std::nullopt;
  return it->get<std::string>();
}

std::optional<AddedToken> FolderConfig::special(const std::string& role) const {
  for (const nlohmann::json* file : {&tokenizer, &special_tokens}) {
    const auto it = file->find(role);
    if (it == file->end()) continue;
    if (auto token = configured_token(*it)) return token;
  }
  return std::nullopt;
}

std::string FolderConfig::family() const {
  std::string name;
  const auto named = [&](const nlohmann::json& file, const char* key) {
    const auto it = file.find(key);
    return it != file.end() && it->is_string() ? it->get<std::string>() : std::string();
  };
  name = named(tokenizer, "tokenizer_class");
  if (name.empty()) name = named(model, "tokenizer_class");
  if (!name.empty()) {
    for (const std::string_view suffix : {"Fast", "Tokenizer", "CTC"}) {
      const size_t at = name.rfind(suffix);
      if (at != std::string::npos && at + suffix.size() == name.size()) name.erase(at);
    }
  } else {
    name = named(model, "model_type");
  }
  std::transform(name.begin(), name.end(), name.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
  name.erase(std::remove_if(name.begin(), name.end(), [](char c) { return c == '-' || c == '_'; }), name.end());
  return name;
}

}  // namespace sdx::text
