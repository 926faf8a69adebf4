// Rules that find the normalisations which exporters below opset 17 spell out.
#include <cstring>

#include "rewrite/fused_activation.h"
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

bool holds_only(const Match& m, std::string_view name, float number) {
  const ConstView view = m.fact(name).constant.view();
  if (view.dtype != DType::kF32) return false;
  for (int64_t i = 0; i < view.count(); ++i) {
    // Constants of a file may lie anywhere.
    float element = 0;
    std::memcpy(&element, view.data + i * static_cast<int64_t>(sizeof(float)), sizeof(float));
    if (element != number) return false;
  }
  return true;
}

/// One element for each channel of x [batch, channels, …], and no other axis.
bool is_by_channel(const Match& m, std::string_view name) {
  const Shape &s = m.fact(name).shape, &x = m.fact("x").shape;
  if (!s.has_rank() || !x.has_rank() || (s.rank() != x.rank() && s.rank() != x.rank() - 1)) return false;
  for (int d = 0; d < s.rank(); ++d) {
    if (!(d + x.rank() - s.rank() == 1 ? s[d] == x[1] : s[d].is(1))) return false;
  }
  return true;
}

/// The groups of channels that a normalisation by instance works on: those of x, or what a Reshape makes of them.
std::optional<int64_t> group_count(const Match& m) {
  const Shape& x = m.fact("x").shape;
  if (!x.has_rank() || x.rank() < 3 || !x[1].known()) return std::nullopt;
  if (!m.has("groups")) return x[1].value();
  const Shape& g = m.fact("groups").shape;
  const bool whole = g.has_rank() && g.rank() == 3 && g[0] == x[0] && g[1].known() && g[1].value() > 0 &&
                     x[1].value() % g[1].value() == 0 && m.root_fact().shape == x;
  return whole ? std::optional(g[1].value()) : std::nullopt;
}

// InstanceNormalization of groups of channels, times a scale and plus a bias for each channel
Rule group_norm() {
  auto x = any("x");
  auto ones = constant("ones"), zeros = constant("zeros");
  auto groups = op("InstanceNormalization", {op("Reshape", {x, any("rows")}, "groups"), ones, zeros}, "norm");
  auto normal = either({op("Reshape", {groups, any("shape")}), op("InstanceNormalization", {x, ones, zeros}, "norm")});
  return fuse("fuse-group-norm")
      .match(add(mul(normal, constant("scale")), constant("bias")))
      .when("the norm itself neither scales nor shifts",
            [](const Match& m) { return holds_only(m, "ones", 1) && holds_only(m, "zeros", 0); })
      .when("its groups are whole channels", [](const Match& m) { return group_count(m).has_value(); })
      .when("scale and bias have one element for each channel",
            [](const Match& m) { return is_by_channel(m, "scale") && is_by_channel(m, "bias"); })
      .replace([](Match& m) {
        const std::vector<Dim> channels = {m.fact("x").shape[1]};
        const ir::AttrMap attrs = {{"epsilon", m.attr<float>("norm", "epsilon", 1e-5f)},
                                   {"num_groups", *group_count(m)}};
        return m.own("FusedGroupNorm", attrs,
                     {m["x"], m.reshape(m["scale"], channels), m.reshape(m["bias"], channels)});
      });
}

// act(norm of groups) => the norm with that activation
Rule norm_activation() {
  auto x = any("x"), scale = any("scale"), bias = any("bias");
  return layout("fuse-norm-activation")
      .match(activation_of(either({op_in(ops::kOwnDomain, "FusedGroupNorm", {x, scale, bias}, "norm"),
                                   op("GroupNormalization|InstanceNormalization", {x, scale, bias}, "norm")})))
      .when("the norm has no activation yet",
            [](const Match& m) { return m.attr<std::string>("norm", "activation", "").empty(); })
      .when("elements have at most 32 bits", [](const Match& m) { return m.fact("x").dtype != DType::kF64; })
      .when("a kernel knows the activation", [](const Match& m) { return !fused_activation(m).empty(); })
      .replace([](Match& m) {
        const ir::AttrMap attrs = {{"epsilon", m.attr<float>("norm", "epsilon", 1e-5f)},
                                   {"num_groups", m.attr<int64_t>("norm", "num_groups", 0)},
                                   {"activation", fused_activation(m)}};
        return m.own("FusedGroupNorm", attrs, {m["x"], m["scale"], m["bias"]});
      });
}

}  // namespace

std::vector<Rule> norm_rules() { return {layer_norm(), rms_norm(), group_norm(), norm_activation()}; }

}  // namespace sdx::rewrite
