// Clip: elements limited to a range.
#include <limits>

#include "kernels/unary.h"
#include "ops/dispatch.h"
#include "ops/elementwise.h"

namespace sdx::ops {
namespace {

/// Below opset 11 the bounds are attributes.
void upgrade(Call& c) {
  c.drop("consumed_inputs");
  if (c.version >= 11) return;
  c.scalar_to_input("min", 1);
  c.scalar_to_input("max", 2);
}

std::optional<Dim> bound(InferContext& c, int input, const Dim& otherwise) {
  if (!c.has(input)) return otherwise;
  const auto values = c.values(input);
  return values && values->size() == 1 ? std::optional(values->front()) : std::nullopt;
}

void infer(InferContext& c) {
  c.require_dtype(0, kNumbers);
  for (int i = 1; i < 3; ++i) {
    if (!c.has(i)) continue;
    c.require_same_dtype(0, i);
    const Shape& shape = c.input(i).shape;
    if (shape.has_rank()) c.require_equal(shape.count(), 1, "the number of bounds and 1");
  }
  c.set(0, mapped_fact(c, c.input(0).dtype, [&](const Dim& d) -> std::optional<Dim> {
          const auto low = bound(c, 1, d), high = bound(c, 2, d);
          if (!low || !high) return std::nullopt;
          return c.has(2) ? min(max(d, *low), *high) : max(d, *low);
        }));
}

template <class T>
T lowest() {
  if constexpr (std::is_same_v<T, Half>)
    return {0xFC00};
  else if constexpr (std::is_same_v<T, BFloat16>)
    return {0xFF80};
  else if constexpr (std::is_floating_point_v<T>)
    return -std::numeric_limits<T>::infinity();
  else
    return std::numeric_limits<T>::min();
}

template <class T>
T highest() {
  if constexpr (std::is_same_v<T, Half>)
    return {0x7C00};
  else if constexpr (std::is_same_v<T, BFloat16>)
    return {0x7F80};
  else if constexpr (std::is_floating_point_v<T>)
    return std::numeric_limits<T>::infinity();
  else
    return std::numeric_limits<T>::max();
}

void run(RunContext& c) {
  const ConstView x = c.input(0);
  const View& y = c.output(0);
  with_number(x.dtype, [&](auto* tag) {
    using T = Pointee<decltype(tag)>;
    const T low = c.has_input(1) ? *c.input(1).as<T>() : lowest<T>();
    const T high = c.has_input(2) ? *c.input(2).as<T>() : highest<T>();
    c.parallel().run(y.count(), grain_for(1), [&](int64_t begin, int64_t end, int) {
      kernels::clip(low, high, x.as<T>() + begin, y.as<T>() + begin, end - begin);
    });
  });
}

const Op kFamily[] = {
    {.domain = "",
     .name = "Clip",
     .inputs = {1, 3},
     .outputs = {1, 1},
     .parse = Attrs::parse<NoAttrs>,
     .infer = infer,
     .run = run,
     .traits = {.elementwise = true, .in_place = 1},
     .upgrade = upgrade},
};

}  // namespace

std::span<const Op> clip_family() { return kFamily; }

}  // namespace sdx::ops
