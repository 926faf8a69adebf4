// Pattern: what Replace and Split look for, a literal or a regular expression, and how pieces are cut around it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "text/regex.h"
#include "text/scanner.h"

namespace sdx::text {

class Pattern {
 public:
  static Pattern literal(std::string text);
  static Pattern regex(std::string_view expression);

  /// Appends the spans that cover `text`, matches and the gaps between them, in order.
  void find(std::string_view text, std::vector<Span>& spans) const;

 private:
  std::string literal_;
  std::optional<ScannerKind> scanner_;
  std::optional<Regex> regex_;
};

/// What happens to a match when a text is split.
enum class SplitBehavior : uint8_t { kRemoved, kIsolated, kMergedWithPrevious, kMergedWithNext, kContiguous };

/// Turns spans into pieces, in place: afterwards `match` is set for the spans to leave out.
void apply_behavior(SplitBehavior behavior, std::vector<Span>& spans);

}  // namespace sdx::text
