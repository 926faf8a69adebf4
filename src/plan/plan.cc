// The planner: from a graph to a Program.
#include <algorithm>

#include "ir/run_context.h"
#include "plan/program.h"

namespace sdx::plan {
namespace {

using ir::Graph;
using ir::kNone;
using ir::Node;
using ir::NodeId;
using ir::ValueId;

class Planner {
 public:
  /// `outer`: for a body, when the outer program binds each symbol; those that it binds at all have values here.
  Planner(Graph graph, const std::vector<int>* outer)
      : graph_(std::move(graph)),
        program_(std::make_unique<Program>()),
        segment_of_symbol_(static_cast<size_t>(graph_.symbols().count()), kNever) {
    for (size_t s = 0; outer && s < outer->size(); ++s) {
      if ((*outer)[s] < kNever) segment_of_symbol_[s] = 0;
    }
  }

  std::unique_ptr<Program> plan(const Options& options) {
    order_ = graph_.order();
    slot_of_.assign(static_cast<size_t>(graph_.value_count()), kNoSlot);
    program_->symbols = graph_.symbol_table();
    classify();
    mark_needed();
    for (ValueId v : graph_.inputs()) {
      program_->inputs.push_back(new_slot(v, Storage::kInput));
      SlotInfo& slot = program_->slots.back();
      slot.state = std::ranges::find(options.states, slot.name) != options.states.end();
    }
    for (const std::string& name : options.growing)
      program_->growing.push_back(*graph_.symbols().symbol(name).symbol());
    for (NodeId id : order_) {
      if (needed_node_[static_cast<size_t>(id)]) emit(id);
    }
    for (size_t i = 0; i < graph_.outputs().size(); ++i) {
      program_->outputs.push_back(slot(graph_.outputs()[i]));
      program_->output_names.push_back(graph_.output_names()[i]);
    }
    settle_outputs();
    share_memory();
    set_lifetimes();
    align_constants();
    program_->segments = segments_;
    return std::move(program_);
  }

 private:
  static constexpr int kNever = 1 << 30;

  /// The first segment in which the expression can be evaluated; kNever where it cannot.
  int segment_of(const Dim& d) const {
    std::vector<int> symbols;
    d.collect_symbols(symbols);
    int segment = 0;
    for (int s : symbols) segment = std::max(segment, segment_of_symbol_[static_cast<size_t>(s)]);
    return segment;
  }
  int segment_of(const Shape& shape) const {
    if (!shape.has_rank()) return kNever;
    int segment = 0;
    for (const Dim& d : shape.dims()) segment = std::max(segment, segment_of(d));
    return segment;
  }
  bool planned(const ir::Fact& fact) const {
    return fact.kind == ir::Kind::kTensor && fact.dtype != DType::kString && segment_of(fact.shape) < kNever;
  }
  /// The segment from which the value's elements can be computed from symbols; kNever where they cannot.
  int known_from(ValueId v) const {
    const ir::Fact& fact = graph_.fact(v);
    if (fact.is_constant()) return 0;
    if (fact.kind != ir::Kind::kTensor || !fact.values) return kNever;
    int segment = segment_of(fact.shape);
    for (const Dim& d : *fact.values) segment = std::max(segment, segment_of(d));
    return segment;
  }

  /// Decides which nodes size their outputs while running, and when each symbol gets its value.
  void classify() {
    bind_inputs();
    dynamic_.assign(static_cast<size_t>(graph_.node_count()), false);
    binds_symbol_.assign(static_cast<size_t>(graph_.node_count()), false);
    segment_of_node_.assign(static_cast<size_t>(graph_.node_count()), 0);
    for (NodeId id : order_) {
      const Node& n = graph_.node(id);
      bool dynamic = n.op->traits.data_dependent || n.op->traits.returns_values;
      for (ValueId v : n.outputs) dynamic |= v != kNone && !planned(graph_.fact(v));
      for (ValueId v : n.operands()) dynamic |= v != kNone && unchecked(graph_.fact(v));
      for (const ir::Constraint& c : n.constraints) dynamic |= segment_of(c.a) == kNever || segment_of(c.b) == kNever;
      segment_of_node_[static_cast<size_t>(id)] = segments_ - 1;
      dynamic_[static_cast<size_t>(id)] = dynamic;
      if (!dynamic) continue;
      bool bound = false;
      for (ValueId v : n.outputs) {
        if (v != kNone && graph_.fact(v).kind == ir::Kind::kTensor) bound |= bind_outputs(graph_.fact(v).shape);
      }
      binds_symbol_[static_cast<size_t>(id)] = bound;
      if (bound) ++segments_;
    }
  }
  /// infer could not check an operand of unknown rank.
  static bool unchecked(const ir::Fact& fact) { return fact.kind == ir::Kind::kTensor && !fact.shape.has_rank(); }

