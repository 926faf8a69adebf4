// Scanner: one forward pass for each common expression, with a 256-entry table for ASCII.
#include "text/scanner.h"

#include <array>

#include "text/unicode.h"
#include "text/utf8.h"

namespace sdx::text {
namespace {

constexpr uint8_t kL = 1, kN = 2, kS = 4, kO = 8;

constexpr std::array<uint8_t, 128> make_ascii() {
  std::array<uint8_t, 128> table{};
  for (int c = 0; c < 128; ++c) {
    const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    const bool digit = c >= '0' && c <= '9', space = c == ' ' || (c >= 9 && c <= 13);
    table[static_cast<size_t>(c)] = letter ? kL : digit ? kN : space ? kS : kO;
  }
  return table;
}

constexpr std::array<uint8_t, 128> kAscii = make_ascii();

/// A cursor over valid UTF-8 that tells letters, numbers, spaces and others apart.
class Cursor {
 public:
  explicit Cursor(std::string_view text)
      : p_(text.data()), size_(static_cast<uint32_t>(text.size())), table_(CharTable::instance()) {}

  uint32_t size() const { return size_; }
  char byte(uint32_t i) const { return p_[i]; }

  /// Class of the character at `i`, and its length.
  uint8_t at(uint32_t i, uint32_t& length) const {
    const auto b = static_cast<uint8_t>(p_[i]);
    if (b < 0x80) {
      length = 1;
      return kAscii[b];
    }
    return wide(i, length);
  }

  uint8_t at(uint32_t i) const {
    uint32_t length;
    return i < size_ ? at(i, length) : 0;
  }

  /// End of the run of characters whose class is in `classes`, from `i`.
  uint32_t run(uint32_t i, uint8_t classes) const {
    uint32_t length;
    while (i < size_ && (at(i, length) & classes) != 0) i += length;
    return i;
  }

 private:
  uint8_t wide(uint32_t i, uint32_t& length) const {
    const uint16_t flags = table_[decode_utf8(p_ + i, length)];
    return (flags & kLetter) != 0 ? kL : (flags & kNumber) != 0 ? kN : (flags & kSpace) != 0 ? kS : kO;
  }

