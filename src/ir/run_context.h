// RunContext: what an operator's run sees: its inputs, its outputs, and the services of whoever executes it.
#pragma once

#include <memory>
#include <random>
#include <span>
#include <vector>

#include "base/parallel.h"
#include "ir/attrs.h"
#include "ir/fact.h"
#include "tensor/tensor.h"

namespace sdx::ir {

/// Storage of one value at run time. A tensor's memory belongs to the arena (no owner) or to `owner`.
struct Slot {
  View view;
  std::shared_ptr<const void> owner;
  std::shared_ptr<const Sequence> sequence;
  bool present = false;  ///< false: an optional without a value, or a value not yet made
};

/// Services of the executor. The engine and the constant folder each have one.
class RunHost {
 public:
  virtual ~RunHost() = default;
  /// Scratch memory, 64-byte aligned, valid until the operator returns. Calls within one run() give disjoint memory.
  virtual std::byte* scratch(int64_t bytes) = 0;
  /// Runs a body of the node with the given formal inputs; captured values are added by the host.
  virtual std::vector<Value> run_body(int body, std::span<const Value> inputs) = 0;
  /// What the body states of a formal input, or of an output.
  virtual const Fact& body_input(int body, int index) = 0;
  virtual const Fact& body_output(int body, int index) = 0;
  /// The run's random generator, for the operators that sample.
  virtual std::mt19937_64& random() = 0;
  /// Throws Cancelled where the caller asked to stop or the deadline has passed. For loops over many iterations.
  virtual void check_cancelled() = 0;
};

class RunContext {
 public:
  RunContext(RunHost& host, const Attrs& attrs, Parallel parallel, std::span<Slot* const> inputs,
             std::span<Slot* const> outputs)
      : host_(host), attrs_(attrs), parallel_(parallel), inputs_(inputs), outputs_(outputs) {}

  /// The same run over other storage.
  RunContext with_slots(std::span<Slot* const> inputs, std::span<Slot* const> outputs) const {
    return RunContext(host_, attrs_, parallel_, inputs, outputs);
  }

  template <class S>
  const S& attrs() const {
    return attrs_.as<S>();
  }
  const Parallel& parallel() const { return parallel_; }
  RunHost& host() const { return host_; }

  int input_count() const { return static_cast<int>(inputs_.size()); }
  /// True where the input exists and, for an optional, holds a value.
  bool has_input(int i) const { return i < input_count() && inputs_[at(i)] && inputs_[at(i)]->present; }
  ConstView input(int i) const { return inputs_[at(i)]->view; }
  /// The input as a value that may be kept beyond the run: arena memory is copied, owned memory shared.
  Value input_value(int i) const;
  /// Only where the input is a sequence.
  const Sequence& input_sequence(int i) const { return *inputs_[at(i)]->sequence; }

  int output_count() const { return static_cast<int>(outputs_.size()); }
  bool wants(int i) const { return i < output_count() && outputs_[at(i)]; }
  /// The output, allocated with the extents that infer gave. Not for outputs that the operator sizes itself.
  const View& output(int i) const { return outputs_[at(i)]->view; }
  /// Allocates an output whose extents only the data tells (trait data_dependent).
  View allocate_output(int i, DType dtype, const Extents& extents) const;
  /// Makes the output this value: for sequences, optionals and results of bodies.
  void set_output(int i, Value value) const;

  template <class T>
  T* scratch(int64_t count) const {
    return reinterpret_cast<T*>(host_.scratch(count * static_cast<int64_t>(sizeof(T))));
  }

 private:
  static size_t at(int i) { return static_cast<size_t>(i); }

  RunHost& host_;
  const Attrs& attrs_;
  Parallel parallel_;
  std::span<Slot* const> inputs_;
  std::span<Slot* const> outputs_;
};

/// Copies elements of any type, strings included. Same dtype and count.
void copy_elements(const ConstView& from, const View& to);

/// The value a slot holds; arena memory is copied.
Value to_value(const Slot& slot);
/// The value a slot holds without a copy: valid while the slot's memory is.
Value lend(const Slot& slot);
/// Puts a value into a slot.
void fill(Slot& slot, Value value);

}  // namespace sdx::ir
