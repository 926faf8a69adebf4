// Execution: the mutable state of one run of a Program, reused from run to run.
#pragma once

#include <atomic>
#include <chrono>
#include <functional>
#include <list>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <vector>

#include "ir/run_context.h"
#include "plan/layout.h"
#include "plan/program.h"

namespace sdx::engine {

/// Layouts of one program by the values of its symbols; safe to use from several runs at once.
class LayoutCache {
 public:
  explicit LayoutCache(const plan::Program& program) : program_(program) {}
  std::shared_ptr<const plan::Layout> find(int segment, const Bindings& bindings);
  /// One that is good for a range of the symbols that grow, where there is one; else as find(). For one run at a time.
  std::shared_ptr<const plan::Layout> find_growing(int segment, const Bindings& bindings);

 private:
  using Key = std::pair<int, Bindings>;
  /// A range whose end the model does not allow, and the greatest values that it does.
  struct Cut {
    int segment;
    Bindings end, allowed;
  };
  const Bindings& end_of_range(int segment, const Bindings& bindings);
  Bindings greatest_allowed(int segment, Bindings bindings) const;

  static constexpr size_t kMost = 32;
  static constexpr int64_t kRange = 64;  ///< values of a growing symbol that share a layout

  const plan::Program& program_;
  std::mutex mutex_;
  std::list<std::pair<Key, std::shared_ptr<const plan::Layout>>> recent_;  ///< most recently used first
  Bindings rounded_;
  std::vector<Cut> cuts_;
};

/// What the instructions of a run took, for the profiler.
struct Sample {
  const plan::Instruction* instruction;
  std::chrono::steady_clock::time_point begin, end;
  std::vector<std::pair<DType, Extents>> inputs, outputs;
};

/// Settings of one run.
struct RunSettings {
  Parallel parallel;
  const std::atomic<bool>* cancel = nullptr;
  std::optional<std::chrono::steady_clock::time_point> deadline;
  std::vector<Sample>* profile = nullptr;
  uint64_t seed = 0;
};

class Execution {
 public:
  /// `program` outlives the execution.
  explicit Execution(const plan::Program& program);
  ~Execution();

  /// Runs the program. `inputs` in the program's order, captures included; `outputs` may lend memory for some outputs
  /// (undefined tensors elsewhere). `outer`: the bindings that a body starts from. Throws InvalidInput where inputs do
  /// not fit the program, Resource, or Cancelled.
  std::vector<Value> run(std::span<const Value> inputs, std::span<const Tensor> outputs, const Bindings& outer,
                         const RunSettings& settings);

  /// The same where the caller needs no outputs but those that it lends memory for; allocates nothing where an earlier
  /// run had the same sizes, symbols that grow aside.
  void run_into(std::span<const Value> inputs, std::span<const Tensor> outputs, const RunSettings& settings);

  /// Bytes that this execution holds between runs.
  int64_t bytes() const;

 private:
  class Host;
  struct Frame;

  void execute(std::span<const Value> inputs, std::span<const Tensor> outputs, const Bindings& outer,
               const RunSettings& settings);
  void release();
  void bind_inputs(std::span<const Value> inputs);
  void bind_dims(const ir::Fact& fact, const Extents& extents, const std::string& name);
  std::shared_ptr<std::byte> allocate_arena(const plan::Layout& layout) const;
  void start_segment(int segment, std::span<const Tensor> outputs);
  void place_known(const plan::Layout& layout, size_t index, bool same);
  void place(const plan::Layout::Place& place, std::byte* arena, std::span<const Tensor> outputs);
  void point_aliases(plan::SlotId root);
  void step(size_t index, const RunSettings& settings);
  void step_dynamic(size_t index, ir::RunContext& context, std::span<ir::Slot* const> in,
                    std::span<ir::Slot* const> out, const RunSettings& settings);
  /// Sees to it that an output is in the memory lent for it; false where there is none.
  bool fill_lent(size_t index, const Tensor& lent);
  std::vector<Value> take_outputs(std::span<const Tensor> lent);
  ir::Slot& slot(plan::SlotId id) { return slots_[static_cast<size_t>(id)]; }

  const plan::Program& program_;
  LayoutCache layouts_;
  std::vector<ir::Slot> slots_;
  std::vector<std::vector<ir::Slot*>> operands_;  ///< of each instruction, captures excluded
  std::vector<std::vector<ir::Slot*>> results_;
  std::vector<std::vector<plan::SlotId>> aliases_;  ///< of each slot
  std::vector<std::vector<std::unique_ptr<Execution>>> bodies_;
  std::vector<std::shared_ptr<std::byte>> arenas_;
  std::vector<int64_t> arena_bytes_;
  std::vector<std::shared_ptr<const plan::Layout>> current_;  ///< layout that the slots reflect, by segment
  Bindings bindings_;
  std::unique_ptr<Host> host_;
};

}  // namespace sdx::engine
