// Execution: binding, laying out, and the run loop.
#include "engine/execution.h"

#include <algorithm>

#include "ir/evaluate.h"

namespace sdx::engine {
namespace {

/// Names the node. The model was found valid when it was loaded: what does not fit now, does not fit for these inputs.
[[noreturn]] void blame(const Error& error, const plan::Instruction& instruction) {
  Error again(error.kind() == ErrorKind::kInvalidModel ? ErrorKind::kInvalidInput : error.kind(), error.message());
  for (auto place = error.trail().rbegin(); place != error.trail().rend(); ++place) again.within(*place);
  throw again.within(cat("node '", instruction.name, "' (", instruction.op->name, ")"));
}

}  // namespace

using plan::Instruction;
using plan::kNoSlot;
using plan::Layout;
using plan::Program;
using plan::SlotId;
using plan::SlotInfo;
using plan::Storage;

std::shared_ptr<const Layout> LayoutCache::find(int segment, const Bindings& bindings) {
  std::lock_guard lock(mutex_);
  for (auto it = recent_.begin(); it != recent_.end(); ++it) {
    if (it->first.first != segment || it->first.second != bindings) continue;
    recent_.splice(recent_.begin(), recent_, it);
    return recent_.front().second;
  }
  recent_.emplace_front(Key{segment, bindings}, plan::make_layout(program_, segment, bindings));
  if (recent_.size() > kMost) recent_.pop_back();
  return recent_.front().second;
}

Bindings LayoutCache::greatest_allowed(int segment, Bindings bindings) const {
  for (int64_t more = kRange / 2; more > 0; more /= 2) {
    Bindings tried = bindings;
    for (int s : program_.growing) {
      const auto at = static_cast<size_t>(s);
      if (tried[at] != kUnbound) tried[at] = std::min(tried[at] + more, rounded_[at]);
    }
    try {
      plan::make_layout(program_, segment, tried);
      bindings = std::move(tried);
    } catch (const Error&) {
    }
  }
  return bindings;
}

/// Ends of ranges may be more than the model allows where what is asked for is not; that is found out once.
const Bindings& LayoutCache::end_of_range(int segment, const Bindings& bindings) {
  rounded_ = bindings;
  for (int s : program_.growing) {
    int64_t& value = rounded_[static_cast<size_t>(s)];
    if (value != kUnbound) value = value / kRange * kRange + kRange - 1;
  }
  for (const Cut& cut : cuts_) {
    if (cut.segment == segment && cut.end == rounded_) return cut.allowed;
  }
  try {
    find(segment, rounded_);
    return rounded_;
  } catch (const Error&) {
    find(segment, bindings);
    if (cuts_.size() == kMost) cuts_.clear();
    return cuts_.emplace_back(Cut{segment, rounded_, greatest_allowed(segment, bindings)}).allowed;
  }
}

std::shared_ptr<const Layout> LayoutCache::find_growing(int segment, const Bindings& bindings) {
  if (program_.growing.empty()) return find(segment, bindings);
  auto layout = find(segment, end_of_range(segment, bindings));
  return plan::fits(program_, *layout, bindings) ? layout : find(segment, bindings);
}

/// The services of a run for its operators.
class Execution::Host final : public ir::RunHost {
 public:
  explicit Host(Execution& execution) : execution_(execution) {}

  void start(const RunSettings& settings) {
    settings_ = &settings;
    random_.seed(settings.seed);
  }
  void enter(size_t instruction) {
    instruction_ = instruction;
    used_ = 0;
    extra_.clear();
  }

  std::byte* scratch(int64_t bytes) override {
    bytes = (bytes + 63) / 64 * 64;
    if (used_ + bytes <= capacity_) {
      used_ += bytes;
      return block_.get() + used_ - bytes;
    }
    // The block grows for the next use; what is handed out now must not move.
    wanted_ = std::max(wanted_, used_ + overflow_ + bytes);
    overflow_ += bytes;
    return extra_.emplace_back(allocate(DType::kU8, bytes)).get();
  }
  void leave() {
    if (overflow_ == 0) return;
    extra_.clear();
    overflow_ = 0;
    block_.reset();
    // What grows with the sequence is asked for again a little larger in each run.
    capacity_ = wanted_ + wanted_ / 2;
    block_ = allocate(DType::kU8, capacity_);
  }
  int64_t bytes() const { return capacity_; }

