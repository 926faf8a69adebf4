// JSON on lines.
#include "cli/json_text.h"

#include <unistd.h>

#include <charconv>
#include <cstdio>

namespace sardonyx::cli {
namespace {

class Parser {
 public:
  explicit Parser(std::string_view text) : text_(text) {}

  void skip_spaces() {
    while (at_ < text_.size() &&
           (text_[at_] == ' ' || text_[at_] == '\t' || text_[at_] == '\r' || text_[at_] == '\n')) {
      ++at_;
    }
  }
  bool take(char c) {
    skip_spaces();
    if (at_ >= text_.size() || text_[at_] != c) return false;
    ++at_;
    return true;
  }
  bool at_end() {
    skip_spaces();
    return at_ == text_.size();
  }

  bool string(std::string& out) {
    if (!take('"')) return false;
    while (at_ < text_.size()) {
      const size_t stop = std::min(text_.find_first_of("\"\\", at_), text_.size());
      out.append(text_.substr(at_, stop - at_));
      at_ = stop;
      if (at_ == text_.size()) return false;
      if (text_[at_++] == '"') return true;
      if (!escape(out)) return false;
    }
    return false;
  }

  bool integer(int64_t& value) {
    skip_spaces();
    const char* begin = text_.data() + at_;
    const auto [end, error] = std::from_chars(begin, text_.data() + text_.size(), value);
    at_ += static_cast<size_t>(end - begin);
    return error == std::errc();
  }

 private:
  bool hex4(uint32_t& value) {
    if (text_.size() - at_ < 4) return false;
    const char* begin = text_.data() + at_;
    const auto [end, error] = std::from_chars(begin, begin + 4, value, 16);
    if (error != std::errc() || end != begin + 4) return false;
    at_ += 4;
    return true;
  }

  bool escape(std::string& out) {
    if (at_ >= text_.size()) return false;
    switch (const char c = text_[at_++]) {
      case 'b': out += '\b'; return true;
      case 'f': out += '\f'; return true;
      case 'n': out += '\n'; return true;
      case 'r': out += '\r'; return true;
      case 't': out += '\t'; return true;
      case '"':
      case '\\':
      case '/': out += c; return true;
      case 'u': return unicode(out);
      default: return false;
    }
  }

  bool unicode(std::string& out) {
    uint32_t c = 0;
    if (!hex4(c)) return false;
    if (c >= 0xD800 && c < 0xDC00 && text_.substr(at_, 2) == "\\u") {
      const size_t back = at_;
      uint32_t low = 0;
      at_ += 2;
      if (!hex4(low)) return false;
      if (low >= 0xDC00 && low < 0xE000) {
        c = 0x10000 + ((c - 0xD800) << 10) + (low - 0xDC00);
      } else {
        at_ = back;
      }
    }
    if (c >= 0xD800 && c < 0xE000) c = 0xFFFD;
    append(out, c);
    return true;
  }

  static void append(std::string& out, uint32_t c) {
    const auto tail = [&](int shift) { out += static_cast<char>(0x80 | (c >> shift & 0x3F)); };
    if (c < 0x80) {
      out += static_cast<char>(c);
    } else if (c < 0x800) {
      out += static_cast<char>(0xC0 | c >> 6);
      tail(0);
    } else if (c < 0x10000) {
      out += static_cast<char>(0xE0 | c >> 12);
      tail(6);
      tail(0);
    } else {
      out += static_cast<char>(0xF0 | c >> 18);
      tail(12);
      tail(6);
      tail(0);
    }
  }

  std::string_view text_;
  size_t at_ = 0;
};

}  // namespace

void append_json_string(std::string& out, std::string_view text) {
  out += '"';
  size_t plain = 0;
  for (size_t i = 0; i < text.size(); ++i) {
    const auto c = static_cast<uint8_t>(text[i]);
    if (c >= 0x20 && c != '"' && c != '\\' && c != 0x7F) continue;
    out.append(text.substr(plain, i - plain));
    plain = i + 1;
    if (c == '"' || c == '\\') {
      out += '\\';
      out += static_cast<char>(c);
    } else if (c == '\n') {
      out += "\\n";
    } else if (c == '\t') {
      out += "\\t";
    } else {
      char escape[8];
      std::snprintf(escape, sizeof escape, "\\u%04x", c);
      out += escape;
    }
  }
  out.append(text.substr(plain));
  out += '"';
}

std::optional<std::vector<std::string>> parse_strings(std::string_view line, bool& array) {
  Parser parser(line);
  std::vector<std::string> strings;
  array = parser.take('[');
  do {
    if (!parser.string(strings.emplace_back())) return std::nullopt;
  } while (array && parser.take(','));
  if ((array && !parser.take(']')) || !parser.at_end()) return std::nullopt;
  return strings;
}

std::optional<std::vector<int64_t>> parse_ids(std::string_view line) {
  Parser parser(line);
  std::vector<int64_t> ids;
  if (!parser.take('[')) return std::nullopt;
  if (!parser.take(']')) {
    do {
      if (!parser.integer(ids.emplace_back())) return std::nullopt;
    } while (parser.take(','));
    if (!parser.take(']')) return std::nullopt;
  }
  if (!parser.at_end()) return std::nullopt;
  return ids;
}

bool LineReader::next(std::string_view& line) {
  size_t searched = begin_;
  for (;;) {
    const size_t newline = buffer_.find('\n', searched);
    if (newline != std::string::npos) {
      line = std::string_view(buffer_).substr(begin_, newline - begin_);
      begin_ = newline + 1;
      return true;
    }
    if (ended_) {
      line = std::string_view(buffer_).substr(begin_);
      begin_ = buffer_.size();
      return !line.empty();
    }
    buffer_.erase(0, begin_);
    begin_ = 0;
    searched = buffer_.size();
    on_wait_();
    constexpr size_t kBlock = 1 << 16;
    buffer_.resize(searched + kBlock);
    const ssize_t got = read(STDIN_FILENO, buffer_.data() + searched, kBlock);
    buffer_.resize(searched + static_cast<size_t>(got > 0 ? got : 0));
    ended_ = got <= 0;
  }
}

}  // namespace sardonyx::cli
