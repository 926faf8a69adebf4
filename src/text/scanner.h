// Scanner: the splitting expressions that most models use, written out as loops over a character table.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "text/regex.h"

namespace sdx::text {

/// Expressions that have a loop of their own.
enum class ScannerKind : uint8_t {
  kGpt2,        ///< contractions, " ?\p{L}+", " ?\p{N}+", " ?[^\s\p{L}\p{N}]+", spaces: covers every character
  kCl100k,      ///< GPT-4's and Llama 3's: digits in threes, one leading non-letter: covers every character
  kQwen,        ///< as kCl100k with single digits
  kClip,        ///< contractions, letters, single digits, others: leaves the spaces out
  kSpaces,      ///< \s+
  kSpace,       ///< \s
  kDigit,       ///< \d or [0-9] alone
  kTripleDigit  ///< [0-9][0-9][0-9]
};

/// The scanner of a regular expression, if it has one.
std::optional<ScannerKind> scanner_for(std::string_view pattern);

/// Appends the spans that cover `text`, matches and the gaps between them, in order.
void scan(ScannerKind kind, std::string_view text, std::vector<Span>& spans);

}  // namespace sdx::text
