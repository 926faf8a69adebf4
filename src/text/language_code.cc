// Language codes: found line by line.
#include "text/language_code.h"

#include <algorithm>

namespace sdx::text {
namespace {

/// Bytes [begin, end) of a line.
struct Range {
  size_t begin, end;
};

/// Where the code of a line lies, or an empty range.
Range code_of(std::string_view line) {
  const size_t begin = line.find(">>"), end = line.rfind("<<");
  if (begin == std::string_view::npos || end == std::string_view::npos || end < begin + 3) return {0, 0};
  return {begin, end + 2};
}

class Removal final : public Normalizer {
 public:
  void apply(Buffer& buffer) const override {
    const std::string_view text = buffer.text();
    if (text.find(">>") == std::string_view::npos) return;
    std::string kept;
    std::vector<Align> align;
    buffer.materialize();
    const auto keep = [&](size_t begin, size_t end) {
      kept.append(text.substr(begin, end - begin));
      align.insert(align.end(), buffer.align().begin() + static_cast<std::ptrdiff_t>(begin),
                   buffer.align().begin() + static_cast<std::ptrdiff_t>(end));
    };
    for (size_t line = 0; line < text.size();) {
      const size_t end = std::min(text.find('\n', line), text.size() - 1) + 1;
      const Range code = code_of(text.substr(line, end - line));
      keep(line, line + code.begin);
      keep(line + code.end, end);
      line = end;
    }
    buffer.assign(std::move(kept), std::move(align));
  }
};

}  // namespace

std::string_view leading_language_code(std::string_view text) {
  const Range code = code_of(text.substr(0, text.find('\n')));
  return code.begin == 0 ? text.substr(0, code.end) : std::string_view();
}

NormalizerPtr make_language_code_removal() { return std::make_unique<Removal>(); }

}  // namespace sdx::text
