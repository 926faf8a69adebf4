// Random inputs that a model accepts.
#include "cli/random_inputs.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>
#include <numbers>
#include <random>

#include "cli/elements.h"

namespace sdx::cli {
namespace {

bool holds(const std::string& text, std::string_view word) { return text.find(word) != std::string::npos; }

/// Rows of the smallest constant table that a Gather indexes with the slot, or 0: follows views, casts and bodies.
int64_t indexed_rows(const plan::Program& program, plan::SlotId slot, int depth = 0) {
  int64_t least = 0;
  auto keep = [&](int64_t rows) {
    if (rows > 0 && (least == 0 || rows < least)) least = rows;
  };
  if (depth > 8) return 0;
  for (size_t i = 0; i < program.slots.size(); ++i) {
    if (program.slots[i].alias_of == slot) keep(indexed_rows(program, static_cast<plan::SlotId>(i), depth + 1));
  }
  for (const plan::Instruction& n : program.instructions) {
    for (size_t k = 0; k < n.inputs.size(); ++k) {
      if (n.inputs[k] != slot) continue;
      if (n.op->name == "Gather" && k == 1 && n.inputs[0] != plan::kNoSlot) {
        const auto& table = program.slots[static_cast<size_t>(n.inputs[0])].fact;
        if (table.is_constant() && table.constant.extents().rank() > 0) keep(table.constant.extents()[0]);
      } else if (n.op->name == "Cast" && n.outputs[0] != plan::kNoSlot) {
        keep(indexed_rows(program, n.outputs[0], depth + 1));
      }
      const size_t first = n.inputs.size() - static_cast<size_t>(n.captures);
      for (const auto& body : n.bodies) {
        if (k >= first) keep(indexed_rows(*body, body->inputs[body->inputs.size() - n.inputs.size() + k], depth + 1));
      }
    }
  }
  return least;
}

/// A standard normal number from 53-bit uniform ones (Box and Muller 1958), equal on every machine up to libm.
double normal(std::mt19937_64& random) {
  const double u = (static_cast<double>(random() >> 11) + 1) * 0x1p-53,
               v = static_cast<double>(random() >> 11) * 0x1p-53;
  return std::sqrt(-2 * std::log(u)) * std::cos(2 * std::numbers::pi * v);
}

struct Content {
  int64_t below;  ///< integers are in [0, below)
  int64_t past;   ///< first position
};

void fill_positions(const View& out, int64_t past) {
  const int64_t width = out.rank() > 0 ? std::max<int64_t>(out.extents.back(), 1) : 1;
  for (int64_t i = 0; i < out.count(); ++i) set_integer(out, i, past + i % width);
}

void fill(const std::string& name, const View& out, const Content& content, std::mt19937_64& random) {
  if (!is_float(out.dtype) && holds(name, "position_ids")) return fill_positions(out, content.past);
  const bool ones = holds(name, "mask"), zeros = out.dtype == DType::kBool || holds(name, "token_type");
  for (int64_t i = 0; i < out.count(); ++i) {
    if (out.dtype == DType::kString)
      out.as<std::string>()[i] = cat("text ", random() % 100);
    else if (ones)
      set_element(out, i, 1);
    else if (zeros)
      set_element(out, i, 0);
    else if (is_float(out.dtype))
      set_element(out, i, normal(random));
    else
      set_integer(out, i, static_cast<int64_t>(random() % static_cast<uint64_t>(content.below)));
  }
}

/// Length of the key-value cache that the inputs hold.
int64_t past_length(const engine::Model& model, Sizes& sizes) {
  for (const auto& port : model.inputs()) {
    if (!holds(port.name, "past_key") && !holds(port.name, "past_value")) continue;
    const Extents extents = sizes.extents_of(port);
    if (extents.rank() >= 2 && !holds(port.name, "encoder")) return extents[extents.rank() - 2];
  }
  return 0;
}

}  // namespace

Sizes::Sizes(const plan::Program& program)
    : program_(program), symbols_(*program.symbols), bindings_(static_cast<size_t>(symbols_.count()), kUnbound) {}

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

int64_t Sizes::sum_of_lengths() {
  int64_t past = 0, fresh = 0;
  for (int s = 0; s < symbols_.count(); ++s) {
    const std::string& name = symbols_.name(s);
    int64_t& bound = bindings_[static_cast<size_t>(s)];
    if (name == "past_sequence_length" || name == "past_decoder_sequence_length")
      past = bound == kUnbound ? bound = past_preset() : bound;
    if (name == "sequence_length" || name == "decoder_sequence_length") fresh = bound == kUnbound ? bound = 8 : bound;
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
    if (bound == kUnbound) bound = preset(index);
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
  if (holds(symbol, "past")) return past_preset();
  if (holds(symbol, "batch")) return 1;
  if (holds(symbol, "height") || holds(symbol, "width")) return 64;
  if (holds(symbol, "latent")) return 4;
  if (holds(symbol, "channel")) return 3;
  if (holds(symbol, "seq") || holds(symbol, "length") || holds(symbol, "time") || holds(symbol, "frame")) return 8;
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
    int64_t& bound = bindings_[static_cast<size_t>(s)];
    if (bound != kUnbound) continue;
    const std::string& name = symbols_.name(s);
    if (name.find('+') != std::string::npos) {
      if (const auto sum = sum_of_terms(name)) {
        bound = *sum;
        continue;
      }
    }
    bound = holds(name, "attention_mask") || holds(name, "total_sequence") ? sum_of_lengths() : preset(s);
  }
  return *shape.evaluate(bindings_);
}

void fill_random(const engine::Model& model, Sizes& sizes, uint64_t seed, std::vector<Value>& values) {
  for (size_t i = 0; i < values.size(); ++i) {
    const engine::Port& port = model.inputs()[i];
    if (!values[i].empty() || port.fact.kind == ir::Kind::kOptional) continue;
    if (port.fact.kind != ir::Kind::kTensor) {
      fail(ErrorKind::kInvalidInput, "input '", port.name, "' is a ", port.fact.text(),
           "; only tensors can be made up");
    }
    Tensor tensor(port.fact.dtype, sizes.extents_of(port));
    int64_t below = indexed_rows(model.program(), model.program().inputs[i]);
    if (below == 0) below = holds(port.name, "input_ids") ? 100 : 2;
    // Each input has its own stream, so that giving one leaves the others as they are.
    std::mt19937_64 random(seed * 0x9E3779B97F4A7C15u + i);
    fill(port.name, tensor.mutable_view(), {below, past_length(model, sizes)}, random);
    values[i] = std::move(tensor);
  }
}

}  // namespace sdx::cli
