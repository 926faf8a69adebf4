// Normalizers of one character at a time, and those that search and replace.
#include "text/normalizer.h"

#include <utility>

#include "text/byte_alphabet.h"
#include "text/unicode.h"

namespace sdx::text {

void append_byte_level(std::string_view input, const Align* source, uint32_t base, std::string& text,
                       std::vector<Align>& align) {
  for (uint32_t i = 0; i < input.size();) {
    const uint32_t length = utf8_length(static_cast<uint8_t>(input[i]));
    const Align whole = source != nullptr ? source[i] : Align{base + i, base + i + length};
    for (uint32_t k = 0; k < length; ++k) {
      char bytes[4];
      const uint32_t size = encode_utf8(kByteAlphabet[static_cast<uint8_t>(input[i + k])], bytes);
      text.append(bytes, size);
      align.insert(align.end(), size, whole);
    }
    i += length;
  }
}

namespace {

class Lowercase final : public Normalizer {
 public:
  void apply(Buffer& buffer) const override {
    if (is_ascii(buffer.text())) {
      for (char& c : buffer.edit_in_place()) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
      return;
    }
    if (buffer.identity() && lower_in_place(buffer)) return;
    std::vector<Change> changes;
    changes.reserve(buffer.text().size());
    for (size_t i = 0; i < buffer.text().size();) {
      uint32_t length = 0;
      const auto [first, second] = to_lower(decode_utf8(buffer.text().data() + i, length));
      changes.push_back({first, 0});
      if (second != 0) changes.push_back({second, 1});
      i += length;
    }
    buffer.transform(changes, 0);
  }

 private:
  /// Lowers the characters whose lower case has the same size; false, with nothing done, where one has another size.
  static bool lower_in_place(Buffer& buffer) {
    std::string lowered = buffer.text();
    for (size_t i = 0; i < lowered.size();) {
      uint32_t length = 0;
      const char32_t c = decode_utf8(lowered.data() + i, length);
      const auto [first, second] = to_lower(c);
      if (second != 0 || utf8_size(first) != length) return false;
      if (first != c) encode_utf8(first, lowered.data() + i);
      i += length;
    }
    buffer.edit_in_place() = std::move(lowered);
    return true;
  }
};

class Strip final : public Normalizer {
 public:
  Strip(bool left, bool right) : left_(left), right_(right) {}

  void apply(Buffer& buffer) const override {
    const std::string& text = buffer.text();
    uint32_t length = 0;
    size_t begin = 0, end = text.size();
    while (left_ && begin < end && is_space(decode_utf8(text.data() + begin, length))) begin += length;
    while (right_ && end > begin && is_space(decode_last_utf8({text.data(), end}, length))) end -= length;
    if (begin == 0 && end == text.size()) return;
    size_t at = 0;
    buffer.filter([&](char32_t c) {
      const size_t here = at;
      at += utf8_size(c);
      return here >= begin && here < end;
    });
  }

 private:
  bool left_, right_;
};

class StripAccents final : public Normalizer {
 public:
  void apply(Buffer& buffer) const override {
    buffer.filter([](char32_t c) { return c < 0x300 || (char_classes(c) & kOldMark) == 0; });
  }
};

class Nmt final : public Normalizer {
 public:
  void apply(Buffer& buffer) const override {
    buffer.filter([](char32_t c) {
      return !((c >= 1 && c <= 8) || c == 0xB || (c >= 0xE && c <= 0x1F) || c == 0x7F || c == 0x8F || c == 0x9F);
    });
    buffer.map([](char32_t c) -> char32_t {
      const bool blank = c == 9 || c == 10 || c == 12 || c == 13 || c == 0x1680 || (c >= 0x200B && c <= 0x200F) ||
                         c == 0x2028 || c == 0x2029 || c == 0x2581 || c == 0xFEFF || c == 0xFFFD;
      return blank ? U' ' : c;
    });
  }
};

class Replace final : public Normalizer {
 public:
  Replace(Pattern pattern, std::string content) : pattern_(std::move(pattern)), content_(std::move(content)) {}

  /// A replacement takes the alignment of the last character of what it replaces, or of the character before an empty
  /// match.
  void apply(Buffer& buffer) const override {
    std::vector<Span> spans;
    pattern_.find(buffer.text(), spans);
    const std::string& old = buffer.text();
    bool changed = false;
    for (const Span& s : spans) {
      changed |= s.match && std::string_view(old).substr(s.begin, s.end - s.begin) != content_;
    }
    if (!changed) return;
    buffer.materialize();
    std::string text;
    std::vector<Align> align;
    for (const Span& s : spans) {
      if (!s.match) {
        text.append(old, s.begin, s.end - s.begin);
        align.insert(align.end(), buffer.align().begin() + s.begin, buffer.align().begin() + s.end);
        continue;
      }
      Align source{buffer.base(), buffer.base()};
      if (s.end > s.begin) {
        source = buffer.align()[s.end - 1];
      } else if (!align.empty()) {
        source = align.back();
      }
      buffer.require_room(text.size() + content_.size());
      text += content_;
      align.insert(align.end(), content_.size(), source);
    }
    buffer.assign(std::move(text), std::move(align));
  }

 private:
  Pattern pattern_;
  std::string content_;
};

class Affix final : public Normalizer {
 public:
  Affix(std::string text, bool front) : text_(std::move(text)), front_(front) {}
  void apply(Buffer& buffer) const override { front_ ? buffer.prepend(text_) : buffer.append(text_); }

 private:
  std::string text_;
  bool front_;
};

class ByteLevel final : public Normalizer {
 public:
  void apply(Buffer& buffer) const override {
    if (buffer.empty()) return;
    std::string text;
    std::vector<Align> align;
    append_byte_level(buffer.text(), buffer.identity() ? nullptr : buffer.align().data(), buffer.base(), text, align);
    buffer.assign(std::move(text), std::move(align));
  }
};

class Sequence final : public Normalizer {
 public:
  explicit Sequence(std::vector<NormalizerPtr> steps) : steps_(std::move(steps)) {}
  void apply(Buffer& buffer) const override {
    for (const NormalizerPtr& step : steps_) step->apply(buffer);
  }

 private:
  std::vector<NormalizerPtr> steps_;
};

}  // namespace

NormalizerPtr make_lowercase() { return std::make_unique<Lowercase>(); }
NormalizerPtr make_strip(bool left, bool right) { return std::make_unique<Strip>(left, right); }
NormalizerPtr make_strip_accents() { return std::make_unique<StripAccents>(); }
NormalizerPtr make_nmt() { return std::make_unique<Nmt>(); }
NormalizerPtr make_replace(Pattern pattern, std::string content) {
  return std::make_unique<Replace>(std::move(pattern), std::move(content));
}
NormalizerPtr make_prepend(std::string text) { return std::make_unique<Affix>(std::move(text), true); }
NormalizerPtr make_append(std::string text) { return std::make_unique<Affix>(std::move(text), false); }
NormalizerPtr make_byte_level_normalizer() { return std::make_unique<ByteLevel>(); }
NormalizerPtr make_normalizer_sequence(std::vector<NormalizerPtr> steps) {
  return std::make_unique<Sequence>(std::move(steps));
}

}  // namespace sdx::text
