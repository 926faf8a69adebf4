// Precompiled: SentencePiece's character map, a Darts double array of prefixes with their replacements.
#include <cstring>

#include <utf8proc.h>

#include "base/error.h"
#include "text/normalizer.h"

namespace sdx::text {
namespace {

/// Read-only view of the double array of Darts-clone: 32-bit units, as its format describes them.
class Darts {
 public:
  explicit Darts(std::string_view bytes) : units_(bytes.size() / 4) {
    std::memcpy(units_.data(), bytes.data(), units_.size() * 4);
  }

  /// Value of the shortest prefix of `text` in the map, or -1.
  int64_t shortest_prefix(std::string_view text) const {
    if (units_.empty()) return -1;
    size_t at = offset(units_[0]);
    for (const char c : text) {
      const auto byte = static_cast<uint8_t>(c);
      if (byte == 0) return -1;
      at ^= byte;
      if (at >= units_.size() || label(units_[at]) != byte) return -1;
      const bool leaf = has_leaf(units_[at]);
      at ^= offset(units_[at]);
      if (!leaf) continue;
      return at < units_.size() ? static_cast<int64_t>(units_[at] & 0x7FFFFFFFu) : -1;
    }
    return -1;
  }

 private:
  static bool has_leaf(uint32_t unit) { return (unit >> 8 & 1) != 0; }
  static uint32_t label(uint32_t unit) { return unit & (0x80000000u | 0xFF); }
  static uint32_t offset(uint32_t unit) { return unit >> 10 << ((unit & 1u << 9) >> 6); }

  std::vector<uint32_t> units_;
};

bool joins(char32_t before, char32_t after, utf8proc_int32_t& state) {
  return !utf8proc_grapheme_break_stateful(static_cast<utf8proc_int32_t>(before), static_cast<utf8proc_int32_t>(after),
                                           &state);
}

class Precompiled final : public Normalizer {
 public:
  Precompiled(Darts trie, std::string replacements) : trie_(std::move(trie)), replacements_(std::move(replacements)) {
    for (uint32_t c = 0; c < 128; ++c) {
      const char byte = static_cast<char>(c);
      plain_[c] = c != '\r' && trie_.shortest_prefix({&byte, 1}) < 0;
    }
  }

  void apply(Buffer& buffer) const override {
    const std::string& text = buffer.text();
    std::vector<Change> changes;
    bool changed = false;
    for (size_t i = 0; i < text.size();) {
      const auto lead = static_cast<uint8_t>(text[i]);
      const bool alone = i + 1 == text.size() || static_cast<uint8_t>(text[i + 1]) < 0x80;
      if (lead < 0x80 && plain_[lead] && alone) {
        changes.push_back({lead, 0});
        ++i;
        continue;
      }
      const size_t end = cluster_end(text, i);
      changed |= add_cluster({text.data() + i, end - i}, changes);
      buffer.require_room(changes.size());
      i = end;
    }
    if (changed) buffer.transform(changes, 0);
  }

 private:
  /// End of the grapheme cluster that begins at `i`.
  static size_t cluster_end(const std::string& text, size_t i) {
    uint32_t length = 0;
    utf8proc_int32_t state = 0;
    char32_t before = decode_utf8(text.data() + i, length);
    for (i += length; i < text.size(); i += length) {
      const char32_t after = decode_utf8(text.data() + i, length);
      if (!joins(before, after, state)) break;
      before = after;
    }
    return i;
  }

  bool add_cluster(std::string_view cluster, std::vector<Change>& changes) const {
    constexpr size_t kWhole = 6;
    if (cluster.size() < kWhole && add_part(cluster, changes)) return true;
    bool changed = false;
    for (size_t i = 0; i < cluster.size();) {
      const uint32_t length = utf8_length(static_cast<uint8_t>(cluster[i]));
      if (add_part(cluster.substr(i, length), changes)) {
        changed = true;
      } else {
        uint32_t unused = 0;
        changes.push_back({decode_utf8(cluster.data() + i, unused), 0});
      }
      i += length;
    }
    return changed;
  }

  /// Replaces the whole of `part` by what its shortest known prefix maps to; false where none is known.
  bool add_part(std::string_view part, std::vector<Change>& changes) const {
    const int64_t at = trie_.shortest_prefix(part);
    if (at < 0 || static_cast<size_t>(at) >= replacements_.size()) return false;
    const std::string_view replacement(replacements_.data() + at);
    size_t count = 0;
    for (size_t i = 0; i < replacement.size(); ++count) {
      uint32_t length = 0;
      changes.push_back({decode_utf8(replacement.data() + i, length), 0});
      i += length;
    }
    const size_t old_count = count_characters(part);
    for (size_t k = old_count; k < count; ++k) changes[changes.size() - 1 - (k - old_count)].change = 1;
    if (count < old_count && !changes.empty()) changes.back().change -= static_cast<int32_t>(old_count - count);
    return true;
  }

  Darts trie_;
  std::string replacements_;
  bool plain_[128];
};

}  // namespace

NormalizerPtr make_precompiled(std::string_view charsmap) {
  uint32_t size = 0;
  if (charsmap.size() >= 4) std::memcpy(&size, charsmap.data(), 4);
  if (charsmap.size() < 4 || size > charsmap.size() - 4 || size % 4 != 0) {
    fail(ErrorKind::kInvalidModel, "the precompiled character map has ", charsmap.size(),
         " bytes but its double array claims ", size, "; the file is damaged, get it again");
  }
  std::string replacements(charsmap.substr(4 + size));
  if (!is_valid_utf8(replacements)) {
    fail(ErrorKind::kInvalidModel,
         "the replacements of the precompiled character map are not UTF-8; get the file again");
  }
  replacements += '\0';
  return std::make_unique<Precompiled>(Darts(charsmap.substr(4, size)), std::move(replacements));
}

}  // namespace sdx::text
