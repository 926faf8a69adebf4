// What operators that work element by element share.
#include "ops/elementwise.h"

namespace sdx::ops {

Shape broadcast_inputs(InferContext& c, int from, int to) {
  Shape out = c.input(from).shape;
  for (int i = from + 1; i < to; ++i) out = c.broadcast(out, c.input(i).shape);
  return out;
}

int64_t broadcast_index(const Extents& from, const Extents& out, int64_t index) {
  int64_t at = 0, stride = 1;
  const int shift = out.rank() - from.rank();
  for (int axis = out.rank() - 1; axis >= shift; --axis) {
    const int64_t size = from[axis - shift];
    if (size != 1) at += index % out[axis] * stride;
    index /= out[axis];
    stride *= size;
  }
  return at;
}

Fact broadcast_fact(InferContext& c, int a, int b, DType type, DimFunction f) {
  Shape shape = c.broadcast(c.input(a).shape, c.input(b).shape);
  Fact unknown = Fact::tensor(type, shape);
  const auto x = c.values(a), y = c.values(b);
  const auto out = shape.extents();
  if (!x || !y || !out || out->count() > ir::kMaxKnownValues) return unknown;
  const auto ax = c.input(a).shape.extents(), by = c.input(b).shape.extents();
  if (!ax || !by) return unknown;
  std::vector<Dim> values;
  for (int64_t i = 0; i < out->count(); ++i) {
    const auto value = f((*x)[static_cast<size_t>(broadcast_index(*ax, *out, i))],
                         (*y)[static_cast<size_t>(broadcast_index(*by, *out, i))]);
    if (!value) return unknown;
    values.push_back(*value);
  }
  return Fact::known(type, std::move(shape), std::move(values));
}

Fact mapped_fact(InferContext& c, DType type, const std::function<std::optional<Dim>(const Dim&)>& f) {
  Fact unknown = Fact::tensor(type, c.input(0).shape);
  const auto x = c.values(0);
  if (!x || !c.input(0).shape.extents()) return unknown;
  std::vector<Dim> values;
  for (const Dim& d : *x) {
    const auto value = f(d);
    if (!value) return unknown;
    values.push_back(*value);
  }
  return Fact::known(type, c.input(0).shape, std::move(values));
}

std::optional<bool> less(const Dim& a, const Dim& b) {
  if ((b - a - Dim(1)).non_negative()) return true;
  if ((a - b).non_negative()) return false;
  return std::nullopt;
}

std::optional<bool> equal(const Dim& a, const Dim& b) {
  if (a == b) return true;
  if (less(a, b) == true || less(b, a) == true) return false;
  return std::nullopt;
}

void upgrade_unary(Call& c) { c.drop("consumed_inputs"); }

void upgrade_binary(Call& c) {
  if (c.version >= 7) return;
  c.drop("consumed_inputs");
  const int64_t axis = c.int_attr("axis").value_or(-1);
  const bool aligned = c.int_attr("broadcast").value_or(0) != 0 && c.attrs.contains("axis");
  c.drop("axis");
  c.drop("broadcast");
  if (!aligned || c.inputs.size() < 2 || c.inputs[0] == ir::kNone || c.inputs[1] == ir::kNone) return;
  const Shape &a = c.graph.fact(c.inputs[0]).shape, &b = c.graph.fact(c.inputs[1]).shape;
  if (!a.has_rank() || !b.has_rank()) {
    fail(ErrorKind::kUnsupportedModel, "attribute 'axis' of opset ", c.version,
         " needs inputs of known rank; convert the model to opset 7 or newer");
  }
  const int64_t first = axis < 0 ? axis + a.rank() : axis;
  const int64_t trailing = first < 0 || first > a.rank() ? -1 : a.rank() - first - b.rank();
  if (trailing < 0) {
    fail(ErrorKind::kInvalidModel, "attribute 'axis' is ", axis, ", which does not align shapes ", a.text(), " and ",
         b.text());
  }
  if (trailing == 0) return;
  std::vector<int64_t> target(static_cast<size_t>(b.rank()), 0);
  target.insert(target.end(), static_cast<size_t>(trailing), 1);
  const Op& reshape = get("Reshape");
  const auto shape = c.graph.add_constant("", Tensor::ints(target));
  c.inputs[1] = c.graph.call(reshape, reshape.parse({}), {c.inputs[1], shape});
}

}  // namespace sdx::ops
