// Tokenizer::load: which files of a folder to read.
#include <sys/stat.h>

#include "base/error.h"
#include "text/loaders.h"
#include "text/tokenizer.h"

namespace sdx::text {
namespace {

bool is_folder(const std::string& path) {
  struct stat info {};
  return stat(path.c_str(), &info) == 0 && S_ISDIR(info.st_mode);
}

TokenizerParts load_parts(const std::string& path) {
  if (!is_folder(path)) {
    if (path.ends_with(".model") || path.ends_with(".spm")) return load_sentencepiece_file(path);
    return load_tokenizer_json(path);
  }
  const std::string json = path + "/tokenizer.json";
  if (!file_exists(json)) return load_older_files(path);
  TokenizerParts parts;
  try {
    parts = load_tokenizer_json(json);
  } catch (Error& e) {
    e.within("tokenizer.json");
    throw;
  }
  apply_folder_config(path, parts);
  return parts;
}

}  // namespace

Tokenizer Tokenizer::load(const std::string& path) {
  try {
    return Tokenizer(load_parts(path));
  } catch (Error& e) {
    e.within(path);
    throw;
  }
}

Tokenizer Tokenizer::parse(std::string_view json) { return Tokenizer(parse_tokenizer_json(json)); }

}  // namespace sdx::text
