// Loading a SentencePiece model, encoding with it and decoding.
#include "text/sentencepiece.h"

#include <algorithm>
#include <cfloat>
#include <cstdio>

#include "base/error.h"

namespace sdx::text {
namespace {

/// How much worse than the worst piece an unknown character scores.
constexpr float kUnknownPenalty = 10.0f;

std::string byte_piece(int byte) {
  char text[8];
  std::snprintf(text, sizeof text, "<0x%02X>", static_cast<unsigned>(byte));
  return text;
}

}  // namespace

SentencePiece SentencePiece::parse(std::string_view bytes) { return SentencePiece(SpmProto::parse(bytes)); }

SentencePiece::SentencePiece(SpmProto proto)
    : proto_(std::move(proto)),
      normalizer_(proto_.normalizer, proto_.treat_whitespace_as_suffix),
      denormalizer_(proto_.denormalizer, false) {
  std::vector<std::pair<std::string_view, int32_t>> tree, reserved, user;
  float lowest = FLT_MAX;
  float highest = FLT_MIN;  // not the lowest float: the library starts from the smallest positive one
  for (size_t i = 0; i < proto_.pieces.size(); ++i) {
    const SpmEntry& entry = proto_.pieces[i];
    const auto id = static_cast<int32_t>(i);
    if (entry.text.empty()) {
      fail(ErrorKind::kInvalidModel, "piece ", id,
           " of the SentencePiece file is empty; the file is damaged, fetch it again");
    }
    const bool listed =
        entry.type == PieceType::kNormal || entry.type == PieceType::kUserDefined || entry.type == PieceType::kUnused;
    (listed ? tree : reserved).emplace_back(entry.text, id);
    if (entry.type == PieceType::kUserDefined) user.emplace_back(entry.text, id);
    if (entry.type == PieceType::kUnknown && unknown_id_ < 0) unknown_id_ = id;
    if (entry.type != PieceType::kNormal) continue;
    lowest = std::min(lowest, entry.score);
    highest = std::max(highest, entry.score);
  }
  if (unknown_id_ < 0)
    fail(ErrorKind::kInvalidModel,
         "the SentencePiece file has no piece for unknown text; it is damaged, fetch it again");
  tree_ = ByteTrie(std::move(tree));
  reserved_ = ByteTrie(std::move(reserved));
  user_ = ByteTrie(std::move(user));
  for (int byte = 0; byte < 256; ++byte) byte_id_[byte] = id_of(byte_piece(byte));
  unknown_score_ = lowest - kUnknownPenalty;
  top_score_ = highest;
}

int32_t SentencePiece::id_of(std::string_view piece) const {
  if (const int32_t id = reserved_.find(piece); id >= 0) return id;
  const int32_t id = tree_.find(piece);
  return id >= 0 ? id : unknown_id_;
}

std::vector<SpmUnit> SentencePiece::segment(std::string_view text) const {
  const auto segments = proto_.kind == SpmKind::kUnigram ? segment_unigram(text)
                        : proto_.kind == SpmKind::kBpe   ? segment_bpe(text)
                        : proto_.kind == SpmKind::kWord  ? segment_words(text)
                                                         : segment_characters(text);
  Segments out;
  bool after_unknown = false;
  for (const SpmUnit& unit : segments) {
    const bool unknown = unit.id == unknown_id_;
    if (unknown && proto_.byte_fallback) {
      for (uint32_t i = unit.begin; i < unit.end; ++i) {
        out.push_back({byte_id_[static_cast<uint8_t>(text[i])], unit.begin, unit.end});
      }
    } else if (unknown && after_unknown) {
      out.back().end = unit.end;
    } else {
      out.push_back(unit);
    }
    after_unknown = unknown;
  }
  return out;
}

SpmEncoding SentencePiece::encode(std::string_view text) const {
  SpmNormalized normalized = normalize(text);
  SpmEncoding out;
  const std::vector<SpmUnit> units = segment(normalized.text);
  for (size_t i = 0; i < units.size(); ++i) {
    const auto [id, begin, end] = units[i];
    const bool shared = i + 1 < units.size() && units[i + 1].begin == begin;
    const uint32_t source = normalized.origin[begin];
    out.pieces.push_back({id, begin, end, source, shared ? source : normalized.origin[end]});
  }
  out.normalized = std::move(normalized.text);
  return out;
}

std::string_view SentencePiece::text_of(const SpmEncoding& encoding, const SpmPiece& piece) const {
  if (piece.id != unknown_id_) return proto_.pieces[static_cast<size_t>(piece.id)].text;
  return std::string_view(encoding.normalized).substr(piece.piece_begin, piece.piece_end - piece.piece_begin);
}

std::string SentencePiece::decode(const std::vector<int32_t>& ids) const {
  std::vector<std::string_view> pieces;
  for (const int32_t id : ids) {
    if (id < 0 || static_cast<size_t>(id) >= size()) {
      fail(ErrorKind::kInvalidInput, "id ", id, " is outside the ", size(),
           " pieces of the model; give ids of this tokenizer");
    }
    pieces.push_back(piece(id).text);
  }
  return decode_pieces(pieces);
}

/// The text of one piece; `at_start` says that a leading space is the normaliser's own and falls away.
std::string SentencePiece::decode_piece(std::string_view piece, int32_t id, bool at_start) const {
  if (this->piece(id).type == PieceType::kControl) return {};
  if (id == unknown_id_) return piece == this->piece(id).text ? proto_.unknown_surface : std::string(piece);
  if (at_start && piece.starts_with(kSpmSpace)) piece.remove_prefix(kSpmSpace.size());
  std::string text;
  for (size_t i = 0; i < piece.size();) {
    if (piece.substr(i).starts_with(kSpmSpace)) {
      text += ' ';
      i += kSpmSpace.size();
    } else {
      text += piece[i++];
    }
  }
  return text;
}

std::string SentencePiece::decode_pieces(const std::vector<std::string_view>& pieces) const {
  const bool drop_all = proto_.normalizer.remove_extra_whitespaces;
  const bool drop = drop_all || proto_.normalizer.add_dummy_prefix;
  std::string text, bytes;
  bool dropped = false;
  bool at_start = true;
  const auto flush = [&] {
    for (size_t i = 0, length = 0; i < bytes.size(); i += length) {
      const bool valid = spm_valid_character(std::string_view(bytes).substr(i), length);
      text += valid ? std::string_view(bytes).substr(i, length) : kSpmReplacement;
    }
    bytes.clear();
  };
  for (const std::string_view piece : pieces) {
    const int32_t id = id_of(piece);
    if (this->piece(id).type == PieceType::kByte) {
      const auto found = std::find(byte_id_, byte_id_ + 256, id);
      bytes += static_cast<char>(found - byte_id_);
      continue;
    }
    flush();
    if (dropped || !text.empty()) at_start = false;
    const bool known = id != unknown_id_ && this->piece(id).type != PieceType::kControl;
    text += decode_piece(piece, id, at_start && drop);
    dropped = known && at_start && drop && !drop_all && piece.starts_with(kSpmSpace);
  }
  flush();
  return denormalizer_.has_map() ? denormalizer_.normalize(text, ByteTrie()).text : text;
}

}  // namespace sdx::text
