// Rules that find activation functions which exporters spell out.
#include "rewrite/rule.h"

namespace sdx::rewrite {
namespace {

constexpr double kSqrtHalf = 0.70710678118654752;
constexpr double kSqrt2OverPi = 0.79788456080286536;

/// a * b * c in any bracketing.
Pattern product(const Pattern& a, const Pattern& b, const Pattern& c) {
  return either({mul(mul(a, b), c), mul(mul(a, c), b), mul(mul(b, c), a)});
}

// x / 2 * (1 + erf(x / sqrt 2)) => Gelu(x)
Rule gelu() {
  auto x = any("x");
  auto scaled = either({div(x, scalar(1 / kSqrtHalf)), mul(x, scalar(kSqrtHalf))});
  auto gate = add(op("Erf", {scaled}), scalar(1.0));
  return fuse("fuse-gelu")
      .match(product(x, gate, scalar(0.5)))
      .match(mul(div(x, scalar(2.0)), gate))
      .replace([](Match& m) { return m.call("Gelu", {}, {m["x"]}); });
}

// x / 2 * (1 + tanh(sqrt(2 / pi) * (x + 0.044715 x^3))) => Gelu(x, tanh)
Rule gelu_tanh() {
  auto x = any("x");
  auto cube = either({op("Pow", {x, scalar(3.0, 0)}), mul(mul(x, x), x)});
  auto inner = either({add(x, mul(cube, scalar(0.044715))), mul(x, add(mul(mul(x, x), scalar(0.044715)), scalar(1.0))),
                       add(x, mul(mul(mul(x, scalar(0.044715)), x), x))});
  auto gate = add(op("Tanh", {mul(inner, scalar(kSqrt2OverPi))}), scalar(1.0));
  return fuse("fuse-gelu-tanh").match(product(x, gate, scalar(0.5))).replace([](Match& m) {
    return m.call("Gelu", {{"approximate", std::string("tanh")}}, {m["x"]});
  });
}

// x * sigmoid(alpha x) => Swish(x)
Rule silu() {
  auto x = any("x");
  return fuse("fuse-silu")
      .match(mul(x, op("Sigmoid", {x})))
      .match(mul(x, op("Sigmoid", {mul(x, scalar("alpha"))})))
      .replace([](Match& m) {
        const float alpha = m.has("alpha") ? static_cast<float>(m.number("alpha")) : 1.0f;
        return m.call("Swish", {{"alpha", alpha}}, {m["x"]});
      });
}

}  // namespace

std::vector<Rule> activation_rules() { return {gelu(), gelu_tanh(), silu()}; }

}  // namespace sdx::rewrite
