// Rules that let attention read its operands where they lie: without scaling, repeating or transposing them first.
#include "rewrite/rule.h"

namespace sdx::rewrite {
namespace {

using Permutation = std::vector<int64_t>;

/// FusedAttention of these operands, with and without a mask.
Rule with_operands(Rule rule, const Pattern& q, const Pattern& k, const Pattern& v) {
  return rule.match(op_in(ops::kOwnDomain, "FusedAttention", {q, k, v}, "attention"))
      .match(op_in(ops::kOwnDomain, "FusedAttention", {q, k, v, any("mask")}, "attention"))
      .keep_shared();
}

/// The same attention of other operands.
ir::ValueId with_inputs(Match& m, const ir::AttrMap& attrs, std::vector<ir::ValueId> inputs) {
  if (m.has("mask")) inputs.push_back(m["mask"]);
  return m.own("FusedAttention", attrs, std::move(inputs));
}

// attention(factor q, k, v) => attention(q, k, v) with another scale; likewise for k
Rule absorb_scale(const std::string& name) {
  auto operand = [&](const char* which) {
    if (name != which) return any(which);
    return either({mul(any("inner"), scalar("factor")), div(any("inner"), scalar("divisor"))});
  };
  return with_operands(fuse("absorb-scale-" + name), operand("q"), operand("k"), any("v"))
      .when("the scaled operand has its shape without the scale",
            [](const Match& m) { return m.fact("inner").shape.has_rank() && m.fact("inner").rank() == 4; })
      .replace([name](Match& m) {
        ir::AttrMap attrs = m.node("attention").attrs.map();
        const double factor = m.has("divisor") ? 1 / m.number("divisor") : m.number("factor");
        attrs["scale"] = static_cast<float>(m.attr<float>("attention", "scale", 1.0f) * factor);
        return with_inputs(m, attrs, {name == "q" ? m["inner"] : m["q"], name == "k" ? m["inner"] : m["k"], m["v"]});
      });
}

/// x [b, g, t, d] repeated to [b, g * r, t, d], each head r times in a row.
Pattern repeated(const std::string& x) {
  auto apart = op_prefix("Unsqueeze|Reshape", {any(x)}, x + " apart");
  return op_prefix("Reshape", {op_prefix("Expand", {apart}, x + " wide")}, x + " repeated");
}

bool is_repeated(const Match& m, const std::string& x) {
  const Shape &few = m.fact(x).shape, &apart = m.fact(x + " apart").shape, &wide = m.fact(x + " wide").shape,
              &all = m.fact(x + " repeated").shape;
  for (const Shape* s : {&few, &apart, &wide, &all}) {
    if (!s->has_rank()) return false;
  }
  if (few.rank() != 4 || apart.rank() != 5 || wide.rank() != 5 || all.rank() != 4) return false;
  const Dim times = wide[2];
  return apart == Shape({few[0], few[1], 1, few[2], few[3]}) &&
         wide == Shape({few[0], few[1], times, few[2], few[3]}) &&
         all == Shape({few[0], few[1] * times, few[2], few[3]});
}

// attention(q, repeat(k), repeat(v)) => attention(q, k, v): groups of queries share keys and values
Rule share_heads() {
  return with_operands(fuse("share-heads"), any("q"), repeated("k"), repeated("v"))
      .when("keys and values are repeated head by head",
            [](const Match& m) { return is_repeated(m, "k") && is_repeated(m, "v"); })
      .when("keys and values are laid out as [b, h, s, d]",
            [](const Match& m) {
              return m.attr<std::string>("attention", "k_layout", "bhsd") == "bhsd" &&
                     m.attr<std::string>("attention", "v_layout", "bhsd") == "bhsd";
            })
      .replace([](Match& m) {
        return with_inputs(m, m.node("attention").attrs.map(), {m["q"], m["k"], m["v"]});
      });
}

// [b, h, s, d] merged to [b * h, s, d], transposed and taken apart to [b, h, d, s] => Transpose(x, [0, 1, 3, 2])
Rule transpose_in_heads() {
  auto merged = op_prefix("Reshape", {any("x")}, "merged");
  return canonicalise("transpose-in-heads")
      .match(op_prefix("Reshape", {op("Transpose", {merged}, "transpose")}))
      .keep_shared()
      .when("the transposition swaps the last two of three axes",
            [](const Match& m) {
              return m.attr<Permutation>("transpose", "perm", {}) == Permutation{0, 2, 1};
            })
      .when("the first axis is two merged ones that are taken apart again",
            [](const Match& m) {
              const Shape &x = m.fact("x").shape, &flat = m.fact("merged").shape, &root = m.root_fact().shape;
              return x.has_rank() && x.rank() == 4 && flat == Shape({x[0] * x[1], x[2], x[3]}) &&
                     root == Shape({x[0], x[1], x[3], x[2]});
            })
      .replace([](Match& m) {
        return m.call("Transpose", {{"perm", Permutation{0, 1, 3, 2}}}, {m["x"]});
      });
}

}  // namespace

std::vector<Rule> attention_operands_rules() {
  return {absorb_scale("q"), absorb_scale("k"), share_heads(), transpose_in_heads()};
}

}  // namespace sdx::rewrite