  /// Inputs bind what unify() can solve, one symbol a dimension; what it cannot stays without a value, and shapes that
  /// need it are dynamic.
  void bind_inputs() {
    for (bool changed = true; changed;) {
      changed = false;
      for (ValueId v : graph_.inputs()) {
        if (!graph_.fact(v).shape.has_rank()) continue;
        for (const Dim& d : graph_.fact(v).shape.dims()) changed |= bind_input(d);
      }
    }
  }
  bool bind_input(const Dim& d) {
    std::vector<bool> bound;
    for (int segment : segment_of_symbol_) bound.push_back(segment < kNever);
    const auto symbol = solvable_symbol(d, bound);
    if (symbol) segment_of_symbol_[static_cast<size_t>(*symbol)] = 0;
    return symbol.has_value();
  }
  bool bind_outputs(const Shape& shape) {
    bool bound = false;
    if (!shape.has_rank()) return false;
    for (const Dim& d : shape.dims()) {
      auto s = d.symbol();
      if (!s || segment_of_symbol_[static_cast<size_t>(*s)] < kNever) continue;
      segment_of_symbol_[static_cast<size_t>(*s)] = segments_;
      program_->born.push_back(*s);
      bound = true;
    }
    return bound;
  }

  /// True where nothing has to run for the value at a node of that segment.
  bool free_at(ValueId v, int segment) const { return known_from(v) <= segment; }
  bool operand_needed(const Node& n, size_t i, NodeId id) const {
    const ValueId v = n.inputs[i];
    if (v == kNone) return false;
    const bool shape_only = i < 32 && i < n.operands().size() && (n.op->traits.shape_only >> i & 1);
    return dynamic_[static_cast<size_t>(id)] || !shape_only;
  }

  void mark_needed() {
    needed_value_.assign(static_cast<size_t>(graph_.value_count()), false);
    needed_node_.assign(static_cast<size_t>(graph_.node_count()), false);
    for (ValueId v : graph_.outputs()) {
      if (!free_at(v, segments_)) needed_value_[static_cast<size_t>(v)] = true;
    }
    for (auto it = order_.rbegin(); it != order_.rend(); ++it) {
      const Node& n = graph_.node(*it);
      // What binds a symbol runs even where nobody reads its elements: sizes and known values are computed from the
      // symbol.
      const bool wanted = binds_symbol_[static_cast<size_t>(*it)] || std::ranges::any_of(n.outputs, [&](ValueId v) {
                            return v != kNone && needed_value_[static_cast<size_t>(v)];
                          });
      if (!wanted) continue;
      needed_node_[static_cast<size_t>(*it)] = true;
      for (size_t i = 0; i < n.inputs.size(); ++i) {
        const ValueId v = n.inputs[i];
        if (operand_needed(n, i, *it) && !free_at(v, segment_of_node_[static_cast<size_t>(*it)]))
          needed_value_[static_cast<size_t>(v)] = true;
      }
    }
  }

  SlotId new_slot(ValueId v, Storage storage) {
    const ir::ValueInfo& info = graph_.value(v);
    SlotInfo slot_info{info.name, storage, info.fact, kNoSlot, 0, 0, 0};
    if (storage == Storage::kArena || storage == Storage::kAlias) slot_info.segment = segment_of(info.fact.shape);
    if (storage == Storage::kKnown) slot_info.segment = known_from(v);
    slot_of_[static_cast<size_t>(v)] = static_cast<SlotId>(program_->slots.size());
    program_->slots.push_back(std::move(slot_info));
    return slot_of_[static_cast<size_t>(v)];
  }