  std::vector<Value> run_body(int body, std::span<const Value> inputs) override {
    const Instruction& instruction = execution_.program_.instructions[instruction_];
    auto& cached = execution_.bodies_[instruction_][static_cast<size_t>(body)];
    if (!cached) cached = std::make_unique<Execution>(*instruction.bodies[static_cast<size_t>(body)]);
    std::vector<Value> all(inputs.begin(), inputs.end());
    for (size_t i = instruction.inputs.size() - static_cast<size_t>(instruction.captures);
         i < instruction.inputs.size(); ++i) {
      all.push_back(ir::lend(execution_.slot(instruction.inputs[i])));
    }
    return cached->run(all, {}, execution_.bindings_, *settings_);
  }
  const ir::Fact& body_input(int body, int index) override { return fact_of(body, &Program::inputs, index); }
  const ir::Fact& body_output(int body, int index) override { return fact_of(body, &Program::outputs, index); }
  std::mt19937_64& random() override { return random_; }
  void check_cancelled() override {
    if (settings_->cancel && settings_->cancel->load(std::memory_order_relaxed))
      fail(ErrorKind::kCancelled, "the run was cancelled");
    if (settings_->deadline && std::chrono::steady_clock::now() > *settings_->deadline) {
      fail(ErrorKind::kCancelled, "the run passed its deadline");
    }
  }

 private:
  const ir::Fact& fact_of(int body, std::vector<SlotId> Program::*list, int index) const {
    const Program& program = *execution_.program_.instructions[instruction_].bodies[static_cast<size_t>(body)];
    const SlotId id = (program.*list)[static_cast<size_t>(index)];
    return program.slots[static_cast<size_t>(id)].fact;
  }

