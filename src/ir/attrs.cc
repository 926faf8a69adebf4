// Attrs: reading one field from an attribute value.
#include "ir/attrs.h"

namespace sdx::ir::attrs_detail {
namespace {

constexpr std::string_view kKinds[] = {"an int", "a float", "a string", "a tensor", "ints", "floats", "strings"};

template <class T>
const T& get(std::string_view name, const AttrValue& value, std::string_view wanted) {
  if (const T* v = std::get_if<T>(&value)) return *v;
  wrong_type(name, value, wanted);
}

}  // namespace

void wrong_type(std::string_view name, const AttrValue& value, std::string_view wanted) {
  fail(ErrorKind::kInvalidModel, "attribute '", name, "' is ", kKinds[value.index()], " but must be ", wanted);
}
void missing(std::string_view name) {
  fail(ErrorKind::kInvalidModel, "attribute '", name, "' is required but missing");
}
void unknown(std::string_view name) {
  fail(ErrorKind::kUnsupportedModel, "attribute '", name, "' is not known to this operator");
}

void read(std::string_view name, const AttrValue& value, int64_t& out) { out = get<int64_t>(name, value, "an int"); }
void read(std::string_view name, const AttrValue& value, bool& out) { out = get<int64_t>(name, value, "an int") != 0; }
void read(std::string_view name, const AttrValue& value, float& out) { out = get<float>(name, value, "a float"); }
void read(std::string_view name, const AttrValue& value, std::string& out) {
  out = get<std::string>(name, value, "a string");
}
void read(std::string_view name, const AttrValue& value, Tensor& out) { out = get<Tensor>(name, value, "a tensor"); }
void read(std::string_view name, const AttrValue& value, DType& out) {
  const int64_t number = get<int64_t>(name, value, "an int");
  auto type = dtype_from_onnx(number);
  if (!type) fail(ErrorKind::kInvalidModel, "attribute '", name, "' is ", number, ", which is no element type (1…26)");
  out = *type;
}
void read(std::string_view name, const AttrValue& value, std::vector<int64_t>& out) {
  out = get<std::vector<int64_t>>(name, value, "ints");
}
void read(std::string_view name, const AttrValue& value, std::vector<float>& out) {
  out = get<std::vector<float>>(name, value, "floats");
}
void read(std::string_view name, const AttrValue& value, std::vector<std::string>& out) {
  out = get<std::vector<std::string>>(name, value, "strings");
}

}  // namespace sdx::ir::attrs_detail
