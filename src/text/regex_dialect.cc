// Oniguruma's dialect of regular expressions in PCRE2's.
#define PCRE2_CODE_UNIT_WIDTH 8
#include "text/regex_dialect.h"

#include <pcre2.h>

#include <algorithm>
#include <cctype>
#include <cstdio>
#include <utility>
#include <vector>

#include "base/error.h"
#include "text/unicode.h"
#include "text/utf8.h"

namespace sdx::text {
namespace {

constexpr int kMaxNesting = 50;
constexpr std::string_view kAnything = "(?s:.)";

constexpr const char* kSpaces =
    "\\t-\\r \\x{85}\\x{a0}\\x{1680}\\x{2000}-\\x{200a}\\x{2028}\\x{2029}\\x{202f}\\x{205f}\\x{3000}";

constexpr const char* kVisible = "\\p{L}\\p{M}\\p{N}\\p{P}\\p{S}\\p{Cf}\\p{Co}";

/// Where the letters, marks and numbers that Unicode 15 added lie: PCRE2 knows them only from 10.43 on.
constexpr ClassRange kUnicode15[] = {{0xCF3, 0xCF3},     {0xECE, 0xECE},     {0x10EFD, 0x10EFF}, {0x1123F, 0x11241},
                                     {0x11F00, 0x11F59}, {0x1342F, 0x1342F}, {0x13439, 0x13455}, {0x1B132, 0x1B155},
                                     {0x1D2C0, 0x1D2D3}, {0x1DF25, 0x1DF2A}, {0x1E030, 0x1E08F}, {0x1E4D0, 0x1E4F9},
                                     {0x31350, 0x323AF}};

void append_range(std::string& out, uint32_t first, uint32_t last) {
  char range[40];
  std::snprintf(range, sizeof range, "\\x{%x}-\\x{%x}", first, last);
  out += range;
}

std::string with_additions(const char* property, CharClass flag) {
  std::string out = property;
  for (const ClassRange& r : class_additions(flag)) {
    if (r.first == 0x200C) continue;  // the joiners are words to the other library only
    append_range(out, r.first, r.last);
  }
  for (const ClassRange& r : kUnicode15) {
    for (uint32_t c = r.first; c <= r.last; ++c) {
      const uint32_t first = c;
      while (c <= r.last && (char_classes(c) & flag) != 0) ++c;
      if (c > first) append_range(out, first, c - 1);
    }
  }
  return out;
}

std::string word_body() { return with_additions("\\p{L}\\p{M}\\p{Nd}\\p{Nl}\\p{Pc}", kWord); }

/// Outside brackets, fractions and superscripts of Latin-1 are word characters too.
std::string lone_word_body() { return word_body() + "\\x{b2}\\x{b3}\\x{b9}\\x{bc}-\\x{be}"; }

/// Whether PCRE2 knows a script by the name.
bool is_script(const std::string& name) {
  int error = 0;
  PCRE2_SIZE where = 0;
  const std::string pattern = "\\p{sc:" + name + "}";
  pcre2_code* code =
      pcre2_compile(reinterpret_cast<PCRE2_SPTR>(pattern.data()), pattern.size(), PCRE2_UTF, &error, &where, nullptr);
  pcre2_code_free(code);
  return code != nullptr;
}

/// The short name of a general category that is spelled out, or nothing.
std::string_view category_of(std::string_view plain) {
  static constexpr std::pair<std::string_view, std::string_view> kCategories[] = {{"uppercaseletter", "Lu"},
                                                                                  {"lowercaseletter", "Ll"},
                                                                                  {"titlecaseletter", "Lt"},
                                                                                  {"casedletter", "L&"},
                                                                                  {"modifierletter", "Lm"},
                                                                                  {"otherletter", "Lo"},
                                                                                  {"nonspacingmark", "Mn"},
                                                                                  {"spacingmark", "Mc"},
                                                                                  {"enclosingmark", "Me"},
                                                                                  {"decimalnumber", "Nd"},
                                                                                  {"letternumber", "Nl"},
                                                                                  {"othernumber", "No"},
                                                                                  {"punctuation", "P"},
                                                                                  {"connectorpunctuation", "Pc"},
                                                                                  {"dashpunctuation", "Pd"},
                                                                                  {"openpunctuation", "Ps"},
                                                                                  {"closepunctuation", "Pe"},
                                                                                  {"initialpunctuation", "Pi"},
                                                                                  {"finalpunctuation", "Pf"},
                                                                                  {"otherpunctuation", "Po"},
                                                                                  {"symbol", "S"},
                                                                                  {"mathsymbol", "Sm"},
                                                                                  {"currencysymbol", "Sc"},
                                                                                  {"modifiersymbol", "Sk"},
                                                                                  {"othersymbol", "So"},
                                                                                  {"separator", "Z"},
                                                                                  {"spaceseparator", "Zs"},
                                                                                  {"lineseparator", "Zl"},
                                                                                  {"paragraphseparator", "Zp"},
                                                                                  {"other", "C"},
                                                                                  {"control", "Cc"},
                                                                                  {"format", "Cf"},
                                                                                  {"surrogate", "Cs"},
                                                                                  {"privateuse", "Co"},
                                                                                  {"unassigned", "Cn"}};
  for (const auto& [name, category] : kCategories) {
    if (name == plain) return category;
  }
  return {};
}

/// The class of a property or a POSIX class, for inside brackets; empty where PCRE2 means the same by the name.
std::string named_body(std::string_view name) {
  std::string plain;
  for (const char c : name) {
    if (c != ' ' && c != '_' && c != '-') plain += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  }
  if (plain == "l" || plain == "letter") return with_additions("\\p{L}", kLetter);
  if (plain == "n" || plain == "number") return with_additions("\\p{N}", kNumber);
  if (plain == "m" || plain == "mark") return with_additions("\\p{M}", kMark);
  if (plain == "alpha" || plain == "alphabetic") return with_additions("\\p{Alphabetic}", kLetter);
  if (plain == "alnum") return with_additions("\\p{Alphabetic}\\p{Nd}", kLetter);
  if (plain == "word") return word_body();
  if (plain == "space" || plain == "whitespace") return kSpaces;
  if (plain == "punct") return "\\p{P}";
  if (plain == "digit") return "\\p{Nd}";
  if (plain == "upper") return "\\p{Uppercase}";
  if (plain == "lower") return "\\p{Lowercase}";
  if (plain == "blank") return "\\p{Zs}\\t";
  if (plain == "cntrl") return "\\p{Cc}";
  if (plain == "xdigit") return "0-9A-Fa-f";
  if (plain == "graph") return kVisible;
  if (plain == "print") return std::string(kVisible) + "\\p{Zs}";
  if (plain == "assigned") return std::string(kVisible) + "\\p{Z}\\p{Cc}\\p{Cs}";
  if (plain == "ascii") return "\\x{0}-\\x{7f}";
  if (const std::string_view category = category_of(plain); !category.empty()) {
    return "\\p{" + std::string(category) + "}";
  }
  return plain.size() > 2 && is_script(plain) ? "\\p{sc:" + plain + "}" : "";
}

/// What a class escape stands for inside brackets, empty where PCRE2 means the same.
std::string class_body(std::string_view escape) {
  if (escape == "\\s") return kSpaces;
  if (escape == "\\h") return "0-9A-Fa-f";
  if (escape == "\\w") return word_body();
  if (escape == "\\v") return "\\x0b";
  if (escape.size() == 6 && escape[1] == 'u') return "\\x{" + std::string(escape.substr(2)) + "}";
  if (escape.starts_with("\\p{") && escape.ends_with('}')) return named_body(escape.substr(3, escape.size() - 4));
  return "";
}

/// What an escape excludes, for inside brackets; empty for escapes that exclude nothing or that PCRE2 knows.
std::string excluded_body(std::string_view escape) {
  if (escape == "\\S") return kSpaces;
  if (escape == "\\H") return class_body("\\h");
  if (escape == "\\W") return word_body();
  if (!escape.ends_with('}')) return "";
  if (escape.starts_with("\\P{")) return named_body(escape.substr(3, escape.size() - 4));
  return escape.starts_with("\\p{^") ? named_body(escape.substr(4, escape.size() - 5)) : "";
}

/// Whether an escape is one of `letters`, which mean themselves here.
bool is_plain(std::string_view escape, std::string_view letters) {
  return escape.size() == 2 && letters.find(escape[1]) != std::string_view::npos;
}

/// A class of characters: `body` is for inside brackets, `others` are expressions of one character each.
struct Union {
  std::string body;
  std::vector<std::string> others;

