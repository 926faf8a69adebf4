// Rope: encoding of fields.
#include "onnx/rope.h"

#include <protozero/pbf_writer.hpp>

namespace sdx::onnx {

void Rope::integer(uint32_t field, int64_t value) { protozero::pbf_writer(text_).add_int64(field, value); }

void Rope::float32(uint32_t field, float value) { protozero::pbf_writer(text_).add_float(field, value); }

void Rope::length_prefix(uint32_t field, uint64_t length) {
  const auto wire_type = static_cast<uint32_t>(protozero::pbf_wire_type::length_delimited);
  protozero::add_varint_to_buffer(&text_, (uint64_t{field} << 3) | wire_type);
  protozero::add_varint_to_buffer(&text_, length);
}

void Rope::bytes(uint32_t field, std::string_view value) {
  bytes(field, SharedBytes{std::as_bytes(std::span(value)), nullptr});
}

void Rope::bytes(uint32_t field, const SharedBytes& value) {
  length_prefix(field, value.bytes.size());
  if (value.bytes.size() < kBorrowedBytes) {
    text_ += value.text();
    return;
  }
  pieces_.push_back({text_.size(), value});
  borrowed_bytes_ += value.bytes.size();
}

void Rope::message(uint32_t field, Rope child) {
  length_prefix(field, child.size());
  for (Piece& piece : child.pieces_) {
    piece.after += text_.size();
    pieces_.push_back(std::move(piece));
  }
  text_ += child.text_;
  borrowed_bytes_ += child.borrowed_bytes_;
}

}  // namespace sdx::onnx
