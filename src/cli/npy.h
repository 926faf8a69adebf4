// NumPy's .npy format: one array to and from a tensor.
#pragma once

#include <string>
#include <string_view>

#include "tensor/tensor.h"

namespace sdx::cli {

/// The array as a tensor. NumPy has no name for some of the standard's types: `wanted` says what the bytes mean where
/// the file holds raw two-byte elements (bfloat16), raw one-byte elements or uint8 (8-bit floats), or one element of a
/// 4- or 2-bit type per byte. Unicode and byte strings become strings. Throws InvalidInput for anything broken, for
/// pickled objects and for types that the standard does not have.
Tensor read_npy(std::string_view bytes, DType wanted = DType::kUndefined);

/// The file of a tensor: what read_npy reads back to the same tensor. bfloat16 is written as "<V2", 8-bit floats as
/// "|V1", 4- and 2-bit types as one uint8 or int8 per element (4-bit floats as their codes), strings as "<U".
std::string write_npy(const ConstView& view);

}  // namespace sdx::cli
