// Rules that find attention in the products, masks and softmax that exporters spell out.
#include <cmath>
#include <limits>

#include "rewrite/rule.h"

namespace sdx::rewrite {
namespace {

/// Masks this low absorb every finite score in float32: score + mask == mask.
constexpr double kAbsorbing = -1e30;

Pattern own_attention() {
  return either({op_in(ops::kOwnDomain, "FusedAttention", {any("q"), any("k"), any("v")}, "attention"),
                 op_in(ops::kOwnDomain, "FusedAttention", {any("q"), any("k"), any("v"), any("mask")}, "attention")});
}

/// Flattening from the last axis on, as below opset 13, changes nothing.
bool last_axis(const Match& m) {
  const int64_t axis = m.attr<int64_t>("softmax", "axis", -1);
  const int rank = m.fact("softmax").shape.has_rank() ? m.fact("softmax").rank() : 0;
  return rank >= 3 && rank <= 4 && (axis == -1 || axis == rank - 1);
}

bool is_f32(const Match& m) { return m.root_fact().dtype == DType::kF32; }

double scale_of(const Match& m) {
  if (m.has("divisor")) return 1 / m.number("divisor");
  return m.has("factor") ? m.number("factor") : 1;
}

/// The sizes [b, h] that a Reshape merged to the first axis of `v` [b * h, s, d]; [n, 1] where none did.
std::pair<Dim, Dim> heads_of(const Match& m, ir::ValueId v) {
  const ir::Graph& graph = m.graph();
  const Shape merged = graph.fact(v).shape;
  if (const ir::NodeId id = graph.value(v).producer; id != ir::kNone && graph.node(id).op->name == "Reshape") {
    const Shape apart = graph.fact(graph.node(id).inputs[0]).shape;
    const bool fits =
        apart.has_rank() && apart.rank() == 4 && merged == Shape({apart[0] * apart[1], apart[2], apart[3]});
    if (fits) return {apart[0], apart[1]};
  }
  return {merged[0], 1};
}

/// [n, s, d] with its heads apart, as those of `v` were: [b, h, s, d].
ir::ValueId with_heads(Match& m, ir::ValueId x) {
  const Shape shape = m.graph().fact(x).shape;
  if (shape.rank() == 4) return x;
  const auto [batch, heads] = heads_of(m, m["v"]);
  return m.reshape(x, {batch, heads, shape[1], shape[2]});
}

/// [b * h, s, d] as [b, h, s, d].
ir::ValueId split_heads(Match& m, ir::ValueId v, const Shape& scores) {
  const Shape shape = m.graph().fact(v).shape;
  return m.reshape(v, {scores[0], scores[1], shape[1], shape[2]});
}

ir::ValueId attention(Match& m, std::vector<ir::ValueId> inputs) {
  const ir::AttrMap attrs = {{"k_layout", std::string("bhds")}, {"scale", static_cast<float>(scale_of(m))}};
  ir::ValueId y = m.own("FusedAttention", attrs, std::move(inputs));
  return m.reshape(y, m.root_fact().shape.dims());
}

/// A mask of lower rank or with fewer axes is broadcast as ONNX does; the operator wants at most 4 axes.
bool mask_fits(const Match& m, std::string_view mask) {
  return m.fact(mask).dtype == DType::kF32 && m.fact(mask).shape.has_rank() && m.fact(mask).rank() <= 4;
}

bool fill_absorbs(const Match& m) { return m.number("fill") <= kAbsorbing; }

/// Where(keep, scores, fill) as a mask to add: 0 where kept.
ir::ValueId keep_mask(Match& m) {
  return m.call("Where", {}, {m["keep"], m.constant(Tensor::scalar(0.0f)), m["fill"]});
}
/// Where(drop, fill, scores) likewise.
ir::ValueId drop_mask(Match& m) {
  return m.call("Where", {}, {m["drop"], m["fill"], m.constant(Tensor::scalar(0.0f))});
}

Pattern scores() {
  auto product = op("MatMul", {any("q"), any("k")}, "scores");
  return either({div(product, scalar("divisor")), mul(product, scalar("factor")), product});
}

/// softmax(scores) v, where the graph may guard rows without any key.
Pattern weighted(const Pattern& masked) { return op("MatMul", {op("Softmax", {masked}, "softmax"), any("v")}); }

Rule begin(std::string name) {
  return fuse(std::move(name))
      .when("the softmax is over the keys", last_axis)
      .when("the operands are float32", is_f32)
      .when("every size is known from the inputs",
            [](const Match& m) { return m.root_fact().shape.has_rank() && m.known_shape(m.root_fact().shape); });
}

// softmax(scale q k) v
Rule plain() {
  return begin("fuse-attention")
      .match(weighted(scores()))
      .when("the operands have 3 or 4 axes as the scores have",
            [](const Match& m) {
              return m.fact("q").rank() == m.fact("softmax").rank() && m.fact("k").rank() == m.fact("q").rank() &&
                     m.fact("v").rank() == m.fact("q").rank();
            })
      .replace([](Match& m) {
        return attention(m, {with_heads(m, m["q"]), with_heads(m, m["k"]), with_heads(m, m["v"])});
      });
}

bool four_axes(const Match& m) {
  return m.fact("softmax").rank() == 4 && m.fact("q").rank() == 4 && m.fact("k").rank() == 4 && m.fact("v").rank() == 4;
}

// softmax(scale q k + mask) v, softmax(where(keep, scale q k, low) + mask) v, softmax(where(drop, low, scale q k)) v
Rule masked() {
  auto where_keep = op("Where", {any("keep"), scores(), scalar("fill")});
  auto where_drop = op("Where", {any("drop"), scalar("fill"), scores()});
  return begin("fuse-masked-attention")
      .match(weighted(add(scores(), any("mask"))))
      .match(weighted(add(where_keep, any("mask"))))
      .match(weighted(where_keep))
      .match(weighted(where_drop))
      .when("the operands have 4 axes", four_axes)
      .when("the mask is float32 with at most 4 axes",
            [](const Match& m) { return !m.has("mask") || mask_fits(m, "mask"); })
      .when("masked scores are so low that adding equals replacing",
            [](const Match& m) { return !m.has("fill") || fill_absorbs(m); })
      .replace([](Match& m) {
        ir::ValueId mask = m.has("mask") ? m["mask"] : ir::kNone;
        if (m.has("fill")) {
          const ir::ValueId low = m.has("keep") ? keep_mask(m) : drop_mask(m);
          mask = mask == ir::kNone ? low : m.call("Add", {}, {low, mask});
        }
        return attention(m, {m["q"], m["k"], m["v"], mask});
      });
}

// The same over [b * h, s, d], with the scores reshaped to [b, h, s, t] where the mask is added.
Rule batched_heads() {
  auto apart_scores = op_prefix("Reshape", {scores()}, "apart");
  auto together = op_prefix("Reshape", {add(apart_scores, any("mask"))});
  return begin("fuse-batched-attention")
      .match(weighted(together))
      .when("the scores have 4 axes where the mask is added",
            [](const Match& m) {
              return m.fact("apart").shape.has_rank() && m.fact("apart").rank() == 4 && m.fact("q").rank() == 3 &&
                     m.fact("v").rank() == 3;
            })
      .when("the scores keep their rows and columns",
            [](const Match& m) {
              const Shape &apart = m.fact("apart").shape, &flat = m.fact("scores").shape;
              return flat.has_rank() && flat.rank() == 3 && apart[2] == flat[1] && apart[3] == flat[2];
            })
      .when("the mask is float32 with at most 4 axes", [](const Match& m) { return mask_fits(m, "mask"); })
      .replace([](Match& m) {
        const Shape apart = m.fact("apart").shape;
        return attention(m, {split_heads(m, m["q"], apart), split_heads(m, m["k"], apart),
                             split_heads(m, m["v"], apart), m["mask"]});
      });
}

using Permutation = std::vector<int64_t>;

/// What a layout becomes when its operand is the transposition of something: "" where there is no name for it.
std::string through(const std::string& layout, const Permutation& perm) {
  std::string from(4, ' ');
  for (size_t i = 0; i < 4; ++i) from[static_cast<size_t>(perm[i])] = layout[i];
  return from == "bhsd" || from == "bshd" || from == "bhds" ? from : "";
}

/// FusedAttention whose operand `name` is a transposition reads the transposition's operand in another layout.
Rule absorb_transpose(const std::string& name) {
  auto operand = [&](const char* which) { return name == which ? op("Transpose", {any("inner")}, which) : any(which); };
  auto q = operand("q"), k = operand("k"), v = operand("v");
  return fuse("absorb-transpose-" + name)
      .match(op_in(ops::kOwnDomain, "FusedAttention", {q, k, v}, "attention"))
      .match(op_in(ops::kOwnDomain, "FusedAttention", {q, k, v, any("mask")}, "attention"))
      .keep_shared()
      .when("there is a name for the layout",
            [name](const Match& m) {
              const auto perm = m.attr<Permutation>(name, "perm", {});
              return perm.size() == 4 &&
                     !through(m.attr<std::string>("attention", name + "_layout", "bhsd"), perm).empty();
            })
      .replace([name](Match& m) {
        ir::AttrMap attrs = m.node("attention").attrs.map();
        attrs[name + "_layout"] =
            through(m.attr<std::string>("attention", name + "_layout", "bhsd"), m.attr<Permutation>(name, "perm", {}));
        std::vector<ir::ValueId> inputs;
        for (const char* which : {"q", "k", "v", "mask"}) {
          if (m.has(which)) inputs.push_back(which == name ? m["inner"] : m[which]);
        }
        return m.own("FusedAttention", attrs, inputs);
      });
}

// Transpose(attention, [0, 2, 1, 3]) => attention that writes [b, s, h, d]
Rule absorb_output() {
  return fuse("absorb-transpose-out")
      .match(op("Transpose", {own_attention()}, "transpose"))
      .when("the transposition swaps heads and rows",
            [](const Match& m) {
              return m.attr<Permutation>("transpose", "perm", {}) == Permutation{0, 2, 1, 3} &&
                     m.attr<std::string>("attention", "out_layout", "bhsd") == "bhsd";
            })
      .replace([](Match& m) {
        ir::AttrMap attrs = m.node("attention").attrs.map();
        attrs["out_layout"] = std::string("bshd");
        std::vector<ir::ValueId> inputs = {m["q"], m["k"], m["v"]};
        if (m.has("mask")) inputs.push_back(m["mask"]);
        return m.own("FusedAttention", attrs, inputs);
      });
}

}  // namespace

std::vector<Rule> attention_rules() {
  return {
      plain(),        masked(), batched_heads(), absorb_transpose("q"), absorb_transpose("k"), absorb_transpose("v"),
      absorb_output()};
}

}  // namespace sdx::rewrite
