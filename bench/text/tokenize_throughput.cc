// Encodes the lines of a file when told: `load` and `pass` on standard input are answered with "seconds tokens
// cpu-seconds".
#include <chrono>
#include <ctime>
#include <fstream>
#include <iostream>
#include <optional>
#include <string>
#include <vector>

#include "text/tokenizer.h"

namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

double cpu_seconds() {
  timespec now{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

std::vector<std::string> read_lines(const char* path) {
  std::ifstream in(path, std::ios::binary);
  std::vector<std::string> lines;
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  return lines;
}

/// Encodes every line with special tokens, neither cut nor padded, and returns the number of tokens.
size_t encode_all(const sdx::text::Tokenizer& tokenizer, const std::vector<std::string>& lines) {
  sdx::text::EncodeOptions options;
  options.own_truncation = options.own_padding = false;
  size_t tokens = 0;
  for (const std::string& line : lines) tokens += tokenizer.encode(line, options).size();
  return tokens;
}

}  // namespace

int main(int argc, char** argv) try {
  if (argc != 3) {
    std::cerr << "usage: tokenize_throughput FOLDER FILE\n";
    return 2;
  }
  const std::vector<std::string> lines = read_lines(argv[2]);
  std::optional<sdx::text::Tokenizer> tokenizer(sdx::text::Tokenizer::load(argv[1]));
  for (std::string command; std::getline(std::cin, command);) {
    const double cpu = cpu_seconds();
    const auto start = Clock::now();
    size_t tokens = 0;
    if (command == "load") {
      tokenizer.emplace(sdx::text::Tokenizer::load(argv[1]));
    } else {
      tokens = encode_all(*tokenizer, lines);
    }
    std::cout << seconds_since(start) << ' ' << tokens << ' ' << cpu_seconds() - cpu << std::endl;
  }
} catch (const std::exception& error) {
  std::cerr << error.what() << '\n';
  return 1;
}
