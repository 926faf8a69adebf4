// The contents of a SentencePiece .model file (sentencepiece_model.proto) as plain values.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace sdx::text {

/// Kinds of piece, numbered as in the file.
enum class PieceType : uint8_t { kNormal = 1, kUnknown = 2, kControl = 3, kUserDefined = 4, kUnused = 5, kByte = 6 };

/// Segmentation algorithms, numbered as in the file.
enum class SpmKind : uint8_t { kUnigram = 1, kBpe = 2, kWord = 3, kChar = 4 };

struct SpmEntry {
  std::string text;
  float score = 0;
  PieceType type = PieceType::kNormal;
};

/// How text is normalised before segmentation (or, for the denormaliser, after decoding).
struct SpmNormalizerSpec {
  std::string charsmap;  ///< precompiled character map: the length of a double array, the array, the replacements
  bool add_dummy_prefix = true;
  bool remove_extra_whitespaces = true;
  bool escape_whitespaces = true;
};

struct SpmProto {
  std::vector<SpmEntry> pieces;
  SpmKind kind = SpmKind::kUnigram;
  bool treat_whitespace_as_suffix = false;
  bool byte_fallback = false;
  std::string unknown_surface = " \xE2\x81\x87 ";
  SpmNormalizerSpec normalizer, denormalizer;

  /// Reads the bytes of a .model file. Throws InvalidModel where they break the format.
  static SpmProto parse(std::string_view bytes);
};

}  // namespace sdx::text
