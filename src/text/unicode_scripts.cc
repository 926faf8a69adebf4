// UnicodeScripts: cuts where the script changes; kana count as Han.
#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include <algorithm>
#include <memory>
#include <string>

#include "base/error.h"
#include "text/pretokenizer.h"
#include "text/unicode.h"
#include "text/utf8.h"

namespace sdx::text {
namespace {

constexpr uint8_t kAny = 0, kHan = 1;

/// Scripts of the Unicode standard; the first group counts as one.
constexpr const char* kScripts =
    "[\\p{sc:Han}\\p{sc:Hiragana}\\p{sc:Katakana}]|Adlam|Ahom|Anatolian_Hieroglyphs|Arabic|Armenian|Avestan|Balinese|"
    "Bamum|"
    "Bassa_Vah|Batak|Bengali|Bhaiksuki|Bopomofo|Brahmi|Braille|Buginese|Buhid|Canadian_Aboriginal|Carian|"
    "Caucasian_Albanian|Chakma|Cham|Cherokee|Chorasmian|Common|Coptic|Cuneiform|Cypriot|Cypro_Minoan|Cyrillic|Deseret|"
    "Devanagari|Dives_Akuru|Dogra|Duployan|Egyptian_Hieroglyphs|Elbasan|Elymaic|Ethiopic|Georgian|Glagolitic|Gothic|"
    "Grantha|Greek|Gujarati|Gunjala_Gondi|Gurmukhi|Hangul|Hanifi_Rohingya|Hanunoo|Hatran|Hebrew|Imperial_Aramaic|"
    "Inherited|Inscriptional_Pahlavi|Inscriptional_Parthian|Javanese|Kaithi|Kannada|Kayah_Li|Kharoshthi|"
    "Khitan_Small_Script|Khmer|Khojki|Khudawadi|Lao|Latin|Lepcha|Limbu|Linear_A|Linear_B|Lisu|Lycian|Lydian|Mahajani|"
    "Makasar|Malayalam|Mandaic|Manichaean|Marchen|Masaram_Gondi|Medefaidrin|Meetei_Mayek|Mende_Kikakui|"
    "Meroitic_Cursive|Meroitic_Hieroglyphs|Miao|Modi|Mongolian|Mro|Multani|Myanmar|Nabataean|Nandinagari|New_Tai_Lue|"
    "Newa|Nko|Nushu|Nyiakeng_Puachue_Hmong|Ogham|Ol_Chiki|Old_Hungarian|Old_Italic|Old_North_Arabian|Old_Permic|"
    "Old_Persian|Old_Sogdian|Old_South_Arabian|Old_Turkic|Oriya|Osage|Osmanya|Pahawh_Hmong|Palmyrene|Pau_Cin_Hau|"
    "Phags_Pa|Phoenician|Psalter_Pahlavi|Rejang|Runic|Samaritan|Saurashtra|Sharada|Shavian|Siddham|SignWriting|"
    "Sinhala|Sogdian|Sora_Sompeng|Soyombo|Sundanese|Syloti_Nagri|Syriac|Tagalog|Tagbanwa|Tai_Le|Tai_Tham|Tai_Viet|"
    "Takri|Tamil|Tangut|Telugu|Thaana|Thai|Tibetan|Tifinagh|Tirhuta|Ugaritic|Vai|Wancho|Warang_Citi|Yezidi|Yi|"
    "Zanabazar_Square";

constexpr ClassRange kNewer[] = {
#include "text/newer_scripts.inc"
};

/// One alternative with a group of its own for each script.
std::string scripts_pattern() {
  std::string pattern;
  const std::string names = kScripts;
  for (size_t i = 0; i < names.size();) {
    const size_t end = std::min(names.find('|', i), names.size());
    const std::string name = names.substr(i, end - i);
    pattern += (pattern.empty() ? "(" : "|(") + (name[0] == '[' ? name : "\\p{sc:" + name + "}") + "+)";
    i = end + 1;
  }
  return pattern;
}

/// Script numbers of all characters, found by matching runs over a text of every character in order.
class ScriptTable {
 public:
  static const ScriptTable& instance() {
    static const ScriptTable table;
    return table;
  }

  uint8_t operator[](char32_t c) const {
    if (c == ' ') return kAny;
    if (c == 0x30FC) return kHan;
    return c < scripts_.size() ? scripts_[c] : kAny;
  }

 private:
  ScriptTable() : scripts_(0xE01F0, kAny) {
    std::string text;
    for (char32_t c = 0; c < scripts_.size(); ++c) {
      if (c < 0xD800 || (c > 0xDFFF && c < 0x32000) || c >= 0xE0000) append_utf8(text, c);
    }
    const std::string pattern = scripts_pattern();
    int error = 0;
    size_t where = 0;
    const std::unique_ptr<pcre2_code, void (*)(pcre2_code*)> code(
        pcre2_compile(reinterpret_cast<PCRE2_SPTR>(pattern.data()), pattern.size(), PCRE2_UTF | PCRE2_NO_AUTO_POSSESS,
                      &error, &where, nullptr),
        pcre2_code_free);
    if (code == nullptr) fail(ErrorKind::kInternal, "the pattern of scripts does not compile at byte ", where);
    pcre2_jit_compile(code.get(), PCRE2_JIT_COMPLETE);
    const std::unique_ptr<pcre2_match_data, void (*)(pcre2_match_data*)> data(
        pcre2_match_data_create_from_pattern(code.get(), nullptr), pcre2_match_data_free);
    size_t at = 0;
    for (;;) {
      const int groups = pcre2_match(code.get(), reinterpret_cast<PCRE2_SPTR>(text.data()), text.size(), at,
                                     PCRE2_NO_UTF_CHECK, data.get(), nullptr);
      if (groups <= 1) break;
      const size_t* range = pcre2_get_ovector_pointer(data.get());
      for (size_t i = range[0]; i < range[1];) {
        uint32_t length = 0;
        scripts_[decode_utf8(text.data() + i, length)] = static_cast<uint8_t>(groups - 1);
        i += length;
      }
      at = range[1];
    }
    for (const ClassRange& range : kNewer) {
      std::fill(scripts_.begin() + range.first, scripts_.begin() + range.last + 1, kAny);
    }
    // The reference's table is older than these moves between scripts.
    scripts_[0x589] = scripts_[0x61C] = scripts_['1'];
    scripts_[0x953] = scripts_[0x954] = scripts_[0x915];
  }

  std::vector<uint8_t> scripts_;
};

class UnicodeScripts final : public PreTokenizer {
 public:
  void apply(Work& work) const override {
    work.spare.clear();
    for (const Split& split : work.splits) {
      if (split.token >= 0) {
        work.spare.push_back(split);
      } else {
        cut(work, split);
      }
    }
    std::swap(work.splits, work.spare);
  }

 private:
  /// As in the reference, what precedes the first character with a script is lost.
  static void cut(Work& work, const Split& split) {
    const ScriptTable& scripts = ScriptTable::instance();
    uint8_t last = kNoScript;
    uint32_t begin = split.end, length = 0;
    for (uint32_t i = split.begin; i < split.end; i += length) {
      const uint8_t script = scripts[decode_utf8(work.text.data() + i, length)];
      if (script == kAny || last == kAny || script == last) continue;
      if (begin < i) work.spare.push_back({begin, i});
      begin = i;
      last = script;
    }
    if (begin < split.end) work.spare.push_back({begin, split.end});
  }

  static constexpr uint8_t kNoScript = 0xFF;
};

}  // namespace

PreTokenizerPtr make_unicode_scripts() { return std::make_unique<UnicodeScripts>(); }

}  // namespace sdx::text
