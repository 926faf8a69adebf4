// The Unicode normal forms, with the bookkeeping of which characters were inserted, replaced and swallowed.
#include <algorithm>

#include "text/normalizer.h"
#include "text/unicode.h"

namespace sdx::text {
namespace {

struct Mark {
  Change change;
  uint8_t cls;
};

/// Decomposes the text, with marks in canonical order (UAX #15, D108 and D109).
void decompose_text(std::string_view text, bool compatibility, std::vector<Mark>& out) {
  size_t pending = 0;
  const auto sort_pending = [&] {
    std::stable_sort(out.begin() + static_cast<std::ptrdiff_t>(pending), out.end(),
                     [](const Mark& a, const Mark& b) { return a.cls < b.cls; });
  };
  for (size_t i = 0; i < text.size();) {
    uint32_t length = 0;
    char32_t parts[32];
    const int n = decompose(decode_utf8(text.data() + i, length), compatibility, parts);
    i += length;
    for (int k = 0; k < n; ++k) {
      const uint8_t cls = combining_class(parts[k]);
      if (cls == 0 && out.size() > pending + 1) sort_pending();
      if (cls == 0) pending = out.size() + 1;
      out.push_back({{parts[k], k == 0 ? 0 : 1}, cls});
    }
  }
  pending = std::min(pending, out.size());
  sort_pending();
}

/// Composes decomposed text (UAX #15, D117). A composed character swallows what its second part stood for.
class Composer {
 public:
  explicit Composer(std::vector<Change>& out) : out_(out) {}

  void add(const Mark& m) {
    if (!starter_) {
      if (m.cls != 0) {
        out_.push_back(m.change);
      } else {
        start(m.change);
      }
      return;
    }
    const bool blocked = last_class_ >= 0 && last_class_ >= m.cls;
    if (!blocked) {
      if (const char32_t c = compose(composee_.c, m.change.c); c != 0) {
        composee_ = {c, composee_.change + m.change.change - 1};
        return;
      }
    }
    if (m.cls == 0) {
      flush();
      start(m.change);
      return;
    }
    marks_.push_back(m.change);
    last_class_ = m.cls;
  }

  void flush() {
    if (starter_) out_.push_back(composee_);
    out_.insert(out_.end(), marks_.begin(), marks_.end());
    marks_.clear();
    last_class_ = -1;
    starter_ = false;
  }

 private:
  void start(const Change& change) {
    composee_ = change;
    starter_ = true;
  }

  std::vector<Change>& out_;
  std::vector<Change> marks_;
  Change composee_{};
  bool starter_ = false;
  int last_class_ = -1;
};

class NormalForm final : public Normalizer {
 public:
  explicit NormalForm(UnicodeForm form)
      : compatibility_(form == UnicodeForm::kNfkc || form == UnicodeForm::kNfkd),
        composed_(form == UnicodeForm::kNfc || form == UnicodeForm::kNfkc) {}

  void apply(Buffer& buffer) const override {
    if (is_settled(buffer.text())) return;
    std::vector<Mark> marks;
    marks.reserve(buffer.text().size());
    decompose_text(buffer.text(), compatibility_, marks);
    std::vector<Change> changes;
    changes.reserve(marks.size());
    if (composed_) {
      Composer composer(changes);
      for (const Mark& m : marks) composer.add(m);
      composer.flush();
    } else {
      for (const Mark& m : marks) changes.push_back(m.change);
    }
    buffer.transform(changes, 0);
  }

 private:
  /// Whether every character is of a block that this form leaves as it is.
  bool is_settled(std::string_view text) const {
    for (size_t i = 0; i < text.size();) {
      const auto lead = static_cast<uint8_t>(text[i]);
      if (lead < 0x80) {
        ++i;
        continue;
      }
      uint32_t length = 0;
      const char32_t c = decode_utf8(text.data() + i, length);
      const bool inert = (composed_ && !compatibility_ && c < 0x300) || (c >= 0x4E00 && c <= 0x9FFF) ||
                         (c >= 0x3041 && c <= 0x3098 && c != 0x3094 && !is_voiced(c)) ||
                         (c >= 0x410 && c <= 0x42F && c != 0x419) || (c >= 0x430 && c <= 0x44F && c != 0x439);
      if (!inert) return false;
      i += length;
    }
    return true;
  }

  /// Hiragana that decompose, or might.
  static bool is_voiced(char32_t c) { return c >= 0x304B && c <= 0x307D; }

  bool compatibility_, composed_;
};

}  // namespace

NormalizerPtr make_unicode_normalizer(UnicodeForm form) { return std::make_unique<NormalForm>(form); }

}  // namespace sdx::text
