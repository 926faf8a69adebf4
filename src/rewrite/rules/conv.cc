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

constexpr int64_t kManyChannels = 512;

// Conv(act(norm(Conv(x)))), many channels between few and fewer => the sum of that for either half of the channels
Rule split_channels() {
  auto hidden = either({op("Conv", {any("x"), constant("w0")}, "hidden"),
                        op("Conv", {any("x"), constant("w0"), constant("bias0")}, "hidden")});
  auto scale = constant("scale"), shift = constant("shift");
  auto active = activation_of(either({op_in(ops::kOwnDomain, "FusedGroupNorm", {hidden, scale, shift}, "norm"),
                                      op("GroupNormalization|InstanceNormalization", {hidden, scale, shift}, "norm")}));
  return fuse("split-channels")
      .match(op("Conv", {active, constant("w1")}, "conv"))
      .match(op("Conv", {active, constant("w1"), constant("bias1")}, "conv"))
      .when("all is float32",
            [](const Match& m) {
              return std::ranges::all_of(std::array{"x", "w0", "w1"},
                                         [&](const char* name) { return m.fact(name).dtype == DType::kF32; });
            })
      .when("neither convolution has groups or an activation of its own",
            [](const Match& m) {
              return std::ranges::all_of(std::array{"hidden", "conv"}, [&](const char* name) {
                return m.attr<int64_t>(name, "group", 1) == 1 && m.attr<std::string>(name, "activation", "").empty();
              });
            })
      .when("there are many channels, of few numbers each",
            [](const Match& m) {
              const Extents w = m.fact("w0").constant.extents();
              return w[0] >= kManyChannels && w.product(1, w.rank()) * 8 <= w[0];
            })
      .when("the sum takes at most half as much",
            [](const Match& m) {
              const auto strides = m.attr<std::vector<int64_t>>("conv", "strides", {});
              return m.fact("w1").constant.extents()[0] <= m.fact("w0").constant.extents()[0] &&
                     std::ranges::any_of(strides, [](int64_t step) { return step >= 2; });
            })
      .when("each half normalises its channels by itself",
            [](const Match& m) {
              const int64_t count = m.fact("w0").constant.extents()[0];
              const int64_t groups = m.attr<int64_t>("norm", "num_groups", 0);
              return count % 2 == 0 && groups % 2 == 0;
            })
      .replace([](Match& m) {
        const int64_t count = m.fact("w0").constant.extents()[0];
        const ir::Op *norm = m.node("norm").op, *activation = m.node("activation").op;
        ir::AttrMap norm_attrs = m.node("norm").attrs.map();
        if (const int64_t groups = m.attr<int64_t>("norm", "num_groups", 0)) norm_attrs["num_groups"] = groups / 2;
        std::array<ir::ValueId, 2> sums{};
        for (int64_t half = 0; half < 2; ++half) {
          const int64_t begin = half * count / 2, end = begin + count / 2;
          std::vector<ir::ValueId> inputs = {m["x"], m.slice(m["w0"], 0, begin, end)};
          if (m.has("bias0")) inputs.push_back(m.slice(m["bias0"], 0, begin, end));
          const auto made = m.call("Conv", m.node("hidden").attrs.map(), inputs);
          const auto normal =
              m.call(*norm, norm_attrs, {made, m.slice(m["scale"], 0, begin, end), m.slice(m["shift"], 0, begin, end)});
          const auto active = m.call(*activation, m.node("activation").attrs.map(), {normal});
          std::vector<ir::ValueId> last = {active, m.slice(m["w1"], 1, begin, end)};
          if (half == 0 && m.has("bias1")) last.push_back(m["bias1"]);
          sums[static_cast<size_t>(half)] = m.call("Conv", m.node("conv").attrs.map(), last);
        }
        // The second one adds to what the first one has made.
        return m.call("Add", {}, {sums[1], sums[0]});
      });
}

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
  return {fuse_batch_norm(), pack_conv(),     split_channels(),
          fuse_activation(), fuse_residual(), fuse_residual_activation()};
}

}  // namespace sdx::rewrite
