// Unicode: tables from utf8proc, corrected to the versions of the reference implementation.
#include "text/unicode.h"

#include <utf8proc.h>

#include <algorithm>
#include <iterator>
#include <unordered_map>

namespace sdx::text {
namespace {

struct Delta {
  uint32_t first, last;
  CharClass flag;
};

constexpr Delta kDeltas[] = {
#include "text/unicode_deltas.inc"
};

uint16_t base_classes(char32_t c) {
  uint16_t flags = is_space(c) ? kSpace : 0;
  switch (utf8proc_category(static_cast<utf8proc_int32_t>(c))) {
    case UTF8PROC_CATEGORY_LU:
    case UTF8PROC_CATEGORY_LL:
    case UTF8PROC_CATEGORY_LT:
    case UTF8PROC_CATEGORY_LM:
    case UTF8PROC_CATEGORY_LO: return flags | kLetter | kWord;
    case UTF8PROC_CATEGORY_ND:
    case UTF8PROC_CATEGORY_NL: return flags | kNumber | kNumeric | kWord;
    case UTF8PROC_CATEGORY_NO: return flags | kNumber | kNumeric;
    case UTF8PROC_CATEGORY_MN: return flags | kMark | kWord | kBertMark | kOldMark;
    case UTF8PROC_CATEGORY_MC:
    case UTF8PROC_CATEGORY_ME: return flags | kMark | kWord | kOldMark;
    case UTF8PROC_CATEGORY_PC: return flags | kPunct | kWord;
    case UTF8PROC_CATEGORY_PD:
    case UTF8PROC_CATEGORY_PS:
    case UTF8PROC_CATEGORY_PE:
    case UTF8PROC_CATEGORY_PI:
    case UTF8PROC_CATEGORY_PF:
    case UTF8PROC_CATEGORY_PO: return flags | kPunct;
    case UTF8PROC_CATEGORY_CC: return c == 9 || c == 10 || c == 13 ? flags : flags | kDrop;
    case UTF8PROC_CATEGORY_CF:
    case UTF8PROC_CATEGORY_CO: return flags | kDrop;
    default: return c == 0xFFFD ? flags | kDrop : flags;
  }
}

constexpr uint32_t kHangulBase = 0xAC00, kLBase = 0x1100, kVBase = 0x1161, kTBase = 0x11A7;
constexpr uint32_t kLCount = 19, kVCount = 21, kTCount = 28, kHangulCount = kLCount * kVCount * kTCount;

/// Compatibility decompositions that Unicode gained after the reference's normaliser was made.
bool is_newer_compatibility(char32_t c) {
  return c == 0x32FF || (c >= 0xA7F2 && c <= 0xA7F4) || c == 0xAB69 || (c >= 0x10781 && c <= 0x107BA) || c == 0x11938 ||
         (c >= 0x1E030 && c <= 0x1E06D) || c == 0x1F16C || (c >= 0x1FBF0 && c <= 0x1FBF9);
}

using Compositions = std::unordered_map<uint64_t, char32_t>;

uint64_t pair_key(char32_t a, char32_t b) { return static_cast<uint64_t>(a) << 32 | b; }

/// Every primary composite lies in one of these ranges.
constexpr ClassRange kComposites[] = {{0xC0, 0x30FF}, {0x11000, 0x115FF}, {0x11900, 0x119FF}};

Compositions make_compositions() {
  std::unordered_map<std::u32string, char32_t> whole;
  std::vector<std::pair<std::u32string, char32_t>> composites;
  for (const ClassRange& range : kComposites) {
    for (char32_t c = range.first; c <= range.last; ++c) {
      char32_t out[32];
      const int n = decompose(c, false, out);
      if (n < 2 || combining_class(c) != 0 || combining_class(out[0]) != 0) continue;
      if (utf8proc_get_property(static_cast<utf8proc_int32_t>(c))->comp_exclusion) continue;
      // Characters that stand for another one (singletons) come after it and are not composed.
      if (whole.emplace(std::u32string(out, out + n), c).second)
        composites.emplace_back(std::u32string(out, out + n), c);
    }
  }
  Compositions pairs;
  for (const auto& [text, c] : composites) {
    char32_t first = text[0];
    if (text.size() > 2) {
      const auto it = whole.find(text.substr(0, text.size() - 1));
      if (it == whole.end()) continue;
      first = it->second;
    }
    pairs[pair_key(first, text.back())] = c;
  }
  return pairs;
}

}  // namespace

CharTable::CharTable() {
  constexpr uint32_t kBlocks = 0x1100;
  std::vector<uint16_t> block(256);
  std::unordered_map<uint64_t, std::vector<uint16_t>> seen;
  index_.resize(kBlocks);
  for (uint32_t b = 0; b < kBlocks; ++b) {
    const bool empty_plane = (b >= 0x400 && b < 0xE00);
    for (uint32_t i = 0; i < 256; ++i) block[i] = empty_plane ? 0 : base_classes(b << 8 | i);
    for (const Delta& d : kDeltas) {
      const uint32_t first = std::max(d.first, b << 8), last = std::min(d.last, b << 8 | 0xFF);
      for (uint32_t c = first; c <= last && d.first <= d.last; ++c) block[c & 0xFF] ^= d.flag;
    }
    uint64_t hash = 1469598103934665603u;
    for (uint16_t flags : block) hash = (hash ^ flags) * 1099511628211u;
    std::vector<uint16_t>& same = seen[hash];
    const auto it = std::find_if(same.begin(), same.end(), [&](uint16_t at) {
      return std::equal(block.begin(), block.end(), blocks_.begin() + (static_cast<size_t>(at) << 8));
    });
    if (it != same.end()) {
      index_[b] = *it;
      continue;
    }
    index_[b] = static_cast<uint16_t>(blocks_.size() >> 8);
    same.push_back(index_[b]);
    blocks_.insert(blocks_.end(), block.begin(), block.end());
  }
}

const CharTable& CharTable::instance() {
  static const CharTable table;
  return table;
}

std::vector<ClassRange> class_additions(CharClass flag) {
  std::vector<ClassRange> ranges;
  for (const Delta& d : kDeltas) {
    if (d.flag == flag && (char_classes(d.first) & flag) != 0) ranges.push_back({d.first, d.last});
  }
  return ranges;
}

std::pair<char32_t, char32_t> to_lower(char32_t c) {
  if (c < 0x80) return {c >= 'A' && c <= 'Z' ? c + 32 : c, 0};
  if (c == 0x130) return {'i', 0x307};
  switch (c) {
    case 0x1C89: return {0x1C8A, 0};
    case 0xA7CB: return {0x264, 0};
    case 0xA7DC: return {0x19B, 0};
    case 0xA7CC:
    case 0xA7CE:
    case 0xA7D2:
    case 0xA7D4:
    case 0xA7DA: return {c + 1, 0};
    default: break;
  }
  if (c >= 0x10D50 && c <= 0x10D65) return {c + 0x20, 0};
  if (c >= 0x16EA0 && c <= 0x16EB8) return {c + 0x1B, 0};
  return {static_cast<char32_t>(utf8proc_tolower(static_cast<utf8proc_int32_t>(c))), 0};
}

uint8_t combining_class(char32_t c) {
  if (c < 0x300 || (char_classes(c) & kOldMark) == 0) return 0;
  return static_cast<uint8_t>(utf8proc_get_property(static_cast<utf8proc_int32_t>(c))->combining_class);
}

int decompose(char32_t c, bool compatibility, char32_t* out) {
  out[0] = c;
  if (c < 0xA0) return 1;
  if (c >= kHangulBase && c < kHangulBase + kHangulCount) {
    const uint32_t s = c - kHangulBase, t = s % kTCount;
    out[0] = kLBase + s / (kVCount * kTCount);
    out[1] = kVBase + s % (kVCount * kTCount) / kTCount;
    out[2] = kTBase + t;
    return t == 0 ? 2 : 3;
  }
  if (c == 0x11938 || (compatibility && is_newer_compatibility(c))) return 1;
  utf8proc_int32_t buffer[32];
  int boundary = 0;
  const int options = UTF8PROC_DECOMPOSE | (compatibility ? UTF8PROC_COMPAT : 0);
  const auto n = utf8proc_decompose_char(static_cast<utf8proc_int32_t>(c), buffer, 32,
                                         static_cast<utf8proc_option_t>(options), &boundary);
  if (n <= 0 || n > 32) return 1;
  for (int i = 0; i < n; ++i) out[i] = static_cast<char32_t>(buffer[i]);
  return static_cast<int>(n);
}

char32_t compose(char32_t a, char32_t b) {
  if (a >= kLBase && a < kLBase + kLCount && b >= kVBase && b < kVBase + kVCount) {
    return kHangulBase + ((a - kLBase) * kVCount + (b - kVBase)) * kTCount;
  }
  if (a >= kHangulBase && a < kHangulBase + kHangulCount && (a - kHangulBase) % kTCount == 0 && b > kTBase &&
      b < kTBase + kTCount) {
    return a + (b - kTBase);
  }
  static const Compositions pairs = make_compositions();
  const auto it = pairs.find(pair_key(a, b));
  return it == pairs.end() ? 0 : it->second;
}

}  // namespace sdx::text
