// The inside of Dim: polynomials over interned atoms. For the files of Dim alone.
#pragma once

#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "tensor/dim.h"

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

/// A polynomial under construction: factor by the text of its monomial.
struct Polynomial {
  int64_t constant = 0;
  std::map<std::string, Term> terms;
  bool overflow = false;

  void add_constant(int64_t value);
  void add_term(int64_t factor, const Monomial& atoms);
  void add(const Dim& d, int64_t factor);
};

/// Makes canonical expressions. What grows beyond the limits becomes a fresh symbol.
struct Interner {
  static Dim expr(SymbolTable& table, const Polynomial& p);
  static Dim atom(SymbolTable& table, Atom a);
  static Dim call(AtomKind kind, const Dim& a, const Dim& b);
  static Dim symbol(SymbolTable& table, int index);
};

/// The term's value; nothing while a symbol of it is unbound. Errors name `whole`.
std::optional<int64_t> evaluate_term(const Dim& whole, const Term& term, std::span<const int64_t> bindings);

/// floor(a / b). Throws InvalidInput for b = 0.
int64_t floor_div_numbers(int64_t a, int64_t b);
int64_t floor_mod_numbers(int64_t a, int64_t b);
/// The size that two sizes broadcast to. Throws InvalidInput where there is none.
int64_t broadcast_numbers(int64_t a, int64_t b);

SymbolTable* table_of(const Dim& a, const Dim& b);

/// The atom where the dim is 1 * atom + 0; nullptr otherwise.
const Atom* single_atom(const Dim& d);

}  // namespace sdx