  Execution& execution_;
  const RunSettings* settings_ = nullptr;
  size_t instruction_ = 0;
  std::shared_ptr<std::byte> block_;
  int64_t capacity_ = 0, used_ = 0, wanted_ = 0, overflow_ = 0;
  std::vector<std::shared_ptr<std::byte>> extra_;
  std::mt19937_64 random_;
};

Execution::Execution(const plan::Program& program)
    : program_(program),
      layouts_(program),
      slots_(program.slots.size()),
      aliases_(program.slots.size()),
      arenas_(static_cast<size_t>(program.segments)),
      arena_bytes_(arenas_.size(), 0),
      current_(arenas_.size()),
      host_(std::make_unique<Host>(*this)) {
  auto pointer = [&](SlotId id) { return id == kNoSlot ? nullptr : &slot(id); };
  for (size_t i = 0; i < program.slots.size(); ++i) {
    const SlotInfo& info = program.slots[i];
    if (info.storage == Storage::kConstant) ir::fill(slots_[i], info.fact.constant);
    if (info.storage == Storage::kAlias) aliases_[static_cast<size_t>(info.alias_of)].push_back(static_cast<SlotId>(i));
  }
  for (const Instruction& instruction : program.instructions) {
    auto& in = operands_.emplace_back();
    const size_t count = instruction.inputs.size() - static_cast<size_t>(instruction.captures);
    for (size_t i = 0; i < count; ++i) in.push_back(pointer(instruction.inputs[i]));
    auto& out = results_.emplace_back();
    for (SlotId id : instruction.outputs) out.push_back(pointer(id));
    bodies_.emplace_back(instruction.bodies.size());
  }
}

Execution::~Execution() = default;

int64_t Execution::bytes() const {
  int64_t total = host_->bytes();
  for (int64_t b : arena_bytes_) total += b;
  for (const auto& list : bodies_) {
    for (const auto& body : list) total += body ? body->bytes() : 0;
  }
  return total;
}

void Execution::bind_dims(const ir::Fact& fact, const Extents& extents, const std::string& name) {
  if (!fact.shape.has_rank()) return;
  bool fits = fact.shape.rank() == extents.rank();
  for (int d = 0; fits && d < extents.rank(); ++d) fits = unify(fact.shape[d], extents[d], bindings_);
  if (fits) return;
  std::string bound;
  if (fact.shape.rank() == extents.rank()) {
    if (auto wanted = fact.shape.evaluate(bindings_)) bound = cat(", here ", wanted->text());
  }
  fail(ErrorKind::kInvalidInput, "'", name, "' has shape ", extents.text(), " but must have ", fact.shape.text(),
       bound);
}

void Execution::bind_inputs(std::span<const Value> inputs) {
  if (inputs.size() != program_.inputs.size()) {
    fail(ErrorKind::kInvalidInput, inputs.size(), " inputs are given but ", program_.inputs.size(), " are needed");
  }
  for (size_t i = 0; i < inputs.size(); ++i) {
    const SlotId id = program_.inputs[i];
    const SlotInfo& info = program_.slots[static_cast<size_t>(id)];
    ir::fill(slot(id), inputs[i]);
    const ir::Fact& fact = info.fact;
    if (inputs[i].empty()) {
      if (fact.kind == ir::Kind::kOptional) continue;
      fail(ErrorKind::kInvalidInput, "input '", info.name, "' is missing; it is ", fact.text());
    }
    const bool sequence =
        fact.kind == ir::Kind::kSequence || (fact.kind == ir::Kind::kOptional && fact.optional_sequence);
    const DType given = inputs[i].is_tensor() ? inputs[i].tensor().dtype() : inputs[i].sequence().dtype;
    if (sequence != inputs[i].is_sequence() || given != fact.dtype) {
      fail(ErrorKind::kInvalidInput, "input '", info.name, "' is a ", inputs[i].is_sequence() ? "sequence" : "tensor",
           " of ", dtype_name(given), " but must be ", fact.text());
    }
    if (!sequence) {
      bind_dims(fact, inputs[i].tensor().extents(), info.name);
      point_aliases(id);
    }
  }
  // A dimension such as past + 1 may come before the input that gives `past`; once more, everything must hold.
  for (size_t i = 0; i < inputs.size(); ++i) {
    const SlotInfo& info = program_.slots[static_cast<size_t>(program_.inputs[i])];
    if (inputs[i].is_tensor()) bind_dims(info.fact, inputs[i].tensor().extents(), info.name);
  }
}

void Execution::point_aliases(SlotId root) {
  for (SlotId id : aliases_[static_cast<size_t>(root)]) {
    slot(id).view.data = slot(root).view.data;
    slot(id).owner = slot(root).owner;
    slot(id).present = slot(root).present;
  }
}

void Execution::place(const Layout::Place& at, std::byte* arena, std::span<const Tensor> outputs) {
  const SlotInfo& info = program_.slots[static_cast<size_t>(at.slot)];
  ir::Slot& s = slot(at.slot);
  const Extents extents = at.grows ? *info.fact.shape.evaluate(bindings_) : at.extents;
  s.view.dtype = info.fact.dtype;
  s.view.extents = extents;
  s.present = true;
  if (info.storage == Storage::kArena) {
    s.view.data = arena + at.offset;
  } else if (info.storage == Storage::kAlias) {
    s.view.data = slot(info.alias_of).view.data;
    s.owner = slot(info.alias_of).owner;
  } else {
    for (size_t i = 0; i < outputs.size(); ++i) {
      if (program_.outputs[i] != at.slot || !outputs[i].defined()) continue;
      if (outputs[i].dtype() != info.fact.dtype || !(outputs[i].extents() == extents)) {
        fail(ErrorKind::kInvalidInput, "output '", program_.output_names[i], "' is given memory for ",
             dtype_name(outputs[i].dtype()), outputs[i].extents().text(), " but is ", dtype_name(info.fact.dtype),
             extents.text());
      }
      ir::fill(s, outputs[i]);
      return;
    }
    ir::fill(s, Tensor(info.fact.dtype, extents));
  }
}

void Execution::place_known(const Layout& layout, size_t index, bool same) {
  const SlotInfo& info = program_.slots[static_cast<size_t>(layout.known_slots[index])];
  ir::Slot& s = slot(layout.known_slots[index]);
  if (!layout.known_grows[index]) return ir::fill(s, layout.known[index]);
  // The layout's tensor is shared; this one changes from run to run.
  if (!same) ir::fill(s, Tensor(info.fact.dtype, layout.known[index].extents()));
  plan::write_known(info, bindings_, s.view);
}

std::shared_ptr<std::byte> Execution::allocate_arena(const Layout& layout) const {
  try {
    return allocate(DType::kU8, layout.arena_bytes);
  } catch (Error& e) {
    // The largest value tells best what takes the memory.
    const SlotInfo* largest = nullptr;
    int64_t most = -1;
    for (const Layout::Place& p : layout.places) {
      const SlotInfo& info = program_.slots[static_cast<size_t>(p.slot)];
      const int64_t bytes = dtype_bytes(info.fact.dtype, p.extents.count());
      if (info.storage != Storage::kArena || bytes <= most) continue;
      most = bytes;
      largest = &info;
    }
    if (largest) e.within(cat("value '", largest->name, "' of ", most, " bytes"));
    throw;
  }
}

void Execution::start_segment(int segment, std::span<const Tensor> outputs) {
  const auto at = static_cast<size_t>(segment);
  auto layout = layouts_.find_growing(segment, bindings_);
  if (layout->arena_bytes > arena_bytes_[at]) {
    arenas_[at].reset();
    arenas_[at] = allocate_arena(*layout);
    arena_bytes_[at] = layout->arena_bytes;
    current_[at].reset();
  }
  const bool same = current_[at] == layout;
  for (size_t i = 0; i < layout->known.size(); ++i) {
    if (!same || layout->known_grows[i]) place_known(*layout, i, same);
  }
  for (const Layout::Place& p : layout->places) {
    if (same && !p.grows && program_.slots[static_cast<size_t>(p.slot)].storage == Storage::kArena) continue;
    if (program_.slots[static_cast<size_t>(p.slot)].storage != Storage::kAlias) place(p, arenas_[at].get(), outputs);
  }
  for (const Layout::Place& p : layout->places) {
    if (program_.slots[static_cast<size_t>(p.slot)].storage == Storage::kAlias) place(p, arenas_[at].get(), outputs);
  }
  current_[at] = std::move(layout);
}

void Execution::step_dynamic(size_t index, ir::RunContext& context, std::span<ir::Slot* const> in,
                             std::span<ir::Slot* const> out, const RunSettings& settings) {
  const Instruction& instruction = program_.instructions[index];
  for (ir::Slot* s : out) {
    if (s) *s = {};
  }
  if (instruction.op->traits.returns_values)
    instruction.op->run(context);
  else
    ir::run_concrete({*instruction.op, instruction.attrs, {}}, in, out, *host_, settings.parallel);
  for (size_t i = 0; i < out.size(); ++i) {
    if (!out[i]) continue;
    const SlotId id = instruction.outputs[i];
    const SlotInfo& info = program_.slots[static_cast<size_t>(id)];
    if (out[i]->present && !out[i]->sequence && info.fact.kind != ir::Kind::kSequence) {
      if (out[i]->view.dtype != info.fact.dtype) {
        fail(ErrorKind::kInvalidModel, "output ", i, " is of ", dtype_name(out[i]->view.dtype),
             " where the graph says ", dtype_name(info.fact.dtype));
      }
      bind_dims(info.fact, out[i]->view.extents, info.name);
    }
    point_aliases(id);
  }
}

void Execution::step(size_t index, const RunSettings& settings) {
  const Instruction& instruction = program_.instructions[index];
  ir::RunContext context(*host_, instruction.attrs, settings.parallel, operands_[index], results_[index]);
  host_->enter(index);
  if (settings.cancel || settings.deadline) host_->check_cancelled();
  std::chrono::steady_clock::time_point begin;
  if (settings.profile) begin = std::chrono::steady_clock::now();
  if (instruction.dynamic)
    step_dynamic(index, context, operands_[index], results_[index], settings);
  else
    instruction.op->run(context);
  host_->leave();
  if (!settings.profile) return;
  Sample sample{&instruction, begin, std::chrono::steady_clock::now(), {}, {}};
  for (ir::Slot* s : operands_[index]) {
    if (s) sample.inputs.emplace_back(s->view.dtype, s->view.extents);
  }
  for (ir::Slot* s : results_[index]) {
    if (s) sample.outputs.emplace_back(s->view.dtype, s->view.extents);
  }
  settings.profile->push_back(std::move(sample));
}

bool Execution::fill_lent(size_t index, const Tensor& lent) {
  const ir::Slot& from = slot(program_.outputs[index]);
  if (!lent.defined() || !from.present || from.sequence) return false;
  if (from.view.data == lent.view().data) return true;
  if (from.view.dtype != lent.dtype() || !(from.view.extents == lent.extents())) {
    fail(ErrorKind::kInvalidInput, "output '", program_.output_names[index], "' is given memory for ",
         dtype_name(lent.dtype()), lent.extents().text(), " but is ", dtype_name(from.view.dtype),
         from.view.extents.text());
  }
  Tensor target = lent;
  ir::copy_elements(from.view, target.mutable_view());
  return true;
}

std::vector<Value> Execution::take_outputs(std::span<const Tensor> lent) {
  std::vector<Value> out;
  for (size_t i = 0; i < program_.outputs.size(); ++i) {
    if (i < lent.size() && fill_lent(i, lent[i]))
      out.emplace_back(lent[i]);
    else
      out.push_back(ir::to_value(slot(program_.outputs[i])));
  }
  return out;
}

void Execution::release() {
  for (size_t i = 0; i < slots_.size(); ++i) {
    const Storage storage = program_.slots[i].storage;
    if (storage == Storage::kConstant || storage == Storage::kKnown || storage == Storage::kArena) continue;
    slots_[i].owner.reset();
    slots_[i].sequence.reset();
  }
}

std::vector<Value> Execution::run(std::span<const Value> inputs, std::span<const Tensor> outputs, const Bindings& outer,
                                  const RunSettings& settings) {
  execute(inputs, outputs, outer, settings);
  auto results = take_outputs(outputs);
  release();
  return results;
}

void Execution::run_into(std::span<const Value> inputs, std::span<const Tensor> outputs, const RunSettings& settings) {
  static const Bindings kNothing;
  execute(inputs, outputs, kNothing, settings);
  for (size_t i = 0; i < outputs.size(); ++i) fill_lent(i, outputs[i]);
  release();
}

void Execution::execute(std::span<const Value> inputs, std::span<const Tensor> outputs, const Bindings& outer,
                        const RunSettings& settings) {
  host_->start(settings);
  bindings_ = outer;
  bindings_.resize(static_cast<size_t>(program_.symbols->count()), kUnbound);
  for (int s : program_.born) bindings_[static_cast<size_t>(s)] = kUnbound;
  bind_inputs(inputs);
  int segment = 0;
  start_segment(0, outputs);
  for (size_t i = 0; i < program_.instructions.size(); ++i) {
    const Instruction& instruction = program_.instructions[i];
    while (segment < instruction.segment) start_segment(++segment, outputs);
    try {
      step(i, settings);
    } catch (Error& e) {
      blame(e, instruction);
    }
  }
  while (segment + 1 < program_.segments) start_segment(++segment, outputs);
}

}  // namespace sdx::engine
