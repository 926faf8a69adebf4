// What the tokenizer of a folder makes of two texts: tokenize_text FOLDER TEXT CONTEXT
#include <cstdio>
#include <string>

#include "sardonyx/tokenizer.h"

namespace {

void print(const char* name, const std::vector<int64_t>& values) {
  std::printf("%s", name);
  for (const int64_t value : values) std::printf(" %lld", static_cast<long long>(value));
  std::printf("\n");
}

/// The parts of the text that the tokens stand for; special tokens stand for none.
void print_parts(const std::string& text, const sardonyx::Encoding& e) {
  for (size_t i = 0; i < e.ids.size(); ++i) {
    const auto [from, to] = e.offsets[i];
    if (e.special_tokens_mask[i] == 0) std::printf("[%s]", text.substr(from, to - from).c_str());
  }
  std::printf("\n");
}

}  // namespace

int main(int argc, char** argv) try {
  if (argc != 4) return std::fprintf(stderr, "usage: tokenize_text FOLDER TEXT CONTEXT\n"), 2;
  const std::string text = argv[2], context = argv[3];
  const auto tokenizer = sardonyx::Tokenizer::load(argv[1]);

  // One text; offsets count characters unless bytes are asked for.
  sardonyx::EncodeOptions bytes;
  bytes.offsets = sardonyx::OffsetUnit::Bytes;
  const sardonyx::Encoding one = tokenizer.encode(text, bytes);
  print("ids", one.ids);
  print_parts(text, one);

  // A pair in windows: the first text stays whole, neighbours share 2 tokens of the second.
  sardonyx::EncodeOptions windows;
  windows.truncation = {
      .max_length = one.ids.size() + 8, .stride = 2, .strategy = sardonyx::TruncationStrategy::OnlySecond};
  const sardonyx::Encoding pair = tokenizer.encode({text, context}, windows);
  print("window", pair.ids);
  for (const sardonyx::Encoding& more : pair.overflowing) print("window", more.ids);

  // A batch, every text padded to the longest.
  sardonyx::EncodeOptions padded;
  padded.padding = sardonyx::Padding{};
  for (const sardonyx::Encoding& row : tokenizer.encode_batch({text, context}, padded))
    print("mask", row.attention_mask);

  // Back to text, token by token: whole characters only.
  auto stream = tokenizer.stream({.skip_special_tokens = true});
  for (const int64_t id : one.ids) std::printf("%s|", stream.push(id).c_str());
  std::printf("%s\n", stream.finish().c_str());
} catch (const sardonyx::Error& e) {
  std::fprintf(stderr, "%s\n", e.what());
  return 1;
}
