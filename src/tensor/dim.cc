// Dim: polynomial arithmetic over interned atoms.
#include "tensor/dim.h"

#include <algorithm>
#include <cctype>

#include "base/checked.h"
#include "base/error.h"
#include "tensor/dim_expr.h"

namespace sdx {

namespace {

constexpr int kMaxDepth = 8;
constexpr size_t kMaxTerms = 16;
constexpr size_t kMaxText = 400;

std::string monomial_text(const Monomial& atoms) {
  std::string out;
  for (const Atom* atom : atoms) out += (out.empty() ? "" : "*") + atom->text;
  return out;
}

/// The name as part of an expression's text, which no other name and no expression has.
std::string symbol_text(const std::string& name, int index) {
  auto word = [](unsigned char c) { return std::isalnum(c) || c == '_' || c == '.'; };
  if (!name.empty() && !std::isdigit(static_cast<unsigned char>(name[0])) && std::ranges::all_of(name, word))
    return name;
  if (name.find('\'') == std::string::npos) return "'" + name + "'";
  std::string quoted = name;
  std::ranges::replace(quoted, '\'', '"');
  return "'" + quoted + "'#" + std::to_string(index);
}

constexpr const char* kNames[] = {"", "floordiv", "mod", "min", "max", "broadcast"};

}  // namespace

void Polynomial::add_constant(int64_t value) {
  auto sum = checked_add(constant, value);
  overflow |= !sum;
  constant = sum.value_or(0);
}

void Polynomial::add_term(int64_t factor, const Monomial& atoms) {
  if (atoms.empty()) return add_constant(factor);
  auto [it, is_new] = terms.try_emplace(monomial_text(atoms), Term{0, atoms});
  auto sum = checked_add(it->second.factor, factor);
  overflow |= !sum;
  it->second.factor = sum.value_or(0);
  if (it->second.factor == 0) terms.erase(it);
}

void Polynomial::add(const Dim& d, int64_t factor) {
  auto scaled = [&](int64_t v) {
    auto product = checked_mul(v, factor);
    overflow |= !product;
    return product.value_or(0);
  };
  if (d.known()) return add_constant(scaled(d.value()));
  add_constant(scaled(d.expr()->constant));
  for (const Term& t : d.expr()->terms) add_term(scaled(t.factor), t.atoms);
}

SymbolTable* table_of(const Dim& a, const Dim& b) { return a.known() ? b.expr()->table : a.expr()->table; }

Dim Interner::expr(SymbolTable& table, const Polynomial& p) {
  if (p.overflow) return table.fresh();
  if (p.terms.empty()) return Dim(p.constant);
  Expr e{&table, p.constant, {}, {}, 0};
  for (const auto& [text, term] : p.terms) {
    if (!e.text.empty()) e.text += " + ";
    e.text += term.factor == 1 ? text : std::to_string(term.factor) + "*" + text;
    e.terms.push_back(term);
    for (const Atom* atom : term.atoms) e.depth = std::max(e.depth, atom->depth);
  }
  if (e.constant != 0)
    e.text += (e.constant > 0 ? " + " + std::to_string(e.constant) : " - " + std::to_string(e.constant).substr(1));
  if (e.terms.size() > kMaxTerms || e.text.size() > kMaxText || e.depth > kMaxDepth) return table.fresh();
  auto& slot = table.exprs_[e.text];
  if (!slot) slot = std::make_unique<Expr>(std::move(e));
  return Dim::of(slot.get());
}

Dim Interner::atom(SymbolTable& table, Atom a) {
  a.depth = 1 + std::max(a.a.known() ? 0 : a.a.expr()->depth, a.b.known() ? 0 : a.b.expr()->depth);
  auto& slot = table.atoms_[a.text];
  if (!slot) slot = std::make_unique<Atom>(std::move(a));
  Polynomial p;
  p.add_term(1, {slot.get()});
  return expr(table, p);
}

Dim Interner::call(AtomKind kind, const Dim& a, const Dim& b) {
  const std::string name = kNames[static_cast<size_t>(kind)];
  Atom atom_value{kind, -1, a, b, name + "(" + a.text() + ", " + b.text() + ")", 0};
  return atom(*table_of(a, b), std::move(atom_value));
}

Dim Interner::symbol(SymbolTable& table, int index) {
  return atom(table, Atom{AtomKind::kSymbol, index, {}, {}, symbol_text(table.name(index), index), 0});
}

int64_t floor_div_numbers(int64_t a, int64_t b) {
  if (b == 0) fail(ErrorKind::kInvalidInput, "a size is divided by 0");
  if (b == -1) {
    const auto negated = checked_mul(a, b);
    if (!negated) fail(ErrorKind::kResource, "the size ", a, " / -1 overflows 64 bits");
    return *negated;
  }
  int64_t q = a / b;
  return q * b != a && ((a < 0) != (b < 0)) ? q - 1 : q;
}

/// a - b * floor(a / b), whose product may overflow where the result does not.
int64_t floor_mod_numbers(int64_t a, int64_t b) {
  if (b == 0 || b == -1) return a - b * floor_div_numbers(a, b);
  const int64_t rest = a % b;
  return rest != 0 && (rest < 0) != (b < 0) ? rest + b : rest;
}

int64_t broadcast_numbers(int64_t a, int64_t b) {
  if (a == b || b == 1) return a;
  if (a == 1) return b;
  fail(ErrorKind::kInvalidInput, "sizes ", a, " and ", b, " do not broadcast: they must be equal, or one of them 1");
}

namespace {

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
    case AtomKind::kMod: return floor_mod_numbers(*a, *b);
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

}  // namespace

const Atom* single_atom(const Dim& d) {
  if (d.known() || d.expr()->constant != 0 || d.expr()->terms.size() != 1) return nullptr;
  const Term& t = d.expr()->terms[0];
  return t.factor == 1 && t.atoms.size() == 1 ? t.atoms[0] : nullptr;
}

std::optional<int> Dim::symbol() const {
  const Atom* atom = single_atom(*this);
  if (!atom || atom->kind != AtomKind::kSymbol) return std::nullopt;
  return atom->symbol;
}

std::optional<int64_t> evaluate_term(const Dim& whole, const Term& term, std::span<const int64_t> bindings) {
  int64_t product = term.factor;
  for (const Atom* atom : term.atoms) {
    auto value = evaluate_atom(*atom, bindings);
    if (!value) return std::nullopt;
    auto next = checked_mul(product, *value);
    if (!next) overflowed(whole);
    product = *next;
  }
  return product;
}

std::optional<int64_t> Dim::evaluate(std::span<const int64_t> bindings) const {
  if (known()) return value_;
  int64_t total = expr_->constant;
  for (const Term& term : expr_->terms) {
    const auto value = evaluate_term(*this, term, bindings);
    if (!value) return std::nullopt;
    auto next = checked_add(total, *value);
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

std::optional<int> solvable_symbol(const Dim& dim, const std::vector<bool>& bound) {
  if (dim.known()) return std::nullopt;
  std::optional<int> open;
  for (const Term& t : dim.expr()->terms) {
    std::vector<int> symbols;
    for (const Atom* atom : t.atoms) {
      if (atom->kind == AtomKind::kSymbol) symbols.push_back(atom->symbol);
      atom->a.collect_symbols(symbols);
      atom->b.collect_symbols(symbols);
    }
    const auto is_bound = [&](int s) { return static_cast<size_t>(s) < bound.size() && bound[static_cast<size_t>(s)]; };
    if (std::ranges::all_of(symbols, is_bound)) continue;
    if (open || t.atoms.size() != 1 || t.atoms[0]->kind != AtomKind::kSymbol) return std::nullopt;
    open = t.atoms[0]->symbol;
  }
  return open;
}

SymbolTable::SymbolTable() = default;
SymbolTable::~SymbolTable() = default;

Dim SymbolTable::symbol(std::string_view name) {
  auto [it, is_new] = by_name_.try_emplace(std::string(name), count());
  if (is_new) names_.emplace_back(name);
  return Interner::symbol(*this, it->second);
}

}  // namespace sdx
