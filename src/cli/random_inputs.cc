// Random inputs: values by what each input is for.
#include "cli/random_inputs.h"

#include <unistd.h>

#include <algorithm>
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

/// Memory is handed out before it is there; filling more than there is would end the process.
void require_memory(const engine::Port& port, const Extents& extents) {
  const int64_t there = static_cast<int64_t>(sysconf(_SC_PHYS_PAGES)) * sysconf(_SC_PAGESIZE);
  const int64_t bytes = dtype_bytes(port.fact.dtype, extents.count());
  if (bytes <= there) return;
  fail(ErrorKind::kResource, "input '", port.name, "' of shape ", extents.text(), " takes ", bytes,
       " bytes but this machine has ", there, "; give a smaller shape with --shape");
}

}  // namespace

void fill_random(const engine::Model& model, Sizes& sizes, uint64_t seed, std::vector<Value>& values) {
  sizes.settle(model.inputs());
  for (size_t i = 0; i < values.size(); ++i) {
    const engine::Port& port = model.inputs()[i];
    if (!values[i].empty() || port.fact.kind == ir::Kind::kOptional) continue;
    if (port.fact.kind != ir::Kind::kTensor) {
      fail(ErrorKind::kInvalidInput, "input '", port.name, "' is a ", port.fact.text(),
           "; only tensors can be made up");
    }
    const Extents extents = sizes.extents_of(port);
    require_memory(port, extents);
    Tensor tensor(port.fact.dtype, extents);
    int64_t below = indexed_rows(model.program(), model.program().inputs[i]);
    if (below == 0) below = holds(port.name, "input_ids") ? 100 : 2;
    // Each input has its own stream, so that giving one leaves the others as they are.
    std::mt19937_64 random(seed * 0x9E3779B97F4A7C15u + i);
    fill(port.name, tensor.mutable_view(), {below, past_length(model, sizes)}, random);
    values[i] = std::move(tensor);
  }
}

}  // namespace sdx::cli
