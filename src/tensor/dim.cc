// Dim: polynomial arithmetic over interned atoms.
#include "tensor/dim.h"

#include <algorithm>
#include <cctype>
#include <map>

#include "base/checked.h"
#include "base/error.h"

namespace sdx {

enum class AtomKind : uint8_t { kSymbol, kFloorDiv, kMod, kMin, kMax, kBroadcast };

struct Atom {
  AtomKind kind;
  int symbol = -1;
  Dim a, b;
  std::string text;
  int depth = 0;
};

using Monomial = std::vector<const Atom*>;  // sorted by text

struct Term {
  int64_t factor;
  Monomial atoms;
};

struct Expr {
  SymbolTable* table;
  int64_t constant = 0;
  std::vector<Term> terms;  // sorted by their text
  std::string text;
  int depth = 0;
};

namespace {

constexpr int kMaxDepth = 8;
constexpr size_t kMaxTerms = 16;
constexpr size_t kMaxText = 400;

std::string monomial_text(const Monomial& atoms) {
  std::string out;
  for (const Atom* atom : atoms) out += (out.empty() ? "" : "*") + atom->text;
  return out;
}

/// A polynomial under construction: factor by the text of its monomial.
struct Polynomial {
  int64_t constant = 0;
  std::map<std::string, Term> terms;
  bool overflow = false;

  void add_constant(int64_t value) {
    auto sum = checked_add(constant, value);
    overflow |= !sum;
    constant = sum.value_or(0);
  }
  void add_term(int64_t factor, const Monomial& atoms) {
    if (atoms.empty()) return add_constant(factor);
    auto [it, is_new] = terms.try_emplace(monomial_text(atoms), Term{0, atoms});
    auto sum = checked_add(it->second.factor, factor);
    overflow |= !sum;
    it->second.factor = sum.value_or(0);
    if (it->second.factor == 0) terms.erase(it);
  }
  void add(const Dim& d, int64_t factor) {
    auto scaled = [&](int64_t v) {
      auto product = checked_mul(v, factor);
      overflow |= !product;
      return product.value_or(0);
    };
    if (d.known()) return add_constant(scaled(d.value()));
    add_constant(scaled(d.expr()->constant));
    for (const Term& t : d.expr()->terms) add_term(scaled(t.factor), t.atoms);
  }
};

SymbolTable* table_of(const Dim& a, const Dim& b) { return a.known() ? b.expr()->table : a.expr()->table; }

}  // namespace

struct Interner {
  static Dim expr(SymbolTable& table, const Polynomial& p) {
    if (p.overflow) return table.fresh();
    if (p.terms.empty()) return Dim(p.constant);
    Expr e{&table, p.constant, {}, {}, 0};
    for (const auto& [text, term] : p.terms) {
      if (!e.text.empty()) e.text += " + ";
      e.text += term.factor == 1 ? text : std::to_string(term.factor) + "*" + text;
      e.terms.push_back(term);
      for (const Atom* atom : term.atoms) e.depth = std::max(e.depth, atom->depth);
    }
    if (e.constant != 0) e.text += (e.constant > 0 ? " + " : " - ") + std::to_string(std::abs(e.constant));
    if (e.terms.size() > kMaxTerms || e.text.size() > kMaxText || e.depth > kMaxDepth) return table.fresh();
    auto& slot = table.exprs_[e.text];
    if (!slot) slot = std::make_unique<Expr>(std::move(e));
    return Dim::of(slot.get());
  }

  static Dim atom(SymbolTable& table, Atom a) {
    a.depth = 1 + std::max(a.a.known() ? 0 : a.a.expr()->depth, a.b.known() ? 0 : a.b.expr()->depth);
    auto& slot = table.atoms_[a.text];
    if (!slot) slot = std::make_unique<Atom>(std::move(a));
    Polynomial p;
    p.add_term(1, {slot.get()});
    return expr(table, p);
  }

  static Dim call(AtomKind kind, const char* name, const Dim& a, const Dim& b) {
    Atom atom_value{kind, -1, a, b, std::string(name) + "(" + a.text() + ", " + b.text() + ")", 0};
    return atom(*table_of(a, b), std::move(atom_value));
  }

