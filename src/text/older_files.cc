// Folders without tokenizer.json.
#include "base/error.h"
#include "text/loaders.h"

namespace sdx::text {

TokenizerParts load_older_files(const std::string& folder) {
  fail(ErrorKind::kUnsupportedModel, "the folder ", folder, " has no tokenizer.json");
}
PreTokenizerPtr make_unicode_scripts() { fail(ErrorKind::kUnsupportedModel, "UnicodeScripts is not supported yet"); }

}  // namespace sdx::text
