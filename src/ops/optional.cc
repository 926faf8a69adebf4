// Optional, OptionalGetElement and OptionalHasElement.
#include "ops/family.h"

namespace sdx::ops {
namespace {

void infer_get(InferContext& c) {
  Fact out = c.input(0);
  if (out.kind == ir::Kind::kOptional) out.kind = out.optional_sequence ? ir::Kind::kSequence : ir::Kind::kTensor;
  out.optional_sequence = false;
  c.set(0, std::move(out));
}

void run_get(RunContext& c) {
  if (!c.has_input(0)) fail(ErrorKind::kInvalidInput, "OptionalGetElement of an optional without a value");
  c.set_output(0, c.input_value(0));
}

struct OptionalAttrs {
  std::string type;  ///< of the element where there is no input: "float32", "sequence(int64)"
  bool operator==(const OptionalAttrs&) const = default;
  static constexpr auto fields() { return std::tuple{field("type", &OptionalAttrs::type)}; }
};

Fact declared_element(InferContext& c) {
  constexpr std::string_view kPrefix = "sequence(";
  std::string_view type = c.attrs<OptionalAttrs>().type;
  const bool sequence = type.starts_with(kPrefix) && type.ends_with(')');
  if (sequence) type = type.substr(kPrefix.size(), type.size() - kPrefix.size() - 1);
  const auto dtype = dtype_from_name(type);
  if (!dtype)
    c.invalid("an Optional needs an input or the attribute 'type' with a tensor or a sequence of tensors; it has '",
              type, "'");
  Fact out = Fact::tensor(*dtype, Shape());
  if (sequence) out.kind = ir::Kind::kSequence;
  return out;
}

void infer_make(InferContext& c) {
  Fact out = c.has(0) ? c.input(0) : declared_element(c);
  out.optional_sequence = out.kind == ir::Kind::kSequence || out.optional_sequence;
  out.kind = ir::Kind::kOptional;
  out.constant = {};
  out.values.reset();
  c.set(0, std::move(out));
}

void run_make(RunContext& c) { c.set_output(0, c.has_input(0) ? c.input_value(0) : Value()); }

void infer_has(InferContext& c) { c.set(0, DType::kBool, Shape(std::vector<Dim>{})); }

void run_has(RunContext& c) { c.set_output(0, Tensor::scalar<bool>(c.has_input(0))); }

constexpr Traits kValues = {.returns_values = true};

const Op kFamily[] = {
    {.domain = "",
     .name = "Optional",
     .inputs = {0, 1},
     .outputs = {1, 1},
     .parse = Attrs::parse<OptionalAttrs>,
     .infer = infer_make,
     .run = run_make,
     .traits = kValues,
     .since = 15},
    {.domain = "",
     .name = "OptionalGetElement",
     .inputs = {1, 1},
     .outputs = {1, 1},
     .parse = Attrs::parse<NoAttrs>,
     .infer = infer_get,
     .run = run_get,
     .traits = kValues,
     .since = 15},
    {.domain = "",
     .name = "OptionalHasElement",
     .inputs = {0, 1},
     .outputs = {1, 1},
     .parse = Attrs::parse<NoAttrs>,
     .infer = infer_has,
     .run = run_has,
     .traits = kValues,
     .since = 15},
};

}  // namespace

std::span<const Op> optional_family() { return kFamily; }

}  // namespace sdx::ops
