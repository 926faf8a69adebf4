// Regex: PCRE2 with just-in-time compilation, and limits against patterns that explode.
#define PCRE2_CODE_UNIT_WIDTH 8
#include "text/regex.h"

#include <pcre2.h>

#include <algorithm>
#include <new>

#include "base/error.h"
#include "text/regex_dialect.h"
#include "text/utf8.h"

namespace sdx::text {
namespace {

constexpr size_t kMaxPattern = 64 * 1024;
constexpr uint32_t kMatchLimit = 2'000'000;
constexpr uint32_t kDepthLimit = 20'000;
constexpr uint32_t kHeapLimitKib = 64 * 1024;
constexpr size_t kMaxJitStack = 8 * 1024 * 1024;
constexpr size_t kSmallText = 512;

}  // namespace

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
  const std::unique_ptr<pcre2_compile_context, void (*)(pcre2_compile_context*)> context(
      pcre2_compile_context_create(nullptr), pcre2_compile_context_free);
  if (context == nullptr) throw std::bad_alloc();
  pcre2_set_newline(context.get(), PCRE2_NEWLINE_LF);
  code->code =
      pcre2_compile(reinterpret_cast<PCRE2_SPTR>(translated.data()), translated.size(),
                    PCRE2_UTF | PCRE2_UCP | PCRE2_MULTILINE | PCRE2_NEVER_BACKSLASH_C, &error, &where, context.get());
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
