// Arithmetic and bit operations of two broadcast operands.
#include "kernels/binary.h"
#include "ops/dispatch.h"
#include "ops/elementwise.h"
#include "ops/spread.h"

namespace sdx::ops {
namespace {

using kernels::BinaryOp;

struct ModAttrs {
  bool fmod = false;
  bool operator==(const ModAttrs&) const = default;
  static constexpr auto fields() { return std::tuple{field("fmod", &ModAttrs::fmod)}; }
};

struct ShiftAttrs {
  std::string direction;
  bool operator==(const ShiftAttrs&) const = default;
  static constexpr auto fields() { return std::tuple{required("direction", &ShiftAttrs::direction)}; }
};

std::optional<Dim> add(const Dim& a, const Dim& b) { return a + b; }
std::optional<Dim> subtract(const Dim& a, const Dim& b) { return a - b; }
std::optional<Dim> multiply(const Dim& a, const Dim& b) { return a * b; }

/// Truncates, as integers of the standard do; Dim rounds down, so a dividend of unknown sign is taken in two halves.
std::optional<Dim> divide(const Dim& a, const Dim& b) {
  if (b.is(0) || !b.non_negative()) return std::nullopt;
  if (a.non_negative()) return exact_div(a, b);
  if (a.known() && b.known()) return a.value() / b.value();
  return floor_div(max(a, Dim(0)), b) - floor_div(max(Dim(0) - a, Dim(0)), b);
}

std::optional<Dim> modulo(const Dim& a, const Dim& b) {
  if (b.is(0)) return std::nullopt;
  return floor_mod(a, b);
}

std::optional<Dim> remainder_of(const Dim& a, const Dim& b) {
  return a.non_negative() && b.non_negative() ? modulo(a, b) : std::nullopt;
}

std::optional<Dim> unknown(const Dim&, const Dim&) { return std::nullopt; }

template <DimFunction kElement>
void infer_numbers(InferContext& c) {
  c.require_dtype(0, kNumbers);
  c.require_same_dtype(0, 1);
  c.set(0, broadcast_fact(c, 0, 1, c.input(0).dtype, kElement));
}

void infer_mod(InferContext& c) {
  c.require_dtype(0, kNumbers);
  c.require_same_dtype(0, 1);
  const bool fmod = c.attrs<ModAttrs>().fmod;
  if (!fmod && is_float(c.input(0).dtype))
    c.invalid("attribute 'fmod' is 0, but the inputs are floats; it must be 1 for them");
  c.set(0, broadcast_fact(c, 0, 1, c.input(0).dtype, fmod ? remainder_of : modulo));
}

void infer_integers(InferContext& c) {
  c.require_dtype(0, kIntegers);
  c.require_same_dtype(0, 1);
  c.set(0, broadcast_fact(c, 0, 1, c.input(0).dtype, unknown));
}

void infer_shift(InferContext& c) {
  c.require_dtype(0, {DType::kU8, DType::kU16, DType::kU32, DType::kU64});
  const std::string& direction = c.attrs<ShiftAttrs>().direction;
  if (direction != "LEFT" && direction != "RIGHT") {
    c.invalid("attribute 'direction' is '", direction, "' but must be LEFT or RIGHT");
  }
  infer_integers(c);
}

void infer_pow(InferContext& c) {
  c.require_dtype(0, kNumbers);
  c.require_dtype(1, kNumbers);
  c.set(0, broadcast_fact(c, 0, 1, c.input(0).dtype, unknown));
}

/// PRelu broadcasts the slope to the input, never the input to the slope.
void infer_prelu(InferContext& c) {
  c.require_dtype(0, kNumbers);
  c.require_same_dtype(0, 1);
  const Shape &x = c.input(0).shape, &slope = c.input(1).shape;
  if (x.has_rank() && slope.has_rank()) {
    if (slope.rank() > x.rank())
      c.invalid("the slope has shape ", slope.text(), ", which does not broadcast to ", x.text());
    const Shape both = c.broadcast(x, slope);
    for (int i = 0; i < x.rank(); ++i) c.require_equal(both[i], x[i], "the sizes of the input and the broadcast slope");
  }
  infer_same_as_input(c);
}

/// Below opset 7 a 1-D slope goes with the channels.
void upgrade_prelu(Call& c) {
  if (c.version < 7 && c.inputs.size() == 2 && c.inputs[1] != ir::kNone) {
    const Shape& slope = c.graph.fact(c.inputs[1]).shape;
    if (slope.has_rank() && slope.rank() == 1 && !slope[0].is(1)) {
      c.attrs["broadcast"] = int64_t{1};
      c.attrs["axis"] = int64_t{1};
    }
  }
  upgrade_binary(c);
}

void run_op(RunContext& c, BinaryOp op) {
  const auto loop = broadcast_loop<2>(c, {0, 1});
  const ConstView a = c.input(0), b = c.input(1);
  const View& y = c.output(0);
  const int64_t cost = op == BinaryOp::kPow ? 16 : is_half(y.dtype) ? 4 : 1;
  with_number(y.dtype, [&](auto* tag) {
    using T = Pointee<decltype(tag)>;
    c.parallel().run(y.count(), grain_for(cost), [&](int64_t begin, int64_t end, int) {
      if (!has_short_runs(loop)) return kernels::binary(op, loop, a.as<T>(), b.as<T>(), y.as<T>(), begin, end);
      for_spread_blocks(loop, a.as<T>(), b.as<T>(), begin, end,
                        [&](const T* left, const T* right, int64_t i, int64_t n) {
                          kernels::binary(op, left, 1, right, 1, y.as<T>() + i, n);
                        });
    });
  });
}

template <BinaryOp kOp>
void run(RunContext& c) {
  run_op(c, kOp);
}

void run_mod(RunContext& c) { run_op(c, c.attrs<ModAttrs>().fmod ? BinaryOp::kFmod : BinaryOp::kMod); }

void run_shift(RunContext& c) {
  run_op(c, c.attrs<ShiftAttrs>().direction == "LEFT" ? BinaryOp::kShiftLeft : BinaryOp::kShiftRight);
}

void run_pow(RunContext& c) {
  const ConstView a = c.input(0), b = c.input(1);
  const View& y = c.output(0);
  if (a.dtype == b.dtype) return run_op(c, BinaryOp::kPow);
  const auto loop = broadcast_loop<2>(c, {0, 1});
  with_number(a.dtype, [&](auto* base) {
    using T = Pointee<decltype(base)>;
    with_number(b.dtype, [&](auto* exponent) {
      using E = Pointee<decltype(exponent)>;
      c.parallel().run(y.count(), grain_for(16), [&](int64_t begin, int64_t end, int) {
        kernels::power(loop, a.as<T>(), b.as<E>(), y.as<T>(), begin, end);
      });
    });
  });
}

constexpr Traits kSymmetric = {.commutative = true, .associative = true, .elementwise = true, .in_place = 0b11};
constexpr Traits kOrdered = {.elementwise = true, .in_place = 0b11};
constexpr Traits kFirst = {.elementwise = true, .in_place = 0b01};

constexpr Op binary(std::string_view name, void (*infer)(InferContext&), void (*run)(RunContext&), Traits traits,
                    int since = 1) {
  return {.domain = "",
          .name = name,
          .inputs = {2, 2},
          .outputs = {1, 1},
          .parse = Attrs::parse<NoAttrs>,
          .infer = infer,
          .run = run,
          .traits = traits,
          .accuracy = Accuracy::kRounded,
          .since = since,
          .upgrade = upgrade_binary};
}

constexpr Op with_attrs(Op op, Attrs (*parse)(const ir::AttrMap&)) {
  op.parse = parse;
  return op;
}

constexpr Op with_upgrade(Op op, void (*upgrade)(Call&)) {
  op.upgrade = upgrade;
  return op;
}

const Op kFamily[] = {
    binary("Add", infer_numbers<add>, run<BinaryOp::kAdd>, kSymmetric),
    binary("Sub", infer_numbers<subtract>, run<BinaryOp::kSub>, kOrdered),
    binary("Mul", infer_numbers<multiply>, run<BinaryOp::kMul>, kSymmetric),
    binary("Div", infer_numbers<divide>, run<BinaryOp::kDiv>, kOrdered),
    binary("Pow", infer_pow, run_pow, kFirst),
    with_upgrade(binary("PRelu", infer_prelu, run<BinaryOp::kPRelu>, kFirst), upgrade_prelu),
    with_attrs(binary("Mod", infer_mod, run_mod, kOrdered, 10), Attrs::parse<ModAttrs>),
    with_attrs(binary("BitShift", infer_shift, run_shift, kOrdered, 11), Attrs::parse<ShiftAttrs>),
    binary("BitwiseAnd", infer_integers, run<BinaryOp::kBitAnd>, kSymmetric, 18),
    binary("BitwiseOr", infer_integers, run<BinaryOp::kBitOr>, kSymmetric, 18),
    binary("BitwiseXor", infer_integers, run<BinaryOp::kBitXor>, kSymmetric, 18),
};

}  // namespace

std::span<const Op> arithmetic_family() { return kFamily; }

}  // namespace sdx::ops
