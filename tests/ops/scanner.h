// Scanner: splits the lines of a case file into words, numbers and quoted strings.
#pragma once

#include <cctype>
#include <string>
#include <string_view>

#include "base/error.h"

namespace sdx::ops {

class Scanner {
 public:
  explicit Scanner(std::string_view text) : text_(text) {}

  bool done() {
    skip();
    return at_ == text_.size();
  }
  char peek() {
    skip();
    return at_ < text_.size() ? text_[at_] : '\0';
  }
  bool accept(char c) {
    if (peek() != c) return false;
    ++at_;
    return true;
  }
  void expect(char c) {
    if (!accept(c)) fail(ErrorKind::kInvalidInput, "expected '", c, "' before '", text_.substr(at_), "'");
  }
  /// The longest run of characters that are not blanks and not in `stops`.
  std::string word(std::string_view stops) {
    skip();
    const size_t begin = at_;
    while (at_ < text_.size() && !std::isspace(static_cast<unsigned char>(text_[at_])) &&
           stops.find(text_[at_]) == std::string_view::npos) {
      ++at_;
    }
    if (begin == at_) fail(ErrorKind::kInvalidInput, "expected a word before '", text_.substr(at_), "'");
    return std::string(text_.substr(begin, at_ - begin));
  }
  /// A string between double quotes; \n, \" and \\ are understood.
  std::string quoted() {
    expect('"');
    std::string out;
    for (; at_ < text_.size() && text_[at_] != '"'; ++at_) {
      if (text_[at_] == '\\' && at_ + 1 < text_.size()) {
        ++at_;
        out += text_[at_] == 'n' ? '\n' : text_[at_];
      } else {
        out += text_[at_];
      }
    }
    expect('"');
    return out;
  }
  std::string_view rest() {
    skip();
    return text_.substr(at_);
  }

 private:
  void skip() {
    while (at_ < text_.size() && std::isspace(static_cast<unsigned char>(text_[at_]))) ++at_;
  }

  std::string_view text_;
  size_t at_ = 0;
};

}  // namespace sdx::ops
