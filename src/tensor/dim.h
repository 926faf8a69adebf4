// Dim: a size that is a number or an interned expression over a model's symbols; SymbolTable: where they are interned.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace sdx {

struct Expr;
struct Atom;
class SymbolTable;

/// The value of each symbol of a table by its index; kUnbound where it has none yet.
using Bindings = std::vector<int64_t>;
inline constexpr int64_t kUnbound = -1;

/// An integer or an expression. Symbols stand for sizes, so they are >= 0. Expressions are kept in a canonical form
/// (a polynomial over symbols and atoms such as floor(a / b), min(a, b)), so equal pointers mean equal values for every
/// binding; unequal ones may still be equal. Cheap to copy; valid while its SymbolTable lives.
class Dim {
 public:
  Dim(int64_t value = 0) : value_(value) {}  // NOLINT: implicit by design
  static Dim of(const Expr* expr) {
    Dim d;
    d.expr_ = expr;
    return d;
  }

  bool known() const { return expr_ == nullptr; }
  /// The number; only where known().
  int64_t value() const { return value_; }
  bool is(int64_t number) const { return known() && value_ == number; }
  const Expr* expr() const { return expr_; }
  /// The index of the symbol where the expression is a symbol alone.
  std::optional<int> symbol() const;
  /// True where the value is certainly >= 0 (symbols are). A bounded search: false may also mean that no proof was
  /// found.
  bool non_negative() const;

  /// The value under `bindings`; nothing where a symbol is unbound. Throws Resource on overflow and InvalidInput where
  /// a broadcast or a division in the expression has no result.
  std::optional<int64_t> evaluate(std::span<const int64_t> bindings) const;

  /// Adds the indices of the symbols that the value depends on.
  void collect_symbols(std::vector<int>& out) const;

  /// "12", "batch", "past + 1".
  std::string text() const;

  bool operator==(const Dim& other) const { return expr_ == other.expr_ && (expr_ || value_ == other.value_); }

 private:
  int64_t value_ = 0;
  const Expr* expr_ = nullptr;
};

Dim operator+(const Dim& a, const Dim& b);
Dim operator-(const Dim& a, const Dim& b);
Dim operator*(const Dim& a, const Dim& b);
/// floor(a / b), rounding towards minus infinity; a polynomial where b divides a as one ("b*s / b", "4*s / 4"), even
/// though that has a value for b = 0. Throws InvalidModel for a known b of 0.
Dim floor_div(const Dim& a, const Dim& b);
Dim ceil_div(const Dim& a, const Dim& b);
/// a - b * floor(a / b)
Dim floor_mod(const Dim& a, const Dim& b);
Dim min(const Dim& a, const Dim& b);
Dim max(const Dim& a, const Dim& b);
/// The size that sizes a and b broadcast to: the one that is not 1. Evaluation fails where they differ and none is 1.
Dim broadcast(const Dim& a, const Dim& b);
/// True where a is b but for parts that are cut off at a number: min(s, 512) for s, min(past + s, 1024) - min(past,
/// 1024) for s. Where such sizes meet, one expects them to be equal.
bool is_clamped(const Dim& a, const Dim& b);
/// floor_div for sizes of which b is known to divide a.
Dim exact_div(const Dim& a, const Dim& b);

/// Makes `dim` have the value `size` by binding one symbol where that is possible. Returns false where the expression,
/// fully bound, has another value; true where it holds now or cannot be decided yet.
bool unify(const Dim& dim, int64_t size, Bindings& bindings);

/// The symbol that unify() would bind where those of `bound` have values; nothing where there is none to bind.
std::optional<int> solvable_symbol(const Dim& dim, const std::vector<bool>& bound);

/// Owns the symbols and expressions of one model. Not thread-safe; only loading changes it.
class SymbolTable {
 public:
  SymbolTable();
  ~SymbolTable();
  SymbolTable(const SymbolTable&) = delete;
  SymbolTable& operator=(const SymbolTable&) = delete;

  /// The symbol with that name, made where it is new.
  Dim symbol(std::string_view name);
  /// A new symbol for a size that only a run will know.
  Dim fresh();
  /// Reads a dimension as exporters write it: a name, or + - * / over names and integers ("past_sequence_length + 1").
  /// Whatever is not such an expression is one symbol with that whole name.
  Dim parse(std::string_view text);

  int count() const { return static_cast<int>(names_.size()); }
  const std::string& name(int symbol) const { return names_[static_cast<size_t>(symbol)]; }

 private:
  friend struct Interner;
  std::vector<std::string> names_;
  std::unordered_map<std::string, int> by_name_;
  std::unordered_map<std::string, std::unique_ptr<Expr>> exprs_;
  std::unordered_map<std::string, std::unique_ptr<Atom>> atoms_;
  int fresh_count_ = 0;
};

}  // namespace sdx
