// Tensors from JSON, and summaries of tensors as JSON.
#include "cli/json_tensor.h"

#include <algorithm>
#include <cmath>

#include "cli/elements.h"

template class nlohmann::basic_json<nlohmann::ordered_map>;

namespace sdx::cli {
namespace {

/// Deeper than any tensor, far from where handling a document could end the stack.
constexpr int kMaxDepth = 64;

Extents extents_of(const Json& json) {
  Extents out;
  for (const Json* at = &json; at->is_array(); at = &at->front()) {
    if (out.rank() == kMaxRank)
      fail(ErrorKind::kInvalidInput, "the arrays are nested deeper than ", kMaxRank, ", the most axes of a tensor");
    out.push_back(static_cast<int64_t>(at->size()));
    if (at->empty()) break;
  }
  return out;
}

void store(const View& out, int64_t i, const Json& json) {
  if (out.dtype == DType::kString) {
    if (!json.is_string()) fail(ErrorKind::kInvalidInput, "element ", i, " is ", json.dump(), " but must be a string");
    out.as<std::string>()[i] = json.get<std::string>();
    return;
  }
  const bool text = json.is_string();
  const std::string word = text ? json.get<std::string>() : "";
  if (json.is_boolean())
    set_element(out, i, json.get<bool>());
  else if (json.is_number_unsigned() && out.dtype == DType::kU64)
    out.as<uint64_t>()[i] = json.get<uint64_t>();
  else if (json.is_number_integer())
    set_integer(out, i, json.get<int64_t>());
  else if (json.is_number() && is_float(out.dtype))
    set_element(out, i, json.get<double>());
  else if (text && is_float(out.dtype) && (word == "nan" || word == "inf" || word == "-inf"))
    set_element(out, i, std::stod(word));
  else
    fail(ErrorKind::kInvalidInput, "element ", i, " is ", json.dump(), " but must be a ", dtype_name(out.dtype));
}

void fill(const Json& json, const View& out, int depth, int64_t& at) {
  const int rank = out.rank();
  if (depth == rank) {
    if (json.is_array()) fail(ErrorKind::kInvalidInput, "the arrays are nested unevenly");
    return store(out, at++, json);
  }
  if (!json.is_array() || static_cast<int64_t>(json.size()) != out.extents[depth]) {
    fail(ErrorKind::kInvalidInput, "the arrays at depth ", depth, " are not all ", out.extents[depth],
         " elements long");
  }
  for (const Json& part : json) fill(part, out, depth + 1, at);
}

}  // namespace

Json parse_json(std::string_view text) {
  const Json::parser_callback_t shallow = [](int depth, Json::parse_event_t, Json&) {
    if (depth > kMaxDepth) fail(ErrorKind::kInvalidInput, "the JSON is nested deeper than ", kMaxDepth);
    return true;
  };
  try {
    return Json::parse(text, shallow);
  } catch (const Json::exception& e) {
    fail(ErrorKind::kInvalidInput, "the JSON is broken: ", e.what());
  }
}

Tensor to_tensor(const Json& json, const ir::Fact& fact) {
  if (fact.dtype == DType::kC64 || fact.dtype == DType::kC128)
    fail(ErrorKind::kInvalidInput, "complex inputs come from .npy files, not from JSON");
  const Extents extents = extents_of(json);
  Tensor out(fact.dtype, extents);
  int64_t at = 0;
  fill(json, out.mutable_view(), 0, at);
  if (!fact.shape.has_rank() || extents.rank() >= fact.shape.rank()) return out;
  Extents wide;
  for (int d = extents.rank(); d < fact.shape.rank(); ++d) wide.push_back(1);
  for (int64_t size : extents) wide.push_back(size);
  return out.reshaped(wide);
}

Json summary(const Tensor& tensor) {
  Json out;
  out["type"] = dtype_name(tensor.dtype());
  out["shape"] = std::vector<int64_t>(tensor.extents().begin(), tensor.extents().end());
  const int64_t count = tensor.extents().count();
  if (tensor.dtype() == DType::kString) {
    for (int64_t i = 0; i < std::min<int64_t>(count, 8); ++i) out["values"].push_back(tensor.as<std::string>()[i]);
    return out;
  }
  if (count == 0) return out;
  double least = INFINITY, most = -INFINITY, sum = 0;
  int64_t nans = 0;
  for (int64_t i = 0; i < count; ++i) {
    const double x = element(tensor.view(), i);
    nans += std::isnan(x);
    least = std::fmin(least, x);
    most = std::fmax(most, x);
    sum += x;
  }
  out["min"] = least;
  out["max"] = most;
  out["mean"] = sum / static_cast<double>(count);
  if (nans > 0) out["nan"] = nans;
  return out;
}

}  // namespace sdx::cli
