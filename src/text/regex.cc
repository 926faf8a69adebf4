// Regex: PCRE2 with just-in-time compilation, and limits against patterns that explode.
#define PCRE2_CODE_UNIT_WIDTH 8
#include "text/regex.h"

#include <pcre2.h>

#include <algorithm>
#include <cstdio>
#include <new>

#include "base/error.h"
#include "text/unicode.h"
#include "text/utf8.h"

namespace sdx::text {
namespace {

constexpr size_t kMaxPattern = 64 * 1024;
constexpr uint32_t kMatchLimit = 2'000'000;
constexpr uint32_t kDepthLimit = 20'000;
constexpr uint32_t kHeapLimitKib = 64 * 1024;
constexpr size_t kMaxJitStack = 8 * 1024 * 1024;
constexpr size_t kSmallText = 512;

constexpr const char* kSpaces =
    "\\t-\\r \\x{85}\\x{a0}\\x{1680}\\x{2000}-\\x{200a}\\x{2028}\\x{2029}\\x{202f}\\x{205f}\\x{3000}";

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

/// What a class escape stands for inside brackets, empty where PCRE2 means the same.
std::string class_body(std::string_view escape) {
  if (escape == "\\s") return kSpaces;
  if (escape == "\\h") return "0-9A-Fa-f";
  if (escape == "\\w") {
    return with_additions("\\p{L}\\p{M}\\p{Nd}\\p{Nl}\\p{Pc}\\x{b2}\\x{b3}\\x{b9}\\x{bc}-\\x{be}", kWord);
  }
  if (escape == "\\p{L}" || escape == "\\p{Letter}") return with_additions("\\p{L}", kLetter);
  if (escape == "\\p{N}" || escape == "\\p{Number}") return with_additions("\\p{N}", kNumber);
  if (escape == "\\p{M}" || escape == "\\p{Mark}") return with_additions("\\p{M}", kMark);
  if (escape == "\\p{Alpha}" || escape == "\\p{Alphabetic}") return "\\p{L}\\p{Nl}";
  if (escape == "\\p{Punct}") return "\\p{P}";
  if (escape == "\\p{Space}" || escape == "\\p{White_Space}") return kSpaces;
  return "";
}

/// The escape sequence that begins at `at`: "\s", "\p{L}" or "\x{2000}".
std::string_view escape_at(std::string_view pattern, size_t at) {
  const size_t left = pattern.size() - at;
  if (left < 2) return pattern.substr(at);
  const char kind = pattern[at + 1];
  if ((kind == 'p' || kind == 'P' || kind == 'x') && left > 2 && pattern[at + 2] == '{') {
    const size_t close = pattern.find('}', at);
    if (close != std::string_view::npos) return pattern.substr(at, close - at + 1);
  }
  return pattern.substr(at, 1 + utf8_length(static_cast<uint8_t>(kind)));
}

}  // namespace

std::string translate_pattern(std::string_view pattern) {
  std::string out;
  int depth = 0;  // of nested brackets, whose union PCRE2 writes without inner brackets
  for (size_t i = 0; i < pattern.size();) {
    const char c = pattern[i];
    if (c == '\\') {
      const std::string_view escape = escape_at(pattern, i);
      i += escape.size();
      if (std::string body = class_body(escape); !body.empty()) {
        out += depth > 0 ? body : "[" + body + "]";
      } else if (escape == "\\S" && depth == 0) {
        out += std::string("[^") + kSpaces + "]";
      } else if (escape == "\\W" && depth == 0) {
        out += "[^" + class_body("\\w") + "]";
      } else if (escape == "\\H" || ((escape == "\\W" || escape == "\\S") && depth > 0)) {
        fail(ErrorKind::kUnsupportedModel, "the regular expression \"", pattern.substr(0, 200), "\" uses ", escape,
             depth > 0 ? " inside brackets" : "", ", which has no translation; write the class out");
      } else {
        out += escape;
      }
      continue;
    }
    if (depth > 0 && c == '&' && pattern.substr(i, 2) == "&&") {
      fail(ErrorKind::kUnsupportedModel, "the regular expression \"", pattern.substr(0, 200),
           "\" intersects character classes with &&, which is not supported; write the class out");
    }
    if (c == '[' && depth > 0 && pattern.substr(i, 2) != "[:") {
      if (pattern.substr(i, 2) == "[^") {
        fail(ErrorKind::kUnsupportedModel, "the regular expression \"", pattern.substr(0, 200),
             "\" nests a negated class in another one, which is not supported; write the class out");
      }
      ++depth;
      ++i;
      continue;
    }
    if (c == '[' && depth > 0) {
      const size_t close = std::min(pattern.find(":]", i), pattern.size() - 2);
      out += pattern.substr(i, close + 2 - i);
      i = close + 2;
      continue;
    }
    if (c == '[') {
      depth = 1;
      out += c;
      ++i;
      if (i < pattern.size() && pattern[i] == '^') out += pattern[i++];
      if (i < pattern.size() && pattern[i] == ']') out += pattern[i++];
      continue;
    }
    if (c == ']' && depth > 1) {
      --depth;
      ++i;
      continue;
    }
    if (c == ']') depth = 0;
    out += c;
    ++i;
  }
  return out;
}

struct Regex::Code {
  pcre2_code* code = nullptr;
  std::string source;