  /// The slot of a value that an instruction reads or that is an output.
  SlotId slot(ValueId v) {
    if (v == kNone) return kNoSlot;
    if (slot_of_[static_cast<size_t>(v)] != kNoSlot) return slot_of_[static_cast<size_t>(v)];
    if (graph_.fact(v).is_constant()) return new_slot(v, Storage::kConstant);
    if (known_from(v) < kNever) return new_slot(v, Storage::kKnown);
    fail(ErrorKind::kInternal, "value '", graph_.value(v).name, "' is used but never made");
  }

  SlotId root(SlotId id) const {
    const SlotInfo& s = program_->slots[static_cast<size_t>(id)];
    return s.storage == Storage::kAlias ? s.alias_of : id;
  }

  void emit(NodeId id) {
    const Node& n = graph_.node(id);
    const bool dynamic = dynamic_[static_cast<size_t>(id)];
    const int view_of = n.op->traits.view_of;
    if (!dynamic && view_of >= 0 && n.outputs.size() == 1) return emit_view(n);
    Instruction instruction{n.op,
                            n.attrs,
                            {},
                            {},
                            n.captures,
                            {},
                            n.constraints,
                            n.name,
                            n.rule,
                            dynamic,
                            segment_of_node_[static_cast<size_t>(id)]};
    for (size_t i = 0; i < n.inputs.size(); ++i) {
      instruction.inputs.push_back(operand_needed(n, i, id) ? slot(n.inputs[i]) : kNoSlot);
    }
    for (ValueId v : n.outputs) {
      const bool wanted = v != kNone && needed_value_[static_cast<size_t>(v)];
      const bool kept =
          dynamic ? wanted || (v != kNone && binds(v)) : v != kNone && (wanted || graph_.value(v).output == 0);
      instruction.outputs.push_back(kept ? new_slot(v, dynamic ? Storage::kDynamic : Storage::kArena) : kNoSlot);
    }
    for (Graph& body : graph_.bodies(id))
      instruction.bodies.push_back(Planner(std::move(body), &segment_of_symbol_).plan({}));
    program_->instructions.push_back(std::move(instruction));
  }
  /// A dynamic output that is not read may still be the one whose shape binds a symbol.
  bool binds(ValueId v) const { return graph_.fact(v).kind == ir::Kind::kTensor && graph_.fact(v).shape.has_rank(); }

  void emit_view(const Node& n) {
    const SlotId from = slot(n.inputs[static_cast<size_t>(n.op->traits.view_of)]);
    const SlotId to = new_slot(n.outputs[0], Storage::kAlias);
    program_->slots[static_cast<size_t>(to)].alias_of = root(from);
  }

  /// Gives outputs storage of their own: an arena value that is an output becomes output storage, together with its
  /// views; what cannot (inputs, constants, a second output of the same memory) is copied when the run ends.
  void settle_outputs() {
    for (SlotId id : program_->outputs) {
      SlotInfo& s = program_->slots[static_cast<size_t>(root(id))];
      if (s.storage != Storage::kArena) continue;
      s.storage = Storage::kOutput;
    }
  }

  std::vector<int> last_uses() const {
    std::vector<int> last(program_->slots.size(), -1);
    for (size_t i = 0; i < program_->instructions.size(); ++i) {
      for (SlotId s : program_->instructions[i].inputs) {
        if (s != kNoSlot) last[static_cast<size_t>(root(s))] = static_cast<int>(i);
      }
    }
    for (SlotId s : program_->outputs) last[static_cast<size_t>(root(s))] = kNever;
    return last;
  }

