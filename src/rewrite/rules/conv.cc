// Rules that fold norms into constant convolution weights, pack those, and move what follows into the epilogue.
#include <algorithm>
#include <array>

#include "rewrite/fused_activation.h"
#include "rewrite/rule.h"

namespace sdx::rewrite {
namespace {

// Conv(x, constant, bias) => PackedConv(x, PackConvWeights(constant), bias)
Rule pack_conv() {
  return layout("pack-conv")
      .match(op("Conv", {any("x"), constant("w")}, "conv"))
      .match(op("Conv", {any("x"), constant("w"), any("bias")}, "conv"))
      .when("the weight is float32", [](const Match& m) { return m.fact("w").dtype == DType::kF32; })
      .when("the convolution has no activation of its own",
            [](const Match& m) { return m.attr<std::string>("conv", "activation", "").empty(); })
      .replace([](Match& m) {
        const Extents w = m.fact("w").constant.extents();
        ir::AttrMap attrs = m.node("conv").attrs.map();
        const int64_t group = m.attr<int64_t>("conv", "group", 1);
        attrs["channels"] = w[1] * group;
        attrs["filters"] = w[0];
        attrs["kernel_shape"] = std::vector<int64_t>(w.begin() + 2, w.end());
        attrs.erase("activation_params");
        const ir::ValueId packed = m.own("PackConvWeights", attrs, {m["w"]});
        std::vector<ir::ValueId> inputs = {m["x"], packed};
        if (m.has("bias")) inputs.push_back(m["bias"]);
        return m.own("PackedConv", attrs, inputs);
      });
}

// BatchNormalization(Conv(x, constant, bias)) => Conv(x, constant times a factor by filter, another bias)
Rule fuse_batch_norm() {
  auto x = any("x");
  auto conv =
      either({op("Conv", {x, constant("w")}, "conv"), op("Conv", {x, constant("w"), constant("bias")}, "conv")});
  return fuse("fuse-batch-norm")
      .match(op("BatchNormalization",
                {conv, constant("scale"), constant("shift"), constant("mean"), constant("variance")}, "norm"))
      .when("it uses the statistics that it is given",
            [](const Match& m) {
              return m.attr<int64_t>("norm", "training_mode", 0) == 0 && m.node("norm").outputs.size() == 1;
            })
      .when("all is float32",
            [](const Match& m) {
              return std::ranges::all_of(std::array{"x", "w", "scale", "shift", "mean", "variance"},
                                         [&](const char* name) { return m.fact(name).dtype == DType::kF32; });
            })
      .replace([](Match& m) {
        // Nodes on constants, which folding evaluates.
        const auto epsilon = m.constant(Tensor::scalar(m.attr<float>("norm", "epsilon", 1e-5f)));
        const auto deviation = m.call("Sqrt", {}, {m.call("Add", {}, {m["variance"], epsilon})});
        const auto factor = m.call("Div", {}, {m["scale"], deviation});
        const auto centre = m.has("bias") ? m.call("Sub", {}, {m["bias"], m["mean"]}) : m.call("Neg", {}, {m["mean"]});
        const auto bias = m.call("Add", {}, {m.call("Mul", {}, {centre, factor}), m["shift"]});
        const Shape& w = m.fact("w").shape;
        std::vector<Dim> by_filter(static_cast<size_t>(w.rank()), Dim(1));
        by_filter[0] = w[0];
        const auto weight = m.call("Mul", {}, {m["w"], m.reshape(factor, std::move(by_filter))});
        return m.call("Conv", m.node("conv").attrs.map(), {m["x"], weight, bias});
      });
}

Pattern packed() {
  return either({op_in(ops::kOwnDomain, "PackedConv", {any("x"), any("w")}, "conv"),
                 op_in(ops::kOwnDomain, "PackedConv", {any("x"), any("w"), any("bias")}, "conv")});
}

bool no_activation(const Match& m) { return m.attr<std::string>("conv", "activation", "").empty(); }

// act(PackedConv(x)) => PackedConv with that activation
Rule fuse_activation() {
  return layout("fuse-conv-activation")
      .match(activation_of(packed()))
      .when("the convolution has no activation yet", no_activation)
      .when("the epilogue knows the activation", [](const Match& m) { return !fused_activation(m).empty(); })
      .replace([](Match& m) {
        ir::AttrMap attrs = m.node("conv").attrs.map();
        attrs["activation"] = fused_activation(m);
        std::vector<ir::ValueId> inputs = {m["x"], m["w"]};
        if (m.has("bias")) inputs.push_back(m["bias"]);
        return m.own("PackedConv", attrs, inputs);
      });
}

// PackedConv(x) + y => PackedConv(x, residual y)
Rule fuse_residual() {
  return layout("fuse-conv-residual")
      .match(add(packed(), any("residual")))
      .when("the convolution has no activation", no_activation)
      .when("the residual has the output's shape",
            [](const Match& m) {
              return m.fact("residual").shape.has_rank() && m.fact("residual").shape == m.fact("conv").shape &&
                     !m.fact("residual").is_constant();
            })
      .replace([](Match& m) {
        return m.own("PackedConv", m.node("conv").attrs.map(),
                     {m["x"], m["w"], m.has("bias") ? m["bias"] : ir::kNone, m["residual"]});
      });
}

// act(PackedConv(x, residual y)) => PackedConv with that activation last
Rule fuse_residual_activation() {
  return layout("fuse-residual-activation")
      .match(activation_of(op_prefix_in(ops::kOwnDomain, "PackedConv", {any("x"), any("w")}, "conv")))
      .when("a residual is added", [](const Match& m) { return m.node("conv").inputs.size() == 4; })
      .when("the convolution has no activation yet", no_activation)
      .when("the epilogue knows the activation", [](const Match& m) { return !fused_activation(m).empty(); })
      .replace([](Match& m) {
        ir::AttrMap attrs = m.node("conv").attrs.map();
        attrs["activation"] = fused_activation(m);
        attrs["activation_last"] = int64_t{1};
        return m.own("PackedConv", attrs, m.node("conv").inputs);
      });
}

}  // namespace

std::vector<Rule> conv_rules() {
  return {fuse_batch_norm(), pack_conv(), fuse_activation(), fuse_residual(), fuse_residual_activation()};
}

}  // namespace sdx::rewrite
