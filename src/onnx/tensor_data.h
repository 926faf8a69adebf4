// Elements of a tensor: counting them, and decoding every way the format has of storing them to one plain layout.
//
// The plain layout is raw_data's: little-endian, row-major, no padding between elements; bool is one byte, 0 or 1;
// 4-bit and 2-bit elements are packed from the low bits of each byte upwards, the last byte filled up with zeros.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "base/mapped_file.h"
#include "onnx/model_view.h"

namespace sdx::onnx {

/// Product of the dimensions; 1 for a scalar. Throws InvalidModel for a negative dimension and Resource for more than
/// kMaxElements elements.
int64_t element_count(std::span<const int64_t> dims);

/// Bytes of `elements` elements in the plain layout. Throws InvalidModel for strings and unknown types.
size_t storage_bytes(DataType type, int64_t elements);

/// Bytes that the tensor takes in the plain layout, by its type and dims alone. Nothing is known yet about its data.
size_t storage_bytes(const TensorView& tensor);

/// The elements of a tensor that is neither a string tensor nor external, in the plain layout. Borrows (empty owner)
/// from raw_data, at any alignment, when it is there; owns decoded bytes otherwise. Checks before it allocates that
/// exactly as many elements as the dims say are present and that each fits the type.
/// Throws InvalidModel, or UnsupportedModel for a type that may not be stored in the field it is in.
SharedBytes inline_bytes(const TensorView& tensor);

/// Bytes in the layout of raw_data, in the plain layout: the same bytes, or a copy where a bool is neither 0 nor 1.
SharedBytes plain_bytes(DataType type, SharedBytes raw);

/// The same elements as inline_bytes() written to `out`, which has exactly storage_bytes(tensor) bytes.
void fill_inline(const TensorView& tensor, std::span<std::byte> out);

/// The elements of a string tensor, as many as its dims say.
std::span<const std::string_view> string_elements(const TensorView& tensor);

}  // namespace sdx::onnx
