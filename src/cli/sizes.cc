// Sizes: defaults by name, and repairing them by the program's conditions.
#include "cli/sizes.h"

#include <algorithm>
#include <charconv>

namespace sdx::cli {
namespace {

bool contains(const std::string& text, std::string_view word) { return text.find(word) != std::string::npos; }

}  // namespace

Sizes::Sizes(const plan::Program& program)
    : program_(program),
      symbols_(*program.symbols),
      bindings_(static_cast<size_t>(symbols_.count()), kUnbound),
      is_default_(bindings_.size(), false) {}

void Sizes::bind(const Shape& shape, const Extents& extents) {
  if (!shape.has_rank()) return;
  bool fits = shape.rank() == extents.rank();
  for (int d = 0; fits && d < shape.rank(); ++d) fits = unify(shape[d], extents[d], bindings_);
  if (!fits)
    fail(ErrorKind::kInvalidInput, "shape ", extents.text(), " does not fit ", shape.text(),
         " with the other sizes that are given");
}

void Sizes::bind_input(const std::string& name, const Shape& shape, const Extents& extents) try {
  bind(shape, extents);
  given_[name] = extents;
} catch (Error& e) {
  e.within(cat("--shape of '", name, "'"));
  throw;
}

bool Sizes::bind_symbol(const std::string& name, int64_t size) {
  for (int s = 0; s < symbols_.count(); ++s) {
    if (symbols_.name(s) != name) continue;
    bindings_[static_cast<size_t>(s)] = size;
    return true;
  }
  return false;
}

void Sizes::set_default(int symbol, int64_t size) {
  bindings_[static_cast<size_t>(symbol)] = size;
  is_default_[static_cast<size_t>(symbol)] = true;
}

int64_t Sizes::sum_of_lengths() {
  int64_t past = 0, fresh = 0;
  for (int s = 0; s < symbols_.count(); ++s) {
    const std::string& name = symbols_.name(s);
    int64_t& bound = bindings_[static_cast<size_t>(s)];
    if (name == "past_sequence_length" || name == "past_decoder_sequence_length") {
      if (bound == kUnbound) set_default(s, past_preset());
      past = bound;
    }
    if (name == "sequence_length" || name == "decoder_sequence_length") {
      if (bound == kUnbound) set_default(s, 8);
      fresh = bound;
    }
  }
  // The with-past graphs of Optimum fix the number of new tokens to 1 and name no symbol for it.
  return past + (fresh > 0 ? fresh : 1);
}

/// "past_sequence_length + 1", which is one symbol of its own: the sum of its terms.
std::optional<int64_t> Sizes::sum_of_terms(std::string_view text) {
  int64_t total = 0;
  for (size_t at = 0, end = 0; end != std::string_view::npos; at = end + 1) {
    end = text.find('+', at);
    std::string_view term = text.substr(at, end == std::string_view::npos ? end : end - at);
    while (term.starts_with(' ')) term.remove_prefix(1);
    while (term.ends_with(' ')) term.remove_suffix(1);
    int64_t size = 0;
    if (const auto [rest, error] = std::from_chars(term.data(), term.data() + term.size(), size);
        error == std::errc() && rest == term.data() + term.size()) {
      total += size;
      continue;
    }
    int index = 0;
    while (index < symbols_.count() && symbols_.name(index) != term) ++index;
    if (index == symbols_.count()) return std::nullopt;
    int64_t& bound = bindings_[static_cast<size_t>(index)];
    if (bound == kUnbound) set_default(index, preset(index));
    total += bound;
  }
  return total;
}

int64_t Sizes::past_preset() const {
  const auto switches = [&](plan::SlotId id) {
    return program_.slots[static_cast<size_t>(id)].name == "use_cache_branch";
  };
  return std::ranges::any_of(program_.inputs, switches) ? 0 : 4;
}

int64_t Sizes::preset(int index) const {
  for (const plan::Instruction& n : program_.instructions) {
    for (const ir::Constraint& c : n.constraints) {
      if (c.kind != ir::Constraint::Kind::kEqual) continue;
      if (c.a.symbol() == index && c.b.known()) return c.b.value();
      if (c.b.symbol() == index && c.a.known()) return c.a.value();
    }
  }
  const std::string& symbol = symbols_.name(index);
  if (contains(symbol, "past")) return past_preset();
  if (contains(symbol, "batch")) return 1;
  if (contains(symbol, "height") || contains(symbol, "width")) return 64;
  if (contains(symbol, "latent")) return 4;
  if (contains(symbol, "channel")) return 3;
  if (contains(symbol, "seq") || contains(symbol, "length") || contains(symbol, "time") || contains(symbol, "frame"))
    return 8;
  return 1;
}

Extents Sizes::extents_of(const engine::Port& port) {
  if (const auto it = given_.find(port.name); it != given_.end()) return it->second;
  const Shape& shape = port.fact.shape;
  if (!shape.has_rank()) {
    fail(ErrorKind::kInvalidInput, "input '", port.name, "' has no declared shape; give one with --shape ", port.name,
         "=…");
  }
  std::vector<int> symbols;
  for (const Dim& d : shape.dims()) d.collect_symbols(symbols);
  for (int s : symbols) {
    if (bindings_[static_cast<size_t>(s)] != kUnbound) continue;
    const std::string& name = symbols_.name(s);
    if (name.find('+') != std::string::npos) {
      if (const auto sum = sum_of_terms(name)) {
        set_default(s, *sum);
        continue;
      }
    }
    set_default(s, contains(name, "attention_mask") || contains(name, "total_sequence") ? sum_of_lengths() : preset(s));
  }
  return *shape.evaluate(bindings_);
}

bool Sizes::holds(const ir::Constraint& constraint) const {
  using Kind = ir::Constraint::Kind;
  try {
    const auto a = constraint.a.evaluate(bindings_), b = constraint.b.evaluate(bindings_);
    if (!a || !b || *a == *b) return true;
    return constraint.kind == Kind::kAtMost ? *a < *b : constraint.kind == Kind::kBroadcast && (*a == 1 || *b == 1);
  } catch (const Error&) {
    return false;  // an expression without a value, such as a broadcast of 2 and 3
  }
}

/// The largest of the first run of sizes with which the constraint holds, equality where sizes broadcast.
bool Sizes::search(int symbol, const ir::Constraint& constraint) {
  constexpr int64_t kMost = 1 << 17;
  ir::Constraint wanted = constraint;
  if (wanted.kind == ir::Constraint::Kind::kBroadcast) wanted.kind = ir::Constraint::Kind::kEqual;
  int64_t& size = bindings_[static_cast<size_t>(symbol)];
  const int64_t before = size;
  const bool least = wanted.kind == ir::Constraint::Kind::kAtMost;
  int64_t found = 0;
  for (int64_t tried = least ? before : 1; tried <= kMost; ++tried) {
    size = tried;
    if (holds(wanted)) found = tried;
    if (found > 0 && (least || found < tried)) break;
  }
  size = found > 0 ? found : before;
  return found > 0;
}

bool Sizes::repair(const ir::Constraint& constraint) {
  std::vector<int> symbols;
  // A side that is a symbol alone can simply become the other.
  for (const Dim* side : {&constraint.b, &constraint.a}) {
    if (const auto alone = side->symbol()) symbols.push_back(*alone);
  }
  constraint.a.collect_symbols(symbols);
  constraint.b.collect_symbols(symbols);
  return std::ranges::any_of(symbols,
                             [&](int s) { return is_default_[static_cast<size_t>(s)] && search(s, constraint); });
}

void Sizes::settle(const std::vector<engine::Port>& inputs) {
  for (const engine::Port& port : inputs) {
    if (port.fact.kind == ir::Kind::kTensor && (port.fact.shape.has_rank() || given_.contains(port.name)))
      extents_of(port);
  }
  constexpr int kRounds = 8;
  bool changed = true;
  for (int round = 0; changed && round < kRounds; ++round) {
    changed = false;
    for (const plan::Instruction& n : program_.instructions) {
      for (const ir::Constraint& c : n.constraints) changed |= !holds(c) && repair(c);
    }
  }
}

}  // namespace sdx::cli
