// Regex: a regular expression of a tokenizer file, run by PCRE2 within limits.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace sdx::text {

/// A half-open byte range of a text, and whether it matches the pattern.
struct Span {
  uint32_t begin, end;
  bool match;
};

/// Compiled expression. Copies share it. Safe to use from several threads.
class Regex {
 public:
  /// Compiles `pattern`, written in Oniguruma's dialect. Throws UnsupportedModel where it cannot be expressed.
  explicit Regex(std::string_view pattern);

  /// Appends the spans that cover `text`, matches and the gaps between them, in order.
  /// Throws Resource where the expression needs too many steps.
  void find(std::string_view text, std::vector<Span>& spans) const;

 private:
  struct Code;
  std::shared_ptr<const Code> code_;
};

}  // namespace sdx::text
