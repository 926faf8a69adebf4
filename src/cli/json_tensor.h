// Tensors from JSON, and summaries of tensors as JSON.
#pragma once

#include <nlohmann/json.hpp>

#include "ir/fact.h"
#include "tensor/tensor.h"

extern template class nlohmann::basic_json<nlohmann::ordered_map>;  // compiled once, in json_tensor.cc

namespace sdx::cli {

using Json = nlohmann::ordered_json;

/// Parses text; throws InvalidInput.
Json parse_json(std::string_view text);

/// Nested arrays (or one number, boolean or string) as a tensor of the fact's type. Fewer levels than the fact's rank
/// are filled up with leading dimensions of 1. Throws InvalidInput for ragged arrays and elements of another type.
Tensor to_tensor(const Json& json, const ir::Fact& fact);

/// Type, shape and, for numbers, least, greatest and mean value; strings in full up to 8.
Json summary(const Tensor& tensor);

}  // namespace sdx::cli
