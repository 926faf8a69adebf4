// What the loaders of older folders share.
#include "text/folder_parts.h"

#include <algorithm>
#include <map>
#include <set>

#include "base/error.h"
#include "text/json_reader.h"
#include "text/loaders.h"

namespace sdx::text {
namespace {

bool flag_of(const nlohmann::json& object, const char* key, bool fallback) {
  const auto it = object.find(key);
  return it != object.end() && it->is_boolean() ? it->get<bool>() : fallback;
}

std::optional<uint64_t> id_of(const std::string& text) {
  if (text.empty() || text.size() > 9 ||
      !std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; })) {
    return std::nullopt;
  }
  return std::stoull(text);
}

constexpr const char* kRoles[] = {"bos", "eos", "unk", "sep", "pad", "cls", "mask"};

/// The tokens of additional_special_tokens and of the roles.
std::vector<AddedToken> special_tokens_of(const FolderConfig& config) {
  std::vector<AddedToken> tokens;
  for (const nlohmann::json* file : {&config.tokenizer, &config.special_tokens}) {
    const auto it = file->find("additional_special_tokens");
    if (it == file->end() || !it->is_array()) continue;
    for (const nlohmann::json& value : *it) {
      if (auto token = configured_token(value)) tokens.push_back(std::move(*token));
    }
  }
  for (const char* role : kRoles) {
    if (auto token = config.special(std::string(role) + "_token")) tokens.push_back(std::move(*token));
  }
  return tokens;
}

/// Whether `tokens` has one with this content.
bool holds(const std::vector<AddedToken>& tokens, const std::string& content) {
  return std::any_of(tokens.begin(), tokens.end(), [&](const AddedToken& t) { return t.content == content; });
}

bool never(const std::string&) { return false; }

/// Gives a family's own token the flags with which a role of the configuration spells it out.
void take_flags(const FolderConfig& config, AddedToken& token) {
  for (const nlohmann::json* file : {&config.tokenizer, &config.special_tokens}) {
    for (const char* role : kRoles) {
      const auto it = file->find(std::string(role) + "_token");
      if (it == file->end() || !it->is_object()) continue;
      const auto configured = configured_token(*it);
      if (!configured || configured->content != token.content) continue;
      token = *configured;
      return;
    }
  }
}

/// The tokens of added_tokens.json and added_tokens_decoder, by id.
std::map<uint64_t, AddedToken> listed_tokens(const FolderConfig& config, bool (*special)(const std::string&)) {
  std::map<uint64_t, AddedToken> by_id;
  const std::vector<AddedToken> specials = special_tokens_of(config);
  for (const auto& [content, id] : config.added_tokens.items()) {
    if (!id.is_number_unsigned()) {
      fail(ErrorKind::kInvalidModel, "added_tokens.json gives \"", content, "\" the id ", id.dump(),
           "; ids are whole numbers from 0 on");
    }
    AddedToken token = special_token(content);
    token.special = special(content) || holds(specials, content);
    token.normalized = !token.special;
    by_id[id.get<uint64_t>()] = token;
  }
  const auto listed = config.tokenizer.find("added_tokens_decoder");
  if (listed == config.tokenizer.end() || !listed->is_object()) return by_id;
  for (const auto& [key, value] : listed->items()) {
    const auto id = id_of(key);
    if (!id || !value.is_object() || !value.contains("content") || !value["content"].is_string()) {
      fail(ErrorKind::kInvalidModel, "added_tokens_decoder[\"", key,
           "\"] is no token with an id; correct tokenizer_config.json");
    }
    AddedToken token = *configured_token(value);
    token.special = flag_of(value, "special", false);
    token.normalized = flag_of(value, "normalized", !token.special);
    by_id[*id] = token;
  }
  return by_id;
}

}  // namespace

AddedToken special_token(std::string content) {
  AddedToken token;
  token.content = std::move(content);
  token.normalized = false;
  token.special = true;
  return token;
}

void add_configured_tokens(const FolderConfig& config, bool (*special)(const std::string&), Vocab& vocab,
                           std::vector<AddedToken>& tokens) {
  for (AddedToken& token : tokens) take_flags(config, token);
  for (const auto& [id, token] : listed_tokens(config, special)) {
    const auto same = [&, content = token.content](const AddedToken& other) { return other.content == content; };
    tokens.erase(std::remove_if(tokens.begin(), tokens.end(), same), tokens.end());
    tokens.push_back(token);
    vocab.add(token.content, id);
  }
}

namespace {

std::vector<TemplatePiece> template_pieces(const Model& model, const std::vector<std::string>& elements) {
  std::vector<TemplatePiece> pieces;
  for (std::string name : elements) {
    TemplatePiece piece;
    if (name.ends_with("/1")) {
      piece.type_id = 1;
      name.resize(name.size() - 2);
    }
    const int32_t id = model.find(name);
    if (name == "A" || name == "B") {
      piece.sequence = name == "A" ? 0 : 1;
    } else if (id != kNone) {
      piece.tokens.push_back({name, static_cast<uint32_t>(id)});
    } else {
      continue;
    }
    pieces.push_back(std::move(piece));
  }
  return pieces;
}

}  // namespace

PostProcessorPtr make_surroundings(const Model& model, const std::vector<std::string>& single,
                                   const std::vector<std::string>& pair) {
  return make_template_processing(template_pieces(model, single), template_pieces(model, pair));
}

void set_roles(TokenizerParts& parts, std::initializer_list<std::pair<const char*, std::string>> roles) {
  for (const auto& [role, token] : roles) {
    if (parts.model->find(token) != kNone) parts.special_tokens.emplace(role, token);
  }
}

Vocab read_vocab_json(const std::string& path) {
  const JsonFile file(path);
  const JsonObject object = as_object(file.root(), path);
  Vocab vocab;
  vocab.reserve(object.size(), object.size() * 8);
  for (const auto field : object) {
    uint64_t id = 0;
    if (field.value.get_uint64().get(id) != simdjson::SUCCESS) {
      fail(ErrorKind::kInvalidModel, path, ": the id of \"", field.key.substr(0, 60),
           "\" is no whole number from 0 on; correct it");
    }
    vocab.add(field.key, id);
  }
  return vocab;
}

void apply_folder_config(const std::string& folder, TokenizerParts& parts) {
  const FolderConfig config = FolderConfig::load(folder);
  for (const char* role : kRoles) {
    if (const auto token = config.special(std::string(role) + "_token")) parts.special_tokens[role] = token->content;
  }
  std::vector<AddedToken> named;
  for (auto& [id, token] : listed_tokens(config, never)) named.push_back(token);
  for (AddedToken& token : special_tokens_of(config)) named.push_back(std::move(token));
  std::set<std::string> known;
  for (const AddedToken& token : parts.added_tokens) known.insert(token.content);
  for (AddedToken& token : named) {
    if (known.insert(token.content).second) parts.added_tokens.push_back(std::move(token));
  }
  const auto it = config.tokenizer.find("model_max_length");
  if (it != config.tokenizer.end() && it->is_number_unsigned()) parts.model_max_length = it->get<uint64_t>();
}

}  // namespace sdx::text
