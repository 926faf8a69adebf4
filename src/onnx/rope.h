// Rope: an encoded message in pieces, whose large values are borrowed instead of copied.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/mapped_file.h"

namespace sdx::onnx {

/// A protobuf message under construction. Values of at least kBorrowedBytes are not copied: they must outlive the rope,
/// or bring their owner.
class Rope {
 public:
  static constexpr size_t kBorrowedBytes = 512;

  void integer(uint32_t field, int64_t value);
  void float32(uint32_t field, float value);
  /// A string or bytes field.
  void bytes(uint32_t field, std::string_view value);
  void bytes(uint32_t field, const SharedBytes& value);
  /// A string field that is left out when it is empty.
  void text(uint32_t field, std::string_view value) {
    if (!value.empty()) bytes(field, value);
  }
  /// Appends `child` as a field of this message.
  void message(uint32_t field, Rope child);

  /// Bytes of the encoding.
  uint64_t size() const { return text_.size() + borrowed_bytes_; }

  /// Calls take(string_view) for the pieces, in order.
  template <class Take>
  void for_each_piece(Take take) const {
    size_t at = 0;
    for (const Piece& piece : pieces_) {
      take(std::string_view(text_).substr(at, piece.after - at));
      take(piece.bytes.text());
      at = piece.after;
    }
    take(std::string_view(text_).substr(at));
  }

 private:
  struct Piece {
    size_t after;  ///< position in text_ at which the piece belongs
    SharedBytes bytes;
  };
  void length_prefix(uint32_t field, uint64_t length);

  std::string text_;
  std::vector<Piece> pieces_;
  uint64_t borrowed_bytes_ = 0;
};

}  // namespace sdx::onnx
