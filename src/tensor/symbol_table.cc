// SymbolTable: naming symbols and reading dimension expressions.
#include <cctype>

#include "base/error.h"
#include "tensor/dim.h"

namespace sdx {

namespace {

/// Recursive-descent reader of sums and products; gives up (nothing) on anything else.
class DimReader {
 public:
  DimReader(std::string_view text, SymbolTable& table) : text_(text), table_(table) {}

  std::optional<Dim> read() {
    auto d = sum(0);
    skip();
    return at_ == text_.size() ? d : std::nullopt;
  }

 private:
  void skip() {
    while (at_ < text_.size() && std::isspace(static_cast<unsigned char>(text_[at_]))) ++at_;
  }
  bool take(char c) {
    skip();
    if (at_ >= text_.size() || text_[at_] != c) return false;
    ++at_;
    return true;
  }

  std::optional<Dim> sum(int depth) {
    auto left = product(depth);
    while (left) {
      const bool plus = take('+');
      if (!plus && !take('-')) break;
      auto right = product(depth);
      if (!right) return std::nullopt;
      left = plus ? *left + *right : *left - *right;
    }
    return left;
  }

  std::optional<Dim> product(int depth) {
    auto left = factor(depth);
    while (left) {
      const bool times = take('*');
      if (!times && !take('/')) break;
      auto right = factor(depth);
      if (!right || (!times && (!right->known() || right->value() <= 0))) return std::nullopt;
      left = times ? *left * *right : floor_div(*left, *right);
    }
    return left;
  }

  std::optional<Dim> factor(int depth) {
    if (depth > 16) return std::nullopt;
    if (take('(')) {
      auto inner = sum(depth + 1);
      return inner && take(')') ? inner : std::nullopt;
    }
    skip();
    const size_t start = at_;
    auto word = [](char c) { return std::isalnum(static_cast<unsigned char>(c)) || c == '_' || c == '.'; };
    while (at_ < text_.size() && word(text_[at_])) ++at_;
    if (at_ == start || at_ - start > 128) return std::nullopt;
    const std::string token(text_.substr(start, at_ - start));
    if (!std::isdigit(static_cast<unsigned char>(token[0]))) return table_.symbol(token);
    if (token.size() > 9 || token.find_first_not_of("0123456789") != std::string::npos) return std::nullopt;
    return Dim(std::stoll(token));
  }

  std::string_view text_;
  SymbolTable& table_;
  size_t at_ = 0;
};

}  // namespace

Dim SymbolTable::fresh() {
  std::string name;
  do {
    name = "u" + std::to_string(fresh_count_++);
  } while (by_name_.contains(name));
  return symbol(name);
}

Dim SymbolTable::parse(std::string_view text) {
  if (auto d = DimReader(text, *this).read()) return *d;
  return symbol(text);
}

}  // namespace sdx
