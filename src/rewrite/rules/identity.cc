// Rules that drop operations which change nothing.
#include <algorithm>
#include <cmath>
#include <optional>

#include "rewrite/rule.h"

namespace sdx::rewrite {
namespace {

/// The element of a ConstantOfShape of float32; nothing where it is of another type.
std::optional<float> fill_of(const Match& m) {
  if (m.fact("fill").dtype != DType::kF32) return std::nullopt;
  const Tensor value = m.attr<Tensor>("fill", "value", Tensor::scalar(0.0f));
  return value.dtype() == DType::kF32 ? std::optional(value.as<float>()[0]) : std::nullopt;
}

/// The operand alone already has the result's type and shape.
bool same_as_root(const Match& m) {
  return m.fact("x").dtype == m.root_fact().dtype && m.fact("x").shape == m.root_fact().shape &&
         m.fact("x").shape.has_rank();
}

}  // namespace

std::vector<Rule> identity_rules() {
  std::vector<Rule> rules;
  // Identity(x) => x
  rules.push_back(
      canonicalise("drop-identity").match(op("Identity", {any("x")})).replace([](Match& m) { return m["x"]; }));
  // Cast(x) to its own type => x
  rules.push_back(
      canonicalise("drop-cast")
          .match(op("Cast", {any("x")}))
          .when("x already has that type", [](const Match& m) { return m.fact("x").dtype == m.root_fact().dtype; })
          .replace([](Match& m) { return m["x"]; }));
  // Cast(Cast(x, to float16), to float32) => x for a float32 x
  rules.push_back(canonicalise("drop-rounding")
                      .match(op("Cast", {op("Cast", {any("x")}, "narrow")}))
                      .keep_shared()
                      .when("a float32 is narrowed and widened again",
                            [](const Match& m) {
                              return m.fact("x").dtype == DType::kF32 && is_half(m.fact("narrow").dtype) &&
                                     m.root_fact().dtype == DType::kF32;
                            })
                      .replace([](Match& m) { return m["x"]; }));
  // x + 0, x - 0, x * 1, x / 1 => x
  rules.push_back(canonicalise("drop-neutral")
                      .match(add(any("x"), scalar(0.0, 0)))
                      .match(op("Sub", {any("x"), scalar(0.0, 0)}))
                      .match(mul(any("x"), scalar(1.0, 0)))
                      .match(op("Div|Pow", {any("x"), scalar(1.0, 0)}))
                      .when("the result has x's type and shape", same_as_root)
                      .replace([](Match& m) { return m["x"]; }));
  // ConstantOfShape(shape) times a number => ConstantOfShape(shape), as torch.baddbmm leaves it behind
  rules.push_back(
      canonicalise("scale-fill")
          .match(mul(op("ConstantOfShape", {any("shape")}, "fill"), scalar("factor")))
          .when("the elements are float32 and stay finite",
                [](const Match& m) { return fill_of(m) && std::isfinite(*fill_of(m) * m.number("factor")); })
          .when("the number has no axes that the shape lacks",
                [](const Match& m) {
                  return m.fact("fill").shape == m.root_fact().shape && m.root_fact().shape.has_rank();
                })
          .replace([](Match& m) {
            const auto value = static_cast<float>(*fill_of(m) * m.number("factor"));
            Tensor element(DType::kF32, {1});
            element.mutable_view().as<float>()[0] = value;
            return m.call("ConstantOfShape", {{"value", std::move(element)}}, {m["shape"]});
          }));
  // x + ConstantOfShape of 0 => x
  rules.push_back(canonicalise("drop-added-fill")
                      .match(add(any("x"), op("ConstantOfShape", {any("shape")}, "fill")))
                      .keep_shared()
                      .when("the fill is 0", [](const Match& m) { return fill_of(m) == 0.0f; })
                      .when("the result has x's type and shape", same_as_root)
                      .replace([](Match& m) { return m["x"]; }));
  // Expand(x) to x's own shape => x
  rules.push_back(canonicalise("drop-expand")
                      .match(op_prefix("Expand|Tile", {any("x")}))
                      .when("the result has x's shape", same_as_root)
                      .replace([](Match& m) { return m["x"]; }));
  // Reshape, Squeeze, Unsqueeze or Flatten to x's own shape => x
  rules.push_back(canonicalise("drop-reshape")
                      .match(op_prefix("Reshape|Squeeze|Unsqueeze|Flatten|Slice", {any("x")}))
                      .when("the result has x's shape", same_as_root)
                      .when("a Slice that keeps every element keeps their order",
                            [](const Match& m) {
                              const ir::Node& n = m.graph().node(m.nodes.front());
                              if (n.op->name != "Slice" || n.inputs.size() < 5 || n.inputs[4] == ir::kNone) return true;
                              const auto& steps = m.graph().fact(n.inputs[4]).values;
                              return steps && std::ranges::all_of(
                                                  *steps, [](const Dim& d) { return d.known() && d.value() > 0; });
                            })
                      .replace([](Match& m) { return m["x"]; }));
  // Reshape(Reshape(x)) => Reshape(x), also where one of them is a Squeeze, an Unsqueeze or a Flatten
  rules.push_back(
      canonicalise("merge-reshape")
          .match(op_prefix("Reshape|Squeeze|Unsqueeze|Flatten",
                           {op_prefix("Reshape|Squeeze|Unsqueeze|Flatten", {any("x")})}))
          .keep_shared()
          .when("the shape is known from symbols",
                [](const Match& m) { return m.root_fact().shape.has_rank() && m.known_shape(m.root_fact().shape); })
          .replace([](Match& m) { return m.reshape(m["x"], m.root_fact().shape.dims()); }));
  // Transpose(x) that only moves axes of size 1 => Reshape(x)
  rules.push_back(canonicalise("transpose-to-reshape")
                      .match(op("Transpose", {any("x")}, "transpose"))
                      .when("only axes of size 1 change places",
                            [](const Match& m) {
                              const Shape& x = m.fact("x").shape;
                              if (!x.has_rank() || !m.known_shape(x)) return false;
                              int64_t last = -1;
                              for (int64_t axis : m.attr<std::vector<int64_t>>("transpose", "perm", {})) {
                                if (x[static_cast<int>(axis)].is(1)) continue;
                                if (axis < last) return false;
                                last = axis;
                              }
                              return !m.attr<std::vector<int64_t>>("transpose", "perm", {}).empty();
                            })
                      .replace([](Match& m) { return m.reshape(m["x"], m.root_fact().shape.dims()); }));
  // Concat of one value => the value
  rules.push_back(canonicalise("drop-concat").match(op("Concat", {any("x")})).replace([](Match& m) { return m["x"]; }));
  return rules;
}

}  // namespace sdx::rewrite
