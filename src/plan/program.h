// Program: what a graph compiles to: instructions over slots, immutable, shared by every run.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "ir/graph.h"

namespace sdx::plan {

using SlotId = int32_t;
inline constexpr SlotId kNoSlot = -1;

enum class Storage : uint8_t {
  kConstant,  ///< a weight; the same for every run
  kInput,     ///< lent by the caller; only a state may be written to
  kOutput,    ///< allocated for the caller, or lent by it
  kArena,     ///< at an offset that the layout of the binding gives
  kKnown,     ///< small integers that the layout computes from symbols
  kDynamic,   ///< allocated while running: its size is data, or it is no tensor
  kAlias,     ///< the memory of another slot under another shape
};

/// A place for one value.
struct SlotInfo {
  std::string name;
  Storage storage = Storage::kArena;
  ir::Fact fact;              ///< kConstant: with the tensor
  SlotId alias_of = kNoSlot;  ///< kAlias: a slot that is no alias itself
  int segment = 0;            ///< kArena and kKnown: when its size is known
  int first = 0;              ///< kArena: first and last instruction that touch it or its aliases
  int last = 0;
  bool state = false;  ///< kInput: operators may put a result in its place
};

class Program;

struct Instruction {
  const ir::Op* op;
  ir::Attrs attrs;
  std::vector<SlotId> inputs;   ///< operands, then captures; kNoSlot: absent or not needed
  std::vector<SlotId> outputs;  ///< kNoSlot: not wanted
  int captures = 0;
  std::vector<std::unique_ptr<Program>> bodies;
  std::vector<ir::Constraint> constraints;
  std::string name;
  std::string rule;
  bool dynamic = false;  ///< sizes its outputs while running; binds the symbols in their shapes
  int segment = 0;
};

/// Between two segments lies a dynamic instruction that binds symbols; a segment's sizes are known when it starts.
class Program {
 public:
  std::shared_ptr<SymbolTable> symbols;
  std::vector<SlotInfo> slots;
  std::vector<Instruction> instructions;
  std::vector<SlotId> inputs;  ///< of a body: formal inputs, then captures
  std::vector<SlotId> outputs;
  std::vector<std::string> output_names;
  int segments = 1;
  /// Symbols that this program binds while running; a body starts each run without them.
  std::vector<int> born;

  /// Symbols that grow from run to run: layouts are made for ranges of their values.
  std::vector<int> growing;

  /// Bytes of constants, bodies included; shared memory counts once per use.
  int64_t constant_bytes() const;
  /// One line an instruction, with names, types and where each result lives.
  std::string text(int indent = 0) const;
};

struct Options {
  std::vector<std::string> states;   ///< inputs in whose place operators may put their results
  std::vector<std::string> growing;  ///< symbols that grow from run to run, such as the length of a cache
};

/// Orders the nodes, drops what only computes known values, aliases views and in-place results, and decides where each
/// value lives. Consumes the graph.
std::unique_ptr<Program> make_program(ir::Graph graph, const Options& options = {});

}  // namespace sdx::plan