  ~Code() {
    if (code != nullptr) pcre2_code_free(code);
  }
};

Regex::Regex(std::string_view pattern) {
  if (pattern.size() > kMaxPattern) {
    fail(ErrorKind::kResource, "a regular expression has ", pattern.size(), " bytes but at most ", kMaxPattern,
         " are accepted; use a shorter one");
  }
  auto code = std::make_shared<Code>();
  code->source = pattern.substr(0, 200);
  const std::string translated = translate_pattern(pattern);
  int error = 0;
  PCRE2_SIZE where = 0;
  code->code = pcre2_compile(reinterpret_cast<PCRE2_SPTR>(translated.data()), translated.size(), PCRE2_UTF | PCRE2_UCP,
                             &error, &where, nullptr);
  if (code->code == nullptr) {
    char text[256] = "";
    pcre2_get_error_message(error, reinterpret_cast<PCRE2_UCHAR*>(text), sizeof text);
    fail(ErrorKind::kUnsupportedModel, "the regular expression \"", code->source, "\" does not compile: ", text,
         " at byte ", where, " of its translation; correct the pattern");
  }
  pcre2_jit_compile(code->code, PCRE2_JIT_COMPLETE);
  code_ = std::move(code);
}

void Regex::find(std::string_view text, std::vector<Span>& spans) const {
  const std::unique_ptr<pcre2_match_data, void (*)(pcre2_match_data*)> data(
      pcre2_match_data_create_from_pattern(code_->code, nullptr), pcre2_match_data_free);
  const auto size = static_cast<uint32_t>(text.size());
  const std::unique_ptr<pcre2_match_context, void (*)(pcre2_match_context*)> context(
      pcre2_match_context_create(nullptr), pcre2_match_context_free);
  const std::unique_ptr<pcre2_jit_stack, void (*)(pcre2_jit_stack*)> stack(
      size > kSmallText ? pcre2_jit_stack_create(32 * 1024, kMaxJitStack, nullptr) : nullptr, pcre2_jit_stack_free);
  if (data == nullptr || context == nullptr) throw std::bad_alloc();
  if (stack != nullptr) pcre2_jit_stack_assign(context.get(), nullptr, stack.get());
  pcre2_set_match_limit(context.get(), kMatchLimit + 16 * std::min<uint32_t>(size, 1u << 26));
  pcre2_set_depth_limit(context.get(), kDepthLimit);
  pcre2_set_heap_limit(context.get(), kHeapLimitKib);
  uint32_t covered = 0, last_match = UINT32_MAX;
  for (uint32_t at = 0; at <= size;) {
    const int found = pcre2_match(code_->code, reinterpret_cast<PCRE2_SPTR>(text.data()), size, at, PCRE2_NO_UTF_CHECK,
                                  data.get(), context.get());
    if (found == PCRE2_ERROR_NOMATCH) break;
    if (found < 0) {
      fail(ErrorKind::kResource, "the regular expression \"", code_->source, "\" needs more steps on a text of ", size,
           " bytes than the limit allows; simplify the pattern or shorten the text");
    }
    const PCRE2_SIZE* range = pcre2_get_ovector_pointer(data.get());
    const auto begin = static_cast<uint32_t>(range[0]), end = static_cast<uint32_t>(range[1]);
    const uint32_t step = end < size ? utf8_length(static_cast<uint8_t>(text[end])) : 1;
    if (end < begin || (begin == end && end == last_match)) {  // an empty match right after a match does not count
      at = std::max(at, end) + step;
      continue;
    }
    if (covered < begin) spans.push_back({covered, begin, false});
    spans.push_back({begin, end, true});
    covered = last_match = end;
    at = begin == end ? end + step : end;
  }
  if (covered < size) spans.push_back({covered, size, false});
}

}  // namespace sdx::text