  static Dim symbol(SymbolTable& table, int index) {
    const std::string& name = table.name(index);
    const bool plain = std::ranges::all_of(name, [](char c) { return std::isalnum(static_cast<unsigned char>(c)) || c == '_' || c == '.'; });
    return atom(table, Atom{AtomKind::kSymbol, index, {}, {}, plain && !name.empty() ? name : "'" + name + "'", 0});
  }
};

namespace {

int64_t floor_div_numbers(int64_t a, int64_t b) {
  if (b == 0) fail(ErrorKind::kInvalidInput, "a size is divided by 0");
  if (b == -1) return -a;
  int64_t q = a / b;
  return q * b != a && ((a < 0) != (b < 0)) ? q - 1 : q;
}

int64_t broadcast_numbers(int64_t a, int64_t b) {
  if (a == b || b == 1) return a;
  if (a == 1) return b;
  fail(ErrorKind::kInvalidInput, "sizes ", a, " and ", b, " do not broadcast: they must be equal, or one of them 1");
}

std::optional<int64_t> evaluate_atom(const Atom& atom, std::span<const int64_t> bindings) {
  if (atom.kind == AtomKind::kSymbol) {
    const auto index = static_cast<size_t>(atom.symbol);
    if (index >= bindings.size() || bindings[index] == kUnbound) return std::nullopt;
    return bindings[index];
  }
  auto a = atom.a.evaluate(bindings), b = atom.b.evaluate(bindings);
  if (!a || !b) return std::nullopt;
  switch (atom.kind) {
    case AtomKind::kFloorDiv: return floor_div_numbers(*a, *b);
    case AtomKind::kMod: return *a - *b * floor_div_numbers(*a, *b);
    case AtomKind::kMin: return std::min(*a, *b);
    case AtomKind::kMax: return std::max(*a, *b);
    case AtomKind::kBroadcast: return broadcast_numbers(*a, *b);
    case AtomKind::kSymbol: break;
  }
  return std::nullopt;
}

[[noreturn]] void overflowed(const Dim& d) {
  fail(ErrorKind::kResource, "the size ", d.text(), " overflows 64 bits for these inputs; use smaller inputs");
}

/// a == b + c for a known c: returns c.
std::optional<int64_t> difference(const Dim& a, const Dim& b) {
  Dim d = a - b;
  if (d.known()) return d.value();
  return std::nullopt;
}

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

/// The atom where the dim is 1 * atom + 0.
const Atom* single_atom(const Dim& d) {
  if (d.known() || d.expr()->constant != 0 || d.expr()->terms.size() != 1) return nullptr;
  const Term& t = d.expr()->terms[0];
  return t.factor == 1 && t.atoms.size() == 1 ? t.atoms[0] : nullptr;
}

}  // namespace

std::optional<int> Dim::symbol() const {
  const Atom* atom = single_atom(*this);
  if (!atom || atom->kind != AtomKind::kSymbol) return std::nullopt;
  return atom->symbol;
}

bool Dim::non_negative() const {
  if (known()) return value_ >= 0;
  if (expr_->constant < 0) return false;
  return std::ranges::all_of(expr_->terms, [](const Term& t) {
    return t.factor >= 0 && std::ranges::all_of(t.atoms, [](const Atom* a) { return atom_non_negative(*a); });
  });
}

std::optional<int64_t> Dim::evaluate(std::span<const int64_t> bindings) const {
  if (known()) return value_;
  int64_t total = expr_->constant;
  for (const Term& term : expr_->terms) {
    int64_t product = term.factor;
    for (const Atom* atom : term.atoms) {
      auto value = evaluate_atom(*atom, bindings);
      if (!value) return std::nullopt;
      auto next = checked_mul(product, *value);
      if (!next) overflowed(*this);
      product = *next;
    }
    auto next = checked_add(total, product);
    if (!next) overflowed(*this);
    total = *next;
  }
  return total;
}

void Dim::collect_symbols(std::vector<int>& out) const {
  if (known()) return;
  for (const Term& term : expr_->terms) {
    for (const Atom* atom : term.atoms) {
      if (atom->kind == AtomKind::kSymbol) out.push_back(atom->symbol);
      atom->a.collect_symbols(out);
      atom->b.collect_symbols(out);
    }
  }
}

std::string Dim::text() const { return known() ? std::to_string(value_) : expr_->text; }

Dim operator+(const Dim& a, const Dim& b) {
  if (a.known() && b.known()) {
    auto sum = checked_add(a.value(), b.value());
    if (!sum) fail(ErrorKind::kInvalidModel, "the size ", a.value(), " + ", b.value(), " overflows 64 bits");
    return *sum;
  }
  Polynomial p;
  p.add(a, 1);
  p.add(b, 1);
  return Interner::expr(*table_of(a, b), p);
}

Dim operator-(const Dim& a, const Dim& b) { return a + b * Dim(-1); }

Dim operator*(const Dim& a, const Dim& b) {
  if (a.known() && b.known()) {
    auto product = checked_mul(a.value(), b.value());
    if (!product) fail(ErrorKind::kInvalidModel, "the size ", a.value(), " * ", b.value(), " overflows 64 bits");
    return *product;
  }
  Polynomial p;
  if (a.known() || b.known()) {
    p.add(a.known() ? b : a, a.known() ? a.value() : b.value());
    return Interner::expr(*table_of(a, b), p);
  }
  p.add(a, b.expr()->constant);
  for (const Term& tb : b.expr()->terms) {
    Polynomial scaled;
    scaled.add(a, tb.factor);
    p.overflow |= scaled.overflow;
    p.add_term(scaled.constant, tb.atoms);
    for (const auto& [text, ta] : scaled.terms) {
      Monomial atoms = ta.atoms;
      atoms.insert(atoms.end(), tb.atoms.begin(), tb.atoms.end());
      std::ranges::sort(atoms, {}, &Atom::text);
      p.add_term(ta.factor, atoms);
    }
  }
  return Interner::expr(*table_of(a, b), p);
}

Dim floor_div(const Dim& a, const Dim& b) {
  if (b.is(0)) fail(ErrorKind::kInvalidModel, "a size is divided by 0");
  if (a.known() && b.known()) return floor_div_numbers(a.value(), b.value());
  if (b.is(1)) return a;
  if (a == b) return 1;
  if (b.known() && !a.known()) {
    // Pull out the part that b divides: (4*s + 6) / 4 = s + (6 / 4).
    Polynomial whole, rest;
    auto split = [&](int64_t factor, const Monomial& atoms) {
      const int64_t q = floor_div_numbers(factor, b.value());
      if (factor % b.value() == 0 || atoms.empty()) whole.add_term(q, atoms);
      if (factor % b.value() != 0) rest.add_term(atoms.empty() ? factor - q * b.value() : factor, atoms);
    };
    split(a.expr()->constant, {});
    for (const Term& t : a.expr()->terms) split(t.factor, t.atoms);
    Dim quotient = Interner::expr(*a.expr()->table, whole);
    if (rest.terms.empty()) return quotient;
    return quotient + Interner::call(AtomKind::kFloorDiv, "floordiv", Interner::expr(*a.expr()->table, rest), b);
  }
  return Interner::call(AtomKind::kFloorDiv, "floordiv", a, b);
}

Dim ceil_div(const Dim& a, const Dim& b) { return Dim(0) - floor_div(Dim(0) - a, b); }

Dim floor_mod(const Dim& a, const Dim& b) {
  if (b.known() && b.value() != 0) return a - b * floor_div(a, b);
  return Interner::call(AtomKind::kMod, "mod", a, b);
}

Dim min(const Dim& a, const Dim& b) {
  if (auto d = difference(a, b)) return *d <= 0 ? a : b;
  if (a.non_negative() && b.is(0)) return 0;
  if (b.non_negative() && a.is(0)) return 0;
  if (const Atom* atom = single_atom(a); atom && atom->kind == AtomKind::kMin && (atom->a == b || atom->b == b)) return a;
  if (const Atom* atom = single_atom(b); atom && atom->kind == AtomKind::kMin && (atom->a == a || atom->b == a)) return b;
  if ((a - b).non_negative()) return b;
  if ((b - a).non_negative()) return a;
  return a.text() <= b.text() ? Interner::call(AtomKind::kMin, "min", a, b) : Interner::call(AtomKind::kMin, "min", b, a);
}

Dim max(const Dim& a, const Dim& b) {
  if (auto d = difference(a, b)) return *d >= 0 ? a : b;
  if ((a - b).non_negative()) return a;
  if ((b - a).non_negative()) return b;
  return a.text() <= b.text() ? Interner::call(AtomKind::kMax, "max", a, b) : Interner::call(AtomKind::kMax, "max", b, a);
}

namespace {

/// True where a is min(b, c) with c >= 2: then a and b broadcast only where they are equal, to b.
bool clamps(const Dim& a, const Dim& b) {
  const Atom* atom = single_atom(a);
  if (!atom || atom->kind != AtomKind::kMin) return false;
  auto other = atom->a == b ? atom->b : atom->b == b ? atom->a : Dim(0);
  return other.known() && other.value() >= 2;
}

}  // namespace

Dim broadcast(const Dim& a, const Dim& b) {
  if (a == b || b.is(1)) return a;
  if (a.is(1)) return b;
  if (a.known() && b.known()) return broadcast_numbers(a.value(), b.value());
  if (a.known()) return a;  // a is not 1, so b is 1 or a
  if (b.known()) return b;
  if (clamps(a, b)) return b;
  if (clamps(b, a)) return a;
  const Atom* atom = single_atom(a);
  if (atom && atom->kind == AtomKind::kBroadcast && (atom->a == b || atom->b == b)) return a;
  atom = single_atom(b);
  if (atom && atom->kind == AtomKind::kBroadcast && (atom->a == a || atom->b == a)) return b;
  return a.text() <= b.text() ? Interner::call(AtomKind::kBroadcast, "broadcast", a, b)
                              : Interner::call(AtomKind::kBroadcast, "broadcast", b, a);
}

Dim exact_div(const Dim& a, const Dim& b) {
  if (a == b && !b.is(0)) return 1;
  if (a.known() || b.known() || b.expr()->constant != 0 || b.expr()->terms.size() != 1) return floor_div(a, b);
  const Term& divisor = b.expr()->terms[0];
  if (a.expr()->constant != 0) return floor_div(a, b);
  Polynomial quotient;
  for (const Term& t : a.expr()->terms) {
    Monomial rest = t.atoms;
    for (const Atom* atom : divisor.atoms) {
      auto it = std::ranges::find(rest, atom);
      if (it == rest.end()) return floor_div(a, b);
      rest.erase(it);
    }
    if (t.factor % divisor.factor != 0) return floor_div(a, b);
    quotient.add_term(t.factor / divisor.factor, rest);
  }
  return Interner::expr(*a.expr()->table, quotient);
}

bool unify(const Dim& dim, int64_t size, Bindings& bindings) {
  if (auto value = dim.evaluate(bindings)) return *value == size;
  const Expr& e = *dim.expr();
  int64_t rest = e.constant;
  const Term* open = nullptr;
  for (const Term& t : e.terms) {
    Polynomial p;
    p.add_term(t.factor, t.atoms);
    auto value = Interner::expr(*e.table, p).evaluate(bindings);
    if (value) {
      rest += *value;
    } else if (open || t.atoms.size() != 1 || t.atoms[0]->kind != AtomKind::kSymbol) {
      return true;
    } else {
      open = &t;
    }
  }
  if (!open) return rest == size;
  if ((size - rest) % open->factor != 0 || (size - rest) / open->factor < 0) return false;
  const auto index = static_cast<size_t>(open->atoms[0]->symbol);
  if (bindings.size() <= index) bindings.resize(index + 1, kUnbound);
  bindings[index] = (size - rest) / open->factor;
  return true;
}

SymbolTable::SymbolTable() = default;
SymbolTable::~SymbolTable() = default;

Dim SymbolTable::symbol(std::string_view name) {
  auto [it, is_new] = by_name_.try_emplace(std::string(name), count());
  if (is_new) names_.emplace_back(name);
  return Interner::symbol(*this, it->second);
}

}  // namespace sdx
