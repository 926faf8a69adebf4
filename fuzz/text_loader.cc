// Fuzzes the reader of tokenizer.json: any bytes load or fail with one Error, and what loads encodes and decodes.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/error.h"
#include "text/tokenizer.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  try {
    const auto tokenizer = sdx::text::Tokenizer::parse({reinterpret_cast<const char*>(data), size});
    const sdx::text::Encoding e = tokenizer.encode("Héllo, wörld!  <s> 123 日本\n\xFF");
    tokenizer.tokens(e);
    tokenizer.decode(e.ids, {true, true});
  } catch (const sdx::Error&) {
  }
  return 0;
}
