// Layout: evaluating sizes and packing the arena.
#include "plan/layout.h"

#include <algorithm>
#include <numeric>

#include "ir/evaluate.h"

namespace sdx::plan {
namespace {

constexpr int64_t kAlignment = 64;

bool grows(const Dim& d, const Program& program) {
  if (d.known() || program.growing.empty()) return false;
  std::vector<int> symbols;
  d.collect_symbols(symbols);
  return std::ranges::any_of(symbols,
                             [&](int s) { return std::ranges::find(program.growing, s) != program.growing.end(); });
}
bool grows(const std::vector<Dim>& dims, const Program& program) {
  return std::ranges::any_of(dims, [&](const Dim& d) { return grows(d, program); });
}

/// The sizes of a value, small enough for a tensor.
std::optional<Extents> sizes_of(const SlotInfo& slot, std::span<const int64_t> bindings) {
  try {
    auto extents = slot.fact.shape.evaluate(bindings);
    if (extents) extents->count();
    return extents;
  } catch (Error& e) {
    e.within(cat("value '", slot.name, "'"));
    throw;
  }
}

/// The elements of a value whose expressions are known, in its own type.
Tensor evaluate_known(const SlotInfo& slot, std::span<const int64_t> bindings) {
  auto extents = slot.fact.shape.evaluate(bindings);
  if (!extents || extents->count() != static_cast<int64_t>(slot.fact.values->size())) {
    fail(ErrorKind::kInternal, "known value '", slot.name, "' has ", slot.fact.values->size(), " elements but shape ",
         slot.fact.shape.text());
  }
  Tensor t(slot.fact.dtype, *extents);
  write_known(slot, bindings, t.mutable_view());
  return t;
}

}  // namespace

void write_known(const SlotInfo& slot, std::span<const int64_t> bindings, const View& to) {
  for (size_t i = 0; i < slot.fact.values->size(); ++i) {
    auto v = (*slot.fact.values)[i].evaluate(bindings);
    if (!v) fail(ErrorKind::kInternal, "known value '", slot.name, "' has an unbound symbol");
    if (to.dtype == DType::kI64)
      to.as<int64_t>()[i] = *v;
    else if (to.dtype == DType::kI32)
      to.as<int32_t>()[i] = static_cast<int32_t>(*v);
    else
      to.as<uint8_t>()[i] = *v != 0;
  }
}

bool fits(const Program& program, const Layout& layout, std::span<const int64_t> bindings) {
  for (const ir::Constraint* c : layout.constraints) ir::check(*c, bindings);
  for (const Layout::Place& p : layout.places) {
    if (!p.grows || p.offset < 0) continue;
    const ir::Fact& fact = program.slots[static_cast<size_t>(p.slot)].fact;
    const auto extents = fact.shape.evaluate(bindings);
    if (!extents || dtype_bytes(fact.dtype, extents->count()) > dtype_bytes(fact.dtype, p.extents.count()))
      return false;
  }
  return true;
}

int64_t pack(std::span<Span> spans) {
  std::vector<size_t> by_size(spans.size());
  std::iota(by_size.begin(), by_size.end(), size_t{0});
  std::ranges::stable_sort(by_size, std::greater<>(), [&](size_t i) { return spans[i].bytes; });
  std::vector<size_t> placed;  // ordered by offset
  int64_t total = 0;
  for (size_t i : by_size) {
    Span& s = spans[i];
    int64_t at = 0;
    for (size_t j : placed) {
      const Span& other = spans[j];
      if (other.last < s.first || other.first > s.last) continue;
      if (other.offset - at >= s.bytes) break;
      at = std::max(at, (other.offset + other.bytes + kAlignment - 1) / kAlignment * kAlignment);
    }
    s.offset = at;
    total = std::max(total, at + s.bytes);
    placed.insert(std::ranges::upper_bound(placed, at, {}, [&](size_t j) { return spans[j].offset; }), i);
  }
  return total;
}

std::shared_ptr<const Layout> make_layout(const Program& program, int segment, std::span<const int64_t> bindings) {
  auto layout = std::make_shared<Layout>();
  for (const Instruction& instruction : program.instructions) {
    if (instruction.segment != segment) continue;
    for (const ir::Constraint& c : instruction.constraints) {
      if (grows(c.a, program) || grows(c.b, program)) layout->constraints.push_back(&c);
      try {
        ir::check(c, bindings);
      } catch (Error& e) {
        e.within(cat("node '", instruction.name, "' (", instruction.op->name, ")"));
        throw;
      }
    }
  }
  std::vector<Span> spans;
  std::vector<size_t> owners;
  for (size_t i = 0; i < program.slots.size(); ++i) {
    const SlotInfo& slot = program.slots[i];
    if (slot.segment != segment) continue;
    if (slot.storage == Storage::kKnown) {
      layout->known.push_back(evaluate_known(slot, bindings));
      layout->known_slots.push_back(static_cast<SlotId>(i));
      layout->known_grows.push_back(grows(*slot.fact.values, program));
    }
    if (slot.storage != Storage::kArena && slot.storage != Storage::kOutput && slot.storage != Storage::kAlias)
      continue;
    auto extents = sizes_of(slot, bindings);
    if (!extents)
      fail(ErrorKind::kInternal, "the shape ", slot.fact.shape.text(), " of '", slot.name, "' has an unbound symbol");
    if (slot.storage == Storage::kArena) {
      spans.push_back({std::max<int64_t>(1, dtype_bytes(slot.fact.dtype, extents->count())), slot.first, slot.last});
      owners.push_back(layout->places.size());
    }
    layout->places.push_back({static_cast<SlotId>(i), *extents, -1, grows(slot.fact.shape.dims(), program)});
  }
  layout->arena_bytes = pack(spans);
  for (size_t i = 0; i < spans.size(); ++i) layout->places[owners[i]].offset = spans[i].offset;
  return layout;
}

}  // namespace sdx::plan
