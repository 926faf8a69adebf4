// Printing a Program.
#include "plan/program.h"

namespace sdx::plan {
namespace {

std::string_view storage_name(Storage s) {
  switch (s) {
    case Storage::kConstant: return "constant";
    case Storage::kInput: return "input";
    case Storage::kOutput: return "output";
    case Storage::kArena: return "arena";
    case Storage::kKnown: return "known";
    case Storage::kDynamic: return "dynamic";
    case Storage::kAlias: return "alias";
  }
  return "";
}

std::string attrs_text(const ir::Attrs& attrs) {
  std::string out;
  for (const auto& [name, value] : attrs.map()) {
    std::string text = std::visit(
        [](const auto& v) -> std::string {
          using T = std::decay_t<decltype(v)>;
          if constexpr (std::is_same_v<T, std::string>)
            return "\"" + v + "\"";
          else if constexpr (std::is_same_v<T, Tensor>)
            return cat(dtype_name(v.dtype()), v.extents().text());
          else if constexpr (std::is_arithmetic_v<T>)
            return cat(v);
          else {
            std::string list;
            for (const auto& x : v) list += cat(list.empty() ? "" : ",", x);
            return "[" + list + "]";
          }
        },
        value);
    out += cat(out.empty() ? "{" : ", ", name, "=", text);
  }
  return out.empty() ? "" : out + "}";
}

}  // namespace

int64_t Program::constant_bytes() const {
  int64_t total = 0;
  for (const SlotInfo& s : slots) {
    if (s.storage == Storage::kConstant) total += s.fact.constant.view().bytes();
  }
  for (const Instruction& i : instructions) {
    for (const auto& body : i.bodies) total += body->constant_bytes();
  }
  return total;
}

std::string Program::text(int indent) const {
  const std::string pad(static_cast<size_t>(indent), ' ');
  auto slot_text = [&](SlotId id) { return id == kNoSlot ? std::string("_") : cat("%", id); };
  std::string out;
  for (SlotId id : inputs) {
    const SlotInfo& s = slots[static_cast<size_t>(id)];
    out += cat(pad, "input %", id, " \"", s.name, "\": ", s.fact.text(), "\n");
  }
  for (size_t i = 0; i < instructions.size(); ++i) {
    const Instruction& n = instructions[i];
    out += cat(pad, i, ": ");
    for (size_t k = 0; k < n.outputs.size(); ++k) out += cat(k ? ", " : "", slot_text(n.outputs[k]));
    out += cat(" = ", n.op->domain.empty() ? "" : cat(n.op->domain, "."), n.op->name, attrs_text(n.attrs), "(");
    for (size_t k = 0; k < n.inputs.size(); ++k) out += cat(k ? ", " : "", slot_text(n.inputs[k]));
    out += ")";
    for (SlotId id : n.outputs) {
      if (id == kNoSlot) continue;
      const SlotInfo& s = slots[static_cast<size_t>(id)];
      out += cat(" : ", s.fact.text(), " ", storage_name(s.storage),
                 s.storage == Storage::kAlias ? cat(" of %", s.alias_of) : "");
    }
    out += cat("  # ", n.name, n.rule.empty() ? "" : cat(" by ", n.rule), n.dynamic ? " (dynamic)" : "", "\n");
    for (const auto& body : n.bodies) out += cat(pad, "  {\n", body->text(indent + 4), pad, "  }\n");
  }
  for (size_t i = 0; i < outputs.size(); ++i) {
    const SlotInfo& s = slots[static_cast<size_t>(outputs[i])];
    out += cat(pad, "output \"", output_names[i], "\" = %", outputs[i], ": ", s.fact.text(), " ",
               storage_name(s.storage), "\n");
  }
  return out;
}

}  // namespace sdx::plan
