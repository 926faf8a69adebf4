// SentencePiece's normaliser.
#include "text/sentencepiece_normalizer.h"

#include <algorithm>
#include <cstring>

#include "base/error.h"

namespace sdx::text {
namespace {

// The fields of a unit of the double array (the Darts-clone layout that .model files hold).
bool has_leaf(uint32_t unit) { return (unit >> 8 & 1) != 0; }
uint32_t value_of(uint32_t unit) { return unit & 0x7FFFFFFFu; }
uint32_t label_of(uint32_t unit) { return unit & 0x800000FFu; }
uint32_t offset_of(uint32_t unit) { return (unit >> 10) << ((unit & 0x200u) >> 6); }

/// Matches of one prefix that are looked at; longer ones are not seen.
constexpr int kMaxMatches = 32;

}  // namespace

size_t spm_character_length(std::string_view text) {
  static constexpr char kLength[17] = "\1\1\1\1\1\1\1\1\1\1\1\1\2\2\3\4";
  return std::min<size_t>(kLength[static_cast<uint8_t>(text[0]) >> 4], text.size());
}

bool spm_valid_character(std::string_view text, size_t& length) {
  const auto byte = [&](size_t i) { return i < text.size() ? static_cast<uint8_t>(text[i]) : 0u; };
  const auto tail = [&](size_t i) { return (byte(i) & 0xC0u) == 0x80u; };
  const uint32_t lead = byte(0);
  length = 1;
  if (lead < 0x80) return true;
  if ((lead & 0xE0) == 0xC0 && tail(1) && lead >= 0xC2) return length = 2, true;
  if ((lead & 0xF0) == 0xE0 && tail(1) && tail(2)) {
    const uint32_t c = (lead & 0xF) << 12 | (byte(1) & 0x3F) << 6 | (byte(2) & 0x3F);
    if (c >= 0x800 && (c < 0xD800 || c > 0xDFFF)) return length = 3, true;
  }
  if ((lead & 0xF8) == 0xF0 && tail(1) && tail(2) && tail(3)) {
    const uint32_t c = (lead & 7) << 18 | (byte(1) & 0x3F) << 12 | (byte(2) & 0x3F) << 6 | (byte(3) & 0x3F);
    if (c >= 0x10000 && c <= 0x10FFFF) return length = 4, true;
  }
  return false;
}

SpmNormalizer::SpmNormalizer(SpmNormalizerSpec spec, bool whitespace_is_suffix)
    : spec_(std::move(spec)), whitespace_is_suffix_(whitespace_is_suffix) {
  const std::string& map = spec_.charsmap;
  if (map.empty()) return;
  uint32_t bytes = 0;
  if (map.size() > 4) std::memcpy(&bytes, map.data(), 4);
  if (bytes == 0 || bytes % 4 != 0 || bytes > map.size() - 4 || map.back() != '\0') {
    fail(ErrorKind::kInvalidModel, "the SentencePiece character map of ", map.size(),
         " bytes says that its array takes ", bytes, "; the file is damaged, fetch it again");
  }
  units_.resize(bytes / 4);
  std::memcpy(units_.data(), map.data() + 4, bytes);
  replacements_ = 4 + static_cast<size_t>(bytes);
}

std::pair<std::string_view, size_t> SpmNormalizer::mapped_prefix(std::string_view text) const {
  size_t longest = 0;
  size_t where = 0;
  size_t node = offset_of(units_[0]);
  int matches = 0;
  for (size_t i = 0; i < text.size() && matches < kMaxMatches; ++i) {
    const auto byte = static_cast<uint8_t>(text[i]);
    node ^= byte;
    if (node >= units_.size() || label_of(units_[node]) != byte) break;
    const uint32_t unit = units_[node];
    node ^= offset_of(unit);
    if (!has_leaf(unit)) continue;
    if (node >= units_.size()) break;
    ++matches;
    longest = i + 1;
    where = value_of(units_[node]);
  }
  if (longest == 0) return {{}, 0};
  const size_t begin = replacements_ + where;
  if (begin >= spec_.charsmap.size()) return {{}, longest};
  return {std::string_view(spec_.charsmap.data() + begin), longest};
}

std::pair<std::string_view, size_t> SpmNormalizer::next(std::string_view text, const ByteTrie& protect) const {
  if (const size_t length = protect.longest_prefix(text)) return {text.substr(0, length), length};
  if (!units_.empty()) {
    const auto mapped = mapped_prefix(text);
    if (mapped.second > 0) return mapped;
  }
  size_t length = 1;
  if (!spm_valid_character(text, length)) return {kSpmReplacement, 1};
  return {text.substr(0, length), length};
}

SpmNormalized SpmNormalizer::normalize(std::string_view text, const ByteTrie& protect) const {
  SpmNormalized out;
  if (text.size() > (size_t{1} << 30)) {
    fail(ErrorKind::kInvalidInput, "the text has ", text.size(),
         " bytes but a SentencePiece model takes at most 2^30; split it");
  }
  size_t consumed = 0;
  const auto rest = [&] { return text.substr(consumed); };
  if (spec_.remove_extra_whitespaces) {
    while (consumed < text.size()) {
      const auto [replacement, length] = next(rest(), protect);
      if (replacement != " ") break;
      consumed += length;
    }
  }
  if (consumed == text.size()) return out;
  const std::string_view space = spec_.escape_whitespaces ? kSpmSpace : " ";
  const auto append = [&](std::string_view piece) {
    out.text += piece;
    out.origin.insert(out.origin.end(), piece.size(), static_cast<uint32_t>(consumed));
  };
  if (!whitespace_is_suffix_ && spec_.add_dummy_prefix) append(space);
  bool after_space = spec_.remove_extra_whitespaces;
  while (consumed < text.size()) {
    auto [replacement, length] = next(rest(), protect);
    while (after_space && replacement.starts_with(' ')) replacement.remove_prefix(1);
    for (const char& c : replacement) append(c == ' ' ? space : std::string_view(&c, 1));
    if (!replacement.empty()) after_space = spec_.remove_extra_whitespaces && replacement.ends_with(' ');
    consumed += length;
  }
  if (spec_.remove_extra_whitespaces) {
    while (out.text.ends_with(space)) {
      const size_t length = out.text.size() - space.size();
      consumed = out.origin[length];
      out.text.resize(length);
      out.origin.resize(length);
    }
  }
  if (whitespace_is_suffix_ && spec_.add_dummy_prefix) append(space);
  out.origin.push_back(static_cast<uint32_t>(consumed));
  return out;
}

}  // namespace sdx::text
