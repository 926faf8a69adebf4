// InstanceNormalization and GroupNormalization: each group of channels of an image normalised by itself. FusedGroupNorm
// is the latter with an activation.
#include "kernels/norm.h"
#include "ops/family.h"
#include "ops/kernel_activation.h"
#include "ops/normalise.h"

namespace sdx::ops {
namespace {

struct GroupNormAttrs {
  float epsilon = 1e-5f;
  int64_t num_groups = 0;  ///< 0: one for each channel
  DType stash_type = DType::kF32;
  bool operator==(const GroupNormAttrs&) const = default;
  static constexpr auto fields() {
    return std::tuple{field("epsilon", &GroupNormAttrs::epsilon), field("num_groups", &GroupNormAttrs::num_groups),
                      field("stash_type", &GroupNormAttrs::stash_type)};
  }
};

struct FusedGroupNormAttrs : GroupNormAttrs {
  std::string activation;
  bool operator==(const FusedGroupNormAttrs&) const = default;
  static constexpr auto fields() {
    return std::tuple_cat(GroupNormAttrs::fields(), std::tuple{field("activation", &FusedGroupNormAttrs::activation)});
  }
};

/// Below opset 21 scale and bias have one element for each group, not channel: they are repeated.
void upgrade_group(Call& c) {
  const int64_t groups = c.int_attr("num_groups").value_or(0);
  if (c.version >= 21 || groups < 1 || c.inputs.size() < 3 || c.inputs[0] == ir::kNone) return;
  auto call = [&](const char* name, ir::AttrMap attrs, std::vector<ir::ValueId> inputs) {
    const Op& op = get(name);
    return c.graph.call(op, op.parse(attrs), std::move(inputs));
  };
  auto ints = [&](std::vector<int64_t> values) { return c.graph.add_constant("", Tensor::ints(values)); };
  const auto channels = call("Shape", {{"start", int64_t{1}}, {"end", int64_t{2}}}, {c.inputs[0]});
  const auto width = call("Div", {}, {channels, ints({groups})});
  const auto rows = call("Concat", {{"axis", int64_t{0}}}, {ints({groups}), width});
  for (size_t i = 1; i <= 2; ++i) {
    if (c.inputs[i] == ir::kNone) continue;
    const auto column = call("Reshape", {}, {c.inputs[i], ints({groups, 1})});
    c.inputs[i] = call("Reshape", {}, {call("Expand", {}, {column, rows}), ints({-1})});
  }
}

void upgrade_instance(Call& c) { c.drop("consumed_inputs"); }

void infer_groups(InferContext& c, const GroupNormAttrs& a) {
  c.require_dtype(0, kFloats);
  c.require_rank(0, 3 - (c.op().name == "InstanceNormalization" ? 0 : 1));
  if (a.num_groups < 0) c.invalid("attribute 'num_groups' is ", a.num_groups, " but must be at least 1");
  const Shape& x = c.input(0).shape;
  for (int i = 1; i <= 2; ++i) {
    c.require_same_dtype(0, i);
    c.require_rank(i, 1, 1);
    const Shape& s = c.input(i).shape;
    if (!s.has_rank() || !x.has_rank()) continue;
    c.require_equal(s[0], x[1], "the size of the scale or bias and the channels");
  }
  if (a.num_groups > 0 && x.has_rank()) {
    c.require_equal(floor_mod(x[1], a.num_groups), 0, "the channels modulo the groups and 0");
  }
  infer_same_as_input(c);
}

void infer(InferContext& c) { infer_groups(c, c.attrs<GroupNormAttrs>()); }

void infer_fused(InferContext& c) {
  const auto& a = c.attrs<FusedGroupNormAttrs>();
  c.require_dtype(0, {DType::kF32, DType::kF16, DType::kBF16});
  kernel_activation(a.activation);
  infer_groups(c, a);
}

template <class T>
void run_typed(RunContext& c) {
  const auto& a = c.attrs<GroupNormAttrs>();
  const Extents& e = c.input(0).extents;
  const int64_t channels = e[1], inner = e.product(2, e.rank());
  const int64_t groups = a.num_groups > 0 ? a.num_groups : channels, width = channels / groups;
  const T *x = c.input(0).as<T>(), *scale = c.input(1).as<T>(), *bias = c.input(2).as<T>();
  T* y = c.output(0).as<T>();
  c.parallel().run(e[0] * groups, grain_for(width * inner * 4), [&](int64_t begin, int64_t end, int) {
    for (int64_t i = begin; i < end; ++i) {
      const int64_t group = i % groups, at = i * width * inner;
      const Moments m = moments(x + at, width * inner, static_cast<double>(a.epsilon), true);
      for (int64_t ch = 0; ch < width; ++ch) {
        const int64_t p = group * width + ch;
        scale_all(x + at + ch * inner, inner, m, scale[p], bias[p], y + at + ch * inner);
      }
    }
  });
}

void run_groups(RunContext& c, const GroupNormAttrs& a, kernels::Activation activation) {
  const Extents& e = c.input(0).extents;
  kernels::NormGroups norm{.channels = e[1], .per_group = 1, .plane = e.product(2, e.rank())};
  if (a.num_groups > 0) norm.per_group = e[1] / a.num_groups;
  norm.scale = c.input(1).as<float>();
  norm.shift = c.input(2).as<float>();
  norm.epsilon = a.epsilon;
  norm.activation = activation;
  const int64_t size = norm.per_group * norm.plane;
  c.parallel().run(e[0] * (e[1] / norm.per_group), grain_for(size * 4), [&](int64_t begin, int64_t end, int) {
    kernels::group_norm(c.input(0).as<float>(), c.output(0).as<float>(), norm, begin, end);
  });
}

void run(RunContext& c) {
  if (widened(c, run)) return;
  if (c.output(0).count() == 0) return;
  if (c.input(0).dtype == DType::kF32) return run_groups(c, c.attrs<GroupNormAttrs>(), kernels::Activation::kNone);
  if (c.input(0).dtype == DType::kF64) return run_typed<double>(c);
  run_typed<float>(c);
}

void run_fused(RunContext& c) {
  if (widened(c, run_fused)) return;
  const auto& a = c.attrs<FusedGroupNormAttrs>();
  if (c.output(0).count() > 0) run_groups(c, a, kernel_activation(a.activation));
}

const Op kFamily[] = {
    {.domain = "",
     .name = "InstanceNormalization",
     .inputs = {3, 3},
     .outputs = {1, 1},
     .parse = Attrs::parse<GroupNormAttrs>,
     .infer = infer,
     .run = run,
     .traits = {.in_place = 1},
     .accuracy = Accuracy::kAccumulated,
     .upgrade = upgrade_instance},
    {.domain = "",
     .name = "GroupNormalization",
     .inputs = {3, 3},
     .outputs = {1, 1},
     .parse = Attrs::parse<GroupNormAttrs>,
     .infer = infer,
     .run = run,
     .traits = {.in_place = 1},
     .accuracy = Accuracy::kAccumulated,
     .since = 18,
     .upgrade = upgrade_group},
    {.domain = kOwnDomain,
     .name = "FusedGroupNorm",
     .inputs = {3, 3},
     .outputs = {1, 1},
     .parse = Attrs::parse<FusedGroupNormAttrs>,
     .infer = infer_fused,
     .run = run_fused,
     .traits = {.in_place = 1},
     .accuracy = Accuracy::kAccumulated},
};

}  // namespace

std::span<const Op> instance_norm_family() { return kFamily; }

}  // namespace sdx::ops