  const char* p_;
  uint32_t size_;
  const CharTable& table_;
};

/// Length of a lower-case contraction ('s 't 're 've 'm 'll 'd) at `i`, 0 where there is none.
uint32_t contraction(const Cursor& text, uint32_t i) {
  if (text.byte(i) != '\'' || i + 1 >= text.size()) return 0;
  const char a = text.byte(i + 1), b = i + 2 < text.size() ? text.byte(i + 2) : '\0';
  if (a == 's' || a == 't' || a == 'm' || a == 'd') return 2;
  return (a == 'r' && b == 'e') || (a == 'v' && b == 'e') || (a == 'l' && b == 'l') ? 3 : 0;
}

/// As contraction(), in either case, and with the long s (U+017F), which folds to s.
uint32_t folded_contraction(const Cursor& text, uint32_t i) {
  if (text.byte(i) != '\'' || i + 1 >= text.size()) return 0;
  const char a = text.byte(i + 1), b = i + 2 < text.size() ? text.byte(i + 2) : '\0';
  if (a == '\xC5' && b == '\xBF') return 3;
  const char x = static_cast<char>(a | 0x20), y = static_cast<char>(b | 0x20);
  if (static_cast<uint8_t>(a) >= 0x80) return 0;
  if (x == 's' || x == 't' || x == 'm' || x == 'd') return 2;
  return (x == 'r' && y == 'e') || (x == 'v' && y == 'e') || (x == 'l' && y == 'l') ? 3 : 0;
}

/// End of `\s+(?!\S)|\s+` at the beginning of a run of spaces: the run without its last character, unless it ends the
/// text or is one character long.
uint32_t spaces_end(const Cursor& text, uint32_t i) {
  uint32_t end = i, last = i, length = 0;
  while (end < text.size() && text.at(end, length) == kS) {
    last = end;
    end += length;
  }
  return end == text.size() || last == i ? end : last;
}

void scan_gpt2(const Cursor& text, std::vector<Span>& spans) {
  for (uint32_t i = 0; i < text.size();) {
    uint32_t end = i + contraction(text, i);
    if (end == i) {
      const bool blank = text.byte(i) == ' ';
      const uint32_t from = blank ? i + 1 : i;
      const uint8_t cls = text.at(from);
      end = cls == kL || cls == kN || cls == kO ? text.run(from, cls) : spaces_end(text, i);
    }
    spans.push_back({i, end, true});
    i = end;
  }
}

/// End of ` ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+` at `i`, which is no letter and no number.
uint32_t cl100k_rest(const Cursor& text, uint32_t i) {
  const uint32_t from = text.byte(i) == ' ' ? i + 1 : i;
  if (text.at(from) == kO) {
    uint32_t end = text.run(from, kO);
    while (end < text.size() && (text.byte(end) == '\r' || text.byte(end) == '\n')) ++end;
    return end;
  }
  const uint32_t run_end = text.run(i, kS);
  for (uint32_t k = run_end; k > i; --k) {
    if (text.byte(k - 1) == '\r' || text.byte(k - 1) == '\n') return k;
  }
  return spaces_end(text, i);
}

void scan_cl100k(const Cursor& text, int digits, std::vector<Span>& spans) {
  for (uint32_t i = 0; i < text.size();) {
    uint32_t end = i + folded_contraction(text, i), length = 0;
    if (end == i) {
      const uint8_t cls = text.at(i, length);
      const bool newline = text.byte(i) == '\r' || text.byte(i) == '\n';
      if (cls == kL) {
        end = text.run(i, kL);
      } else if (cls == kN) {
        for (int k = 0; k < digits && text.at(end) == kN; ++k) {
          text.at(end, length);
          end += length;
        }
      } else if (!newline && text.at(i + length) == kL) {
        end = text.run(i + length, kL);
      } else {
        end = cl100k_rest(text, i);
      }
    }
    spans.push_back({i, end, true});
    i = end;
  }
}

uint32_t clip_special(std::string_view text, uint32_t i) {
  constexpr std::string_view kStart = "<|startoftext|>", kEnd = "<|endoftext|>";
  if (text.substr(i, kStart.size()) == kStart) return kStart.size();
  return text.substr(i, kEnd.size()) == kEnd ? kEnd.size() : 0;
}

void scan_clip(std::string_view whole, const Cursor& text, std::vector<Span>& spans) {
  for (uint32_t i = 0; i < text.size();) {
    uint32_t length = 0, end = i;
    const uint8_t cls = text.at(i, length);
    if (cls == kS) {
      end = text.run(i, kS);
      spans.push_back({i, end, false});
      i = end;
      continue;
    }
    if (text.byte(i) == '<') end = i + clip_special(whole, i);
    if (end == i) end = i + contraction(text, i);
    if (end == i) end = cls == kN ? i + length : text.run(i, cls);
    spans.push_back({i, end, true});
    i = end;
  }
}

/// Runs (or, with `single`, single characters) of one class are matches, the rest gaps.
template <class In>
void scan_class(std::string_view text, bool single, In in, std::vector<Span>& spans) {
  const auto size = static_cast<uint32_t>(text.size());
  uint32_t gap = 0;
  for (uint32_t i = 0; i < size;) {
    uint32_t length = 0;
    if (!in(decode_utf8(text.data() + i, length))) {
      i += length;
      continue;
    }
    uint32_t end = i + length;
    while (!single && end < size && in(decode_utf8(text.data() + end, length))) end += length;
    if (gap < i) spans.push_back({gap, i, false});
    spans.push_back({i, end, true});
    gap = i = end;
  }
  if (gap < size) spans.push_back({gap, size, false});
}

void scan_triple_digits(std::string_view text, std::vector<Span>& spans) {
  const auto digit = [&](uint32_t i) { return text[i] >= '0' && text[i] <= '9'; };
  const auto size = static_cast<uint32_t>(text.size());
  uint32_t gap = 0;
  for (uint32_t i = 0; i + 3 <= size;) {
    if (!(digit(i) && digit(i + 1) && digit(i + 2))) {
      ++i;
      continue;
    }
    if (gap < i) spans.push_back({gap, i, false});
    spans.push_back({i, i + 3, true});
    gap = i += 3;
  }
  if (gap < size) spans.push_back({gap, size, false});
}

struct Known {
  std::string_view pattern;
  ScannerKind kind;
};

constexpr Known kKnown[] = {
    {R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)", ScannerKind::kGpt2},
    {R"('(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)", ScannerKind::kGpt2},
    {R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)",
     ScannerKind::kCl100k},
    {R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)",
     ScannerKind::kQwen},
    {R"(<\|startoftext\|>|<\|endoftext\|>|'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+)",
     ScannerKind::kClip},
    {R"(\s+)", ScannerKind::kSpaces},
    {R"(\s)", ScannerKind::kSpace},
    {R"([0-9])", ScannerKind::kDigit},
    {R"([0-9][0-9][0-9])", ScannerKind::kTripleDigit},
};

}  // namespace

std::optional<ScannerKind> scanner_for(std::string_view pattern) {
  for (const Known& known : kKnown) {
    if (known.pattern == pattern) return known.kind;
  }
  return std::nullopt;
}

void scan(ScannerKind kind, std::string_view text, std::vector<Span>& spans) {
  const Cursor cursor(text);
  switch (kind) {
    case ScannerKind::kGpt2: return scan_gpt2(cursor, spans);
    case ScannerKind::kCl100k: return scan_cl100k(cursor, 3, spans);
    case ScannerKind::kQwen: return scan_cl100k(cursor, 1, spans);
    case ScannerKind::kClip: return scan_clip(text, cursor, spans);
    case ScannerKind::kSpaces: return scan_class(text, false, is_space, spans);
    case ScannerKind::kSpace: return scan_class(text, true, is_space, spans);
    case ScannerKind::kDigit:
      return scan_class(
          text, true, [](char32_t c) { return c >= '0' && c <= '9'; }, spans);
    case ScannerKind::kTripleDigit: return scan_triple_digits(text, spans);
  }
}

}  // namespace sdx::text
