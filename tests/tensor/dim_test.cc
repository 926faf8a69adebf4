// Dim: what expressions simplify to, and random expressions against direct evaluation in numbers.
#include "tensor/dim.h"

#include <gtest/gtest.h>

#include <random>

#include "base/error.h"

namespace sdx {
namespace {

/// Symbols that the tests share.
struct Symbols {
  SymbolTable table;
  Dim b = table.symbol("b"), s = table.symbol("s"), p = table.symbol("past");
};

TEST(Dim, PrintsPolynomials) {
  Symbols x;
  EXPECT_EQ((x.p + x.s + 1).text(), "past + s + 1");
  EXPECT_EQ((x.b * 2 * x.s - 3).text(), "2*b*s - 3");
  EXPECT_EQ((x.s - x.s).text(), "0");
  EXPECT_EQ((x.b + x.s) * (x.b - x.s), x.b * x.b - x.s * x.s);
}

TEST(Dim, KeepsNamesApart) {
  SymbolTable table;
  const Dim ab = table.symbol("a'*'b"), product = table.symbol("a") * table.symbol("b");
  EXPECT_FALSE(ab == product);
  EXPECT_FALSE(table.symbol("12") == Dim(12));
  EXPECT_FALSE(table.symbol("12") * Dim(2) == table.symbol("2") * table.symbol("12"));
  EXPECT_FALSE(table.symbol("a\"b") == table.symbol("a'b"));
}

TEST(Dim, DividesPolynomials) {
  Symbols x;
  EXPECT_EQ(exact_div(x.b * x.s * 768, x.b * 64), x.s * 12);
  EXPECT_EQ(exact_div(x.b * (x.p + x.s) * 768, x.b * (x.p + x.s)), Dim(768));
  EXPECT_EQ(exact_div((x.p + x.s) * (x.b + 1), x.b + 1), x.p + x.s);
  EXPECT_EQ(floor_div(x.s * 4 + 6, 4), x.s + 1);
  EXPECT_EQ(floor_div(x.s * 4 + x.b * 2, 8), floor_div(x.s * 2 + x.b, 4));
  EXPECT_EQ(floor_div(floor_div(x.s - 10, 5) + 1, 2), floor_div(x.s - 5, 10));
  EXPECT_EQ(ceil_div(x.s, 4), floor_div(x.s + 3, 4));
  EXPECT_EQ(Dim(0) - floor_div(Dim(0) - x.s, 4), ceil_div(x.s, 4));
  EXPECT_EQ(floor_mod(x.s * 6, 3), Dim(0));
  EXPECT_THROW(floor_div(x.s, 0), Error);
}

TEST(Dim, ProvesSigns) {
  Symbols x;
  EXPECT_TRUE((min(x.p + x.s, 1024) - min(x.p, 1024)).non_negative());
  EXPECT_TRUE((x.s - min(x.s, 5)).non_negative());
  EXPECT_TRUE((max(x.s - 3, 0)).non_negative());
  EXPECT_TRUE((x.s * x.b - min(x.s, 7) * x.b).non_negative());
  EXPECT_TRUE((x.s - floor_div(x.s, 2)).non_negative());
  EXPECT_FALSE((x.s - 1).non_negative());
  EXPECT_FALSE((min(x.s, 5) - min(x.b, 5)).non_negative());
}

TEST(Dim, SimplifiesMinimaAndMaxima) {
  Symbols x;
  EXPECT_EQ(min(x.s, x.p + x.s), x.s);
  EXPECT_EQ(max(min(x.s, 1024), 0), min(x.s, 1024));
  EXPECT_EQ(max(min(x.p + x.s, 1024) - min(x.p, 1024), 0), min(x.p + x.s, 1024) - min(x.p, 1024));
  EXPECT_EQ(min(min(x.s, 512), 1024), min(x.s, 512));
  EXPECT_EQ(min(max(x.s, x.b), x.s), x.s);
  EXPECT_EQ(min(x.s + 2, 514), min(x.s, 512) + 2);
  EXPECT_EQ(min(x.s, x.b), min(x.b, x.s));
}

TEST(Dim, KnowsSizesThatAreCutOff) {
  Symbols x;
  EXPECT_TRUE(is_clamped(min(x.s, 512), x.s));
  EXPECT_TRUE(is_clamped(min(x.p + x.s, 1024) - min(x.p, 1024), x.s));
  EXPECT_TRUE(is_clamped(min(x.p + 1, 1024) - min(x.p, 1024), 1));
  EXPECT_TRUE(is_clamped(min(x.s + 2, 514) - 2, x.s));
  EXPECT_FALSE(is_clamped(x.s, x.s));
  EXPECT_FALSE(is_clamped(min(x.s, 512), x.b));
  EXPECT_FALSE(is_clamped(min(x.s, x.b), x.s));
}

TEST(Dim, RefusesOverflow) {
  Symbols x;
  const Dim huge = INT64_MAX;
  EXPECT_THROW(huge + 1, Error);
  EXPECT_THROW(huge * 2, Error);
  const Dim wide = x.s * huge;
  EXPECT_THROW(wide.evaluate(Bindings{0, 2, 0}), Error);
  EXPECT_EQ((x.s + huge - huge), x.s);
}

TEST(Dim, BindsSymbols) {
  Symbols x;
  Bindings bindings(3, kUnbound);
  EXPECT_TRUE(unify(x.s * 2 + 1, 9, bindings));
  EXPECT_EQ(x.s.evaluate(bindings), 4);
  EXPECT_FALSE(unify(x.s, 5, bindings));
  EXPECT_FALSE(unify(x.b * 2, 3, bindings));
  EXPECT_FALSE(unify(x.b + 4, 3, bindings));
  EXPECT_TRUE(unify(x.b + x.s, 4, bindings));
  EXPECT_EQ(x.b.evaluate(bindings), 0);
}

/// An expression together with its value under fixed bindings; no value where it has none (a division by 0).
struct Sample {
  Dim dim;
  std::optional<int64_t> value;
};

int64_t floor_quotient(int64_t a, int64_t b) {
  int64_t q = a / b;
  while (q * b > a) --q;
  while ((q + 1) * b <= a && b > 0) ++q;
  return q;
}

class Random {
 public:
  Random(uint64_t seed, const std::vector<Dim>& symbols, const std::vector<int64_t>& values)
      : engine_(seed), symbols_(symbols), values_(values) {}

