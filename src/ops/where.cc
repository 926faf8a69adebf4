// Where: elements of one operand or another by a condition.
#include <string>

#include "kernels/binary.h"
#include "ops/elementwise.h"

namespace sdx::ops {
namespace {

/// The elements where the condition decides each, and those that it picks are known.
std::optional<std::vector<Dim>> picked(InferContext& c, const Extents& out) {
  const auto condition = c.values(0), a = c.values(1), b = c.values(2);
  if (!condition || out.count() > ir::kMaxKnownValues) return std::nullopt;
  const auto from = [&](int input, const std::vector<Dim>& values, int64_t i) -> std::optional<Dim> {
    const auto extents = c.input(input).shape.extents();
    if (!extents) return std::nullopt;
    return values[static_cast<size_t>(broadcast_index(*extents, out, i))];
  };
  std::vector<Dim> values;
  for (int64_t i = 0; i < out.count(); ++i) {
    const auto chosen = from(0, *condition, i);
    if (!chosen || !chosen->known()) return std::nullopt;
    const auto& side = chosen->value() ? a : b;
    const auto value = side ? from(chosen->value() ? 1 : 2, *side, i) : std::nullopt;
    if (!value) return std::nullopt;
    values.push_back(*value);
  }
  return values;
}

void infer(InferContext& c) {
  c.require_dtype(0, {DType::kBool});
  c.require_same_dtype(1, 2);
  const DType type = c.input(1).dtype;
  if (type != DType::kString && dtype_bits(type) < 8)
    c.unsupported("Where has no implementation for ", dtype_name(type));
  Shape shape = broadcast_inputs(c, 0, 3);
  if (const auto out = shape.extents()) {
    if (auto values = picked(c, *out)) return c.set(0, Fact::known(type, std::move(shape), std::move(*values)));
  }
  c.set(0, type, std::move(shape));
}

void run_strings(RunContext& c) {
  const ConstView condition = c.input(0);
  const View& y = c.output(0);
  for (int64_t i = 0; i < y.count(); ++i) {
    const ConstView from = c.input(condition.as<bool>()[broadcast_index(condition.extents, y.extents, i)] ? 1 : 2);
    y.as<std::string>()[i] = from.as<std::string>()[broadcast_index(from.extents, y.extents, i)];
  }
}

void run(RunContext& c) {
  const View& y = c.output(0);
  if (y.dtype == DType::kString) return run_strings(c);
  const auto loop = broadcast_loop<3>(c, {0, 1, 2});
  const int bytes = dtype_bits(y.dtype) / 8;
  c.parallel().run(y.count(), grain_for(1), [&](int64_t begin, int64_t end, int) {
    kernels::select(loop, c.input(0).as<bool>(), c.input(1).data, c.input(2).data, y.data, bytes, begin, end);
  });
}

const Op kFamily[] = {
    {.domain = "",
     .name = "Where",
     .inputs = {3, 3},
     .outputs = {1, 1},
     .parse = Attrs::parse<NoAttrs>,
     .infer = infer,
     .run = run,
     .traits = {.elementwise = true, .in_place = 0b110},
     .since = 9},
};

}  // namespace

std::span<const Op> where_family() { return kFamily; }

}  // namespace sdx::ops
