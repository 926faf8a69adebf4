// Reading of a Unigram vocabulary straight from the text of a tokenizer.json, without a tree of its values.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "text/model.h"

namespace sdx::text {

/// Bounds the steps that a byte of text takes.
inline constexpr size_t kMaxPieceBytes = 4096;

/// A tokenizer.json whose model has a list of pieces.
struct ScannedPieces {
  UnigramPieces pieces;  ///< scores as the reference reads them, see score.h
  std::string rest;      ///< the file with an empty list in place of the pieces; not checked
};

/// The pieces of `json`, or nothing where its model has none or they have another form than a string and a number each:
/// then the file has to be parsed as a whole, which also tells what is wrong with it.
std::optional<ScannedPieces> scan_pieces(std::string_view json);

}  // namespace sdx::text