  bool flat() const { return others.empty() && !body.empty(); }
  std::string text() const {
    std::string out = "(?:" + (body.empty() ? std::string() : "[" + body + "]");
    for (const std::string& other : others) out += (out.back() == ':' ? "" : "|") + other;
    return out.back() == ':' ? "(?!)" : out + ")";
  }
};

class Translator {
 public:
  explicit Translator(std::string_view pattern) : pattern_(pattern) {}

  std::string run() {
    std::string out;
    while (at_ < pattern_.size()) {
      const char c = pattern_[at_];
      if (const std::string quantifier = take_quantifier(); !quantifier.empty()) {
        append_quantifier(out, quantifier);
        continue;
      }
      if (c == ')' && !groups_.empty()) {
        item_ = groups_.back();
        groups_.pop_back();
      } else {
        item_ = c == '|' ? std::string::npos : out.size();
      }
      quantified_ = false;
      if (c == '\\') {
        out += escape();
      } else if (c == '[') {
        const Union set = bracket(0);
        out += set.flat() ? "[" + set.body + "]" : set.others.size() == 1 ? set.others[0] : set.text();
      } else if (c == '(') {
        open_group(out);
      } else {
        const size_t length = utf8_length(static_cast<uint8_t>(c));
        out += pattern_.substr(at_, length);
        at_ += length;
      }
    }
    return out;
  }

