// Rules that find the normalisations which exporters below opset 17 spell out.
#include "rewrite/rule.h"

namespace sdx::rewrite {
namespace {

Pattern mean(const Pattern& x, std::string_view bind) { return op_prefix("ReduceMean", {x}, bind); }
Pattern square(const Pattern& x) { return either({op("Pow", {x, scalar(2.0, 0)}), mul(x, x)}); }

/// The mean over the last axis that keeps it.
bool over_last_axis(const Match& m, std::string_view name) {
  const ir::Node& n = m.node(name);
  if (m.attr<int64_t>(name, "keepdims", 1) != 1 || n.inputs.size() < 2 || n.inputs[1] == ir::kNone) return false;
  const auto& axes = m.graph().fact(n.inputs[1]).values;
  const Shape& shape = m.graph().fact(n.inputs[0]).shape;
  if (!axes || axes->size() != 1 || !(*axes)[0].known()) return false;
  return (*axes)[0].value() == -1 || (shape.has_rank() && (*axes)[0].value() == shape.rank() - 1);
}

bool is_row(const Match& m, std::string_view name) {
  const Shape &row = m.fact(name).shape, &x = m.fact("x").shape;
  return row.has_rank() && row.rank() == 1 && x.has_rank() && x.rank() > 0 && row[0] == x[x.rank() - 1];
}

/// x - mean(x)
bool is_centred(const Match& m, ir::ValueId v) {
  const ir::NodeId sub = m.graph().value(v).producer;
  if (sub == ir::kNone || m.graph().node(sub).op->name != "Sub") return false;
  const auto& operands = m.graph().node(sub).inputs;
  const ir::NodeId mean = m.graph().value(operands[1]).producer;
  return mean != ir::kNone && m.graph().node(mean).op->name == "ReduceMean" &&
         m.graph().node(mean).inputs[0] == operands[0];
}

ir::AttrMap norm_attrs(const Match& m) {
  return {{"axis", int64_t{-1}}, {"epsilon", static_cast<float>(m.number("epsilon"))}};
}

Rule layer_norm() {
  auto x = any("x");
  auto centred = sub(x, mean(x, "mean"));
  auto deviation = op("Sqrt", {add(mean(square(centred), "variance"), scalar("epsilon"))});
  auto normal = either({div(centred, deviation), mul(centred, op("Reciprocal", {deviation})),
                        mul(centred, div(scalar(1.0), deviation))});
  return fuse("fuse-layer-norm")
      .match(add(mul(normal, any("scale")), any("bias")))
      .when("both means are over the last axis",
            [](const Match& m) { return over_last_axis(m, "mean") && over_last_axis(m, "variance"); })
      .when("scale and bias are rows of x's last size",
            [](const Match& m) { return is_row(m, "scale") && is_row(m, "bias"); })
      .replace([](Match& m) {
        return m.call("LayerNormalization", norm_attrs(m), {m["x"], m["scale"], m["bias"]});
      });
}

Rule rms_norm() {
  auto x = any("x");
  auto deviation = op("Sqrt", {add(mean(square(x), "variance"), scalar("epsilon"))});
  auto normal = either({div(x, deviation), mul(x, op("Reciprocal", {deviation})), mul(x, div(scalar(1.0), deviation))});
  return fuse("fuse-rms-norm")
      .match(mul(normal, any("scale")))
      .when("the mean is over the last axis", [](const Match& m) { return over_last_axis(m, "variance"); })
      .when("scale is a row of x's last size", [](const Match& m) { return is_row(m, "scale"); })
      .when("x is not centred, as a layer normalisation's is", [](const Match& m) { return !is_centred(m, m["x"]); })
      .replace([](Match& m) {
        return m.call("SimplifiedLayerNormalization", norm_attrs(m), {m["x"], m["scale"]});
      });
}

}  // namespace

std::vector<Rule> norm_rules() { return {layer_norm(), rms_norm()}; }

}  // namespace sdx::rewrite
