// BertNormalizer: control characters, ideographs, accents and case, in one pass where the text allows it.
#include <utility>

#include "text/normalizer.h"
#include "text/unicode.h"

namespace sdx::text {
namespace {

bool is_ideograph(char32_t c) {
  return (c >= 0x4E00 && c <= 0x9FFF) || (c >= 0x3400 && c <= 0x4DBF) || (c >= 0x20000 && c <= 0x2A6DF) ||
         (c >= 0x2A700 && c <= 0x2B81F) || (c >= 0x2B920 && c <= 0x2CEAF) || (c >= 0xF900 && c <= 0xFAFF) ||
         (c >= 0x2F800 && c <= 0x2FA1F);
}

/// What clean_text turns into a plain space.
bool is_blank(char32_t c) {
  return c == 9 || c == 10 || c == 13 || c == ' ' || c == 0xA0 || c == 0x1680 || (c >= 0x2000 && c <= 0x200A) ||
         c == 0x2028 || c == 0x2029 || c == 0x202F || c == 0x205F || c == 0x3000;
}

class BertNormalizer final : public Normalizer {
 public:
  explicit BertNormalizer(BertNormalizerOptions options) : options_(options) {
    for (uint32_t c = 0; c < 128; ++c) {
      char32_t mapped = options_.lowercase ? to_lower(c).first : c;
      if (options_.clean_text && is_blank(c)) mapped = ' ';
      const bool drop = options_.clean_text && (c == 0 || (char_classes(c) & kDrop) != 0);
      ascii_[c] = drop ? kDropped : static_cast<uint8_t>(mapped);
    }
  }

  void apply(Buffer& buffer) const override {
    if (buffer.identity() && (apply_ascii(buffer) || apply_fused(buffer))) return;
    apply_in_steps(buffer);
  }

 private:
  static constexpr uint8_t kDropped = 0xFF;

  /// ASCII without control characters keeps its alignment.
  bool apply_ascii(Buffer& buffer) const {
    const std::string& text = buffer.text();
    uint8_t seen = 0;
    for (const char c : text) {
      const auto b = static_cast<uint8_t>(c);
      seen |= b < 0x80 ? ascii_[b] : 0x80;
    }
    if (seen >= 0x80) return false;
    for (char& c : buffer.edit_in_place()) c = static_cast<char>(ascii_[static_cast<uint8_t>(c)]);
    return true;
  }

  /// One pass: everything that a character becomes is aligned with it. False where marks would have to be reordered.
  bool apply_fused(Buffer& buffer) const {
    const std::string& old = buffer.text();
    Output out;
    out.text.reserve(old.size() + old.size() / 4);
    out.align.reserve(old.size() + old.size() / 4);
    const uint32_t base = buffer.base();
    for (uint32_t i = 0; i < old.size();) {
      const auto lead = static_cast<uint8_t>(old[i]);
      if (lead < 0x80) {
        if (ascii_[lead] != kDropped) {
          out.text += static_cast<char>(ascii_[lead]);
          out.align.push_back({base + i, base + i + 1});
        }
        ++i;
        continue;
      }
      uint32_t length = 0;
      const char32_t c = decode_utf8(old.data() + i, length);
      if (!add_wide(c, {base + i, base + i + length}, out)) return false;
      i += length;
    }
    buffer.assign(std::move(out.text), std::move(out.align));
    return true;
  }

  struct Output {
    std::string text;
    std::vector<Align> align;

    void add(char32_t c, Align source) {
      char bytes[4];
      const uint32_t length = encode_utf8(c, bytes);
      text.append(bytes, length);
      align.insert(align.end(), length, source);
    }
  };

  bool add_wide(char32_t c, Align source, Output& out) const {
    if (options_.clean_text) {
      if (is_blank(c)) {
        out.add(' ', source);
        return true;
      }
      if ((char_classes(c) & kDrop) != 0) return true;
    }
    const bool spaced = options_.chinese && is_ideograph(c);
    if (spaced) out.add(' ', source);
    char32_t parts[32] = {c};
    const int n = options_.strip_accents ? decompose(c, false, parts) : 1;
    for (int k = 0; k < n; ++k) {
      if (options_.strip_accents && parts[k] >= 0x300) {
        const uint16_t classes = char_classes(parts[k]);
        if ((classes & kBertMark) != 0) continue;
        if ((classes & kOldMark) != 0 && combining_class(parts[k]) != 0) return false;
      }
      const auto [first, second] = options_.lowercase ? to_lower(parts[k]) : std::pair<char32_t, char32_t>(parts[k], 0);
      out.add(first, source);
      if (second != 0) out.add(second, source);
    }
    if (spaced) out.add(' ', source);
    return true;
  }

  void apply_in_steps(Buffer& buffer) const {
    if (options_.clean_text) {
      buffer.filter([](char32_t c) { return c != 0 && (char_classes(c) & kDrop) == 0; });
      buffer.map([](char32_t c) { return is_blank(c) ? U' ' : c; });
    }
    if (options_.chinese) space_ideographs(buffer);
    if (options_.strip_accents) {
      nfd_->apply(buffer);
      buffer.filter([](char32_t c) { return c < 0x300 || (char_classes(c) & kBertMark) == 0; });
    }
    if (options_.lowercase) lower_->apply(buffer);
  }

  static void space_ideographs(Buffer& buffer) {
    std::vector<Change> changes;
    for (size_t i = 0; i < buffer.text().size();) {
      uint32_t length = 0;
      const char32_t c = decode_utf8(buffer.text().data() + i, length);
      if (is_ideograph(c)) {
        changes.insert(changes.end(), {{U' ', 0}, {c, 1}, {U' ', 1}});
      } else {
        changes.push_back({c, 0});
      }
      i += length;
    }
    buffer.transform(changes, 0);
  }

  BertNormalizerOptions options_;
  uint8_t ascii_[128];
  NormalizerPtr nfd_ = make_unicode_normalizer(UnicodeForm::kNfd);
  NormalizerPtr lower_ = make_lowercase();
};

}  // namespace

NormalizerPtr make_bert_normalizer(BertNormalizerOptions options) { return std::make_unique<BertNormalizer>(options); }

}  // namespace sdx::text
