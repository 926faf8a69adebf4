// Rules that take apart what optimisers of other runtimes have fused: those files are then matched, packed and fused
// like any export.
#include <algorithm>
#include <array>

#include "rewrite/rule.h"

namespace sdx::rewrite {
namespace {

using ir::kNone;
using ir::ValueId;

constexpr std::string_view kMicrosoft = "com.microsoft";

Pattern contrib(std::string_view name, std::initializer_list<Pattern> inputs, std::string_view bind) {
  return op_prefix_in(kMicrosoft, name, inputs, bind);
}

ValueId input_of(const Match& m, std::string_view name, size_t index) {
  const auto& inputs = m.node(name).inputs;
  return index < inputs.size() ? inputs[index] : kNone;
}

ValueId sum(Match& m, ValueId a, ValueId b) { return b == kNone ? a : m.call("Add", {}, {a, b}); }

// FastGelu|BiasGelu|Gelu(x, bias) => Gelu(x + bias)
Rule open_gelu() {
  return canonicalise("open-gelu").match(contrib("FastGelu|BiasGelu|Gelu", {any("x")}, "gelu")).replace([](Match& m) {
    ir::AttrMap attrs;
    if (m.node("gelu").op->name == "FastGelu") attrs["approximate"] = std::string("tanh");
    return m.call("Gelu", attrs, {sum(m, m["x"], input_of(m, "gelu", 1))});
  });
}

// QuickGelu(x) => Swish(x)
Rule open_quick_gelu() {
  return canonicalise("open-quick-gelu").match(contrib("QuickGelu", {any("x")}, "gelu")).replace([](Match& m) {
    constexpr float kAbsent = 1.702f;
    return m.call("Swish", {{"alpha", m.attr<float>("gelu", "alpha", kAbsent)}}, {m["x"]});
  });
}

bool is_set(const Match& m, const char* attribute) { return m.attr<int64_t>("product", attribute, 0) != 0; }

/// The operand with its last two axes swapped where the product says so.
ValueId opened_operand(Match& m, const char* name, const char* attribute) {
  if (!is_set(m, attribute)) return m[name];
  const int rank = m.fact(name).shape.rank();
  std::vector<int64_t> perm;
  for (int d = 0; d < rank; ++d) perm.push_back(d);
  std::swap(perm[static_cast<size_t>(rank - 1)], perm[static_cast<size_t>(rank - 2)]);
  return m.call("Transpose", {{"perm", perm}}, {m[name]});
}

// FusedMatMul(a, b) => alpha * MatMul(a, transposed b)
Rule open_product() {
  return canonicalise("open-product")
      .match(contrib("FusedMatMul|TransposeMatMul", {any("a"), any("b")}, "product"))
      .when("operands are transposed by their last two axes alone",
            [](const Match& m) { return !is_set(m, "transBatchA") && !is_set(m, "transBatchB"); })
      .when("the ranks of transposed operands are known, and at least 2",
            [](const Match& m) {
              auto fits = [&](const char* name, const char* attribute) {
                const Shape& s = m.fact(name).shape;
                return !is_set(m, attribute) || (s.has_rank() && s.rank() >= 2);
              };
              return fits("a", "transA") && fits("b", "transB");
            })
      .when("all is float32", [](const Match& m) { return m.fact("a").dtype == DType::kF32; })
      .replace([](Match& m) {
        const ValueId a = opened_operand(m, "a", "transA"), b = opened_operand(m, "b", "transB");
        const ValueId product = m.call("MatMul", {}, {a, b});
        const float alpha = m.attr<float>("product", "alpha", 1.0f);
        return alpha == 1.0f ? product : m.call("Mul", {}, {product, m.constant(Tensor::scalar(alpha))});
      });
}

bool is_unused(const Match& m, std::string_view name, size_t output) {
  const auto& outputs = m.node(name).outputs;
  return output >= outputs.size() || outputs[output] == kNone ||
         (m.graph().users(outputs[output]).empty() && !m.graph().is_output(outputs[output]));
}

bool wants_moments(const Match& m) { return !is_unused(m, "norm", 1) || !is_unused(m, "norm", 2); }

/// The node stays where its other results have users still.
bool is_read(const Match& m) { return !m.graph().users(m.root).empty() || m.graph().is_output(m.root); }

Pattern skip_norm() {
  return contrib("SkipLayerNormalization|SkipSimplifiedLayerNormalization", {any("x"), any("skip"), any("scale")},
                 "norm");
}

bool is_centred(const Match& m) { return m.node("norm").op->name == "SkipLayerNormalization"; }

/// x + bias + skip: in that order a product takes both into its epilogue.
ValueId skip_sum(Match& m) {
  return m.call("Add", {}, {sum(m, m["x"], input_of(m, "norm", is_centred(m) ? 4 : 3)), m["skip"]});
}

bool sums_to_x(const Match& m) {
  const Shape &x = m.fact("x").shape, &skip = m.fact("skip").shape;
  return x.has_rank() && skip.has_rank() && skip.rank() <= x.rank() && m.fact("x").dtype == DType::kF32;
}

/// A rule about one result of the norm.
Rule open_skip(std::string name, Pattern result) {
  return canonicalise(std::move(name))
      .match(std::move(result))
      .when("somebody reads the result", is_read)
      .when("nobody reads means or deviations", [](const Match& m) { return !wants_moments(m); })
      .when("x is float32, of at least the rank of what is added", sums_to_x)
      .keep_shared();
}

// SkipLayerNormalization(x, skip) => LayerNormalization(x + bias + skip)
Rule open_skip_norm() {
  return open_skip("open-skip-norm", skip_norm()).replace([](Match& m) {
    const ir::AttrMap attrs = {{"axis", int64_t{-1}}, {"epsilon", m.attr<float>("norm", "epsilon", 1e-12f)}};
    const ValueId shift = is_centred(m) ? input_of(m, "norm", 3) : kNone;
    std::vector<ValueId> inputs = {skip_sum(m), m["scale"]};
    if (shift != kNone) inputs.push_back(shift);
    return m.call(is_centred(m) ? "LayerNormalization" : "RMSNormalization", attrs, inputs);
  });
}

// the sum that SkipLayerNormalization(x, skip) gives too => x + bias + skip
Rule open_skip_sum() {
  return open_skip("open-skip-sum", output_of(3, skip_norm())).replace([](Match& m) { return skip_sum(m); });
}

/// The operators that stand for an activation which an attribute names.
bool is_opened(std::string_view activation) {
  return activation == "Relu" || activation == "Tanh" || activation == "Sigmoid";
}

// FusedConv(x, w, bias, z) => act(Conv(x, w, bias) + z)
Rule open_conv() {
  return canonicalise("open-conv")
      .match(contrib("FusedConv", {any("x"), any("w")}, "conv"))
      .when("its activation is Relu, Tanh or Sigmoid",
            [](const Match& m) { return is_opened(m.attr<std::string>("conv", "activation", "")); })
      .replace([](Match& m) {
        ir::AttrMap attrs = m.node("conv").attrs.map();
        const auto activation = std::get<std::string>(attrs["activation"]);
        attrs.erase("activation");
        attrs.erase("activation_params");
        std::vector<ValueId> inputs = {m["x"], m["w"]};
        if (const ValueId bias = input_of(m, "conv", 2); bias != kNone) inputs.push_back(bias);
        return m.call(activation, {}, {sum(m, m.call("Conv", attrs, inputs), input_of(m, "conv", 3))});
      });
}

// FusedGemm(a, b, c) => act(Gemm(a, b, c))
Rule open_gemm() {
  return canonicalise("open-gemm")
      .match(contrib("FusedGemm", {any("a"), any("b")}, "gemm"))
      .when("its activation is Relu, Tanh or Sigmoid",
            [](const Match& m) { return is_opened(m.attr<std::string>("gemm", "activation", "")); })
      .replace([](Match& m) {
        ir::AttrMap attrs = m.node("gemm").attrs.map();
        const auto activation = std::get<std::string>(attrs["activation"]);
        for (const char* name : {"activation", "activation_alpha", "activation_beta", "activation_gamma"}) {
          attrs.erase(name);
        }
        return m.call(activation, {}, {m.call("Gemm", attrs, m.node("gemm").inputs)});
      });
}

/// Columns from `begin` to `end` of a projection or of its bias.
ValueId columns(Match& m, ValueId of, int64_t begin, int64_t end) {
  return of == kNone ? kNone : m.slice(of, -1, begin, end);
}

/// Whether an optional mask of integers is [batch] (lengths), [batch, keys] or [batch, rows, keys].
bool tells_of_each_key(const Match& m, ValueId mask, const Dim& keys) {
  if (mask == kNone) return true;
  const Shape& s = m.graph().fact(mask).shape;
  return s.has_rank() && (s.rank() == 1 || ((s.rank() == 2 || s.rank() == 3) && s[s.rank() - 1] == keys));
}

/// [batch, keys]: true before the length of each text.
ValueId before_length(Match& m, ValueId lengths, const Dim& keys) {
  const ValueId zero = m.constant(Tensor::scalar(int64_t{0})), one = m.constant(Tensor::scalar(int64_t{1}));
  const ValueId count = m.graph().add_known("", ir::Fact::known({keys}, true));
  const ValueId wide = m.call("Cast", {{"to", static_cast<int64_t>(DType::kI64)}}, {lengths});
  const ValueId column = m.call("Unsqueeze", {}, {wide, m.constant(Tensor::ints(std::array<int64_t, 1>{1}))});
  return m.call("Less", {}, {m.call("Range", {}, {zero, count, one}), column});
}

/// The mask as a term of the scores.
ValueId mask_term(Match& m, ValueId mask, const Dim& keys) {
  if (mask == kNone) return kNone;
  const int rank = m.graph().fact(mask).shape.rank();
  const ValueId seen =
      rank == 1 ? before_length(m, mask, keys) : m.call("Cast", {{"to", static_cast<int64_t>(DType::kBool)}}, {mask});
  const ValueId zero = m.constant(Tensor::scalar(0.0f));
  const ValueId low = m.constant(Tensor::scalar(m.attr<float>("attention", "mask_filter_value", -10000.0f)));
  const std::vector<int64_t> axes = rank == 3 ? std::vector<int64_t>{1} : std::vector<int64_t>{1, 2};
  return m.call("Unsqueeze", {}, {m.call("Where", {}, {seen, zero, low}), m.constant(Tensor::ints(axes))});
}

/// FusedAttention with the attributes of the matched node, over q, k, v [batch, rows, width], mask and bias. Heads get
/// an axis of their own, as in attention that exporters spell out.
ValueId fused(Match& m, std::vector<ValueId> inputs, int64_t causal) {
  const auto heads = m.attr<int64_t>("attention", "num_heads", 1);
  for (size_t i = 0; i < 3; ++i) {
    const Shape s = m.graph().fact(inputs[i]).shape;
    inputs[i] = m.reshape(inputs[i], {s[0], s[1], heads, exact_div(s[2], heads)});
  }
  ir::AttrMap attrs;
  if (m.attr<int64_t>("attention", "unidirectional", 0) != 0) attrs["causal"] = causal;
  for (const char* layout : {"q_layout", "k_layout", "v_layout", "out_layout"}) attrs[layout] = std::string("bshd");
  if (const float scale = m.attr<float>("attention", "scale", 0.0f); scale != 0) attrs["scale"] = scale;
  while (inputs.back() == kNone) inputs.pop_back();
  const ValueId y = m.own("FusedAttention", attrs, std::move(inputs));
  return m.reshape(y, m.root_fact().shape.dims());
}

bool sizes_known(const Match& m, std::initializer_list<const char*> names) {
  return std::ranges::all_of(names, [&](const char* name) {
    const Shape& s = m.fact(name).shape;
    return s.has_rank() && s.rank() == 3 && s[2].known() && m.known_shape(s);
  });
}

// Attention(x, constant, bias, mask) => FusedAttention over three products of x
Rule open_attention() {
  static constexpr size_t kBias = 2, kMask = 3, kPast = 4, kScores = 5, kPastLength = 6;
  return canonicalise("open-attention")
      .match(contrib("Attention", {any("x"), constant("w")}, "attention"))
      .when("all is float32", [](const Match& m) { return m.fact("x").dtype == DType::kF32; })
      .when("there is no cache",
            [](const Match& m) {
              return input_of(m, "attention", kPast) == kNone && input_of(m, "attention", kPastLength) == kNone &&
                     is_unused(m, "attention", 1);
            })
      .when("every size is known from the inputs", [](const Match& m) { return sizes_known(m, {"x"}); })
      .when("a mask tells of each key of a text",
            [](const Match& m) { return tells_of_each_key(m, input_of(m, "attention", kMask), m.fact("x").shape[1]); })
      .replace([](Match& m) {
        const int64_t all = m.fact("w").constant.extents()[1];
        const auto sizes = m.attr<std::vector<int64_t>>("attention", "qkv_hidden_sizes", {});
        const int64_t width = sizes.empty() ? all / 3 : sizes[0];
        const std::array<int64_t, 4> bounds = {0, width, 2 * width, all};
        std::vector<ValueId> inputs;
        for (size_t i = 0; i < 3; ++i) {
          const ValueId part = m.call("MatMul", {}, {m["x"], columns(m, m["w"], bounds[i], bounds[i + 1])});
          inputs.push_back(sum(m, part, columns(m, input_of(m, "attention", kBias), bounds[i], bounds[i + 1])));
        }
        inputs.push_back(mask_term(m, input_of(m, "attention", kMask), m.fact("x").shape[1]));
        inputs.push_back(input_of(m, "attention", kScores));
        return fused(m, std::move(inputs), 1);
      });
}

// MultiHeadAttention(q, k, v, bias, mask) => FusedAttention(q + its bias, k + its bias, v + its bias, mask)
Rule open_multi_head() {
  static constexpr size_t kBias = 3, kMask = 4, kScores = 5, kPast = 6;
  return canonicalise("open-multi-head")
      .match(contrib("MultiHeadAttention", {any("q"), any("k"), any("v")}, "attention"))
      .when("all is float32", [](const Match& m) { return m.fact("q").dtype == DType::kF32; })
      .when("there is no cache",
            [](const Match& m) {
              const auto& inputs = m.node("attention").inputs;
              return std::ranges::all_of(inputs.begin() + std::min(inputs.size(), kPast), inputs.end(),
                                         [](ValueId v) { return v == kNone; }) &&
                     is_unused(m, "attention", 1) && is_unused(m, "attention", 2) && is_unused(m, "attention", 3);
            })
      .when("queries, keys and values are [batch, rows, width], every size known from the inputs",
            [](const Match& m) {
              return sizes_known(m, {"q", "k", "v"});
            })
      .when("a mask tells of each key of a text",
            [](const Match& m) { return tells_of_each_key(m, input_of(m, "attention", kMask), m.fact("k").shape[1]); })
      .replace([](Match& m) {
        const ValueId bias = input_of(m, "attention", kBias);
        std::vector<ValueId> inputs;
        int64_t begin = 0;
        for (const char* name : {"q", "k", "v"}) {
          const int64_t end = begin + m.fact(name).shape[2].value();
          inputs.push_back(sum(m, m[name], columns(m, bias, begin, end)));
          begin = end;
        }
        inputs.push_back(mask_term(m, input_of(m, "attention", kMask), m.fact("k").shape[1]));
        inputs.push_back(input_of(m, "attention", kScores));
        return fused(m, std::move(inputs), 2);
      });
}

}  // namespace

std::vector<Rule> contrib_rules() {
  return {open_attention(), open_multi_head(), open_gelu(), open_quick_gelu(), open_product(),
          open_skip_norm(), open_skip_sum(),   open_conv(), open_gemm()};
}

}  // namespace sdx::rewrite