  /// Lets results take over the memory of operands that die with the instruction.
  void share_memory() {
    std::vector<int> last = last_uses();
    for (size_t i = 0; i < program_->instructions.size(); ++i) {
      const Instruction& instruction = program_->instructions[i];
      if (instruction.dynamic || instruction.outputs.empty() || instruction.outputs[0] == kNoSlot) continue;
      const SlotId out = instruction.outputs[0];
      SlotInfo& result = program_->slots[static_cast<size_t>(out)];
      const bool is_output = result.storage == Storage::kOutput;
      if (result.storage != Storage::kArena && !is_output) continue;
      for (size_t k = 0; k < instruction.inputs.size() && k < 32; ++k) {
        if (!(instruction.op->traits.in_place >> k & 1) || instruction.inputs[k] == kNoSlot) continue;
        const SlotId from = root(instruction.inputs[k]);
        const SlotInfo& operand = program_->slots[static_cast<size_t>(from)];
        const bool writable = operand.state || (operand.storage == Storage::kArena && !is_output);
        if (!writable || last[static_cast<size_t>(from)] != static_cast<int>(i)) continue;
        if (!same_bytes(operand, result) || (!operand.state && operand.segment != result.segment)) continue;
        if (std::ranges::count_if(instruction.inputs, [&](SlotId s) { return s != kNoSlot && root(s) == from; }) != 1)
          continue;
        take_over(out, from, last);
        break;
      }
    }
  }
  static bool same_bytes(const SlotInfo& a, const SlotInfo& b) {
    return dtype_bits(a.fact.dtype) == dtype_bits(b.fact.dtype) && a.fact.shape.count() == b.fact.shape.count();
  }
  void take_over(SlotId out, SlotId from, std::vector<int>& last) {
    for (SlotInfo& s : program_->slots) {
      if (s.storage == Storage::kAlias && s.alias_of == out) s.alias_of = from;
    }
    SlotInfo& result = program_->slots[static_cast<size_t>(out)];
    result.storage = Storage::kAlias;
    result.alias_of = from;
    last[static_cast<size_t>(from)] = last[static_cast<size_t>(out)];
  }

  /// First and last touch of each arena slot. A value that outlives its segment's end keeps its place to the end.
  void set_lifetimes() {
    for (SlotInfo& s : program_->slots) {
      s.first = kNever;
      s.last = -1;
    }
    const int end = static_cast<int>(program_->instructions.size());
    for (int i = 0; i < end; ++i) {
      const Instruction& instruction = program_->instructions[static_cast<size_t>(i)];
      auto touch = [&](SlotId id) {
        if (id == kNoSlot) return;
        SlotInfo& s = program_->slots[static_cast<size_t>(root(id))];
        s.first = std::min(s.first, i);
        s.last = std::max(s.last, i);
      };
      std::ranges::for_each(instruction.inputs, touch);
      std::ranges::for_each(instruction.outputs, touch);
    }
    for (SlotInfo& s : program_->slots) {
      if (s.first == kNever) s.first = 0;
      s.last = std::max(s.last, s.first);
    }
  }

  /// Weights in a file may lie at any address; whoever reads them through typed pointers gets an aligned copy.
  void align_constants() {
    std::vector<bool> typed(program_->slots.size(), false);
    for (const Instruction& instruction : program_->instructions) {
      for (size_t i = 0; i < instruction.inputs.size(); ++i) {
        const bool bytewise = i < 32 && (instruction.op->traits.misaligned >> i & 1);
        if (instruction.inputs[i] != kNoSlot && !bytewise)
          typed[static_cast<size_t>(root(instruction.inputs[i]))] = true;
      }
    }
    for (SlotId s : program_->outputs) typed[static_cast<size_t>(root(s))] = true;
    for (size_t i = 0; i < program_->slots.size(); ++i) {
      SlotInfo& s = program_->slots[i];
      if (s.storage != Storage::kConstant || !typed[i] || is_aligned(s.fact.constant.view())) continue;
      Tensor copy(s.fact.dtype, s.fact.constant.extents());
      ir::copy_elements(s.fact.constant.view(), copy.mutable_view());
      s.fact.constant = std::move(copy);
    }
  }

  Graph graph_;
  std::unique_ptr<Program> program_;
  std::vector<int> segment_of_symbol_;
  std::vector<NodeId> order_;
  std::vector<SlotId> slot_of_;
  std::vector<int> segment_of_node_;
  std::vector<bool> dynamic_;
  std::vector<bool> binds_symbol_;  ///< nodes whose outputs' sizes give symbols their values
  std::vector<bool> needed_value_;
  std::vector<bool> needed_node_;
  int segments_ = 1;
};

}  // namespace

std::unique_ptr<Program> make_program(Graph graph, const Options& options) {
  return Planner(std::move(graph), nullptr).plan(options);
}

}  // namespace sdx::plan
