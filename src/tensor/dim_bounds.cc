// Dim: proofs that an expression is never negative, and the minimum and maximum that follow from them.
#include <algorithm>

#include "tensor/dim_expr.h"

namespace sdx {
namespace {

/// Substitutions that one proof may try.
constexpr int kProofSteps = 48;

bool atom_non_negative(const Atom& atom) {
  switch (atom.kind) {
    case AtomKind::kSymbol: return true;
    case AtomKind::kFloorDiv: return atom.a.non_negative() && atom.b.non_negative();
    case AtomKind::kMod: return atom.b.non_negative();
    case AtomKind::kMax: return atom.a.non_negative() || atom.b.non_negative();
    case AtomKind::kMin:
    case AtomKind::kBroadcast: return atom.a.non_negative() && atom.b.non_negative();
  }
  return false;
}

bool all_non_negative(const Monomial& atoms) {
  return std::ranges::all_of(atoms, [](const Atom* a) { return atom_non_negative(*a); });
}

/// What takes the place of an atom in a lower bound: one of `choices` is enough where `any`, else all are cases.
struct Bound {
  std::vector<Dim> choices;
  bool any;
};

/// How an atom with a factor of that sign is bounded from below; no choices where it is not.
Bound bound_of(const Atom& atom, bool positive) {
  switch (atom.kind) {
    case AtomKind::kMin: return {{atom.a, atom.b}, !positive};
    case AtomKind::kMax: return {{atom.a, atom.b}, positive};
    case AtomKind::kFloorDiv:
      // 0 <= floor(a / b) <= a for a >= 0 and b >= 1
      if (!positive && atom.b.known() && atom.b.value() > 0 && atom.a.non_negative()) return {{atom.a}, true};
      break;
    default: break;
  }
  return {{}, true};
}

/// The expression with one occurrence of an atom of a term replaced.
Dim substituted(const Expr& e, size_t term, size_t atom, const Dim& by) {
  Polynomial rest, cofactor;
  rest.add_constant(e.constant);
  for (size_t i = 0; i < e.terms.size(); ++i) {
    if (i != term) rest.add_term(e.terms[i].factor, e.terms[i].atoms);
  }
  Monomial others = e.terms[term].atoms;
  others.erase(others.begin() + static_cast<std::ptrdiff_t>(atom));
  cofactor.add_term(e.terms[term].factor, others);
  return Interner::expr(*e.table, rest) + Interner::expr(*e.table, cofactor) * by;
}

bool proves(const Dim& d, int& steps);

/// Tries the bound of one atom of one term.
bool proves_through(const Expr& e, size_t term, size_t atom, int& steps) {
  const Term& t = e.terms[term];
  Monomial others = t.atoms;
  others.erase(others.begin() + static_cast<std::ptrdiff_t>(atom));
  if (!all_non_negative(others)) return false;
  const Bound bound = bound_of(*t.atoms[atom], t.factor > 0);
  auto holds = [&](const Dim& by) { return proves(substituted(e, term, atom, by), steps); };
  if (bound.choices.empty()) return false;
  return bound.any ? std::ranges::any_of(bound.choices, holds) : std::ranges::all_of(bound.choices, holds);
}

bool proves(const Dim& d, int& steps) {
  if (d.known()) return d.value() >= 0;
  const Expr& e = *d.expr();
  auto plain = [](const Term& t) { return t.factor >= 0 && all_non_negative(t.atoms); };
  if (e.constant >= 0 && std::ranges::all_of(e.terms, plain)) return true;
  // Without an upper bound on some atom, a negative term of symbols alone must meet a positive one.
  for (size_t t = 0; t < e.terms.size(); ++t) {
    for (size_t a = 0; a < e.terms[t].atoms.size(); ++a) {
      if (e.terms[t].atoms[a]->kind == AtomKind::kSymbol) continue;
      if (--steps < 0) return false;
      if (proves_through(e, t, a, steps)) return true;
    }
  }
  return false;
}

}  // namespace

bool Dim::non_negative() const {
  if (known()) return value_ >= 0;
  int steps = kProofSteps;
  return proves(*this, steps);
}

namespace {

Dim ordered_call(AtomKind kind, const Dim& a, const Dim& b) {
  return a.text() <= b.text() ? Interner::call(kind, a, b) : Interner::call(kind, b, a);
}

/// Splits the constant off an expression that meets a known bound, so that min(s + 2, 514) is min(s, 512) + 2.
std::optional<Dim> shifted(AtomKind kind, const Dim& a, const Dim& b) {
  if (a.known()) return b.known() ? std::nullopt : shifted(kind, b, a);
  if (!b.known() || a.expr()->constant == 0) return std::nullopt;
  const Dim offset = a.expr()->constant;
  return offset + ordered_call(kind, a - offset, b - offset);
}

/// min(min(x, 3), 5) is min(x, 3).
std::optional<Dim> merged(AtomKind kind, const Dim& a, const Dim& b) {
  if (a.known()) return b.known() ? std::nullopt : merged(kind, b, a);
  const Atom* atom = single_atom(a);
  if (!b.known() || !atom || atom->kind != kind || (!atom->a.known() && !atom->b.known())) return std::nullopt;
  const Dim& bound = atom->a.known() ? atom->a : atom->b;
  const Dim& open = atom->a.known() ? atom->b : atom->a;
  return kind == AtomKind::kMin ? min(open, min(bound, b)) : max(open, max(bound, b));
}

}  // namespace

Dim min(const Dim& a, const Dim& b) {
  if (a.known() && b.known()) return std::min(a.value(), b.value());
  if ((a - b).non_negative()) return b;
  if ((b - a).non_negative()) return a;
  if (auto d = shifted(AtomKind::kMin, a, b)) return *d;
  if (auto d = merged(AtomKind::kMin, a, b)) return *d;
  return ordered_call(AtomKind::kMin, a, b);
}

Dim max(const Dim& a, const Dim& b) {
  if (a.known() && b.known()) return std::max(a.value(), b.value());
  if ((a - b).non_negative()) return a;
  if ((b - a).non_negative()) return b;
  if (auto d = shifted(AtomKind::kMax, a, b)) return *d;
  if (auto d = merged(AtomKind::kMax, a, b)) return *d;
  return ordered_call(AtomKind::kMax, a, b);
}

namespace {

/// What a minimum with a number, or a maximum with 0, is of; nothing for other atoms.
std::optional<Dim> clamped_operand(const Atom& atom) {
  if (atom.a.known() == atom.b.known()) return std::nullopt;
  const Dim &bound = atom.a.known() ? atom.a : atom.b, &open = atom.a.known() ? atom.b : atom.a;
  if (atom.kind == AtomKind::kMin || (atom.kind == AtomKind::kMax && bound.is(0))) return open;
  return std::nullopt;
}

/// The expression with every clamp taken away.
Dim unclamped(const Dim& d) {
  if (d.known()) return d;
  Dim out = d.expr()->constant;
  for (const Term& t : d.expr()->terms) {
    Dim product = t.factor;
    for (const Atom* atom : t.atoms) {
      Polynomial p;
      p.add_term(1, {atom});
      const auto operand = clamped_operand(*atom);
      product = product * (operand ? unclamped(*operand) : Interner::expr(*d.expr()->table, p));
    }
    out = out + product;
  }
  return out;
}

}  // namespace

bool is_clamped(const Dim& a, const Dim& b) { return !a.known() && !(a == b) && unclamped(a) == b; }

Dim broadcast(const Dim& a, const Dim& b) {
  if (a == b || b.is(1)) return a;
  if (a.is(1)) return b;
  if (a.known() && b.known()) return broadcast_numbers(a.value(), b.value());
  if (a.known()) return a;  // a is not 1, so b is 1 or a
  if (b.known()) return b;
  for (const auto& [x, y] : {std::pair(a, b), std::pair(b, a)}) {
    const Atom* atom = single_atom(x);
    if (atom && atom->kind == AtomKind::kBroadcast && (atom->a == y || atom->b == y)) return x;
  }
  return ordered_call(AtomKind::kBroadcast, a, b);
}

}  // namespace sdx
