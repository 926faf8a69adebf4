// Continues a prompt and prints the text as it comes: generate_text FOLDER PROMPT
#include <cstdio>

#include "sardonyx/generate.h"
#include "sardonyx/tokenizer.h"

int main(int argc, char** argv) try {
  if (argc != 3) return std::fprintf(stderr, "usage: generate_text FOLDER PROMPT\n"), 2;
  const auto tokenizer = sardonyx::Tokenizer::load(argv[1]);
  auto generator = sardonyx::Generator::load(argv[1]);
  auto stream = tokenizer.stream({.skip_special_tokens = true});
  sardonyx::GenerationRequest request;
  request.ids = {tokenizer.encode(argv[2]).ids};
  request.arguments = {{"max_new_tokens", "40"}, {"do_sample", "true"}, {"temperature", "0.7"}};
  request.on_token = [&](size_t, int64_t token) { std::printf("%s", stream.push(token).c_str()); };
  const sardonyx::Generation result = generator.generate(request);
  std::printf("%s\n%lld new tokens\n", stream.finish().c_str(), static_cast<long long>(result.new_tokens));
} catch (const sardonyx::Error& e) {
  std::fprintf(stderr, "%s\n", e.what());
  return 1;
}
