// Fuzzes encoding and decoding: the first byte picks a small tokenizer, the others are the text.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "text/tokenizer.h"

namespace {

using sdx::text::Tokenizer;

constexpr const char* kTokenizers[] = {
    R"json({"normalizer":{"type":"BertNormalizer"},"pre_tokenizer":{"type":"BertPreTokenizer"},"decoder":{"type":"WordPiece"},
        "added_tokens":[{"id":9,"content":"[X]","lstrip":true,"rstrip":true}],
        "model":{"type":"WordPiece","vocab":{"[UNK]":0,"a":1,"##b":2,"ab":3,"the":4,"##e":5,".":6,"e":7,"é":8}}})json",
    R"json({"pre_tokenizer":{"type":"ByteLevel"},"decoder":{"type":"ByteLevel"},"post_processor":{"type":"ByteLevel"},
        "model":{"type":"BPE","vocab":{"a":0,"b":1,"ab":2,"Ġ":3,"Ġa":4,"Ã":5,"©":6,"Ã©":7},"merges":["a b","Ġ a","Ã ©"]}})json",
    R"json({"normalizer":{"type":"Sequence","normalizers":[{"type":"NFKC"},{"type":"Strip"},{"type":"Replace","pattern":
        {"Regex":"\\s+"},"content":" "}]},"pre_tokenizer":{"type":"Metaspace","replacement":"▁","prepend_scheme":"first"},
        "decoder":{"type":"Sequence","decoders":[{"type":"ByteFallback"},{"type":"Fuse"}]},"truncation":{"max_length":6,
        "stride":2,"strategy":"LongestFirst"},"model":{"type":"Unigram","unk_id":0,"byte_fallback":true,"vocab":
        [["<unk>",0],["▁",-1],["a",-2],["▁a",-1.5],["b",-2],["ab",-2.5],["<0xC3>",-9]]}})json",
    R"json({"normalizer":{"type":"NFD"},"pre_tokenizer":{"type":"Sequence","pretokenizers":[{"type":"UnicodeScripts"},
        {"type":"Split","pattern":{"Regex":"[0-9]+|(?=x)"},"behavior":"MergedWithNext"},{"type":"Digits"}]},
        "model":{"type":"WordLevel","unk_token":"u","vocab":{"u":0,"a":1}}})json"};

const Tokenizer& tokenizer(size_t i) {
  static const std::vector<Tokenizer> all = [] {
    std::vector<Tokenizer> list;
    for (const char* json : kTokenizers) list.push_back(Tokenizer::parse(json));
    return list;
  }();
  return all[i % all.size()];
}

void check(bool holds) {
  if (!holds) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const Tokenizer& t = tokenizer(data[0]);
  const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
  try {
    const sdx::text::Encoding e = t.encode(text);
    check(t.tokens(e).size() == e.size() && e.offsets.size() == e.size() && e.word_ids.size() == e.size());
    for (const sdx::text::Align& o : e.offsets) check(o.begin <= o.end && o.end <= text.size() + 2);
    const std::string whole = t.decode(e.ids);
    sdx::text::StreamDecoder stream(t, {});
    std::string streamed;
    for (const uint32_t id : e.ids) streamed += stream.push(id);
    streamed += stream.finish();
    check(streamed.size() >= whole.size() || whole.find("\xEF\xBF\xBD") != std::string::npos);
    t.encode({text, text.substr(text.size() / 2)});
  } catch (const sdx::Error&) {
  }
  return 0;
}
