// SentencePiece: a .model file as a tokenizer, equal to libsentencepiece 0.1.97 piece by piece.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "text/byte_trie.h"
#include "text/sentencepiece_normalizer.h"
#include "text/sentencepiece_proto.h"

namespace sdx::text {

/// One piece of a normalised text.
struct SpmUnit {
  int32_t id;
  uint32_t begin, end;  ///< bytes of the normalised text; each byte of a fallen-back character has the whole character
};

/// One piece of an encoded text.
struct SpmPiece {
  int32_t id;
  uint32_t piece_begin, piece_end;  ///< bytes of the normalised text
  uint32_t begin, end;              ///< bytes of the original text; of a fallen-back character the last byte has them
};

struct SpmEncoding {
  std::string normalized;
  std::vector<SpmPiece> pieces;
};

class SentencePiece {
 public:
  /// Takes the bytes of a .model file. Throws InvalidModel where they break the format.
  static SentencePiece parse(std::string_view bytes);

  /// The text that segmentation works on.
  SpmNormalized normalize(std::string_view text) const { return normalizer_.normalize(text, user_); }
  /// Segments a normalised text. Runs of unknown characters become one piece; with byte fallback each becomes its
  /// bytes.
  std::vector<SpmUnit> segment(std::string_view normalized) const;
  /// Normalises and segments.
  SpmEncoding encode(std::string_view text) const;

  /// The written form of a piece: the unknown text itself where it is unknown.
  std::string_view text_of(const SpmEncoding& encoding, const SpmPiece& piece) const;

  /// The text of pieces, whatever their numbers; pieces that the model doesn't know stand for themselves.
  std::string decode_pieces(const std::vector<std::string_view>& pieces) const;
  /// The text of ids. Throws InvalidInput for an id outside [0, size()).
  std::string decode(const std::vector<int32_t>& ids) const;

  size_t size() const { return proto_.pieces.size(); }
  const SpmEntry& piece(int32_t id) const { return proto_.pieces[static_cast<size_t>(id)]; }
  const std::vector<SpmEntry>& pieces() const { return proto_.pieces; }
  int32_t unknown_id() const { return unknown_id_; }
  SpmKind kind() const { return proto_.kind; }
  bool byte_fallback() const { return proto_.byte_fallback; }
  /// The number of a piece, unknown_id() where there is none.
  int32_t id_of(std::string_view piece) const;

 private:
  using Segments = std::vector<SpmUnit>;

  explicit SentencePiece(SpmProto proto);
  Segments segment_unigram(std::string_view text) const;
  Segments segment_bpe(std::string_view text) const;
  Segments segment_words(std::string_view text) const;
  Segments segment_characters(std::string_view text) const;
  /// Length of the next symbol of a non-empty text: a user-defined symbol, or one character.
  size_t symbol_length(std::string_view text, bool& user_defined) const;
  std::string decode_piece(std::string_view piece, int32_t id, bool at_start) const;

  SpmProto proto_;
  SpmNormalizer normalizer_, denormalizer_;
  ByteTrie tree_;      ///< normal, user-defined and unused pieces
  ByteTrie reserved_;  ///< unknown, control and byte pieces
  ByteTrie user_;      ///< user-defined pieces
  int32_t byte_id_[256];
  int32_t unknown_id_ = -1;
  float unknown_score_ = 0;
  float top_score_ = 0;
};

}  // namespace sdx::text