  Sample sample(int depth) {
    if (depth == 0 || pick(5) == 0) return leaf();
    const Sample a = sample(depth - 1), b = sample(depth - 1);
    if (!a.value || !b.value) return a;
    const int64_t x = *a.value, y = *b.value;
    switch (pick(9)) {
      case 0: return {a.dim - b.dim, x - y};
      case 1: return {a.dim * b.dim, x * y};
      case 2: return {min(a.dim, b.dim), std::min(x, y)};
      case 3: return {max(a.dim, b.dim), std::max(x, y)};
      case 4: {
        const auto n = static_cast<int64_t>(pick(6)) + 1;
        return {floor_div(a.dim, n), floor_quotient(x, n)};
      }
      case 5: {
        const auto n = static_cast<int64_t>(pick(6)) + 1;
        return {ceil_div(a.dim, n), -floor_quotient(-x, n)};
      }
      case 6:
        if (y <= 0) return a;
        return {floor_div(a.dim * b.dim, b.dim), x};
      case 7: {
        const auto n = static_cast<int64_t>(pick(6)) + 1;
        return {floor_mod(a.dim, n), x - n * floor_quotient(x, n)};
      }
      default: return {a.dim + b.dim, x + y};
    }
  }

 private:
  size_t pick(size_t n) { return std::uniform_int_distribution<size_t>(0, n - 1)(engine_); }
  Sample leaf() {
    if (pick(3) == 0) {
      const auto n = static_cast<int64_t>(pick(12)) - 3;
      return {n, n};
    }
    const size_t i = pick(symbols_.size());
    return {symbols_[i], values_[i]};
  }

  std::mt19937_64 engine_;
  const std::vector<Dim>& symbols_;
  const std::vector<int64_t>& values_;
};

/// Seeds 0…n-1: every tree of operations has the value that the same operations on numbers have, and a size that is
/// proved not to be negative is not.
TEST(Dim, AgreesWithNumbers) {
  for (uint64_t seed = 0; seed < 4000; ++seed) {
    SymbolTable table;
    const std::vector<Dim> symbols = {table.symbol("a"), table.symbol("b"), table.symbol("c")};
    std::mt19937_64 engine(seed);
    std::vector<int64_t> values;
    for (int i = 0; i < 3; ++i) values.push_back(std::uniform_int_distribution<int64_t>(0, 9)(engine));
    const Sample s = Random(seed, symbols, values).sample(5);
    const auto value = s.dim.evaluate(values);
    if (!value) continue;  // too large an expression became a fresh symbol
    ASSERT_EQ(*value, *s.value) << "seed " << seed << ": " << s.dim.text();
    if (s.dim.non_negative()) {
      ASSERT_GE(*value, 0) << "seed " << seed << ": " << s.dim.text();
    }
  }
}

}  // namespace
}  // namespace sdx
