// Dim: quotients, and the binding of symbols to sizes.
#include <algorithm>
#include <limits>
#include <numeric>

#include "base/checked.h"
#include "base/error.h"
#include "base/limits.h"
#include "tensor/dim_expr.h"

namespace sdx {
namespace {

/// floor((floor(x / m) + k) / n) as floor((x + k * m) / (m * n)), for m, n > 0.
std::optional<Dim> nested(const Dim& a, int64_t n) {
  const Dim offset = a.expr()->constant;
  const Atom* inner = single_atom(a - offset);
  if (!inner || inner->kind != AtomKind::kFloorDiv || !inner->b.known() || inner->b.value() <= 0) return std::nullopt;
  if (inner->b.value() > kMaxElements / n) return std::nullopt;
  return floor_div(inner->a + offset * inner->b, inner->b * Dim(n));
}

/// a / b for a known b > 1 where b divides no term of a: factors that all share with b are taken out, and the first
/// term is made positive.
Dim reduced_quotient(const Dim& a, int64_t b) {
  const Expr& e = *a.expr();
  if (e.terms[0].factor < 0) {
    return Dim(0) - floor_div(Dim(b - 1) - a, b);  // floor(x / b) = -floor((b - 1 - x) / b)
  }
  if (auto d = nested(a, b)) return *d;
  int64_t common = b;
  for (const Term& t : e.terms) common = std::gcd(common, t.factor);
  if (common == 1) return Interner::call(AtomKind::kFloorDiv, a, b);
  Polynomial p;
  p.add_constant(floor_div_numbers(e.constant, common));
  for (const Term& t : e.terms) p.add_term(t.factor / common, t.atoms);
  return floor_div(Interner::expr(*e.table, p), b / common);
}

/// a / b for a known b: multiples of b are pulled out, so that (4*s + 6) / 4 is s + 1 + floor(...).
Dim divide_by_number(const Dim& a, int64_t b) {
  const Expr& e = *a.expr();
  Polynomial whole, rest;
  whole.add_constant(floor_div_numbers(e.constant, b));
  rest.add_constant(floor_mod_numbers(e.constant, b));
  for (const Term& t : e.terms) {
    whole.add_term(t.factor / b, t.atoms);
    rest.add_term(t.factor % b, t.atoms);
  }
  const Dim quotient = Interner::expr(*e.table, whole);
  if (rest.terms.empty()) return quotient;
  return quotient + reduced_quotient(Interner::expr(*e.table, rest), b);
}

/// The term of the highest degree; among equals the one whose text is last.
const Term& leading(const std::vector<Term>& terms) {
  return *std::ranges::max_element(terms, {}, [](const Term& t) { return t.atoms.size(); });
}

/// t / by; nothing where it does not divide.
std::optional<Term> divided(const Term& t, const Term& by) {
  if (by.factor == -1 && t.factor == std::numeric_limits<int64_t>::min()) return std::nullopt;
  if (t.factor % by.factor != 0) return std::nullopt;
  Term out{t.factor / by.factor, t.atoms};
  for (const Atom* atom : by.atoms) {
    auto it = std::ranges::find(out.atoms, atom);
    if (it == out.atoms.end()) return std::nullopt;
    out.atoms.erase(it);
  }
  return out;
}

/// The polynomial quotient of expressions where the division leaves nothing.
std::optional<Dim> exact_quotient(const Dim& a, const Dim& b) {
  constexpr int kMaxSteps = 16;
  SymbolTable& table = *a.expr()->table;
  const Term& divisor = leading(b.expr()->terms);
  Dim rest = a, quotient = 0;
  for (int i = 0; i < kMaxSteps; ++i) {
    if (rest.known()) return rest.is(0) ? std::optional(quotient) : std::nullopt;
    const auto t = divided(leading(rest.expr()->terms), divisor);
    if (!t) return std::nullopt;
    Polynomial p;
    p.add_term(t->factor, t->atoms);
    const Dim part = Interner::expr(table, p);
    quotient = quotient + part;
    rest = rest - part * b;
  }
  return std::nullopt;
}

}  // namespace

Dim floor_div(const Dim& a, const Dim& b) {
  if (b.is(0)) fail(ErrorKind::kInvalidModel, "a size is divided by 0");
  if (b.is(1)) return a;
  if (a == b) return 1;
  if (a.known() && b.known()) return floor_div_numbers(a.value(), b.value());
  if (b.known() && b.value() > 1) return divide_by_number(a, b.value());
  if (!a.known() && !b.known()) {
    if (auto q = exact_quotient(a, b)) return *q;
  }
  return Interner::call(AtomKind::kFloorDiv, a, b);
}

Dim ceil_div(const Dim& a, const Dim& b) {
  if (!a.known() && b.known() && b.value() > 1) return floor_div(a + b - Dim(1), b);
  return Dim(0) - floor_div(Dim(0) - a, b);
}

Dim floor_mod(const Dim& a, const Dim& b) {
  if (b.known() && b.value() != 0) return a - b * floor_div(a, b);
  return Interner::call(AtomKind::kMod, a, b);
}

Dim exact_div(const Dim& a, const Dim& b) { return floor_div(a, b); }

bool unify(const Dim& dim, int64_t size, Bindings& bindings) {
  if (auto value = dim.evaluate(bindings)) return *value == size;
  const Expr& e = *dim.expr();
  std::optional<int64_t> rest = checked_sub(size, e.constant);  // what the open term has to be
  const Term* open = nullptr;
  for (const Term& t : e.terms) {
    if (const auto value = evaluate_term(dim, t, bindings)) {
      if (rest) rest = checked_sub(*rest, *value);
    } else if (open || t.atoms.size() != 1 || t.atoms[0]->kind != AtomKind::kSymbol) {
      return true;
    } else {
      open = &t;
    }
  }
  if (!rest || *rest == std::numeric_limits<int64_t>::min()) return false;
  if (!open) return *rest == 0;
  if (*rest % open->factor != 0 || *rest / open->factor < 0) return false;
  const auto index = static_cast<size_t>(open->atoms[0]->symbol);
  if (bindings.size() <= index) bindings.resize(index + 1, kUnbound);
  bindings[index] = *rest / open->factor;
  return true;
}

}  // namespace sdx
