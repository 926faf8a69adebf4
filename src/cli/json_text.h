// JSON on lines: reading strings and ids leniently, and writing.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace sardonyx::cli {

/// Appends `text` as a JSON string. The text must be valid UTF-8.
void append_json_string(std::string& out, std::string_view text);

/// Parses a JSON string, or an array of strings. Lone surrogates become U+FFFD; raw bytes are taken as they are.
/// Nothing where the line is neither. `array` tells which it was.
std::optional<std::vector<std::string>> parse_strings(std::string_view line, bool& array);

/// Parses a JSON array of integers.
std::optional<std::vector<int64_t>> parse_ids(std::string_view line);

/// Lines of standard input, read in large blocks. `on_wait` is called before reading may block.
class LineReader {
 public:
  explicit LineReader(void (*on_wait)()) : on_wait_(on_wait) {}
  /// The next line without its newline, valid until the next call; false at the end.
  bool next(std::string_view& line);

 private:
  void (*on_wait_)();
  std::string buffer_;
  size_t begin_ = 0;
  bool ended_ = false;
};

}  // namespace sardonyx::cli