 private:
  /// The escape sequence here: "\s", "\p{L}", "\x{2000}" or "\u00e9".
  std::string_view take_escape() {
    const size_t left = pattern_.size() - at_;
    size_t length = left < 2 ? left : 1 + utf8_length(static_cast<uint8_t>(pattern_[at_ + 1]));
    const char kind = left < 2 ? '\0' : pattern_[at_ + 1];
    if ((kind == 'p' || kind == 'P' || kind == 'x') && left > 2 && pattern_[at_ + 2] == '{') {
      const size_t close = pattern_.find('}', at_);
      if (close != std::string_view::npos) length = close - at_ + 1;
    } else if (kind == 'u' && left >= 6) {
      length = 6;
    } else if ((kind == 'k' || kind == 'g') && left > 2 && pattern_[at_ + 2] == '<') {
      length = std::min(pattern_.find('>', at_), pattern_.size() - 1) - at_ + 1;
    }
    const std::string_view escape = pattern_.substr(at_, length);
    at_ += escape.size();
    return escape;
  }

  /// An escape outside brackets.
  std::string escape() {
    const std::string_view escape = take_escape();
    if (escape == "\\O") return std::string(kAnything);
    if (is_plain(escape, "EFIJLQTUijlmoq")) return std::string(escape.substr(1));
    if (escape == "\\b" || escape == "\\B") {
      const std::string word = "[" + lone_word_body() + "]", other = escape == "\\b" ? "!" : "=",
                        same = other == "!" ? "=" : "!";
      return "(?:(?<=" + word + ")(?" + other + word + ")|(?<!" + word + ")(?" + same + word + "))";
    }
    if (escape == "\\w" || escape == "\\p{Word}") return "[" + lone_word_body() + "]";
    if (escape == "\\W") return "[^" + lone_word_body() + "]";
    if (const std::string body = class_body(escape); !body.empty()) return "[" + body + "]";
    if (const std::string body = excluded_body(escape); !body.empty()) return "[^" + body + "]";
    return std::string(escape);
  }

  /// Takes the head of a group: "(", "(?:", "(?<=", "(?im-x:", or a whole comment.
  void open_group(std::string& out) {
    groups_.push_back(out.size());
    item_ = std::string::npos;
    size_t end = at_ + 1;
    if (pattern_.substr(at_, 2) == "(?") {
      const size_t options = pattern_.find_first_not_of("imx-", at_ + 2);
      const bool known = options != std::string_view::npos && (pattern_[options] == ':' || pattern_[options] == ')');
      const bool comment = pattern_.substr(at_, 3) == "(?#";
      end = std::min(comment ? pattern_.find(')', at_) : known ? options : at_ + 3, pattern_.size());
      // m lets a dot match line ends
      for (; known && at_ < end; ++at_) out += pattern_[at_] == 'm' ? 's' : pattern_[at_];
    }
    out += pattern_.substr(at_, end - at_);
    at_ = end;
  }

  /// The quantifier here, or nothing. After a count, + is a quantifier of its own, and so is ? after a fixed count.
  std::string take_quantifier() {
    const auto here = [&](std::string_view any) {
      return at_ < pattern_.size() && any.find(pattern_[at_]) != std::string_view::npos;
    };
    if (here("*+?")) {
      std::string quantifier(1, pattern_[at_++]);
      if (here("?+")) quantifier += pattern_[at_++];
      return quantifier;
    }
    const size_t end = pattern_.find_first_not_of("0123456789,", at_ + 1);
    if (!here("{") || end == std::string_view::npos || pattern_[end] != '}') return "";
    const std::string_view count = pattern_.substr(at_ + 1, end - at_ - 1);
    const auto commas = std::count(count.begin(), count.end(), ',');
    if (commas > 1 || count.size() <= static_cast<size_t>(commas)) return "";
    at_ = end + 1;
    std::string quantifier = (count.starts_with(',') ? "{0" : "{") + std::string(count) + "}";
    if (commas == 1 && here("?")) quantifier += pattern_[at_++];
    return quantifier;
  }

  /// Quantifies the last item, as a group where it has a quantifier already.
  void append_quantifier(std::string& out, const std::string& quantifier) {
    if (quantified_ && item_ != std::string::npos) {
      out.insert(item_, "(?:");
      out += ')';
    }
    out += quantifier;
    quantified_ = true;
  }

  /// A bracket expression; a negated or intersected one becomes one of the union's expressions.
  Union bracket(int depth) {
    if (depth > kMaxNesting) {
      fail(ErrorKind::kResource, "a regular expression nests classes more than ", kMaxNesting, " deep; flatten them");
    }
    ++at_;
    const bool negated = at_ < pattern_.size() && pattern_[at_] == '^';
    if (negated) ++at_;
    std::vector<Union> operands(1);
    for (bool first = true; at_ < pattern_.size(); first = false) {
      if (pattern_[at_] == ']' && !first) {
        ++at_;
        return close(operands, negated);
      }
      if (pattern_.substr(at_, 2) == "&&") {
        at_ += 2;
        operands.emplace_back();
      } else {
        member(operands.back(), depth);
      }
    }
    fail(ErrorKind::kUnsupportedModel, "the regular expression \"", pattern_.substr(0, 200),
         "\" does not compile: a class lacks its ]; correct the pattern");
  }

  /// One member of a bracket expression.
  void member(Union& set, int depth) {
    if (pattern_[at_] == '\\') {
      const std::string_view escape = take_escape();
      const std::string body = class_body(escape), excluded = excluded_body(escape);
      if (!excluded.empty()) {
        set.others.push_back("[^" + excluded + "]");
      } else {
        const bool plain = is_plain(escape, "ABCEFGIJKLMNOQRTUVXYZgijklmoqyz");
        set.body += plain ? escape.substr(1) : body.empty() ? escape : std::string_view(body);
      }
    } else if (pattern_[at_] == '[' && posix(set)) {
      return;
    } else if (pattern_[at_] == '[') {
      const Union inner = bracket(depth + 1);
      set.body += inner.body;
      set.others.insert(set.others.end(), inner.others.begin(), inner.others.end());
    } else {
      if (pattern_[at_] == ']') set.body += '\\';
      set.body += pattern_[at_++];
    }
  }

  /// Takes a class such as "[:alpha:]" or "[:^alpha:]".
  bool posix(Union& set) {
    if (pattern_.substr(at_, 2) != "[:") return false;
    const size_t end = pattern_.find(":]", at_ + 2);
    if (end == std::string_view::npos) return false;
    std::string_view name = pattern_.substr(at_ + 2, end - at_ - 2);
    const bool negated = name.starts_with('^');
    if (negated) name.remove_prefix(1);
    if (!std::all_of(name.begin(), name.end(), [](unsigned char c) { return std::isalpha(c) != 0; })) return false;
    std::string body = name == "punct" ? "\\p{P}\\p{S}" : named_body(name);
    if (body.empty()) body = "[:" + std::string(name) + ":]";
    if (negated) {
      set.others.push_back("[^" + body + "]");
    } else {
      set.body += body;
    }
    at_ = end + 2;
    return true;
  }

  static Union close(const std::vector<Union>& operands, bool negated) {
    if (operands.size() == 1 && !negated) return operands[0];
    if (operands.size() == 1 && operands[0].flat()) return {"", {"[^" + operands[0].body + "]"}};
    std::string all;
    for (size_t i = 1; i < operands.size(); ++i) all += "(?=" + operands[i].text() + ")";
    all += operands[0].text();
    if (negated) return {"", {"(?:(?!" + all + ")" + std::string(kAnything) + ")"}};
    return {"", {"(?:" + all + ")"}};
  }

  std::string_view pattern_;
  size_t at_ = 0;
  std::vector<size_t> groups_;       ///< where the open groups begin in the translation
  size_t item_ = std::string::npos;  ///< where the last item begins in the translation
  bool quantified_ = false;          ///< whether the last item has a quantifier
};

}  // namespace

std::string translate_pattern(std::string_view pattern) { return Translator(pattern).run(); }

}  // namespace sdx::text
